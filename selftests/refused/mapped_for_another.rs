// SPDX-License-Identifier: GPL-2.0

//! Receive buffers, whose pages may be mapped for a device, that are given to whichever other.

use net_buffers::FragBuf;
use netdev::pool::Frags;
use virtio::{
    QueueOps,
    Used, //
};

/// A new one, for any queue.
pub fn allocated(frags: &mut Frags<'_>) -> Option<FragBuf> {
    frags.alloc() //~ E0308
}

/// One that came back from another device.
pub fn used(used: Used<FragBuf>, queue: &mut impl QueueOps<FragBuf>) {
    let _ = queue.add_buf(used.into_buffer()); //~ E0277
}
