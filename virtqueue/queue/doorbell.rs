// SPDX-License-Identifier: GPL-2.0

//! Notifying a queue without holding the queue or its lock.

use super::handle::QueueHandle;
use crate::{
    bindings,
    ReadAcquire, //
};
use core::ptr::null_mut;
use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Full,
            Release, //
        },
        rcu,
        Mutex, //
    },
};

/// A place for a [`QueueHandle`] from which the queue can be notified in any context, without a
/// lock and without counting references.
///
/// A notification may leave the guest, which takes long, so it should not happen under a lock. The
/// handle can be replaced or removed at any time, as queues come and go with sleep and reset.
/// Without a handle, [`Doorbell::ring`] does nothing.
///
/// # Invariants
///
/// `vq` is null, or the queue of the handle in `handle`; it stays valid for an RCU grace period
/// after it was replaced.
#[pin_data]
pub struct Doorbell {
    vq: Atomic<*mut bindings::virtqueue>,
    #[pin]
    handle: Mutex<Option<QueueHandle>>,
}

impl Doorbell {
    /// Returns a doorbell without a queue.
    pub fn new() -> impl PinInit<Self> {
        // INVARIANT: There is no queue.
        pin_init!(Self {
            vq: Atomic::new(null_mut()),
            handle <- new_mutex!(None),
        })
    }

    /// Notifies the queue, if there is one. Returns false if there is none or it is broken.
    ///
    /// Any context. Needed only if [`QueueOps::kick_prepare`](super::QueueOps::kick_prepare)
    /// returned true.
    #[inline]
    pub fn ring(&self) -> bool {
        let _guard = rcu::read_lock();
        let vq = self.vq.read_acquire();
        if vq.is_null() {
            return false;
        }
        // SAFETY: By the type invariants, the queue is valid until the end of this read-side
        // critical section at least.
        unsafe { QueueHandle::borrowed(vq) }.notify()
    }

    /// Replaces the handle, or removes it (`None`), and drops the old one after a grace period.
    /// Process context, sleeps.
    pub fn set(&self, handle: Option<QueueHandle>) {
        let mut place = self.handle.lock();
        let vq = handle.as_ref().map_or(null_mut(), QueueHandle::as_raw);
        // INVARIANT: The handle of the new pointer is stored below, and the old handle is dropped
        // after a grace period.
        self.vq.store(vq, Release);
        let old = core::mem::replace(&mut *place, handle);
        if old.is_some() {
            // SAFETY: May be called in process context.
            unsafe { bindings::synchronize_rcu() };
        }
        drop(place);
        drop(old);
    }

    /// Removes the handles of several doorbells, with one grace period for all. Process context,
    /// sleeps.
    pub fn detach_all<'a>(bells: impl Iterator<Item = &'a Self> + Clone) {
        let mut any = false;
        for bell in bells.clone() {
            // INVARIANT: The handle stays in `handle` for a grace period from here.
            any |= !bell.vq.xchg(null_mut(), Full).is_null();
        }
        if !any {
            return;
        }
        // SAFETY: May be called in process context.
        unsafe { bindings::synchronize_rcu() };
        for bell in bells {
            let mut place = bell.handle.lock();
            // If the pointer is not null, a new handle was set after the exchange above.
            let old = if bell.vq.load(Acquire).is_null() {
                place.take()
            } else {
                None
            };
            drop(place);
            drop(old);
        }
    }
}
