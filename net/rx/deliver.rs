// SPDX-License-Identifier: GPL-2.0

//! The last steps of a received packet.

use super::Context;
use crate::header::{
    RawHeader,
    RxHeader,
    F_DATA_VALID, //
};
use kernel::prelude::*;
use netdev::{
    device::ratelimit,
    EthSkb,
    RxSkb, //
};

/// Passes a packet with its offload fields to the stack, or drops it.
#[inline(always)]
pub(super) fn deliver(context: Context<'_, '_>, skb: EthSkb, header: RawHeader) {
    if header.is_plain() {
        context.0.receive(skb);
    } else {
        deliver_offloaded(context, skb.into_rx(), header);
    }
}

/// As [`deliver`]. Drops a packet without a complete Ethernet header in its head.
#[inline]
pub(super) fn deliver_any(context: Context<'_, '_>, skb: RxSkb, header: RawHeader) {
    if let Some(skb) = EthSkb::new(skb) {
        deliver(context, skb, header);
    }
}

/// Passes a packet with a checksum or segmentation field to the stack.
#[inline(never)]
fn deliver_offloaded(context: Context<'_, '_>, mut skb: RxSkb, header: RawHeader) {
    let header = context
        .dev()
        .data()
        .negotiated
        .header
        .decode(&header.bytes());
    if apply_offloads(&context, &mut skb, &header).is_err() {
        count_malformed(&context, &header);
        return;
    }
    if let Some(skb) = EthSkb::new(skb) {
        context.0.receive(skb);
    }
}

/// Applies the checksum and segmentation fields, also if the offload was not negotiated: a switch
/// on the host may forward fields that another guest negotiated. Fields that do not fit the packet
/// are refused.
#[inline]
fn apply_offloads(context: &Context<'_, '_>, skb: &mut RxSkb, header: &RxHeader) -> Result {
    if header.offload.flags & F_DATA_VALID != 0 {
        skb.set_checksum_unnecessary();
    }
    skb.set_offload(context.dev(), &header.offload)
}

#[cold]
fn count_malformed(context: &Context<'_, '_>, header: &RxHeader) {
    let nic = context.dev().data();
    nic.errors.rx_frame_errors.add_shared(1);
    if ratelimit() {
        dev_warn!(
            nic.vdev.as_ref(),
            "{}: bad header: flags {:#x}, gso type {:#x}, size {}, checksum {}+{}\n",
            context.dev().name(),
            header.offload.flags,
            header.offload.gso_type,
            header.offload.gso_size,
            header.offload.csum_start,
            header.offload.csum_offset
        );
    }
}
