// SPDX-License-Identifier: GPL-2.0

//! Packets larger than a page, from devices that want one buffer for each.

use super::{
    deliver::deliver,
    wrong_length,
    Batch,
    COPY_LEN, //
};
use crate::{
    facts::Facts,
    header::MAX_LEN,
    nic::Nic, //
};
use kernel::{
    alloc::KVec,
    prelude::*, //
};
use net::{
    skb::ETH_HLEN,
    BigBuf,
    Device,
    Gfp,
    Napi, //
};
use virtio::{
    Used,
    Virtqueue, //
};

/// Where the packet starts in the first page: after the header, and so that what follows the
/// Ethernet header is aligned.
const PAD: u32 = 32;

/// Adds buffers until the ring is full.
///
/// # Errors
///
/// There are fewer: see [`super::RxState::fill`].
pub(super) fn fill(
    vq: &mut Virtqueue<BigBuf>,
    spare: &mut KVec<BigBuf>,
    pages: usize,
    facts: &Facts,
    gfp: Gfp,
) -> Result {
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

/// Receives the packet in `used`, and returns the buffer with what pages the packet left.
#[inline]
pub(super) fn receive(
    dev: &Device<Nic<'_>>,
    index: usize,
    napi: &Napi<'_>,
    used: Used<BigBuf>,
    batch: &mut Batch,
) -> BigBuf {
    let facts = &dev.data().facts;
    let skip = facts.header.len as u32;
    let Used { mut buffer, len } = used;
    if len < skip + ETH_HLEN as u32 {
        wrong_length(dev, batch);
        return buffer;
    }
    let header = facts.header.decode(&buffer.read::<MAX_LEN>());
    batch.bytes += u64::from(len - skip);
    match buffer.packet(napi, len - skip, COPY_LEN) {
        Ok(skb) => deliver(dev, index, napi, skb, &header),
        Err(e) if e == ENOMEM => batch.drops += 1,
        Err(_) => wrong_length(dev, batch),
    }
    buffer
}
