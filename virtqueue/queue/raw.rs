// SPDX-License-Identifier: GPL-2.0

//! Operations that C allows in any context without a lock, on either ring.

use crate::{
    bindings,
    device::Device,
    feature::Feature, //
};
use kernel::device::Bound;
use vring::Queue;

/// A queue, to be used without exclusion.
///
/// # Invariants
///
/// The pointer is to a valid queue, as long as this is used.
#[derive(Clone, Copy)]
pub(super) struct RawQueue(*mut bindings::virtqueue);

impl RawQueue {
    /// # Safety
    ///
    /// `vq` is a valid queue as long as the result, or a copy of it, is used.
    #[inline(always)]
    pub(super) unsafe fn new(vq: *mut bindings::virtqueue) -> Self {
        // INVARIANT: By the safety requirements.
        Self(vq)
    }

    /// The queue, if it is of the crate `vring`.
    #[inline(always)]
    fn native(&self) -> Option<&Queue> {
        if vring::create::is_provider() {
            // SAFETY: By the type invariant; all queues are of the ring that provides them.
            Some(unsafe { Queue::from_raw(self.0) })
        } else {
            None
        }
    }

    /// Notifies the device. Returns false if the queue is broken.
    #[inline(always)]
    pub(super) fn notify(self) -> bool {
        match self.native() {
            Some(queue) => queue.notify(),
            // SAFETY: By the type invariant; needs no exclusion.
            None => unsafe { bindings::virtqueue_notify(self.0) },
        }
    }

    /// Asks the device for no more callbacks.
    #[inline(always)]
    pub(super) fn disable_cb(self) {
        match self.native() {
            Some(queue) => queue.disable_cb(),
            // SAFETY: By the type invariant; needs no exclusion.
            None => unsafe { bindings::virtqueue_disable_cb(self.0) },
        }
    }

    /// Whether buffers were used since callbacks were enabled.
    #[inline(always)]
    pub(super) fn poll(self, armed: u32) -> bool {
        match self.native() {
            // CAST: It was a `u16`.
            Some(queue) => queue.poll(vring::Armed::from_raw(armed as u16)),
            // Of another queue, or from before this one got smaller.
            None if !self.has_place(armed) => true,
            // SAFETY: By the type invariant; needs no exclusion. The ring has the place.
            None => unsafe { bindings::virtqueue_poll(self.0, armed) },
        }
    }

    /// Whether the ring has a place as of which callbacks were enabled. The packed ring in C looks
    /// at the descriptor there, whatever it is told.
    fn has_place(self, armed: u32) -> bool {
        // The highest of 16 bits is the wrap counter (§2.8.14).
        let slot = armed & 0x7fff;
        // SAFETY: By the type invariant; a queue does not outlive its device, which is bound as
        // long as it has queues. `Device` is a transparent wrapper.
        let (size, dev) = unsafe {
            let dev = &*(*self.0).vdev.cast::<Device<Bound>>();
            (bindings::virtqueue_get_vring_size(self.0), dev)
        };
        slot < size || !dev.has_feature(Feature::RING_PACKED)
    }

    /// Whether the queue was declared broken.
    #[inline(always)]
    pub(super) fn is_broken(self) -> bool {
        match self.native() {
            Some(queue) => queue.is_broken(),
            // SAFETY: By the type invariant; needs no exclusion.
            None => unsafe { bindings::virtqueue_is_broken(self.0) },
        }
    }
}
