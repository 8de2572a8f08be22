// SPDX-License-Identifier: GPL-2.0

//! Packets larger than a page, from devices that want one buffer for each.

use super::{
    deliver::deliver,
    wrong_length,
    Batch,
    Context,
    COPY_LEN, //
};
use crate::{
    counters::RxCounters,
    facts::{
        Facts,
        RxMode, //
    },
    header::MAX_LEN,
    tx, //
};
use kernel::{
    alloc::KVec,
    prelude::*, //
};
use net::{
    skb::ETH_HLEN,
    BigBuf,
    Gfp, //
};
use virtio::{
    Used,
    Virtqueue, //
};

/// Where the packet starts in the first page: after the header, and so that what follows the
/// Ethernet header is aligned.
const PAD: u32 = 32;

/// Adds buffers until the ring is full, and notifies the device once.
///
/// # Errors
///
/// There are fewer: see [`super::RxState::fill`].
pub(super) fn fill(
    vq: &mut Virtqueue<BigBuf>,
    spare: &mut KVec<BigBuf>,
    facts: &Facts,
    counters: &RxCounters,
    gfp: Gfp,
) -> Result {
    let ret = add_all(vq, spare, facts, gfp);
    if vq.kick_prepare() && vq.notify() {
        counters.kicks.add(1);
    }
    ret
}

fn add_all(
    vq: &mut Virtqueue<BigBuf>,
    spare: &mut KVec<BigBuf>,
    facts: &Facts,
    gfp: Gfp,
) -> Result {
    let RxMode::Big { pages } = facts.rx_mode else {
        return Err(EINVAL);
    };
    loop {
        let mut buffer = match spare.pop() {
            Some(buffer) => buffer,
            None => BigBuf::new(pages, facts.header.len as u32, PAD, facts.dma, gfp)?,
        };
        let (e, buffer) = match buffer.refill(gfp) {
            Ok(()) => match vq.add_buf(buffer) {
                Ok(()) => continue,
                Err(back) => back,
            },
            Err(e) => (e, buffer),
        };
        // For the next time. What there is no room for is freed.
        let _ = spare.push_within_capacity(buffer);
        return if e == ENOSPC { Ok(()) } else { Err(e) };
    }
}

/// The poll of a queue of `size` descriptors: see [`super::FragPoll`].
#[inline(never)]
pub(super) fn poll(
    context: &Context<'_, '_>,
    vq: &mut Virtqueue<BigBuf>,
    spare: &mut KVec<BigBuf>,
    size: u32,
) -> Option<u32> {
    let facts = &context.dev.data().facts;
    let budget = context.budget();
    if budget != 0 {
        vq.disable_cb();
    }
    tx::clean(context.dev, context.index, context.pair, &context.napi);

    let mut batch = Batch::default();
    let done = loop {
        while batch.packets < budget {
            let Some(used) = vq.get_buf() else { break };
            batch.packets += 1;
            let buffer = receive(context, used, &mut batch);
            // Room was reserved for all of the ring.
            if let Err(e) = spare.push_within_capacity(buffer) {
                drop(e);
            }
        }
        if vq.num_free() > budget.min(size) / 2
            && fill(vq, spare, facts, &context.pair.counters.rx, Gfp::Atomic) == Err(ENOMEM)
        {
            // There may be no buffer left whose use would bring us back here.
            context.dev.rx_retry();
        }
        if batch.packets >= budget {
            break None;
        }
        if vq.enable_cb() {
            break Some(batch.packets);
        }
        vq.disable_cb();
    };
    context.count(&batch);
    done
}

/// Receives the packet in `used`, and returns the buffer with what pages the packet left.
#[inline]
fn receive(context: &Context<'_, '_>, used: Used<BigBuf>, batch: &mut Batch) -> BigBuf {
    let facts = &context.dev.data().facts;
    let skip = facts.header.len as u32;
    let Used { mut buffer, len } = used;
    if len < skip + ETH_HLEN as u32 {
        wrong_length(context, batch);
        return buffer;
    }
    let header = buffer.read::<MAX_LEN>();
    batch.bytes += u64::from(len - skip);
    match buffer.packet(&context.napi, len - skip, COPY_LEN) {
        Ok(skb) => deliver(context, skb, &header),
        Err(e) if e == ENOMEM => batch.drops += 1,
        Err(_) => wrong_length(context, batch),
    }
    buffer
}
