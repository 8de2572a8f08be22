// SPDX-License-Identifier: GPL-2.0

//! Interrupts, and enabling and disabling of callbacks.

use crate::as_declared;
use kernel::ffi::{
    c_int,
    c_uint,
    c_void, //
};
use vring::{
    bindings::{
        irqreturn_IRQ_HANDLED,
        irqreturn_IRQ_NONE,
        irqreturn_t,
        virtqueue, //
    },
    with_lockless,
    with_ring,
    Armed,
    Interrupt,
    Queue, //
};

as_declared!(
    virtqueue_disable_cb,
    virtqueue_enable_cb_prepare,
    virtqueue_poll,
    virtqueue_enable_cb,
    virtqueue_enable_cb_delayed,
    vring_interrupt,
);

/// Disables callbacks. This is a hint. Needs no serialisation.
#[no_mangle]
pub(crate) unsafe extern "C" fn virtqueue_disable_cb(vq: *mut virtqueue) {
    // SAFETY: kernel-doc of `virtqueue_disable_cb`: `vq` is a queue; the call may race with others.
    let queue = unsafe { Queue::from_raw(vq) };
    with_lockless!(queue, |state| state.disable_cb());
}

/// Enables callbacks, and returns the current position for `virtqueue_poll`.
#[no_mangle]
pub(crate) unsafe extern "C" fn virtqueue_enable_cb_prepare(vq: *mut virtqueue) -> c_uint {
    // SAFETY: kernel-doc of `virtqueue_enable_cb_prepare`: `vq` is a queue whose caller serialises.
    let exclusive = unsafe { Queue::from_raw(vq).exclusive() };
    with_ring!(exclusive, |mut ring| ring.enable_cb_prepare())
        .into_raw()
        .into()
}

/// Returns whether buffers were used since `virtqueue_enable_cb_prepare`, which returned `armed`.
/// Needs no serialisation.
#[no_mangle]
pub(crate) unsafe extern "C" fn virtqueue_poll(vq: *mut virtqueue, armed: c_uint) -> bool {
    // SAFETY: kernel-doc of `virtqueue_poll`: `vq` is a queue; the call may race with others.
    let queue = unsafe { Queue::from_raw(vq) };
    // CAST: `virtqueue_enable_cb_prepare` returned a `u16`.
    let armed = Armed::from_raw(armed as u16);
    with_lockless!(queue, |state| state.poll(armed))
}

/// Enables callbacks. Returns false if there are used buffers already.
#[no_mangle]
pub(crate) unsafe extern "C" fn virtqueue_enable_cb(vq: *mut virtqueue) -> bool {
    // SAFETY: kernel-doc of `virtqueue_enable_cb`: `vq` is a queue whose caller serialises.
    let exclusive = unsafe { Queue::from_raw(vq).exclusive() };
    with_ring!(exclusive, |ring| ring.outlined(|ring| ring.enable_cb())).is_quiet()
}

/// Enables a callback for the time when the device has used most of the outstanding buffers.
/// Returns false if it has already.
#[no_mangle]
pub(crate) unsafe extern "C" fn virtqueue_enable_cb_delayed(vq: *mut virtqueue) -> bool {
    // SAFETY: kernel-doc of `virtqueue_enable_cb_delayed`: `vq` is a queue whose caller serialises.
    let exclusive = unsafe { Queue::from_raw(vq).exclusive() };
    with_ring!(exclusive, |ring| ring
        .outlined(|ring| ring.enable_cb_delayed()))
    .is_quiet()
}

/// Handles an interrupt of a queue, which may be shared.
#[no_mangle]
pub(crate) unsafe extern "C" fn vring_interrupt(_irq: c_int, vq: *mut c_void) -> irqreturn_t {
    let vq = vq.cast::<virtqueue>();
    // SAFETY: By the contract of `vring_interrupt`, `vq` is a queue.
    let queue = unsafe { Queue::from_raw(vq) };
    match queue.interrupt() {
        Interrupt::None => irqreturn_IRQ_NONE,
        // With this option, queues are broken until the device is ready. An interrupt before that
        // is not the queue's.
        Interrupt::Ignore if cfg!(CONFIG_VIRTIO_HARDEN_NOTIFICATION) => irqreturn_IRQ_NONE,
        Interrupt::Ignore => irqreturn_IRQ_HANDLED,
        Interrupt::Callback => {
            // SAFETY: The queue is valid, and its transport set the callback for it.
            unsafe {
                if let Some(callback) = (*vq).callback {
                    callback(vq);
                }
            }
            irqreturn_IRQ_HANDLED
        }
    }
}
