// SPDX-License-Identifier: GPL-2.0

//! The last steps of a received packet.

use crate::{
    header::{
        RxHeader,
        F_DATA_VALID,
        F_NEEDS_CSUM, //
    },
    nic::Nic,
};
use kernel::prelude::*;
use net::{
    device::ratelimit,
    Device,
    Napi,
    SkBuff, //
};

/// Gives a packet to the stack with what its header says of it, or drops it.
#[inline]
pub(super) fn deliver(
    dev: &Device<Nic<'_>>,
    index: usize,
    napi: &Napi<'_>,
    mut skb: SkBuff,
    header: &RxHeader,
) {
    if !header.is_plain() && offloads(dev, &mut skb, header).is_err() {
        malformed(dev, header);
        return;
    }
    napi.receive(dev, index, skb);
}

/// Takes over checksum and segmentation.
#[inline]
fn offloads(dev: &Device<Nic<'_>>, skb: &mut SkBuff, header: &RxHeader) -> Result {
    let flags = header.offload.flags;
    if flags & F_NEEDS_CSUM != 0 && !dev.data().facts.guest_csum {
        return Err(EINVAL);
    }
    if flags & F_DATA_VALID != 0 {
        skb.set_checksum_unnecessary();
    }
    skb.set_offload(dev, &header.offload)
}

#[cold]
fn malformed(dev: &Device<Nic<'_>>, header: &RxHeader) {
    let nic = dev.data();
    nic.errors.rx_frame_errors.add_shared(1);
    if ratelimit() {
        dev_warn!(
            nic.vdev.as_ref(),
            "{}: bad header: flags {:#x}, gso type {:#x}, size {}, checksum {}+{}\n",
            dev.name(),
            header.offload.flags,
            header.offload.gso_type,
            header.offload.gso_size,
            header.offload.csum_start,
            header.offload.csum_offset
        );
    }
}
