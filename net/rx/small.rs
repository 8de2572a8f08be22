// SPDX-License-Identifier: GPL-2.0

//! Packets that fit one buffer of the usual length.

use super::{
    deliver::deliver,
    wrong_length,
    Batch, //
};
use crate::{
    facts::GOOD_PACKET_LEN,
    header::MAX_LEN,
    nic::Nic, //
};
use kernel::prelude::*;
use net::{
    frag::SKB_HEADROOM,
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

/// Adds buffers until the ring is full.
///
/// # Errors
///
/// There are fewer: see [`super::RxState::fill`].
pub(super) fn fill(
    vq: &mut Virtqueue<RxFrag>,
    pool: &mut Pool<'_>,
    header: u32,
    gfp: Gfp,
) -> Result {
    while vq.num_free() != 0 {
        let frag = pool
            .alloc(header + GOOD_PACKET_LEN, SKB_HEADROOM, true, gfp)
            .ok_or(ENOMEM)?;
        vq.add_buf(frag).map_err(|(e, _)| e)?;
    }
    Ok(())
}

/// Receives the packet in `used`.
#[inline]
pub(super) fn receive(
    dev: &Device<Nic<'_>>,
    index: usize,
    napi: &Napi<'_>,
    used: Used<RxFrag>,
    batch: &mut Batch,
) {
    let facts = &dev.data().facts;
    let skip = facts.header.len as u32;
    let Used { buffer: frag, len } = used;
    if len < skip + ETH_HLEN as u32 || len - skip > GOOD_PACKET_LEN {
        return wrong_length(dev, batch);
    }
    frag.sync_for_cpu(len);
    let header = facts.header.decode(&frag.read::<MAX_LEN>());
    batch.bytes += u64::from(len - skip);
    match RxPacket::build(napi, frag, skip, len - skip) {
        Ok(packet) => deliver(dev, index, napi, packet.finish(), &header),
        Err(_) => batch.drops += 1,
    }
}
