// SPDX-License-Identifier: GPL-2.0

//! Receive buffers, whose pages may be mapped for a device, that are given to whichever other.

use netdev::{
    pool::Frags,
    RxFrag, //
};
use virtio::{
    QueueOps,
    Used,
    Virtqueue, //
};

/// A new one.
pub fn allocated(frags: &mut Frags<'_>, queue: &mut Virtqueue<RxFrag>) {
    if let Some(frag) = frags.alloc() {
        let _ = queue.add_buf(frag); //~ E0277
    }
}

/// One that came back from another device.
pub fn used(used: Used<RxFrag>, queue: &mut impl QueueOps<RxFrag>) {
    let _ = queue.add_buf(used.into_buffer()); //~ E0277
}
