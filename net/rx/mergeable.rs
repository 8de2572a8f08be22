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
    header::HeaderKind,
    nic::Nic, //
};
use core::marker::PhantomData;
use kernel::{
    page::PAGE_SIZE,
    prelude::*, //
};
use net_buffers::FragBuf;
use netdev::{
    frag::{
        ip_padding,
        NET_SKB_PAD, //
    },
    skb::ETH_HLEN,
    DropReason,
    EthSkb,
    PoolSlot,
    RxData,
    RxFrag,
    RxKind,
    RxPacket,
    RxSkb, //
};
use virtio::{
    Look,
    Looked,
    QueueOps,
    UsedRef, //
};

/// Largest packet: the largest IP packet with Ethernet header and two VLAN tags.
pub(super) const MAX_PACKET: u32 = 65535 + ETH_HLEN as u32 + 2 * 4;

/// Receives to mergeable buffers, which come from the pool. Packets have headers of a kind.
pub(super) struct Mergeable<'a, 'b, H> {
    pool: PoolSlot<'a, Nic<'b>>,
    _header: PhantomData<H>,
}

impl<'a, 'b, H> Mergeable<'a, 'b, H> {
    /// Returns the mode for the pool of the queue.
    pub(super) fn new(pool: PoolSlot<'a, Nic<'b>>) -> Self {
        Self {
            pool,
            _header: PhantomData,
        }
    }
}

impl<H: HeaderKind> PollMode for Mergeable<'_, '_, H> {
    type Buffer = FragBuf;

    #[inline(always)]
    fn receive(&mut self, context: Context<'_, '_>, queue: &mut impl QueueOps<FragBuf>) -> bool {
        receive::<H, _>(context, queue, &mut self.pool)
    }

    fn refill(&mut self, context: Context<'_, '_>, queue: impl QueueOps<FragBuf>) -> Result {
        refill_frags(context, queue, self.pool.reborrow())
    }
}

/// Returns the kind of buffers of `len` bytes, of which `header` are those of the header. `mapped`
/// says whether they stay mapped for the
/// device while they are packets.
///
/// A packet is built around a buffer if two of them fit a page. It has headroom then, so that a
/// packet that is forwarded with another header before it is not copied.
///
/// `skb_shared_info` contains pointers, so it must not be in memory that the device can still
/// write.
pub(super) fn kind(len: u32, header: u32, mapped: bool) -> Option<RxKind> {
    RxKind::with_headroom(len, NET_SKB_PAD + ip_padding(header))
        .filter(|kind| !mapped && kind.size() <= PAGE_SIZE as u32 / 2)
        .or_else(|| RxKind::new(len, 0, false))
}

/// Looks at the packet that starts in a used buffer, and counts it. Returns its header if the
/// packet is short, and the buffer can be used again.
///
/// # Errors
///
/// Any other packet: its header, or [`HeaderKind::NONE`] if it is shorter than that.
#[inline(always)]
fn look<H: HeaderKind>(
    context: Context<'_, '_>,
    data: &RxData,
    pool: &mut PoolSlot<'_, Nic<'_>>,
) -> Result<H, H> {
    let layout = &context.dev().data().negotiated.header;
    // PERF: The pair is read once, and the counters are complete before the copy, so that fewer
    // values have to be kept across its calls. That saves 9 instructions a packet.
    let pair = context.pair();
    pair.rx.counters.packets.add(1);
    // Headers of mergeable buffers have the number of buffers.
    // PERF: No `Option`, which is passed in memory.
    let Some(header) = H::read(data, layout) else {
        return Err(H::NONE);
    };
    let buffers = layout.num_buffers(&header.raw().bytes());
    // OVERFLOW: The header was read from `data`.
    let len = data.len().wrapping_sub(H::len(layout));
    // A buffer of another kind than the driver wants now is not used again.
    if buffers != 1 || len < ETH_HLEN as u32 || len > COPY_LEN || !pool.is_current(data) {
        return Err(header);
    }
    pair.rx.counters.bytes.add(len.into());
    pair.add_received(len);
    Ok(header)
}

/// Copies a packet that [`look`] has found to be short. Returns none without memory.
#[inline(always)]
fn copy<H: HeaderKind>(context: Context<'_, '_>, data: &RxData) -> Option<EthSkb> {
    let skip = H::len(&context.dev().data().negotiated.header);
    EthSkb::copy::<COPY_LEN, _>(context.0, data, skip)
}

/// Looks at a used buffer by [`look`], and copies its packet by [`copy`].
struct Copier<'a, 'b, 'c, 'd, H> {
    context: Context<'a, 'b>,
    pool: PoolSlot<'c, Nic<'d>>,
    _header: PhantomData<H>,
}

impl<H: HeaderKind> Look<FragBuf> for Copier<'_, '_, '_, '_, H> {
    type Seen = H;
    type Again = (Option<EthSkb>, H);
    type Taken = H;

