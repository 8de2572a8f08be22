// SPDX-License-Identifier: GPL-2.0

//! Handles to a queue, for operations that need no exclusion.

use super::{
    raw::RawQueue,
    set::QueueSet, //
};
use crate::{
    bindings,
    device::Device, //
};
use kernel::{
    cpumask::Cpumask,
    device::Bound,
    error::to_result,
    prelude::*,
    sync::{
        atomic::Acquire,
        rcu,
        Arc, //
    },
};

/// A queue's callbacks are enabled as of a point in the ring, by
/// [`Virtqueue::enable_cb_prepare`](super::Virtqueue::enable_cb_prepare).
///
/// It is of use for that queue, as long as that has its size. What [`QueueHandle::poll`] says of
/// one that is of another may be wrong.
#[must_use = "buffers that were used meanwhile raise no callback"]
#[derive(Clone, Copy)]
pub struct Armed(pub(super) u32);

/// A reference to a queue, with what C allows at any time from anywhere.
///
/// # Invariants
///
/// `vq` is a valid queue as long as the handle exists: it belongs to `set`, or the handle is the
/// argument of the queue's running callback.
pub struct QueueHandle {
    vq: *mut bindings::virtqueue,
    /// None in the argument of a callback.
    set: Option<Arc<QueueSet>>,
}

// SAFETY: The functions that take the queue through a handle may be called from any thread.
unsafe impl Send for QueueHandle {}

// SAFETY: The functions that take the queue through a handle may be called concurrently.
unsafe impl Sync for QueueHandle {}

impl QueueHandle {
    pub(super) fn new(vq: *mut bindings::virtqueue, set: Arc<QueueSet>) -> Self {
        // INVARIANT: The caller took `vq` from a queue of `set`.
        Self { vq, set: Some(set) }
    }

    /// The queue of a running callback.
    ///
    /// # Safety
    ///
    /// The handle does not outlive the callback of `vq`.
    #[inline(always)]
    pub(crate) unsafe fn from_callback(vq: *mut bindings::virtqueue) -> Self {
        // INVARIANT: By the safety requirements.
        Self { vq, set: None }
    }

    #[inline(always)]
    fn queue(&self) -> RawQueue {
        // SAFETY: By the type invariant, `vq` is a valid queue as long as the handle exists.
        unsafe { RawQueue::new(self.vq) }
    }

    /// Index of the queue on its device.
    #[inline(always)]
    pub fn index(&self) -> usize {
        // SAFETY: By the type invariant, `vq` is a valid queue; its index does not change.
        unsafe { (*self.vq).index as usize }
    }

    /// Asks the device for no more callbacks: a hint, a callback may still come.
    #[inline(always)]
    pub fn disable_cb(&self) {
        if self.set.is_none() {
            // The ring stays until the end of the callback. The ring in Rust calls no driver while
            // it is replaced, and waits before for a callback that runs. So does the transport
            // (`disable_vq_and_reset`), which has to do for the ring in C.
            self.queue().disable_cb();
        } else {
            self.disable_cb_anywhere();
        }
    }

    fn disable_cb_anywhere(&self) {
        let _ring_stays = rcu::read_lock();
        if !self.is_resizing() {
            // The ring stays until the end of this read-side critical section.
            self.queue().disable_cb();
        }
    }

    /// Whether buffers were used since callbacks were [enabled](Armed); one full barrier.
    #[inline]
    pub fn poll(&self, armed: Armed) -> bool {
        let _ring_stays = rcu::read_lock();
        // The ring stays until the end of this read-side critical section.
        self.is_resizing() || self.queue().poll(armed.0)
    }

    /// Whether the ring of the queue is being replaced.
    #[inline(always)]
    fn is_resizing(&self) -> bool {
        // SAFETY: By the type invariant; the device is bound as long as it has queues.
        let dev = unsafe { &*(*self.vq).vdev.cast::<Device<Bound>>() };
        dev.bind_state().resizing.load(Acquire) == self.vq.cast()
    }

    /// Notifies the device. Returns false if the queue is broken.
    #[inline]
    pub fn notify(&self) -> bool {
        self.queue().notify()
    }

    /// Whether the queue was declared broken.
    #[inline]
    pub fn is_broken(&self) -> bool {
        self.queue().is_broken()
    }

    /// The queue.
    pub(super) fn as_raw(&self) -> *mut bindings::virtqueue {
        self.vq
    }

    /// The CPUs that the queue's interrupt was spread to
    /// ([`Affinity::Spread`](super::Affinity::Spread)), if the transport tells.
    ///
    /// Process context.
    pub fn affinity(&self) -> Option<&Cpumask> {
        // SAFETY: By the type invariant; a queue's device has operations.
        let get = unsafe { (*(*(*self.vq).vdev).config).get_vq_affinity }?;
        // SAFETY: By the type invariant, the device has a queue of this index.
        let mask = unsafe { get((*self.vq).vdev, (*self.vq).index as i32) };
        if mask.is_null() {
            return None;
        }
        // SAFETY: The mask is that of the queue's interrupt vector, which goes with the queue.
        Some(unsafe { Cpumask::from_raw(mask) })
    }

    /// Hints on which CPUs the queue's interrupt should be taken; `None` takes the hint back.
    ///
    /// Process context.
    ///
    /// # Errors
    ///
    /// Any error of the transport; a transport that has no say in it returns no error.
    pub fn set_affinity(&self, mask: Option<&Cpumask>) -> Result {
        // SAFETY: By the type invariant; a queue's device has operations.
        let set = unsafe { (*(*(*self.vq).vdev).config).set_vq_affinity };
        let mask = mask.map_or(core::ptr::null(), |m| m.as_raw().cast_const());
        match set {
            // SAFETY: By the type invariant; `mask` is null or a valid mask.
            Some(set) => to_result(unsafe { set(self.vq, mask) }),
            None => Ok(()),
        }
    }
}
