// SPDX-License-Identifier: GPL-2.0

//! Transmission.
//!
//! With NAPI, the default, packets are reaped in the poll of the queue, or in that of its receive
//! queue, whichever comes first; the byte limit of the queue holds packets back in the stack.
//! Without, they are reaped when the next one is sent, and let go of the stack at once, as they
//! may stay in the ring for long.

use crate::{
    counters::TxCounters,
    nic::{
        Nic,
        Pair, //
    },
};
use kernel::{
    prelude::*,
    sync::atomic::Relaxed, //
};
use net::{
    device::ratelimit,
    packet::{
        HeaderLayout,
        TxPacket, //
    },
    skb::MAX_SKB_FRAGS,
    Device,
    Napi,
    Polled,
    SkBuff,
    StackQueue,
    TxPoll,
    TxQueue, //
};
use virtio::{
    OnQueue,
    QueueOps,
    Used,
    Virtqueue, //
};

/// Descriptors that a packet may take: fewer free ones stop the queue.
const ROOM: u32 = MAX_SKB_FRAGS as u32 + 2;

/// State of a transmit queue.
pub(crate) struct TxState {
    /// The queue; none while the device sleeps.
    pub(crate) queue: Option<TxRing>,
}

/// A transmit virtqueue.
pub(crate) struct TxRing {
    vq: Virtqueue<TxPacket>,
    header: HeaderLayout,
}

/// Packets that were transmitted.
#[derive(Clone, Copy, Default)]
struct Done {
    packets: u32,
    bytes: u32,
    /// Those of them that the byte limit does not know of.
    uncounted_packets: u32,
    uncounted_bytes: u32,
}

impl Done {
    /// Takes a packet that was transmitted. `budget` as for [`SkBuff::consume`].
    #[inline(always)]
    fn take(&mut self, used: Used<TxPacket>, budget: i32) {
        let packet = used.buffer;
        let len = packet.len();
        self.packets = self.packets.wrapping_add(1);
        self.bytes = self.bytes.wrapping_add(len);
        if !packet.is_counted() {
            self.uncounted_packets = self.uncounted_packets.wrapping_add(1);
            self.uncounted_bytes = self.uncounted_bytes.wrapping_add(len);
        }
        packet.consume(budget);
    }

    /// Accounts for the packets.
    #[inline(always)]
    fn account(self, stack: StackQueue<'_>, counters: &TxCounters) {
        if self.packets == 0 {
            return;
        }
        let packets = self.packets.wrapping_sub(self.uncounted_packets);
        if packets != 0 {
            stack.completed(packets, self.bytes.wrapping_sub(self.uncounted_bytes));
        }
        counters.packets.add(self.packets.into());
        counters.bytes.add(self.bytes.into());
    }
}

/// Takes the packets that the device is done with, and accounts for them.
#[inline(always)]
fn reap(
    queue: &mut impl QueueOps<TxPacket>,
    stack: StackQueue<'_>,
    counters: &TxCounters,
    budget: i32,
) {
    let mut done = Done::default();
    while let Some(used) = queue.get_buf() {
        done.take(used, budget);
    }
    done.account(stack, counters);
}

/// Notifies the device if it wants to know.
#[inline(always)]
fn kick(queue: &mut impl QueueOps<TxPacket>, counters: &TxCounters) {
    if queue.kick_prepare() && queue.notify() {
        counters.kicks.add(1);
    }
}

/// Lets the stack send again, if there is room in the queue and it was stopped for the lack of it.
#[inline(always)]
fn wake(queue: &impl QueueOps<TxPacket>, stack: StackQueue<'_>, counters: &TxCounters) {
    if queue.num_free() >= ROOM && stack.is_stopped() {
        counters.wake.add_shared(1);
        stack.wake();
    }
}

impl TxRing {
    /// Wraps a queue.
    pub(crate) fn new(vq: Virtqueue<TxPacket>, header: HeaderLayout) -> Self {
        Self { vq, header }
    }
}

