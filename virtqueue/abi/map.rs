// SPDX-License-Identifier: GPL-2.0

//! Mapping memory for the device of a queue, for drivers that map their own buffers.
//!
//! For a device that uses physical addresses, mapping is the identity.

use crate::as_declared;
use core::ptr::{
    null_mut,
    NonNull, //
};
use kernel::ffi::{
    c_int,
    c_ulong,
    c_void, //
};
use vring::{
    bindings::{
        self,
        dma_addr_t,
        dma_data_direction,
        gfp_t,
        page,
        virtio_device,
        virtio_map,
        virtqueue, //
    },
    device::Virtio,
    direct::any_virt_to_phys,
    dma::MAPPING_ERROR,
    Mapper,
    Queue, //
};

as_declared!(
    virtqueue_map_alloc_coherent,
    virtqueue_map_free_coherent,
    virtqueue_map_page_attrs,
    virtqueue_unmap_page_attrs,
    virtqueue_map_single_attrs,
    virtqueue_unmap_single_attrs,
    virtqueue_map_mapping_error,
    virtqueue_map_need_sync,
    virtqueue_map_sync_single_range_for_cpu,
    virtqueue_map_sync_single_range_for_device,
);

/// Allocates memory that both the processor and the device see.
#[no_mangle]
pub(crate) unsafe extern "C" fn virtqueue_map_alloc_coherent(
    vdev: *mut virtio_device,
    map: virtio_map,
    size: usize,
    map_handle: *mut dma_addr_t,
    gfp: gfp_t,
) -> *mut c_void {
    // SAFETY: By the contract of `virtqueue_map_alloc_coherent`, `vdev` is a device.
    let mapper = Mapper::new(unsafe { Virtio::new(vdev) }, map);
    match mapper.alloc_coherent(size, gfp) {
        Some((ptr, addr)) => {
            // SAFETY: By the contract of `virtqueue_map_alloc_coherent`, `map_handle` is writable.
            unsafe { *map_handle = addr };
            ptr.as_ptr().cast()
        }
        None => null_mut(),
    }
}

/// Frees memory that [`virtqueue_map_alloc_coherent`] returned.
#[no_mangle]
pub(crate) unsafe extern "C" fn virtqueue_map_free_coherent(
    vdev: *mut virtio_device,
    map: virtio_map,
    size: usize,
    vaddr: *mut c_void,
    map_handle: dma_addr_t,
) {
    // SAFETY: By the contract of `virtqueue_map_free_coherent`, `vdev` is a device.
    let mapper = Mapper::new(unsafe { Virtio::new(vdev) }, map);
    if let Some(ptr) = NonNull::new(vaddr.cast()) {
        // SAFETY: By the contract of `virtqueue_map_free_coherent`, `virtqueue_map_alloc_coherent`
        // returned the memory for that size, and it is not used after this.
        unsafe { mapper.free_coherent(size, ptr, map_handle) };
    }
}

/// Maps a piece of a page by the mapper, whether or not the ring uses it.
#[no_mangle]
pub(crate) unsafe extern "C" fn virtqueue_map_page_attrs(
    vq: *const virtqueue,
    page: *mut page,
    offset: c_ulong,
    size: usize,
    dir: dma_data_direction,
    attrs: c_ulong,
) -> dma_addr_t {
    // SAFETY: As for `dma_map_page_attrs`: `vq` is a queue, and `size` bytes at `offset` of `page`
    // exist until they are unmapped.
    unsafe {
        Queue::from_raw(vq)
            .any_mapper()
            .map_page(page, offset, size, dir, attrs)
    }
}

/// Unmaps memory of [`virtqueue_map_page_attrs`].
#[no_mangle]
pub(crate) unsafe extern "C" fn virtqueue_unmap_page_attrs(
    vq: *const virtqueue,
    map_handle: dma_addr_t,
    size: usize,
    dir: dma_data_direction,
    attrs: c_ulong,
) {
    // SAFETY: As for `dma_unmap_page_attrs`: `vq` is a queue, whose mapper made the mapping, with
    // that size and direction.
    unsafe {
        Queue::from_raw(vq)
            .any_mapper()
            .unmap_page(map_handle, size, dir, attrs)
    };
}

