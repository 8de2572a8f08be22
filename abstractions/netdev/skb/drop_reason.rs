// SPDX-License-Identifier: GPL-2.0

//! The reasons for which packets are dropped.
//!
//! C header: [`include/net/dropreason-core.h`](srctree/include/net/dropreason-core.h)

use crate::bindings;

/// The reason for which a packet is dropped (C: `enum skb_drop_reason`), as the tracepoint
/// `skb:kfree_skb` shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum DropReason {
    /// No other reason fits.
    NotSpecified = bindings::skb_drop_reason_SKB_DROP_REASON_NOT_SPECIFIED,
    /// A header that only the driver and the device use is not valid.
    DevHdr = bindings::skb_drop_reason_SKB_DROP_REASON_DEV_HDR,
    /// The device or its queue is not ready.
    DevReady = bindings::skb_drop_reason_SKB_DROP_REASON_DEV_READY,
    /// The ring is full.
    FullRing = bindings::skb_drop_reason_SKB_DROP_REASON_FULL_RING,
    /// There is no memory.
    NoMem = bindings::skb_drop_reason_SKB_DROP_REASON_NOMEM,
    /// The packet is longer than any packet may be.
    PktTooBig = bindings::skb_drop_reason_SKB_DROP_REASON_PKT_TOO_BIG,
    /// The packet is shorter than its headers.
    PktTooSmall = bindings::skb_drop_reason_SKB_DROP_REASON_PKT_TOO_SMALL,
    /// The packet was in a queue that was emptied.
    QueuePurge = bindings::skb_drop_reason_SKB_DROP_REASON_QUEUE_PURGE,
    /// The data that user space owns cannot be copied.
    UcopyFault = bindings::skb_drop_reason_SKB_DROP_REASON_SKB_UCOPY_FAULT,
}
