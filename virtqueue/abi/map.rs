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

/// Allocates memory that both sides see.
#[no_mangle]
pub(crate) unsafe extern "C" fn virtqueue_map_alloc_coherent(
    vdev: *mut virtio_device,
    map: virtio_map,
    size: usize,
    map_handle: *mut dma_addr_t,
    gfp: gfp_t,
) -> *mut c_void {
    // SAFETY: C says that it is a device.
    let mapper = Mapper::new(unsafe { Virtio::new(vdev) }, map);
    match mapper.alloc_coherent(size, gfp) {
        Some((ptr, addr)) => {
            // SAFETY: C says that it is a place of the caller.
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
    // SAFETY: C says that it is a device.
    let mapper = Mapper::new(unsafe { Virtio::new(vdev) }, map);
    if let Some(ptr) = NonNull::new(vaddr.cast()) {
        // SAFETY: C says that it was allocated so, and is not used.
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
    // stay until they are unmapped.
    unsafe {
        Queue::from_raw(vq)
            .any_mapper()
            .map_page(page, offset, size, dir, attrs)
    }
}

/// Takes a mapping back.
#[no_mangle]
pub(crate) unsafe extern "C" fn virtqueue_unmap_page_attrs(
    vq: *const virtqueue,
    map_handle: dma_addr_t,
    size: usize,
    dir: dma_data_direction,
    attrs: c_ulong,
) {
    // SAFETY: As for `dma_unmap_page_attrs`: `vq` is a queue, by whose mapper the memory was mapped
    // so.
    unsafe {
        Queue::from_raw(vq)
            .any_mapper()
            .unmap_page(map_handle, size, dir, attrs)
    };
}

/// Maps kernel memory that is directly mapped, or of the kernel's image. Other memory is refused,
/// with a warning.
#[no_mangle]
pub(crate) unsafe extern "C" fn virtqueue_map_single_attrs(
    vq: *const virtqueue,
    ptr: *mut c_void,
    size: usize,
    dir: dma_data_direction,
    attrs: c_ulong,
) -> dma_addr_t {
    // SAFETY: C says that it is a queue.
    let queue = unsafe { Queue::from_raw(vq) };
    let Some(mapper) = queue.mapper() else {
        // SAFETY: C says that the memory is directly mapped, or of the kernel's image.
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
    // SAFETY: As for `dma_map_single_attrs`: the memory has `size` bytes and stays until it is
    // unmapped; that the device may have it was just asked.
    unsafe { mapper.map_virt(ptr, size, dir, attrs) }
}

/// Takes a mapping back.
#[no_mangle]
pub(crate) unsafe extern "C" fn virtqueue_unmap_single_attrs(
    vq: *const virtqueue,
    addr: dma_addr_t,
    size: usize,
    dir: dma_data_direction,
    attrs: c_ulong,
) {
    // SAFETY: C says that it is a queue.
    if let Some(mapper) = unsafe { Queue::from_raw(vq) }.mapper() {
        // SAFETY: C says that it was mapped so.
        unsafe { mapper.unmap_page(addr, size, dir, attrs) };
    }
}

/// Whether mapping failed: 0 if not.
#[no_mangle]
pub(crate) unsafe extern "C" fn virtqueue_map_mapping_error(
    vq: *const virtqueue,
    addr: dma_addr_t,
) -> c_int {
    // SAFETY: C says that it is a queue.
    match unsafe { Queue::from_raw(vq) }.mapper() {
        Some(mapper) if mapper.is_error(addr) => -(bindings::ENOMEM as c_int),
        _ => 0,
    }
}

/// Whether a mapping has to be synchronised.
#[no_mangle]
pub(crate) unsafe extern "C" fn virtqueue_map_need_sync(
    vq: *const virtqueue,
    addr: dma_addr_t,
) -> bool {
    // SAFETY: C says that it is a queue.
    let queue = unsafe { Queue::from_raw(vq) };
    queue.mapper().is_some_and(|mapper| mapper.needs_sync(addr))
}

/// Lets the processor see what the device wrote.
#[no_mangle]
pub(crate) unsafe extern "C" fn virtqueue_map_sync_single_range_for_cpu(
    vq: *const virtqueue,
    addr: dma_addr_t,
    offset: c_ulong,
    size: usize,
    dir: dma_data_direction,
) {
    // SAFETY: C says that it is a queue.
    if let Some(mapper) = unsafe { Queue::from_raw(vq) }.mapper() {
        // SAFETY: C says that the range is in a mapping.
        unsafe { mapper.sync_for_cpu(addr.wrapping_add(offset as dma_addr_t), size, dir) };
    }
}

/// Lets the device see what the processor wrote.
#[no_mangle]
pub(crate) unsafe extern "C" fn virtqueue_map_sync_single_range_for_device(
    vq: *const virtqueue,
    addr: dma_addr_t,
    offset: c_ulong,
    size: usize,
    dir: dma_data_direction,
) {
    // SAFETY: C says that it is a queue.
    if let Some(mapper) = unsafe { Queue::from_raw(vq) }.mapper() {
        // SAFETY: C says that the range is in a mapping.
        unsafe { mapper.sync_for_device(addr.wrapping_add(offset as dma_addr_t), size, dir) };
    }
}
