// SPDX-License-Identifier: GPL-2.0

//! The last steps of a received packet.

use super::{
    count_wrong_length,
    Context, //
};
use crate::header::{
    HeaderKind,
    RxHeader,
    F_DATA_VALID,
    F_UDP_TUNNEL_CSUM,
    GSO_UDP_TUNNEL, //
};
use kernel::prelude::*;
use netdev::{
    device::ratelimit,
    DropReason,
    EthSkb,
    Features,
    RxSkb,
    RxTunnel, //
};

/// Passes a packet with its offload fields to the stack, or drops it.
#[inline(always)]
pub(super) fn deliver<H: HeaderKind>(context: Context<'_, '_>, mut skb: EthSkb, header: H) {
    if let Some(hash) = header.hash() {
        if context.dev().features().has(Features::RXHASH) {
            skb.set_hash(hash.value, hash.kind);
        }
    }
    if header.raw().is_plain() {
        context.0.receive(skb);
    } else {
        deliver_offloaded(context, skb.into_rx(), header);
    }
}

/// As [`deliver`]. Drops a packet without a complete Ethernet header in its head.
#[inline]
pub(super) fn deliver_any<H: HeaderKind>(context: Context<'_, '_>, skb: RxSkb, header: H) {
    match EthSkb::new(skb) {
        Ok(skb) => deliver(context, skb, header),
        Err(skb) => drop_short(context, skb),
    }
}

/// Drops and counts a packet without a complete Ethernet header in its head.
#[cold]
fn drop_short(context: Context<'_, '_>, skb: RxSkb) {
    count_wrong_length(context);
    skb.drop_with(DropReason::PktTooSmall);
}

/// Passes a packet with a checksum or segmentation field to the stack.
#[inline(never)]
fn deliver_offloaded<H: HeaderKind>(context: Context<'_, '_>, mut skb: RxSkb, header: H) {
    let layout = &context.dev().data().negotiated.header;
    let tunnel = header.tunnel();
    let header = layout.decode(&header.raw().bytes());
    if apply_offloads(&context, &mut skb, &header, tunnel).is_err() {
        count_malformed(&context, &header);
        return skb.drop_with(DropReason::DevHdr);
    }
    match EthSkb::new(skb) {
        Ok(skb) => context.0.receive(skb),
        Err(skb) => drop_short(context, skb),
    }
}

/// Applies the checksum and segmentation fields, also if the offload was not negotiated: a switch
/// on the host may forward fields that another guest negotiated. Fields that do not fit the packet
/// are refused. Packets to segment in a tunnel, of which `tunnel` has the fields, are taken only if
/// they were negotiated, because the header of other devices lacks the fields.
#[inline]
fn apply_offloads(
    context: &Context<'_, '_>,
    skb: &mut RxSkb,
    header: &RxHeader,
    tunnel: Option<RxTunnel>,
) -> Result {
    let offload = &header.offload;
    if let Some(tunnel) = tunnel.filter(|_| offload.gso_type & GSO_UDP_TUNNEL != 0) {
        // Its checksum is to be completed.
        if offload.flags & F_DATA_VALID != 0 {
            return Err(EINVAL);
        }
        return skb.set_tunnel_offload(context.dev(), offload, &tunnel);
    }
    if offload.flags & F_DATA_VALID != 0 {
        skb.set_checksum_unnecessary();
        if offload.flags & F_UDP_TUNNEL_CSUM != 0 {
            set_tunnel_checksum(context, skb);
        }
    }
    skb.set_offload(context.dev(), offload)
}

/// Records that the device has checked two checksums. Has no effect if that was not negotiated: the
/// flag is unknown then.
#[cold]
fn set_tunnel_checksum(context: &Context<'_, '_>, skb: &mut RxSkb) {
    if context.dev().data().negotiated.header.tunnels.rx_csum {
        skb.set_tunnel_checksum_unnecessary();
    }
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
