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
    COPY_LEN, //
};
use crate::{
    ewma::Ewma,
    header::MAX_LEN,
    nic::Nic, //
};
use kernel::{
    page::PAGE_SIZE,
    prelude::*, //
};
use net::{
    frag::{
        NET_IP_ALIGN,
        SKB_SHARED_INFO, //
    },
    skb::ETH_HLEN,
    Device,
    Gfp,
    Napi,
    Pool,
    RxFrag,
    RxPacket, //
};
use virtio::{
    Used,
    Virtqueue, //
};

/// Largest packet, as all that is larger than what IP can say is none of ours.
const MAX_PACKET: u32 = 65535 + ETH_HLEN as u32 + 2 * 4;

/// Adds buffers of `len` bytes until the ring is full.
///
/// # Errors
///
/// There are fewer: see [`super::RxState::fill`].
pub(super) fn fill(vq: &mut Virtqueue<RxFrag>, pool: &mut Pool<'_>, len: u32, gfp: Gfp) -> Result {
    let tail = len + SKB_SHARED_INFO <= PAGE_SIZE as u32 / 2;
    while vq.num_free() != 0 {
        let frag = pool.alloc(len, 0, tail, gfp).ok_or(ENOMEM)?;
        vq.add_buf(frag).map_err(|(e, _)| e)?;
    }
    Ok(())
}

/// Receives a packet that starts in `used`.
#[inline]
pub(super) fn receive(
    dev: &Device<Nic<'_>>,
    index: usize,
    vq: &mut Virtqueue<RxFrag>,
    average: &mut Ewma,
    napi: &Napi<'_>,
    used: Used<RxFrag>,
    batch: &mut Batch,
) {
    let facts = &dev.data().facts;
    let skip = facts.header.len as u32;
    let Used { buffer: frag, len } = used;
    if len < skip {
        // There is no header to say how many buffers follow.
        return wrong_length(dev, batch);
    }
    frag.sync_for_cpu(len);
    let header = facts.header.decode(&frag.read::<MAX_LEN>());
    if header.num_buffers == 0 {
        // One is used at least: this one.
        return wrong_length(dev, batch);
    }
    let mut more = header.num_buffers - 1;
    let len = len - skip;
    batch.bytes += u64::from(len);
    if len < ETH_HLEN as u32 {
        discard(vq, more, batch);
        return wrong_length(dev, batch);
    }

    let packet = if NET_IP_ALIGN == 0 && len > COPY_LEN && frag.has_tailroom() {
        RxPacket::build(napi, frag, skip, len)
    } else {
        RxPacket::copy(napi, frag, skip, len, COPY_LEN)
    };
    let Ok(mut packet) = packet else {
        discard(vq, more, batch);
        batch.drops += 1;
        return;
    };

    while more != 0 {
        let Some(Used { buffer: frag, len }) = vq.get_buf() else {
            return wrong_length(dev, batch);
        };
        more -= 1;
        frag.sync_for_cpu(len);
        batch.bytes += u64::from(len);
        // Nothing, which is also what is left of a length that cannot be: the packet has a hole.
        if len == 0 || packet.len().saturating_add(len) > MAX_PACKET {
            discard(vq, more, batch);
            return wrong_length(dev, batch);
        }
        if packet.append(frag, 0, len).is_err() {
            discard(vq, more, batch);
            batch.drops += 1;
            return;
        }
    }

    average.add(packet.len());
    deliver(dev, index, napi, packet.finish(), &header);
}

/// Takes the rest of a packet that is dropped.
#[cold]
fn discard(vq: &mut Virtqueue<RxFrag>, buffers: u16, batch: &mut Batch) {
    for _ in 0..buffers {
        let Some(used) = vq.get_buf() else {
            return;
        };
        batch.bytes += u64::from(used.len);
    }
}
