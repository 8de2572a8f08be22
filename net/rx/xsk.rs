// SPDX-License-Identifier: GPL-2.0

//! Packets in the memory of an AF_XDP socket.
//!
//! The device receives to buffers of user space. A program passes a packet to the socket without a
//! copy. Other packets are copied: those for the stack, and those that are sent back.
//!
//! A packet in several buffers goes to the stack, or is dropped if there is a program.

use super::{
    count_too_short,
    count_wrong_length,
    deliver::deliver_any,
    mergeable::MAX_PACKET,
    poll::{
        poll_queue,
        PollMode, //
    },
    xdp::{
        count_xdp_drop,
        hash, //
    },
    Context,
    RxQueue,
    RxState, //
};
use crate::{
    header::{
        HeaderKind,
        LongHeader,
        MAX_LEN, //
    },
    negotiated::RxMode,
    nic::{
        Nic,
        Pair, //
    },
    tx, //
};
use kernel::prelude::*;
use net_buffers::{
    xsk,
    FragBuf,
    XskBuf, //
};
use netdev::{
    skb::ETH_HLEN,
    xsk::XskVerdict,
    Budget,
    PoolSlot,
    XdpBuff,
    XdpProg,
    XskCopy,
    XskPacket,
    XskRx, //
};
use virtio::{
    with_queue,
    QueueOps,
    Used,
    Virtqueue, //
};

impl RxQueue {
    /// Returns the queue for buffers of an AF_XDP socket.
    ///
    /// # Errors
    ///
    /// Returns the queue if a buffer is outstanding, or if its buffers are big.
    pub(crate) fn try_into_xsk(self) -> Result<Self, Self> {
        match self {
            Self::Mergeable(vq) => vq.try_retype().map(Self::Xsk).map_err(Self::Mergeable),
            Self::Small(vq) => vq.try_retype().map(Self::Xsk).map_err(Self::Small),
            other => Err(other),
        }
    }

    /// Returns the queue for the buffers that it has without an AF_XDP socket.
    ///
    /// # Errors
    ///
    /// Returns the queue if a buffer is outstanding.
    pub(crate) fn try_out_of_xsk(self, mode: RxMode) -> Result<Self, Self> {
        let Self::Xsk(vq) = self else {
            return Ok(self);
        };
        let vq: Virtqueue<FragBuf> = vq.try_retype().map_err(Self::Xsk)?;
        Ok(if mode == RxMode::Mergeable {
            Self::Mergeable(vq)
        } else {
            Self::Small(vq)
        })
    }
}

/// Adds buffers of user space until the ring is full, and notifies the device once.
///
/// # Errors
///
/// `ENOMEM`: user space has too few buffers, and does not wake the queue when there are more.
/// `EIO`: the queue is broken. `EINVAL`: the memory is mapped for another device.
pub(super) fn fill(vq: &mut Virtqueue<XskBuf>, rx: &mut Option<XskRx>, pair: &Pair) -> Result {
    let Some(rx) = rx else { return Ok(()) };
    with_queue!(vq, |queue| fill_queue(queue, rx, pair))
}

#[inline(never)]
fn fill_queue(mut queue: impl QueueOps<XskBuf>, rx: &mut XskRx, pair: &Pair) -> Result {
    let room = queue.num_free();
    let taken = xsk::fill(&mut queue, rx, room);
    if taken.buffers != 0 && queue.kick_prepare() && queue.notify() {
        pair.rx.counters.kicks.add(1);
    }
    taken.result
}

/// Receives to buffers of user space.
struct Xsk<'a, 'b> {
    rx: &'a mut XskRx,
    prog: Option<&'a XdpProg>,
    pool: PoolSlot<'a, Nic<'b>>,
    /// Whether a packet may take several buffers.
    mergeable: bool,
    /// Whether the program sent a packet back.
    sent_back: &'a mut bool,
}

/// Polls a queue of buffers of user space.
#[cold]
#[inline(never)]
pub(super) fn poll<'a, 'b>(
    context: Context<'a, 'b>,
    state: &'a mut RxState,
    pool: PoolSlot<'a, Nic<'b>>,
    budget: Budget<'a>,
) -> i32 {
    let (Some(RxQueue::Xsk(vq)), Some(rx)) = (&mut state.queue, &mut state.xsk) else {
        return 0;
    };
    let mut sent_back = false;
    let mode = Xsk {
        rx,
        prog: state.xdp.as_ref(),
        pool,
        mergeable: context.dev().data().negotiated.rx_mode == RxMode::Mergeable,
        sent_back: &mut sent_back,
    };
    let work = with_queue!(vq, |queue| poll_queue(queue, context, mode, budget));
    if sent_back {
        tx::xdp::flush(context.0);
    }
    tx::xsk::poll_with_rx(context.0, budget);
    work
}

impl PollMode for Xsk<'_, '_> {
    type Buffer = XskBuf;

    fn receive(&mut self, context: Context<'_, '_>, queue: &mut impl QueueOps<XskBuf>) -> bool {
        let Some(used) = queue.get_buf() else {
            return false;
        };
        context.counters().packets.add(1);
        self.receive_packet(context, queue, used);
        true
    }

    fn refill(&mut self, context: Context<'_, '_>, queue: impl QueueOps<XskBuf>) -> Result {
        fill_queue(queue, self.rx, context.pair())
    }
}

