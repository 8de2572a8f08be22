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
            Atomic,
            Relaxed,
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
/// `vq` is null, or the queue of the handle in `held`. The handle stays valid for an RCU grace
/// period after `vq` was replaced. `vq` is written with `held` locked.
#[pin_data]
pub struct Doorbell {
    vq: Atomic<*mut bindings::virtqueue>,
    #[pin]
    held: Mutex<Held>,
}

/// The handle of a doorbell.
struct Held {
    handle: Option<QueueHandle>,
    /// The last call that has detached the handle, and drops it after a grace period. Zero if there
    /// is none.
    detached_by: u64,
}

/// The number of calls that detached handles. No two calls have the same number.
static DETACHES: Atomic<u64> = Atomic::new(0);

impl Doorbell {
    /// Returns a doorbell without a queue.
    pub fn new() -> impl PinInit<Self> {
        let held = Held {
            handle: None,
            detached_by: 0,
        };
        // INVARIANT: There is no queue.
        pin_init!(Self {
            vq: Atomic::new(null_mut()),
            held <- new_mutex!(held),
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
        let mut held = self.held.lock();
        let vq = handle.as_ref().map_or(null_mut(), QueueHandle::as_raw);
        // INVARIANT: The handle of the new pointer is stored below, and the old handle is dropped
        // after a grace period.
        self.vq.store(vq, Release);
        // A call of `detach_all` that still waits does not drop the new handle.
        held.detached_by = 0;
        let old = core::mem::replace(&mut held.handle, handle);
        if old.is_some() {
            // SAFETY: May be called in process context.
            unsafe { bindings::synchronize_rcu() };
        }
        drop(held);
        drop(old);
    }

    /// Removes the handles of several doorbells, with one grace period for all. Process context,
    /// sleeps.
    ///
    /// Takes the handles of the doorbells that both `bells` and its clone return.
    pub fn detach_all<'a>(bells: impl Iterator<Item = &'a Self> + Clone) {
        // OVERFLOW: There are not so many calls.
        let call = DETACHES.fetch_add(1, Relaxed).wrapping_add(1);
        let mut any = false;
        for bell in bells.clone() {
            let mut held = bell.held.lock();
            if held.handle.is_some() {
                // INVARIANT: The handle stays for a grace period from here: other calls find
                // another number, and `set` waits for a grace period itself.
                bell.vq.store(null_mut(), Release);
                held.detached_by = call;
                any = true;
            }
        }
        if !any {
            return;
        }
        // SAFETY: May be called in process context.
        unsafe { bindings::synchronize_rcu() };
        for bell in bells {
            let mut held = bell.held.lock();
            // Otherwise another call has detached the handle later, or a new one was set.
            let old = if held.detached_by == call {
                held.detached_by = 0;
                held.handle.take()
            } else {
                None
            };
            drop(held);
            drop(old);
        }
    }
}
