// SPDX-License-Identifier: GPL-2.0

//! Big buffers: one buffer of several pages per packet, for devices without mergeable buffers.

use super::{
    broken,
    deliver::deliver_any,
    mergeable::MAX_PACKET,
    too_short,
    until_quiet,
    wrong_length,
    Context,
    Filled,
    COPY_LEN, //
};
use crate::{
    header::{
        RawHeader,
        MAX_LEN, //
    },
    negotiated::{
        Negotiated,
        RxMode, //
    },
    tx, //
};
use kernel::{
    alloc::KVec,
    prelude::*, //
};
use net_buffers::BigBuf;
use netdev::{
    skb::ETH_HLEN,
    Budget,
    Gfp, //
};
use virtio::{
    Callbacks,
    Used,
    Virtqueue, //
};

/// The offset of the packet in the first page: after the header, and so that the data behind the
/// Ethernet header is aligned.
const PAD: u32 = 32;

/// Adds buffers until the ring is full, and notifies the device once.
pub(super) fn fill(
    vq: &mut Virtqueue<BigBuf>,
    spare: &mut KVec<BigBuf>,
    negotiated: &Negotiated,
    gfp: Gfp,
) -> Filled {
    Filled {
        result: add_all(vq, spare, negotiated, gfp),
        notified: vq.kick_prepare() && vq.notify(),
    }
}

fn add_all(
    vq: &mut Virtqueue<BigBuf>,
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
            Ok(()) => match vq.add_buf(buffer) {
                Ok(()) => continue,
                Err(back) => (back.error, back.buffer),
            },
            Err(error) => (error, buffer),
        };
        // For the next time. What there is no room for is freed.
        let _ = spare.push_within_capacity(buffer);
        return if error == ENOSPC { Ok(()) } else { Err(error) };
    }
}

/// The poll of a queue, as [`super::poll_frags`].
#[inline(never)]
pub(super) fn poll(
    context: Context<'_, '_>,
    vq: &mut Virtqueue<BigBuf>,
    spare: &mut KVec<BigBuf>,
    budget: Budget<'_>,
) -> i32 {
    let negotiated = &context.dev().data().negotiated;
    vq.disable_cb();
    tx::clean(context.0, budget);

    let budget = budget.get();
    until_quiet(
        vq,
        budget,
        |vq, mut packets| {
            while packets < budget {
                let Some(used) = vq.get_buf() else { break };
                packets += 1;
                context.counters().packets.add(1);
                let buffer = receive(context, used);
                // Room was reserved for all of the ring.
                if let Err(e) = spare.push_within_capacity(buffer) {
                    drop(e);
                }
            }
            if context.is_low(vq.num_free())
                && fill(vq, spare, negotiated, Gfp::Atomic).count(context.pair()) == Err(ENOMEM)
            {
                // There may be no buffer left whose use would bring us back here.
                context.dev().rx_retry();
            }
            packets
        },
        |vq| match vq.enable_cb() {
            false => Callbacks::Missed,
            true if vq.is_broken() => Callbacks::Broken,
            true => Callbacks::On,
        },
        |vq| vq.disable_cb(),
        || broken(context),
    )
}

/// Receives the packet in `used`, and returns the buffer with what pages the packet left.
#[inline]
fn receive(context: Context<'_, '_>, used: Used<BigBuf>) -> BigBuf {
    let negotiated = &context.dev().data().negotiated;
    let skip = negotiated.header.len as u32;
    let len = used.len();
    let mut buffer = used.into_buffer();
    if len < skip + ETH_HLEN as u32 {
        too_short(context);
        return buffer;
    }
    // The pages may have room for more than a packet has.
    if len - skip > MAX_PACKET {
        wrong_length(context);
        return buffer;
    }
    let header = buffer.read::<MAX_LEN>();
    context.received(len - skip);
    match buffer.packet(context.0, len - skip, COPY_LEN) {
        Ok(skb) => deliver_any(context, skb, RawHeader::new(header)),
        Err(e) if e == ENOMEM => context.dropped(),
        Err(_) => wrong_length(context),
    }
    buffer
}
