// SPDX-License-Identifier: GPL-2.0

//! Packets that fit one buffer of the usual length.

use super::{
    deliver::deliver,
    wrong_length,
    Batch,
    Context, //
};
use crate::{
    facts::GOOD_PACKET_LEN,
    header::MAX_LEN, //
};
use net::{
    frag::SKB_HEADROOM,
    skb::ETH_HLEN,
    RxFrag,
    RxKind,
    SkBuff, //
};

/// The kind of the buffers, with a header of `header` bytes.
pub(super) fn kind(header: u32) -> Option<RxKind> {
    RxKind::new(header + GOOD_PACKET_LEN, SKB_HEADROOM, true)
}

/// Receives the packet in `frag`, to which `len` bytes were written.
#[inline(never)]
pub(super) fn receive(context: &Context<'_, '_>, frag: RxFrag, len: u32, batch: &mut Batch) {
    let skip = context.dev.data().facts.header.len as u32;
    let data = frag.received(len);
    let Some(len) = data.len().checked_sub(skip) else {
        return wrong_length(context, batch);
    };
    let (true, Some(header)) = (
        (ETH_HLEN as u32..=GOOD_PACKET_LEN).contains(&len),
        data.read::<MAX_LEN>(),
    ) else {
        return wrong_length(context, batch);
    };
    batch.bytes += u64::from(len);
    match SkBuff::build(&context.napi, data, skip) {
        Some(skb) => deliver(context, skb, &header),
        None => batch.drops += 1,
    }
}