/// A packet to send.
struct Xmit<'a, 'b> {
    dev: &'a Device<Nic<'b>>,
    pair: &'a Pair,
    index: usize,
    stack: StackQueue<'a>,
    header: HeaderLayout,
    skb: SkBuff,
    more: bool,
}

impl Xmit<'_, '_> {
    /// Adds the packet to the queue, `counted` against the byte limit or not.
    ///
    /// # Errors
    ///
    /// What went wrong. The packet is dropped.
    #[inline(always)]
    fn add(
        dev: &Device<Nic<'_>>,
        header: HeaderLayout,
        queue: &mut impl QueueOps<TxPacket>,
        skb: SkBuff,
        counted: bool,
    ) -> Result {
        skb.tx_timestamp();
        let mut packet = TxPacket::new(skb, header, counted).map_err(|(e, _)| e)?;
        if packet.skb().is_offloaded() {
            let skb = packet.skb();
            let (csum, gso, head_len) = (skb.partial_csum(), skb.gso(), skb.head_len());
            let layout = &dev.data().facts.header;
            if !layout.encode(packet.header(), csum, gso, head_len) {
                return Err(EPROTO);
            }
        }
        packet.add_to(queue).map_err(|(e, _)| e)
    }
}

/// Sends a packet that is reaped by NAPI. Returns whether the NAPI instance is to be scheduled.
struct XmitNapi<'a, 'b>(Xmit<'a, 'b>);

impl OnQueue<TxPacket> for XmitNapi<'_, '_> {
    type Output = bool;

    #[inline(always)]
    fn run(self, queue: &mut impl QueueOps<TxPacket>) -> bool {
        let Xmit {
            dev,
            pair,
            index,
            stack,
            header,
            skb,
            more,
        } = self.0;
        let counters = &pair.counters.tx;
        queue.disable_cb();
        let len = skb.len();
        if let Err(e) = Xmit::add(dev, header, queue, skb, true) {
            failed(dev, index, e);
            // For those before it, if it was to be the last.
            if !more {
                kick(queue, counters);
            }
            return false;
        }
        pair.tx_pending.store(true, Relaxed);
        if queue.num_free() < ROOM {
            stack.stop();
            counters.stop.add(1);
        }
        if !stack.sent(len, more) {
            return false;
        }
        let (notified, done) = queue.kick_enable_cb_delayed();
        if notified {
            counters.kicks.add(1);
        }
        !done
    }
}

/// Sends a packet, and reaps those before it.
struct XmitReap<'a, 'b>(Xmit<'a, 'b>);

impl OnQueue<TxPacket> for XmitReap<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run(self, queue: &mut impl QueueOps<TxPacket>) {
        xmit_reap(self.0, queue);
    }
}

#[inline(never)]
fn xmit_reap(xmit: Xmit<'_, '_>, queue: &mut impl QueueOps<TxPacket>) {
    let Xmit {
        dev,
        pair,
        index,
        stack,
        header,
        mut skb,
        more,
    } = xmit;
    let counters = &pair.counters.tx;
    reap(queue, stack, counters, 0);
    if skb.orphan_frags().is_err() {
        dev.data().errors.tx_dropped.add_shared(1);
        drop(skb);
        if !more || stack.is_xmit_stopped() {
            kick(queue, counters);
        }
        return;
    }
    if let Err(e) = Xmit::add(dev, header, queue, skb, false) {
        failed(dev, index, e);
        // For those before it, if it was to be the last.
        if !more {
            kick(queue, counters);
        }
        return;
    }
    if queue.num_free() < ROOM {
        stack.stop();
        counters.stop.add(1);
        if !queue.enable_cb_delayed() {
            // More has been done by now.
            reap(queue, stack, counters, 0);
            if queue.num_free() >= ROOM {
                wake(queue, stack, counters);
                queue.disable_cb();
            }
        }
    }
    if !more || stack.is_xmit_stopped() {
        kick(queue, counters);
    }
}

