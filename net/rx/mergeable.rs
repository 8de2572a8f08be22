// SPDX-License-Identifier: GPL-2.0

//! Packets that are spread over as many buffers as it takes (virtio spec §5.1.6.4).
//!
//! The buffers follow the average length of the packets. Short ones have room for the
//! administration of a packet at their end, so that a packet that fits one buffer is built around
//! it; long ones do not, so that neighbours on a page merge into one fragment.

use super::{
    deliver::deliver,
    wrong_length,
    Batch,
    Context,
    COPY_LEN, //
};
use crate::{
    ewma::Ewma,
    header::MAX_LEN, //
};
use kernel::page::PAGE_SIZE;
use net::{
    frag::{
        NET_IP_ALIGN,
        SKB_SHARED_INFO, //
    },
    skb::ETH_HLEN,
    RxData,
    RxFrag,
    RxKind,
    RxPacket,
    SkBuff, //
};
use virtio::{
    QueueOps,
    Used, //
};

/// Largest packet, as all that is larger than what IP can say is none of ours.
const MAX_PACKET: u32 = 65535 + ETH_HLEN as u32 + 2 * 4;

/// The kind of buffers of `len` bytes.
pub(super) fn kind(len: u32) -> Option<RxKind> {
    RxKind::new(len, 0, len + SKB_SHARED_INFO <= PAGE_SIZE as u32 / 2)
}

/// Receives a packet that starts in `used`.
#[inline(always)]
pub(super) fn receive(
    context: &Context<'_, '_>,
    queue: &mut impl QueueOps<RxFrag>,
    average: &mut Ewma,
    used: Used<RxFrag>,
    batch: &mut Batch,
) {
    let facts = &context.dev.data().facts;
    let Used { buffer: frag, len } = used;
    let data = frag.received(len);
    // With this kind of buffers, headers have all fields.
    let Some(header) = data.read::<MAX_LEN>() else {
        // There is none to say how many buffers follow.
        return wrong_length(context, batch);
    };
    let skip = MAX_LEN as u32;
    let buffers = facts.header.num_buffers(&header);
    // OVERFLOW: As many bytes were read.
    let len = data.len().wrapping_sub(skip);
    if buffers != 1 || len < ETH_HLEN as u32 || len > COPY_LEN {
        // As values: `data` need not be in memory otherwise.
        let (frag, len) = data.into_parts();
        return receive_more(context, queue, average, frag, len, &header, batch);
    }
    batch.bytes = batch.bytes.wrapping_add(len.into());
    let Some(skb) = SkBuff::copy::<COPY_LEN>(&context.napi, data, skip) else {
        batch.drops = batch.drops.wrapping_add(1);
        return;
    };
    average.add(len);
    deliver(context, skb, &header);
}

/// Receives a packet that is not in one buffer, or is too large to be copied, or makes no sense.
#[inline(never)]
fn receive_more(
    context: &Context<'_, '_>,
    queue: &mut impl QueueOps<RxFrag>,
    average: &mut Ewma,
    frag: RxFrag,
    len: u32,
    header: &[u8; MAX_LEN],
    batch: &mut Batch,
) {
    let data = RxData::from_parts(frag, len);
    let skip = MAX_LEN as u32;
    let buffers = context.dev.data().facts.header.num_buffers(header);
    let Some(mut more) = buffers.checked_sub(1) else {
        // One is used at least: this one.
        return wrong_length(context, batch);
    };
    let len = data.len().saturating_sub(skip);
    batch.bytes += u64::from(len);
    if len < ETH_HLEN as u32 {
        discard(queue, more, batch);
        return wrong_length(context, batch);
    }

    let packet = if len <= COPY_LEN {
        SkBuff::copy::<COPY_LEN>(&context.napi, data, skip).map(RxPacket::new)
    } else if NET_IP_ALIGN == 0 && data.has_tailroom() {
        SkBuff::build(&context.napi, data, skip).map(RxPacket::new)
    } else {
        RxPacket::split(&context.napi, data, skip, COPY_LEN)
    };
    let Some(mut packet) = packet else {
        discard(queue, more, batch);
        batch.drops += 1;
        return;
    };

    while more != 0 {
        let Some(Used { buffer: frag, len }) = queue.get_buf() else {
            return wrong_length(context, batch);
        };
        more -= 1;
        let data = frag.received(len);
        let len = data.len();
        batch.bytes += u64::from(len);
        // Nothing, which is also what is left of a length that cannot be: the packet has a hole.
        if len == 0 || packet.len().saturating_add(len) > MAX_PACKET {
            discard(queue, more, batch);
            return wrong_length(context, batch);
        }
        if packet.append(data, 0).is_err() {
            discard(queue, more, batch);
            batch.drops += 1;
            return;
        }
    }

    average.add(packet.len());
    deliver(context, packet.finish(), header);
}

/// Takes the rest of a packet that is dropped.
#[cold]
fn discard(queue: &mut impl QueueOps<RxFrag>, buffers: u16, batch: &mut Batch) {
    for _ in 0..buffers {
        let Some(used) = queue.get_buf() else {
            return;
        };
        batch.bytes += u64::from(used.len);
    }
}
