// SPDX-License-Identifier: GPL-2.0

//! Broken queues.

use crate::as_declared;
use vring::{
    bindings::{
        virtio_device,
        virtqueue, //
    },
    device::Virtio,
    with_lockless,
    Queue, //
};

as_declared!(
    virtqueue_is_broken,
    virtio_break_device,
    __virtio_unbreak_device,
    __virtqueue_break,
    __virtqueue_unbreak,
);

/// Returns whether a queue is broken.
#[no_mangle]
pub(crate) unsafe extern "C" fn virtqueue_is_broken(vq: *const virtqueue) -> bool {
    // SAFETY: By the contract of `virtqueue_is_broken`, `vq` is a queue.
    let queue = unsafe { Queue::from_raw(vq) };
    with_lockless!(queue, |state| state.is_broken())
}

/// Declares a queue broken.
#[no_mangle]
pub(crate) unsafe extern "C" fn __virtqueue_break(vq: *mut virtqueue) {
    // SAFETY: By the contract of `__virtqueue_break`, `vq` is a queue.
    let queue = unsafe { Queue::from_raw(vq) };
    with_lockless!(queue, |state| state.declare_broken());
}

/// Clears the broken state of a queue (`__virtqueue_unbreak`).
#[no_mangle]
pub(crate) unsafe extern "C" fn __virtqueue_unbreak(vq: *mut virtqueue) {
    // SAFETY: By the contract of `__virtqueue_unbreak`, `vq` is a queue.
    let queue = unsafe { Queue::from_raw(vq) };
    with_lockless!(queue, |state| state.unbreak());
}

/// Declares all queues of a device broken.
#[no_mangle]
pub(crate) unsafe extern "C" fn virtio_break_device(vdev: *mut virtio_device) {
    // SAFETY: By the contract of `virtio_break_device`, `vdev` is a device, and its queues are of
    // this ring.
    unsafe {
        Virtio::new(vdev).each_queue(|queue| with_lockless!(queue, |state| state.declare_broken()))
    };
}

/// Clears the broken state of all queues of a device.
#[no_mangle]
pub(crate) unsafe extern "C" fn __virtio_unbreak_device(vdev: *mut virtio_device) {
    // SAFETY: By the contract of `__virtio_unbreak_device`, `vdev` is a device, and its queues are
    // of this ring.
    unsafe { Virtio::new(vdev).each_queue(|queue| with_lockless!(queue, |state| state.unbreak())) };
}
