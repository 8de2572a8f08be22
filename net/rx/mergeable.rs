// SPDX-License-Identifier: GPL-2.0

//! Mergeable buffers: a packet takes as many buffers as it needs (virtio spec §5.1.6.4).
//!
//! The length of a buffer follows the average packet length. A short buffer has room at its end for
//! `skb_shared_info`, so that a packet in one buffer is built around it without a copy. A long
//! buffer has no such room, so that neighbouring buffers on a page merge into one fragment.

use super::{
    count_too_short,
    count_wrong_length,
    deliver::{
        deliver,
        deliver_any, //
    },
    poll::PollMode,
    refill_frags,
    Context,
    COPY_LEN, //
};
use crate::{
    header::{
        RawHeader,
        MAX_LEN, //
    },
    nic::Nic,
};
use kernel::{
    page::PAGE_SIZE,
    prelude::*, //
};
use net_buffers::FragBuf;
use netdev::{
    frag::{
        ip_padding,
        NET_SKB_PAD,
        SKB_SHARED_INFO, //
    },
    skb::ETH_HLEN,
    EthSkb,
    PoolSlot,
    RxData,
    RxFrag,
    RxKind,
    RxPacket,
    RxSkb, //
};
use virtio::{
    QueueOps,
    Used, //
};

/// Largest packet: the largest IP packet with Ethernet header and two VLAN tags.
pub(super) const MAX_PACKET: u32 = 65535 + ETH_HLEN as u32 + 2 * 4;

/// Receives to mergeable buffers, which come from the pool.
pub(super) struct Mergeable<'a, 'b>(pub(super) PoolSlot<'a, Nic<'b>>);

impl PollMode for Mergeable<'_, '_> {
    type Buffer = FragBuf;

    fn receive(
        &mut self,
        context: Context<'_, '_>,
        queue: &mut impl QueueOps<FragBuf>,
        used: Used<FragBuf>,
    ) {
        receive(context, queue, used);
    }

    fn refill(&mut self, context: Context<'_, '_>, queue: impl QueueOps<FragBuf>) -> Result {
        refill_frags(context, queue, &mut self.0)
    }
}

/// Returns the kind of buffers of `len` bytes. `mapped` says whether they stay mapped for the
/// device while they are packets.
///
/// `skb_shared_info` contains pointers, so it must not be in memory that the device can still
/// write.
pub(super) fn kind(len: u32, mapped: bool) -> Option<RxKind> {
    const PADDING: u32 = ip_padding(MAX_LEN as u32);
    let fits = |headroom| !mapped && headroom + len + SKB_SHARED_INFO <= PAGE_SIZE as u32 / 2;
    // PERF: With headroom, a packet that is forwarded with another header before it is not copied.
    if fits(NET_SKB_PAD + PADDING) {
        RxKind::new(len, NET_SKB_PAD + PADDING, true)
    } else if fits(PADDING) {
        RxKind::new(len, PADDING, true)
    } else {
        RxKind::new(len, 0, false)
    }
}

/// Receives a packet that starts in `used`.
fn receive(context: Context<'_, '_>, queue: &mut impl QueueOps<FragBuf>, used: Used<FragBuf>) {
    let negotiated = &context.dev().data().negotiated;
    // PERF: The pair is read once, and the counters are complete before the copy, so that fewer
    // values have to be kept across its calls. That saves 9 instructions a packet.
    let pair = context.pair();
    pair.counters.rx.packets.add(1);
    let data = FragBuf::received(used);
    // Headers of mergeable buffers have all fields.
    let Some(header) = RawHeader::read(&data) else {
        // Without a header the number of buffers is unknown.
        return count_too_short(context);
    };
    let skip = MAX_LEN as u32;
    let buffers = negotiated.header.num_buffers(&header.bytes());
    // OVERFLOW: `skip` bytes of `data` were read above.
    let len = data.len().wrapping_sub(skip);
    if buffers != 1 || len < ETH_HLEN as u32 || len > COPY_LEN {
        // PERF: Passed as two values, so that `data` stays in registers.
        let (frag, len) = data.into_parts();
        return receive_more(context, queue.reborrow(), frag, len, header);
    }
    pair.counters.rx.bytes.add(len.into());
    pair.add_received(len);
    let Some(skb) = EthSkb::copy::<COPY_LEN, _>(context.0, data, skip) else {
        return context.count_drop();
    };
    deliver(context, skb, header);
}

/// Receives a packet that takes several buffers, is too large to be copied, or is malformed.
#[inline(never)]
fn receive_more(
    context: Context<'_, '_>,
    mut queue: impl QueueOps<FragBuf>,
    frag: RxFrag,
    len: u32,
    header: RawHeader,
) {
    let data = RxData::from_parts(frag, len);
    let skip = MAX_LEN as u32;
    let buffers = context
        .dev()
        .data()
        .negotiated
        .header
        .num_buffers(&header.bytes());
    let Some(mut more) = buffers.checked_sub(1) else {
        // A packet takes at least one buffer.
        return count_wrong_length(context);
    };
    let len = data.len().saturating_sub(skip);
    if len < ETH_HLEN as u32 {
        discard(context, &mut queue, more);
        return count_too_short(context);
    }
    context.count_bytes(len);

    let packet = if len <= COPY_LEN {
        EthSkb::copy::<COPY_LEN, _>(context.0, data, skip).map(|skb| RxPacket::new(skb.into_rx()))
    } else if data.has_tailroom() {
        RxSkb::build(context.0, data, skip).map(RxPacket::new)
    } else {
        RxPacket::split(context.0, data, skip, COPY_LEN)
    };
    let Some(mut packet) = packet else {
        discard(context, &mut queue, more);
        context.count_drop();
        return;
    };

    while more != 0 {
        let Some(used) = queue.get_buf() else {
            return count_wrong_length(context);
        };
        more -= 1;
        let data = FragBuf::received(used);
        let len = data.len();
        context.count_bytes(len);
        // Length 0, also the result of an impossible length: the packet has a hole.
        if len == 0 || packet.len().saturating_add(len) > MAX_PACKET {
            discard(context, &mut queue, more);
            return count_wrong_length(context);
        }
        if packet.append(data, 0).is_err() {
            discard(context, &mut queue, more);
            context.count_drop();
            return;
        }
    }

    context.pair().add_received(packet.len());
    deliver_any(context, packet.finish(), header);
}

/// Takes the other buffers of a packet that is dropped.
#[cold]
fn discard(context: Context<'_, '_>, queue: &mut impl QueueOps<FragBuf>, buffers: u16) {
    for _ in 0..buffers {
        let Some(used) = queue.get_buf() else {
            return;
        };
        context.count_bytes(used.len());
    }
}