/// Maps kernel memory that is directly mapped, or in the kernel's image. Other memory is refused,
/// with a warning.
#[no_mangle]
pub(crate) unsafe extern "C" fn virtqueue_map_single_attrs(
    vq: *const virtqueue,
    ptr: *mut c_void,
    size: usize,
    dir: dma_data_direction,
    attrs: c_ulong,
) -> dma_addr_t {
    // SAFETY: By the contract of `virtqueue_map_single_attrs`, `vq` is a queue.
    let queue = unsafe { Queue::from_raw(vq) };
    let Some(mapper) = queue.mapper() else {
        // SAFETY: By the contract of `virtqueue_map_single_attrs`, the memory is directly mapped,
        // or in the kernel's image.
        return unsafe {
            let phys = any_virt_to_phys(ptr);
            bindings::rust_virtio_handle_dma(phys, size, dir);
            phys as dma_addr_t
        };
    };
    // SAFETY: The device is valid as long as its queue.
    if !unsafe { bindings::rust_virtio_may_map(&raw mut (*queue.vdev().as_raw()).dev, ptr) } {
        return MAPPING_ERROR;
    }
    // SAFETY: As for `dma_map_single_attrs`: the memory has `size` bytes and exists until it is
    // unmapped. The check above allows to map it.
    unsafe { mapper.map_virt(ptr, size, dir, attrs) }
}

/// Unmaps memory of [`virtqueue_map_single_attrs`].
#[no_mangle]
pub(crate) unsafe extern "C" fn virtqueue_unmap_single_attrs(
    vq: *const virtqueue,
    addr: dma_addr_t,
    size: usize,
    dir: dma_data_direction,
    attrs: c_ulong,
) {
    // SAFETY: By the contract of `virtqueue_unmap_single_attrs`, `vq` is a queue.
    if let Some(mapper) = unsafe { Queue::from_raw(vq) }.mapper() {
        // SAFETY: By the contract of `virtqueue_unmap_single_attrs`, `virtqueue_map_single_attrs`
        // made the mapping, with that size and direction.
        unsafe { mapper.unmap_page(addr, size, dir, attrs) };
    }
}

/// Returns 0, or an error if the mapping failed.
#[no_mangle]
pub(crate) unsafe extern "C" fn virtqueue_map_mapping_error(
    vq: *const virtqueue,
    addr: dma_addr_t,
) -> c_int {
    // SAFETY: By the contract of `virtqueue_map_mapping_error`, `vq` is a queue.
    match unsafe { Queue::from_raw(vq) }.mapper() {
        Some(mapper) if mapper.is_error(addr) => -(bindings::ENOMEM as c_int),
        _ => 0,
    }
}

/// Returns whether a mapping has to be synchronised.
#[no_mangle]
pub(crate) unsafe extern "C" fn virtqueue_map_need_sync(
    vq: *const virtqueue,
    addr: dma_addr_t,
) -> bool {
    // SAFETY: By the contract of `virtqueue_map_need_sync`, `vq` is a queue.
    let queue = unsafe { Queue::from_raw(vq) };
    queue.mapper().is_some_and(|mapper| mapper.needs_sync(addr))
}

/// Makes the writes of the device visible to the processor.
#[no_mangle]
pub(crate) unsafe extern "C" fn virtqueue_map_sync_single_range_for_cpu(
    vq: *const virtqueue,
    addr: dma_addr_t,
    offset: c_ulong,
    size: usize,
    dir: dma_data_direction,
) {
    // SAFETY: By the contract of `virtqueue_map_sync_single_range_for_cpu`, `vq` is a queue.
    if let Some(mapper) = unsafe { Queue::from_raw(vq) }.mapper() {
        // SAFETY: By the contract of `virtqueue_map_sync_single_range_for_cpu`, the range is in a
        // mapping of this queue.
        unsafe { mapper.sync_for_cpu(addr.wrapping_add(offset as dma_addr_t), size, dir) };
    }
}

/// Makes the writes of the processor visible to the device.
#[no_mangle]
pub(crate) unsafe extern "C" fn virtqueue_map_sync_single_range_for_device(
    vq: *const virtqueue,
    addr: dma_addr_t,
    offset: c_ulong,
    size: usize,
    dir: dma_data_direction,
) {
    // SAFETY: By the contract of `virtqueue_map_sync_single_range_for_device`, `vq` is a queue.
    if let Some(mapper) = unsafe { Queue::from_raw(vq) }.mapper() {
        // SAFETY: By the contract of `virtqueue_map_sync_single_range_for_device`, the range is in
        // a mapping of this queue.
        unsafe { mapper.sync_for_device(addr.wrapping_add(offset as dma_addr_t), size, dir) };
    }
}
