// SPDX-License-Identifier: GPL-2.0

//! Handles to a queue, for operations that need no exclusion.

use super::set::QueueSet;
use crate::{
    bindings,
    device::Device,
    feature::Feature, //
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
use vring::{
    with_lockless,
    Queue, //
};

/// The position in the ring at which callbacks were enabled by
/// [`Virtqueue::enable_cb_prepare`](super::Virtqueue::enable_cb_prepare).
///
/// Valid for the same queue until its size changes. For any other queue the result of
/// [`QueueHandle::poll`] may be wrong, but the call is safe.
#[must_use = "buffers that were used before raise no callback"]
#[derive(Clone, Copy)]
pub struct Armed(pub(super) u32);

/// A reference to a queue, with the operations that C allows in any context without serialisation,
/// on either ring.
///
/// # Invariants
///
/// `vq` is a valid queue as long as the handle exists: it belongs to `set`, or the handle is a
/// [borrowed](QueueHandle::borrowed) one.
pub struct QueueHandle {
    vq: *mut bindings::virtqueue,
    /// `None` if the handle is a borrowed one.
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

    /// Returns a handle to a queue that stays valid without a reference to its set: the queue of a
    /// running callback, one that is held exclusively, or one that stays for a grace period of RCU.
    ///
    /// # Safety
    ///
    /// `vq` is valid as long as the result is used. Its ring is not replaced while the result is
    /// used for callbacks.
    #[inline(always)]
    pub(crate) unsafe fn borrowed(vq: *mut bindings::virtqueue) -> Self {
        // INVARIANT: By the safety requirements.
        Self { vq, set: None }
    }

    /// Returns the queue if it is on the Rust ring.
    #[inline(always)]
    fn rust_queue(&self) -> Option<&Queue> {
        if vring::create::is_provider() {
            // SAFETY: By the type invariant, the queue is valid. All queues are of the ring that
            // provides them.
            Some(unsafe { Queue::from_raw(self.vq) })
        } else {
            None
        }
    }

    /// Returns the index of the queue on its device.
    #[inline(always)]
    pub fn index(&self) -> usize {
        // SAFETY: By the type invariant, `vq` is a valid queue; its index does not change.
        unsafe { (*self.vq).index as usize }
    }

    /// Asks the device for no more callbacks. This is a hint: a callback may still come.
    #[inline(always)]
    pub fn disable_cb(&self) {
        if self.set.is_none() {
            // The ring stays, by the safety requirements of `borrowed`. It stays in a callback
            // because the Rust ring waits for running callbacks before it is replaced, and then
            // calls no driver. For the C ring, the transport does so (`disable_vq_and_reset`).
            self.disable_cb_now();
        } else {
            self.disable_cb_unless_resizing();
        }
    }

    /// As [`QueueHandle::disable_cb`], for a caller that cannot rely on the ring to stay. While the
    /// ring is being replaced, there are no callbacks.
    fn disable_cb_unless_resizing(&self) {
        let _ring_stays = rcu::read_lock();
        if !self.is_resizing() {
            // The ring stays until the end of this read-side critical section.
            self.disable_cb_now();
        }
    }

    /// As [`QueueHandle::disable_cb`], for a caller that knows that the ring stays.
    #[inline(always)]
    fn disable_cb_now(&self) {
        match self.rust_queue() {
            Some(queue) => with_lockless!(queue, |state| state.disable_cb()),
            // SAFETY: By the type invariant, the queue is valid. The function needs no exclusion.
            None => unsafe { bindings::virtqueue_disable_cb(self.vq) },
        }
    }

    /// Returns whether buffers were used since callbacks were [enabled](Armed). One full barrier.
    #[inline]
    pub fn poll(&self, armed: Armed) -> bool {
        // This is needed in a callback, too: some transports call back a queue on the C ring while
        // its ring is replaced.
        let _ring_stays = rcu::read_lock();
        // The ring stays until the end of this read-side critical section.
        self.is_resizing() || self.poll_now(armed)
    }

    /// As [`QueueHandle::poll`], for a caller that knows that the ring stays.
    #[inline(always)]
    fn poll_now(&self, Armed(armed): Armed) -> bool {
        match self.rust_queue() {
            Some(queue) => {
                // CAST: The number was made of a `u16`.
                let armed = vring::Armed::from_raw(armed as u16);
                with_lockless!(queue, |state| state.poll(armed))
            }
            // The position is that of another queue, or this queue was larger at that time.
            None if !self.has_position(armed) => true,
            // SAFETY: By the type invariant, the queue is valid. The function needs no exclusion.
            None => unsafe { bindings::virtqueue_poll(self.vq, armed) },
        }
    }

    /// Returns whether the ring has the position at which callbacks were enabled. The packed C ring
    /// reads the descriptor at the position without a check.
    fn has_position(&self, armed: u32) -> bool {
        // The highest of 16 bits is the wrap counter (§2.8.14).
        let slot = armed & 0x7fff;
        // SAFETY: By the type invariant, the queue is valid.
        let size = unsafe { bindings::virtqueue_get_vring_size(self.vq) };
        slot < size || !self.dev().has_feature(Feature::RING_PACKED)
    }

    /// Returns the device of the queue.
    #[inline(always)]
    fn dev(&self) -> &Device<Bound> {
        // SAFETY: By the type invariant, the queue is valid. It does not outlive its device, which
        // is bound as long as it has queues. `Device` is a transparent wrapper.
        unsafe { &*(*self.vq).vdev.cast::<Device<Bound>>() }
    }

    /// Returns whether the ring of the queue is being replaced.
    #[inline(always)]
    fn is_resizing(&self) -> bool {
        self.dev().bind_state().resizing.load(Acquire) == self.vq.cast()
    }

    /// Notifies the device. Returns false if the queue is broken.
    #[inline]
    pub fn notify(&self) -> bool {
        match self.rust_queue() {
            Some(queue) => queue.notify(),
            // SAFETY: By the type invariant, the queue is valid. The function needs no exclusion.
            None => unsafe { bindings::virtqueue_notify(self.vq) },
        }
    }

    /// Returns whether the queue is broken.
    #[inline]
    pub fn is_broken(&self) -> bool {
        match self.rust_queue() {
            Some(queue) => with_lockless!(queue, |state| state.is_broken()),
            // SAFETY: By the type invariant; needs no exclusion.
            None => unsafe { bindings::virtqueue_is_broken(self.vq) },
        }
    }

    /// Returns the queue.
    pub(super) fn as_raw(&self) -> *mut bindings::virtqueue {
        self.vq
    }

    /// Returns the CPUs over which the interrupt of the queue was spread
    /// ([`Affinity::Spread`](super::Affinity::Spread)), if the transport reports them.
    ///
    /// Process context.
    pub fn affinity(&self) -> Option<&Cpumask> {
        // SAFETY: By the type invariant, the queue is valid. Each device has operations.
        let get = unsafe { (*(*(*self.vq).vdev).config).get_vq_affinity }?;
        // SAFETY: By the type invariant, the device has a queue of this index.
        let mask = unsafe { get((*self.vq).vdev, (*self.vq).index as i32) };
        if mask.is_null() {
            return None;
        }
        // SAFETY: The mask belongs to the interrupt vector of the queue, which exists as long as
        // the queue.
        Some(unsafe { Cpumask::from_raw(mask) })
    }

    /// Sets a hint on which CPUs should handle the interrupt of the queue; `None` removes the hint.
    ///
    /// Process context.
    ///
    /// # Errors
    ///
    /// Any error of the transport. A transport without such a hint ignores it and returns no error.
    pub fn set_affinity(&self, mask: Option<&Cpumask>) -> Result {
        // SAFETY: By the type invariant, the queue is valid. Each device has operations.
        let set = unsafe { (*(*(*self.vq).vdev).config).set_vq_affinity };
        let mask = mask.map_or(core::ptr::null(), |m| m.as_raw().cast_const());
        match set {
            // SAFETY: By the type invariant, the queue is valid. `mask` is null or a valid mask.
            Some(set) => to_result(unsafe { set(self.vq, mask) }),
            None => Ok(()),
        }
    }
}
