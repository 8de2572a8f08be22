// SPDX-License-Identifier: GPL-2.0

//! Notifying the device.

use crate::as_declared;
use vring::{
    bindings::virtqueue,
    with_ring,
    Queue, //
};

as_declared!(virtqueue_kick_prepare, virtqueue_notify, virtqueue_kick);

/// Returns whether the device wants a notification of the added buffers. The caller serialises.
#[no_mangle]
pub(crate) unsafe extern "C" fn virtqueue_kick_prepare(vq: *mut virtqueue) -> bool {
    // SAFETY: kernel-doc of `virtqueue_kick_prepare`: `vq` is a queue whose caller serialises.
    let exclusive = unsafe { Queue::from_raw(vq).exclusive() };
    with_ring!(exclusive, |ring| ring.outlined(|ring| ring.kick_prepare()))
}

/// Notifies the device. Returns false if the queue is broken.
#[no_mangle]
pub(crate) unsafe extern "C" fn virtqueue_notify(vq: *mut virtqueue) -> bool {
    // SAFETY: kernel-doc of `virtqueue_notify`: `vq` is a queue; the call may race with others.
    unsafe { Queue::from_raw(vq) }.notify()
}

/// Notifies the device if it wants a notification. Returns false if it does, and the queue is
/// broken.
#[no_mangle]
pub(crate) unsafe extern "C" fn virtqueue_kick(vq: *mut virtqueue) -> bool {
    // SAFETY: kernel-doc of `virtqueue_kick`: `vq` is a queue whose caller serialises.
    unsafe { !virtqueue_kick_prepare(vq) || virtqueue_notify(vq) }
}
