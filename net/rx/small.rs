// SPDX-License-Identifier: GPL-2.0

//! Small buffers: one buffer of the length of an ordinary packet for each packet.

use super::{
    count_too_short,
    count_wrong_length,
    deliver::deliver_any,
    poll::PollMode,
    refill_frags,
    Context,
    COPY_LEN, //
};
use crate::{
    header::{
        HeaderKind,
        LongHeader, //
    },
    negotiated::GOOD_PACKET_LEN,
    nic::Nic, //
};
use kernel::prelude::*;
use net_buffers::FragBuf;
use netdev::{
    frag::{
        ip_padding,
        NET_SKB_PAD, //
    },
    skb::ETH_HLEN,
    PoolSlot,
    RxData,
    RxFrag,
    RxKind,
    RxPacket,
    RxSkb, //
};
use virtio::QueueOps;

/// Receives to small buffers, which come from the pool.
pub(super) struct Small<'a, 'b>(pub(super) PoolSlot<'a, Nic<'b>>);

impl PollMode for Small<'_, '_> {
    type Buffer = FragBuf;

    fn receive(&mut self, context: Context<'_, '_>, queue: &mut impl QueueOps<FragBuf>) -> bool {
        let Some(used) = queue.get_buf() else {
            return false;
        };
        context.counters().packets.add(1);
        let (frag, len) = FragBuf::received(used).into_parts();
        receive(context, frag, len);
        true
    }

    fn refill(&mut self, context: Context<'_, '_>, queue: impl QueueOps<FragBuf>) -> Result {
        refill_frags(context, queue, self.0.reborrow())
    }
}

/// Returns the kind of the buffers, with a header of `header` bytes.
pub(super) fn kind(header: u32) -> Option<RxKind> {
    RxKind::with_headroom(header + GOOD_PACKET_LEN, NET_SKB_PAD + ip_padding(header))
}

/// Receives the packet in `frag`, to which `len` bytes were written.
#[inline(never)]
fn receive(context: Context<'_, '_>, frag: RxFrag, len: u32) {
    let negotiated = &context.dev().data().negotiated;
    let skip = negotiated.header.len as u32;
    let data = RxData::from_parts(frag, len);
    let len = data.len().saturating_sub(skip);
    let header = LongHeader::read(&data, &negotiated.header);
    let (true, Some(header)) = (len >= ETH_HLEN as u32, header) else {
        return count_too_short(context);
    };
    if len > GOOD_PACKET_LEN {
        return count_wrong_length(context);
    }
    context.count_bytes(len);
    let skb = if negotiated.dma {
        // `skb_shared_info` contains pointers, so it must not be in memory that the device can
        // still write.
        RxPacket::split(context.0, data, skip, COPY_LEN).map(RxPacket::finish)
    } else {
        RxSkb::build(context.0, data, skip)
    };
    match skb {
        Some(skb) => deliver_any(context, skb, header),
        None => context.count_drop(),
    }
}
