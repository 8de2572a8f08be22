// SPDX-License-Identifier: GPL-2.0

//! Big buffers: one buffer of several pages per packet, for devices without mergeable buffers.

use super::{
    count_too_short,
    count_wrong_length,
    deliver::deliver_any,
    mergeable::MAX_PACKET,
    poll::PollMode,
    Context,
    Filled,
    COPY_LEN, //
};
use crate::{
    header::{
        LongHeader,
        MAX_LEN, //
    },
    negotiated::{
        Negotiated,
        RxMode, //
    },
};
use kernel::{
    alloc::KVec,
    prelude::*, //
};
use net_buffers::BigBuf;
use netdev::{
    skb::ETH_HLEN,
    Gfp, //
};
use virtio::{
    QueueOps,
    Used, //
};

/// The offset of the packet in the first page: behind the virtio header, and such that the data
/// behind the Ethernet header is aligned.
const PAD: u32 = 32;

/// Receives to big buffers. Has the buffers that are not in the queue.
pub(super) struct Big<'a>(pub(super) &'a mut KVec<BigBuf>);

/// Adds buffers until the ring is full, and notifies the device once.
#[inline(never)]
pub(super) fn fill(
    mut queue: impl QueueOps<BigBuf>,
    spare: &mut KVec<BigBuf>,
    negotiated: &Negotiated,
    gfp: Gfp,
) -> Filled {
    Filled {
        result: add_all(&mut queue, spare, negotiated, gfp),
        notified: queue.kick_prepare() && queue.notify(),
    }
}

fn add_all(
    queue: &mut impl QueueOps<BigBuf>,
    spare: &mut KVec<BigBuf>,
    negotiated: &Negotiated,
    gfp: Gfp,
) -> Result {
    let RxMode::Big { pages } = negotiated.rx_mode else {
        return Err(EINVAL);
    };
    loop {
        let mut buffer = match spare.pop() {
            Some(buffer) => buffer,
            None => BigBuf::new(
                pages,
                negotiated.header.len as u32,
                PAD,
                negotiated.dma,
                gfp,
            )?,
        };
        let (error, buffer) = match buffer.refill(gfp) {
            Ok(()) => match queue.add_buf(buffer) {
                Ok(()) => continue,
                Err(back) => (back.error, back.buffer),
            },
            Err(error) => (error, buffer),
        };
        // Kept for the next refill; freed if the list is full.
        let _ = spare.push_within_capacity(buffer);
        return if error == ENOSPC { Ok(()) } else { Err(error) };
    }
}

impl PollMode for Big<'_> {
    type Buffer = BigBuf;

    fn receive(&mut self, context: Context<'_, '_>, queue: &mut impl QueueOps<BigBuf>) -> bool {
        let Some(used) = queue.get_buf() else {
            return false;
        };
        context.counters().packets.add(1);
        let buffer = receive(context, used);
        // The list has room for all buffers of the ring.
        if let Err(e) = self.0.push_within_capacity(buffer) {
            drop(e);
        }
        true
    }

    fn refill(&mut self, context: Context<'_, '_>, queue: impl QueueOps<BigBuf>) -> Result {
        let negotiated = &context.dev().data().negotiated;
        fill(queue, self.0, negotiated, Gfp::Atomic).count(context.pair())
    }
}

/// Receives the packet in `used`, and returns the buffer with the pages that the packet did not
/// take.
#[inline(never)]
fn receive(context: Context<'_, '_>, used: Used<BigBuf>) -> BigBuf {
    let negotiated = &context.dev().data().negotiated;
    let skip = negotiated.header.len as u32;
    let len = used.len();
    let mut buffer = used.into_buffer();
    if len < skip + ETH_HLEN as u32 {
        count_too_short(context);
        return buffer;
    }
    // The pages have room for more bytes than a packet may have.
    if len - skip > MAX_PACKET {
        count_wrong_length(context);
        return buffer;
    }
    let header = LongHeader::new(buffer.read::<MAX_LEN>(), &negotiated.header);
    context.count_bytes(len - skip);
    match buffer.packet(context.0, len - skip, COPY_LEN) {
        Ok(skb) => deliver_any(context, skb, header),
        Err(e) if e == ENOMEM => context.count_drop(),
        Err(_) => count_wrong_length(context),
    }
    buffer
}