/// `ndo_start_xmit`.
#[inline(always)]
pub(crate) fn start_xmit<'b>(
    dev: &Device<Nic<'b>>,
    queue: &mut TxQueue<'_, Nic<'b>>,
    skb: SkBuff,
    more: bool,
) {
    let nic = dev.data();
    let index = queue.index();
    let Some(pair) = nic.pairs.get(index) else {
        return;
    };
    let (state, stack) = queue.parts();
    let Some(ring) = state.queue.as_mut() else {
        nic.errors.tx_dropped.add_shared(1);
        return;
    };
    let use_napi = pair.tx_napi.load(Relaxed);
    let xmit = Xmit {
        dev,
        pair,
        index,
        stack,
        header: ring.header,
        skb,
        more,
    };
    if use_napi {
        if ring.vq.on(XmitNapi(xmit)) {
            queue.schedule();
        }
    } else {
        ring.vq.on(XmitReap(xmit));
    }
}

/// A packet did not get into the ring, which there was room in.
#[cold]
fn failed(dev: &Device<Nic<'_>>, index: usize, e: Error) {
    let nic = dev.data();
    nic.errors.tx_fifo_errors.add_shared(1);
    nic.errors.tx_dropped.add_shared(1);
    if ratelimit() {
        dev_warn!(
            nic.vdev.as_ref(),
            "Unexpected TXQ ({}) queue failure: {}\n",
            index,
            e.to_errno()
        );
    }
}

/// Takes what the device is done with until callbacks are on again, and lets the stack send.
struct Clean<'a> {
    pair: &'a Pair,
    stack: StackQueue<'a>,
    budget: i32,
    /// Callbacks are for when most is done, not for the next packet.
    delayed: bool,
}

impl OnQueue<TxPacket> for Clean<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self, queue: &mut impl QueueOps<TxPacket>) {
        let Self {
            pair,
            stack,
            budget,
            delayed,
        } = self;
        let counters = &pair.counters.tx;
        loop {
            queue.disable_cb();
            reap(queue, stack, counters, budget);
            let done = if delayed {
                queue.enable_cb_delayed()
            } else {
                queue.enable_cb()
            };
            if done {
                break;
            }
        }
        wake(queue, stack, counters);
        pair.tx_pending.store(!queue.is_idle(), Relaxed);
    }
}

/// The poll of a transmit queue.
#[inline]
pub(crate) fn poll<'a, 'b>(dev: &Device<Nic<'b>>, poll: TxPoll<'a, Nic<'b>>) -> Polled<'a> {
    let mut guard = poll.lock();
    let (state, stack) = guard.parts();
    let pair = dev.data().pairs.get(poll.index());
    if let (Some(ring), Some(pair)) = (state.queue.as_mut(), pair) {
        if pair.tx_stuck.load(Relaxed) && pair.tx_stuck.xchg(false, Relaxed) {
            ring.vq.notify();
        }
        ring.vq.on(Clean {
            pair,
            stack,
            budget: poll.budget(),
            delayed: false,
        });
    }
    poll.complete(guard)
}

/// Reaps the transmit queue of a pair in the poll of the receive queue.
#[inline(always)]
pub(crate) fn clean<'b>(dev: &Device<Nic<'b>>, index: usize, pair: &Pair, napi: &Napi<'_>) {
    if pair.tx_pending.load(Relaxed) {
        clean_pending(dev, index, pair, napi);
    }
}

#[inline(never)]
fn clean_pending<'b>(dev: &Device<Nic<'b>>, index: usize, pair: &Pair, napi: &Napi<'_>) {
    if !pair.tx_napi.load(Relaxed) {
        return;
    }
    let Some(mut guard) = dev.tx_try_lock(index, napi) else {
        return;
    };
    let (state, stack) = guard.parts();
    if let Some(ring) = state.queue.as_mut() {
        ring.vq.on(Clean {
            pair,
            stack,
            budget: napi.budget(),
            delayed: true,
        });
    }
}
