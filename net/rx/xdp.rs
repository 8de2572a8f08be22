// SPDX-License-Identifier: GPL-2.0

//! Packets for an XDP program, from mergeable or small buffers.
//!
//! The poll of a queue with a program is a poll of its own, so that a queue without one pays
//! nothing per packet.
//!
//! The program works on the packet in place, if its buffers have the room that programs need, and
//! if no device can write to them any longer. Other packets are copied: those in buffers that were
//! added before the program was attached, and all if memory is mapped for the device. A packet in
//! several buffers is copied too, for a program that takes only one buffer.

use super::{
    count_length_error,
    count_too_short,
    count_wrong_length,
    deliver::deliver_any,
    mergeable::MAX_PACKET,
    poll::{
        poll_queue,
        PollMode, //
    },
    poll_big,
    refill_frags,
    xsk,
    Context,
    RxQueue,
    RxState, //
};
use crate::{
    header::{
        HeaderKind,
        LongHeader, //
    },
    negotiated::{
        Negotiated,
        RxMode,
        GOOD_PACKET_LEN, //
    },
    nic::Nic,
    tx, //
};
use kernel::prelude::*;
use net_buffers::FragBuf;
use netdev::{
    skb::ETH_HLEN,
    xdp::{
        self,
        Verdict,
        XdpHash, //
    },
    Budget,
    Features,
    PoolSlot,
    RxData,
    RxKind,
    XdpBuff,
    XdpProg, //
};
use virtio::{
    with_queue,
    QueueOps, //
};

/// Receives to page fragments for a program.
struct Xdp<'a, 'b> {
    prog: &'a XdpProg,
    pool: PoolSlot<'a, Nic<'b>>,
    /// Whether a packet may take several buffers.
    mergeable: bool,
    /// Whether the program sent a packet back.
    sent_back: &'a mut bool,
}

/// Polls a queue with a program.
#[inline(never)]
pub(super) fn poll<'a, 'b>(
    context: Context<'a, 'b>,
    state: &'a mut RxState,
    pool: PoolSlot<'a, Nic<'b>>,
    budget: Budget<'a>,
) -> i32 {
    let Some(prog) = &state.xdp else { return 0 };
    let mut sent_back = false;
    let (vq, mergeable) = match &mut state.queue {
        Some(RxQueue::Mergeable(vq)) => (vq, true),
        Some(RxQueue::Small(vq)) => (vq, false),
        // Not possible: programs are refused.
        Some(RxQueue::Big(vq)) => return poll_big(vq, context, &mut state.spare, budget),
        Some(RxQueue::Xsk(_)) => return xsk::poll(context, state, pool, budget),
        None => return 0,
    };
    let mode = Xdp {
        prog,
        pool,
        mergeable,
        sent_back: &mut sent_back,
    };
    let work = with_queue!(vq, |queue| poll_queue(queue, context, mode, budget));
    if sent_back {
        tx::xdp::flush(context.0);
    }
    work
}

/// Returns the kind of the buffers of a queue with a program.
pub(super) fn kind(negotiated: &Negotiated) -> Option<RxKind> {
    if negotiated.rx_mode == RxMode::Small {
        RxKind::new(
            negotiated.header.len as u32 + GOOD_PACKET_LEN,
            xdp::HEADROOM,
            true,
        )
    } else if negotiated.dma {
        // No program gets these buffers. Their content fits the page that it is copied to.
        RxKind::new(xdp::MAX_LEN, xdp::ROOM, false)
    } else {
        Some(RxKind::XDP)
    }
}

impl PollMode for Xdp<'_, '_> {
    type Buffer = FragBuf;

    fn receive(&mut self, context: Context<'_, '_>, queue: &mut impl QueueOps<FragBuf>) -> bool {
        let Some(used) = queue.get_buf() else {
            return false;
        };
        context.counters().packets.add(1);
        self.receive_packet(context, queue, FragBuf::received(used));
        true
    }

    fn refill(&mut self, context: Context<'_, '_>, queue: impl QueueOps<FragBuf>) -> Result {
        refill_frags(context, queue, self.pool.reborrow())
    }
}

impl Xdp<'_, '_> {
    /// Receives the packet that begins in `data`.
    fn receive_packet(
        &mut self,
        context: Context<'_, '_>,
        queue: &mut impl QueueOps<FragBuf>,
        data: RxData,
    ) {
        let layout = &context.dev().data().negotiated.header;
        let skip = layout.len as u32;
        let Some(header) = LongHeader::read(&data, layout) else {
            return count_too_short(context);
        };
        let buffers = if self.mergeable {
            layout.num_buffers(&header.raw().bytes())
        } else {
            1
        };
        let Some(more) = buffers.checked_sub(1) else {
            // A packet takes at least one buffer.
            return count_wrong_length(context);
        };
        let len = data.len().saturating_sub(skip);
        let is_too_short = len < ETH_HLEN as u32;
        let is_too_long = !self.mergeable && len > GOOD_PACKET_LEN;
        context.count_bytes(len);
        // The program must not see a packet whose checksum is incomplete, or which has to be
        // segmented. The device was told not to pass such packets on, but may have had some.
        let first = if is_too_short || is_too_long || header.raw().is_offloaded() {
            None
        } else {
            self.first(context, data, skip, more)
        };
        let packet = self.add_others(context, queue, first, more);
        if is_too_short {
            count_too_short(context);
        } else if is_too_long {
            count_wrong_length(context);
        } else if let Some(packet) = packet {
            self.run(context, packet, header);
        } else {
            count_xdp_drop(context);
        }
    }