impl Xsk<'_, '_> {
    /// Receives the packet that begins in `used`.
    fn receive_packet(
        &mut self,
        context: Context<'_, '_>,
        queue: &mut impl QueueOps<XskBuf>,
        used: Used<XskBuf>,
    ) {
        let layout = &context.dev().data().negotiated.header;
        let Some(packet) = XskBuf::received(used, self.rx, context.0) else {
            // Without a header the number of buffers is unknown.
            return count_too_short(context);
        };
        let header = LongHeader::new(packet.before::<MAX_LEN>(), layout);
        let buffers = if self.mergeable {
            layout.num_buffers(&header.raw().bytes())
        } else {
            1
        };
        let Some(more) = buffers.checked_sub(1) else {
            // A packet takes at least one buffer.
            return count_wrong_length(context);
        };
        let len = packet.len();
        context.count_bytes(len);
        if len < ETH_HLEN as u32 {
            drop(packet);
            self.discard(context, queue, more);
            return count_too_short(context);
        }
        let Some(prog) = self.prog else {
            let skb = xsk::copy(packet);
            return self.pass(context, queue, skb, more, header);
        };
        if more == 0 && !header.raw().is_offloaded() {
            let verdict = run(context, packet, prog, header);
            return handle(
                context,
                verdict,
                prog,
                header,
                &mut self.pool,
                self.sent_back,
            );
        }
        // The program must see whole packets, whose checksum is complete, and which need not be
        // segmented.
        drop(packet);
        self.discard(context, queue, more);
        count_xdp_drop(context);
    }

    /// Passes a packet to the stack, of which `skb` has the bytes of the first buffer.
    fn pass(
        &mut self,
        context: Context<'_, '_>,
        queue: &mut impl QueueOps<XskBuf>,
        skb: Option<XskCopy>,
        mut more: u16,
        header: LongHeader,
    ) {
        let Some(mut skb) = skb else {
            self.discard(context, queue, more);
            return context.count_drop();
        };
        while more != 0 {
            let Some(used) = queue.get_buf() else {
                return count_wrong_length(context);
            };
            // OVERFLOW: Not 0, as compared.
            more = more.wrapping_sub(1);
            let len = used.len();
            context.count_bytes(len);
            let packet = XskBuf::received_more(used, self.rx, context.0);
            // Length 0, also the result of an impossible length: the packet has a hole.
            if len == 0 || skb.len().saturating_add(len) > MAX_PACKET {
                drop(packet);
                self.discard(context, queue, more);
                return count_wrong_length(context);
            }
            let added = packet
                .ok_or(EINVAL)
                .and_then(|packet| xsk::append(&mut skb, packet));
            if added.is_err() {
                self.discard(context, queue, more);
                return context.count_drop();
            }
        }
        deliver_any(context, skb.into_skb(), header);
    }

    /// Takes the other buffers of a packet that is dropped.
    #[cold]
    fn discard(
        &mut self,
        context: Context<'_, '_>,
        queue: &mut impl QueueOps<XskBuf>,
        buffers: u16,
    ) {
        for _ in 0..buffers {
            let Some(used) = queue.get_buf() else {
                context.dev().data().errors.rx_length_errors.add_shared(1);
                return;
            };
            context.count_bytes(used.len());
            used.into_buffer().free(self.rx);
        }
    }
}

/// Runs a program on a packet.
fn run<'a, 'b>(
    context: Context<'a, 'b>,
    mut packet: XskPacket<'a, Nic<'b>>,
    prog: &XdpProg,
    header: LongHeader,
) -> XskVerdict<'a, Nic<'b>> {
    context.counters().xdp_packets.add(1);
    packet.set_hash(hash(context, header));
    packet.run(prog)
}

/// Does what a program has decided about a packet.
fn handle<'b>(
    context: Context<'_, 'b>,
    verdict: XskVerdict<'_, Nic<'b>>,
    prog: &XdpProg,
    header: LongHeader,
    pool: &mut PoolSlot<'_, Nic<'_>>,
    sent_back: &mut bool,
) {
    let counters = context.counters();
    match verdict {
        XskVerdict::Pass(packet) => {
            if let Some(skb) = xsk::copy(packet) {
                return deliver_any(context, skb.into_skb(), header.without_offload());
            }
        }
        XskVerdict::Tx(packet) => {
            counters.xdp_tx.add(1);
            if send_back(context, &packet, pool).is_some() {
                *sent_back = true;
                return;
            }
            XdpBuff::report_tx_failure(context.0, prog);
        }
        XskVerdict::Redirect(packet) => {
            counters.xdp_redirects.add(1);
            if packet.perform(prog).is_ok() {
                return;
            }
        }
        XskVerdict::Drop => {}
    }
    count_xdp_drop(context);
}

/// Transmits a copy of a packet. The socket gets the buffer back at once, and its own packets are
/// transmitted from other memory.
fn send_back<'b>(
    context: Context<'_, 'b>,
    packet: &XskPacket<'_, Nic<'b>>,
    pool: &mut PoolSlot<'_, Nic<'_>>,
) -> Option<()> {
    let copy = pool.copy_xsk_for_xdp(packet)?;
    let frame = XdpBuff::new(context.0, copy, 0)?.into_frame()?;
    tx::xdp::send_back(context.0, frame).ok()
}
