// SPDX-License-Identifier: GPL-2.0

//! Properties of a queue for transports and drivers: size, addresses, mapping.

use crate::as_declared;
use core::ptr::null_mut;
use kernel::{
    ffi::c_uint,
    prelude::*, //
};
use vring::{
    bindings::{
        device,
        dma_addr_t,
        virtio_device,
        virtqueue,
        vring as c_vring, //
    },
    device::Virtio,
    Mapper,
    Queue, //
};

as_declared!(
    virtqueue_get_vring_size,
    virtqueue_get_vring,
    virtqueue_get_desc_addr,
    virtqueue_get_avail_addr,
    virtqueue_get_used_addr,
    virtqueue_dma_dev,
    virtio_max_dma_size,
);

/// Returns the number of descriptors. Needs no serialisation.
#[no_mangle]
pub(crate) unsafe extern "C" fn virtqueue_get_vring_size(vq: *const virtqueue) -> c_uint {
    // SAFETY: By the contract of `virtqueue_get_vring_size`, `vq` is a queue.
    unsafe { (*Queue::from_raw(vq).vring()).num }
}

/// Returns the areas of a split ring.
#[no_mangle]
pub(crate) unsafe extern "C" fn virtqueue_get_vring(vq: *const virtqueue) -> *const c_vring {
    // SAFETY: By the contract of `virtqueue_get_vring`, `vq` is a queue.
    unsafe { Queue::from_raw(vq) }.vring()
}

/// Returns the address at which the device finds part `which` of the ring, or 0 if the queue did
/// not allocate the ring.
///
/// # Safety
///
/// `vq` is a queue.
unsafe fn address(vq: *const virtqueue, which: usize) -> dma_addr_t {
    // SAFETY: By the safety requirements, `vq` is a queue.
    let queue = unsafe { Queue::from_raw(vq) };
    let addresses = queue.addresses();
    if addresses.is_none() {
        dev_err!(
            queue.vdev().dev(),
            "no address of the ring: its memory belongs to the creator of the queue\n"
        );
    }
    addresses.and_then(|a| a.get(which).copied()).unwrap_or(0)
}

/// Returns the address at which the device finds the descriptors.
#[no_mangle]
pub(crate) unsafe extern "C" fn virtqueue_get_desc_addr(vq: *const virtqueue) -> dma_addr_t {
    // SAFETY: By the contract of `virtqueue_get_desc_addr`, `vq` is a queue.
    unsafe { address(vq, 0) }
}

/// Returns the address at which the device finds the available ring, or the driver event
/// suppression.
#[no_mangle]
pub(crate) unsafe extern "C" fn virtqueue_get_avail_addr(vq: *const virtqueue) -> dma_addr_t {
    // SAFETY: By the contract of `virtqueue_get_avail_addr`, `vq` is a queue.
    unsafe { address(vq, 1) }
}

/// Returns the address at which the device finds the used ring, or the device event suppression.
#[no_mangle]
pub(crate) unsafe extern "C" fn virtqueue_get_used_addr(vq: *const virtqueue) -> dma_addr_t {
    // SAFETY: By the contract of `virtqueue_get_used_addr`, `vq` is a queue.
    unsafe { address(vq, 2) }
}

/// Returns the device that does the DMA, if drivers map for it with the DMA API, or null.
#[no_mangle]
pub(crate) unsafe extern "C" fn virtqueue_dma_dev(vq: *mut virtqueue) -> *mut device {
    // SAFETY: By the contract of `virtqueue_dma_dev`, `vq` is a queue.
    let queue = unsafe { Queue::from_raw(vq) };
    match queue.mapper() {
        Some(mapper) if queue.vdev().map_ops().is_none() => mapper.dma_dev(),
        _ => null_mut(),
    }
}

/// Returns the size of the largest segment that can be mapped.
#[no_mangle]
pub(crate) unsafe extern "C" fn virtio_max_dma_size(vdev: *const virtio_device) -> usize {
    // SAFETY: By the contract of `virtio_max_dma_size`, `vdev` is a device.
    let vdev = unsafe { Virtio::new(vdev.cast_mut()) };
    if !vdev.uses_map_api() {
        return usize::MAX;
    }
    Mapper::of_device(vdev).max_size()
}