    #[inline(always)]
    fn look(&mut self, used: UsedRef<'_, FragBuf>) -> Result<H, H> {
        look(self.context, &FragBuf::seen(used), &mut self.pool)
    }

    #[inline(always)]
    fn read(self, used: UsedRef<'_, FragBuf>, header: H) -> Self::Again {
        let skb = copy::<H>(self.context, &FragBuf::seen_again(used));
        (skb, header)
    }
}

/// Receives the packet that starts in the next used buffer. Returns false if there is none.
///
/// The buffer of a packet that is copied goes back to the device.
#[inline(always)]
fn receive<H: HeaderKind, Q: QueueOps<FragBuf>>(
    context: Context<'_, '_>,
    queue: &mut Q,
    pool: &mut PoolSlot<'_, Nic<'_>>,
) -> bool {
    let copier = Copier::<H> {
        context,
        pool: pool.reborrow(),
        _header: PhantomData,
    };
    match queue.get_buf_or_add_again(copier) {
        Looked::Nothing => return false,
        Looked::AddedAgain((skb, header)) => deliver_copy(context, skb, header),
        Looked::Taken(header, used) => {
            let len = used.len();
            let frag = used.into_buffer().into_frag();
            receive_more(context, queue.reborrow(), frag, len, header);
        }
        // PERF: A function for mapped memory, where other memory is the usual case.
        Looked::Unable if Q::ADDS_AGAIN => {
            return receive_and_keep_outlined::<H>(context, queue.reborrow(), pool.reborrow());
        }
        Looked::Unable => return receive_and_keep::<H>(context, queue, pool),
    }
    true
}

/// As [`receive`]. The buffer of a packet that is copied is kept for the next refill.
#[inline(always)]
fn receive_and_keep<H: HeaderKind>(
    context: Context<'_, '_>,
    queue: &mut impl QueueOps<FragBuf>,
    pool: &mut PoolSlot<'_, Nic<'_>>,
) -> bool {
    let Some(used) = queue.get_buf() else {
        return false;
    };
    let data = FragBuf::received(used);
    match look::<H>(context, &data, pool) {
        Ok(header) => {
            let skb = copy::<H>(context, &data);
            pool.keep(data.into_frag());
            deliver_copy(context, skb, header);
        }
        Err(header) => {
            let (frag, len) = data.into_parts();
            receive_more(context, queue.reborrow(), frag, len, header);
        }
    }
    true
}

#[inline(never)]
fn receive_and_keep_outlined<H: HeaderKind>(
    context: Context<'_, '_>,
    mut queue: impl QueueOps<FragBuf>,
    mut pool: PoolSlot<'_, Nic<'_>>,
) -> bool {
    receive_and_keep::<H>(context, &mut queue, &mut pool)
}

/// Passes a copied packet to the stack, or counts it as dropped if there is none.
#[inline(always)]
fn deliver_copy<H: HeaderKind>(context: Context<'_, '_>, skb: Option<EthSkb>, header: H) {
    match skb {
        Some(skb) => deliver(context, skb, header),
        None => context.count_drop(),
    }
}

/// Receives a packet that [`look`] has left, because it is no short one in a buffer which is used
/// again, or is malformed. It starts in a fragment to which `len` bytes were written.
///
/// PERF: The fragment and the length are two values, so that they stay in registers.
#[inline(never)]
fn receive_more<H: HeaderKind>(
    context: Context<'_, '_>,
    mut queue: impl QueueOps<FragBuf>,
    frag: RxFrag,
    len: u32,
    header: H,
) {
    let data = RxData::from_parts(frag, len);
    let layout = &context.dev().data().negotiated.header;
    let skip = H::len(layout);
    if data.len() < skip {
        // There was no header, so the number of buffers is unknown.
        return count_too_short(context);
    }
    let buffers = layout.num_buffers(&header.raw().bytes());
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
        let skb = EthSkb::copy::<COPY_LEN, _>(context.0, &data, skip);
        drop(data);
        skb.map(|skb| RxPacket::new(skb.into_rx()))
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
            count_wrong_length(context);
            return packet.finish().drop_with(DropReason::DevHdr);
        };
        more -= 1;
        let data = FragBuf::received(used);
        let len = data.len();
        context.count_bytes(len);
        // Length 0, also the result of an impossible length: the packet has a hole.
        if len == 0 || packet.len().saturating_add(len) > MAX_PACKET {
            discard(context, &mut queue, more);
            count_wrong_length(context);
            let reason = if len == 0 {
                DropReason::DevHdr
            } else {
                DropReason::PktTooBig
            };
            return packet.finish().drop_with(reason);
        }
        if packet.append(data, 0).is_err() {
            discard(context, &mut queue, more);
            context.count_drop();
            return packet.finish().drop_with(DropReason::NoMem);
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
