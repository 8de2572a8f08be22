// SPDX-License-Identifier: GPL-2.0

//! The packets of an interface that are dropped, by reason.

use super::nic::Nic;
use crate::bindings;
use core::ptr::NonNull;
use kernel::prelude::*;

/// The reason for which a packet is dropped, as the tracepoint `skb:kfree_skb` shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the kernel")]
#[repr(u32)]
pub enum DropReason {
    DevHdr = bindings::skb_drop_reason_SKB_DROP_REASON_DEV_HDR,
    DevReady = bindings::skb_drop_reason_SKB_DROP_REASON_DEV_READY,
    NoMem = bindings::skb_drop_reason_SKB_DROP_REASON_NOMEM,
    QueuePurge = bindings::skb_drop_reason_SKB_DROP_REASON_QUEUE_PURGE,
}

/// Counts the packets of an interface that are dropped, as long as it lives.
///
/// # Invariants
///
/// The counters, which only this ends.
pub struct Drops(NonNull<bindings::rust_virtio_fake_drops>);

impl Nic {
    /// Counts the packets of the interface that are dropped from here on.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn drops(&self) -> Result<Drops> {
        // SAFETY: The interface is only compared.
        let drops = unsafe { bindings::rust_virtio_fake_drops_begin(self.0) };
        // INVARIANT: The counters are new.
        Ok(Drops(NonNull::new(drops).ok_or(ENOMEM)?))
    }
}

impl Drops {
    /// Whether so many packets were dropped for a reason. A kernel without tracepoints does not
    /// tell, and the answer is true.
    pub fn are(&self, count: u64, reason: DropReason) -> bool {
        // SAFETY: The counters are valid (type invariant).
        let got = unsafe { bindings::rust_virtio_fake_drops_count(self.0.as_ptr(), reason as u32) };
        !cfg!(CONFIG_TRACEPOINTS) || u64::from(got) == count
    }
}

impl Drop for Drops {
    fn drop(&mut self) {
        // SAFETY: This owns the counters (type invariant), which are not used again.
        unsafe { bindings::rust_virtio_fake_drops_end(self.0.as_ptr()) };
    }
}