    /// Returns the packet with the bytes of its first buffer. `more` buffers follow.
    fn first<'a, 'b>(
        &mut self,
        context: Context<'a, 'b>,
        data: RxData,
        skip: u32,
        more: u16,
    ) -> Option<XdpBuff<'a, Nic<'b>>> {
        if data.is_for_xdp() && (more == 0 || self.prog.has_frags()) {
            return XdpBuff::new(context.0, data, skip);
        }
        let copy = self.pool.copy_for_xdp(&data, skip)?;
        // OVERFLOW: At most the length of `data`.
        let copied = skip.wrapping_add(copy.len());
        let packet = XdpBuff::new(context.0, copy, 0)?;
        if copied == data.len() {
            return Some(packet);
        }
        // A buffer without room for programs may have more bytes than a page with that room.
        self.add(context, packet, data, copied)
    }

    /// Takes `more` buffers, and adds their bytes to the packet, unless there is none. Returns none
    /// if the packet cannot be put together.
    fn add_others<'a, 'b>(
        &mut self,
        context: Context<'a, 'b>,
        queue: &mut impl QueueOps<FragBuf>,
        mut packet: Option<XdpBuff<'a, Nic<'b>>>,
        more: u16,
    ) -> Option<XdpBuff<'a, Nic<'b>>> {
        for _ in 0..more {
            let Some(used) = queue.get_buf() else {
                count_length_error(context);
                return None;
            };
            let data = FragBuf::received(used);
            context.count_bytes(data.len());
            packet = packet.and_then(|packet| self.add(context, packet, data, 0));
        }
        packet
    }

    /// Adds the bytes of a buffer after the first `skip` bytes to the packet. Returns none if that
    /// is not possible.
    fn add<'a, 'b>(
        &mut self,
        context: Context<'a, 'b>,
        mut packet: XdpBuff<'a, Nic<'b>>,
        data: RxData,
        mut skip: u32,
    ) -> Option<XdpBuff<'a, Nic<'b>>> {
        let len = data.len().saturating_sub(skip);
        // Length 0, also the result of an impossible length: the packet has a hole.
        if len == 0 || packet.len().saturating_add(len) > MAX_PACKET {
            count_length_error(context);
            return None;
        }
        if !self.prog.has_frags() {
            packet.copy(&data, skip).ok()?;
        } else if data.is_mapped() {
            while skip < data.len() {
                let copy = self.pool.copy_for_xdp(&data, skip)?;
                // OVERFLOW: At most the length of `data`.
                skip = skip.wrapping_add(copy.len());
                packet.append(copy, 0).ok()?;
            }
        } else {
            packet.append(data, skip).ok()?;
        }
        Some(packet)
    }

    /// Runs the program on a packet, and does what it decides.
    fn run<'b>(
        &mut self,
        context: Context<'_, 'b>,
        mut packet: XdpBuff<'_, Nic<'b>>,
        header: LongHeader,
    ) {
        let counters = context.counters();
        counters.xdp_packets.add(1);
        packet.set_hash(hash(context, header));
        match packet.run(self.prog) {
            Verdict::Pass(packet) => {
                if let Some(skb) = packet.into_skb() {
                    return deliver_any(context, skb, header.without_offload());
                }
            }
            Verdict::Tx(packet) => {
                counters.xdp_tx.add(1);
                if let Some(frame) = packet.into_frame() {
                    if tx::xdp::send_back(context.0, frame).is_ok() {
                        *self.sent_back = true;
                        return;
                    }
                    XdpBuff::report_tx_failure(context.0, self.prog);
                }
            }
            Verdict::Redirect(packet) => {
                counters.xdp_redirects.add(1);
                if packet.perform(self.prog).is_ok() {
                    return;
                }
            }
            Verdict::Drop => {}
        }
        count_xdp_drop(context);
    }
}

/// Returns the hash that a program may ask for: that of the device, unless the user has switched
/// such hashes off.
pub(super) fn hash(context: Context<'_, '_>, header: LongHeader) -> Option<XdpHash> {
    let hash = header.xdp_hash()?;
    context
        .dev()
        .features()
        .has(Features::RXHASH)
        .then_some(hash)
}

/// Counts a packet that was dropped by the program, or because no program can get it.
pub(super) fn count_xdp_drop(context: Context<'_, '_>) {
    context.counters().xdp_drops.add(1);
    context.count_drop();
}
