// SPDX-License-Identifier: GPL-2.0

//! The half of a pool that a transmit queue uses.

use super::{
    binding,
    frame::Slot,
    Binding,
    XskFrame, //
};
use crate::bindings;
use core::ptr::NonNull;
use kernel::{
    device,
    prelude::*,
    sync::atomic::Relaxed, //
};

/// The half of a pool that a transmit queue uses.
///
/// # Invariants
///
/// - The binding exists as long as this, which is its half for transmission.
/// - `pending` is the number of packets that were taken and not reported as completed. They are in
///   the slots of the binding from `first` on, in the order in which they were taken. The slots
///   after them are not in use.
pub struct XskTx {
    binding: NonNull<Binding>,
    first: usize,
    pending: usize,
}

// SAFETY: The half may be used by any thread, one at a time.
unsafe impl Send for XskTx {}

impl XskTx {
    /// # Safety
    ///
    /// The binding exists as long as the result, and has no half for transmission.
    pub(super) unsafe fn new(binding: NonNull<Binding>) -> Self {
        // SAFETY: By the safety requirements, the binding exists.
        unsafe { binding.as_ref() }.has_tx.store(true, Relaxed);
        // INVARIANT: By the safety requirements. No packet was taken.
        Self {
            binding,
            first: 0,
            pending: 0,
        }
    }

    #[inline]
    fn binding(&self) -> &Binding {
        // SAFETY: By the type invariant, the binding exists as long as this.
        unsafe { self.binding.as_ref() }
    }

    /// Whether a device can transmit the packets.
    #[inline]
    pub fn is_for(&self, dev: Option<&device::Device>) -> bool {
        self.binding().is_for(dev)
    }

    /// Returns the slot that is `n` slots after the first one in use.
    #[inline]
    fn slot(&self, n: usize) -> Option<&Slot> {
        let slots = &self.binding().slots;
        let at = self.first.wrapping_add(n);
        slots
            .get(at)
            .or_else(|| slots.get(at.wrapping_sub(slots.len())))
    }

    /// Takes packets from the ring of user space, at most `most`, and calls `add` for each until
    /// that fails. Returns the number of packets that were added, and the result of `add`.
    pub fn take(&mut self, most: u32, mut add: impl FnMut(XskFrame) -> Result) -> (u32, Result) {
        let free = self.binding().slots.len().saturating_sub(self.pending);
        let pool = self.binding().pool.as_ptr();
        // CAST: At most `most`.
        let most = free.min(most as usize) as u32;
        // SAFETY: The pool is valid, and this is the half for transmission (type invariants).
        let n = unsafe { bindings::xsk_tx_peek_release_desc_batch(pool, most) };
        let mut added = 0u32;
        let mut result = Ok(());
        for i in 0..n.min(most) {
            let mut len = 0;
            // SAFETY: The pool is valid and mapped (type invariants), and the last batch has more
            // than `i` packets.
            let addr = unsafe { bindings::rust_xsk_tx_desc(pool, i, &mut len) };
            let zeroes = self.binding().zeroes_addr;
            let Some(slot) = self.slot(self.pending) else {
                break;
            };
            // SAFETY: This is the half for transmission, and the slot is not in use (type
            // invariants). The core has checked that the packet is in the memory of the pool. That
            // stays mapped, and the slot stays, until the frame is dropped.
            let frame = unsafe { slot.fill(addr, len, zeroes) };
            // INVARIANT: The packet is in the slot after the others.
            self.pending = self.pending.wrapping_add(1);
            if result.is_ok() {
                result = add(frame);
                added = added.wrapping_add(result.is_ok().into());
            }
        }
        (added, result)
    }

    /// Gives packets back to user space whose frames were dropped, in the order in which they were
    /// taken.
    pub fn complete(&mut self) {
        let mut done = 0u32;
        while self.pending != 0 && self.slot(0).is_some_and(|slot| !slot.is_in_use()) {
            // INVARIANT: The first packet is reported below.
            self.pending = self.pending.wrapping_sub(1);
            self.first = self.first.wrapping_add(1);
            if self.first >= self.binding().slots.len() {
                self.first = 0;
            }
            done = done.wrapping_add(1);
        }
        if done != 0 {
            // SAFETY: The pool is valid, this is the half for transmission, and so many packets
            // were not reported yet (type invariants).
            unsafe { bindings::xsk_tx_completed(self.binding().pool.as_ptr(), done) };
        }
    }
}

impl Drop for XskTx {
    fn drop(&mut self) {
        self.complete();
        // SAFETY: This is the half for transmission, and is not used again.
        unsafe { binding::end_half(&self.binding.as_ref().has_tx) };
    }
}
