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

/// Gives a packet to the stack with what its header says of it, or drops it.
#[inline(always)]
pub(super) fn deliver(context: Context<'_, '_>, skb: EthSkb, header: RawHeader) {
    if header.is_plain() {
        context.0.receive(skb);
    } else {
        deliver_offloaded(context, skb.into_rx(), header);
    }
}

/// [`deliver`], of a packet that is dropped if it has no Ethernet header in its head.
#[inline]
pub(super) fn deliver_any(context: Context<'_, '_>, skb: RxSkb, header: RawHeader) {
    if let Some(skb) = EthSkb::new(skb) {
        deliver(context, skb, header);
    }
}

/// Gives a packet to the stack whose header says something of it.
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

/// Takes over checksum and segmentation, whatever was negotiated: a switch on the host may pass on
/// what another guest left to it, and what does not fit the packet is refused.
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
