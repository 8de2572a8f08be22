// SPDX-License-Identifier: GPL-2.0

//! The transmit path.
//!
//! With NAPI, the default, the poll of the queue or of the receive queue of its pair frees
//! transmitted packets, and the byte limit of the queue (BQL) holds packets back in the stack.
//! Without NAPI, transmitted packets are freed when the next packet is sent, which may be much
//! later. So each packet releases its socket, route and connection when it is added to the queue.

mod stopped;

pub(crate) use self::stopped::{
    link_up,
    stuck,
    wake_stopped, //
};

use crate::{
    health::Failure,
    nic::{
        Nic,
        Pair, //
    },
    stats::TxCounters,
};
use kernel::{
    prelude::*,
    sync::atomic::Relaxed, //
};
use net_buffers::{
    packet::HeaderLayout,
    TxPacket, //
};
use netdev::{
    device::ratelimit,
    skb::MAX_SKB_FRAGS,
    Budget,
    Napi,
    NetdevTx,
    Polled,
    SkBuff,
    StackQueue,
    TxPoll,
    TxQueue, //
};
use virtio::{
    with_queue,
    Callbacks,
    Once,
    QueueOps,
    Used,
    Virtqueue, //
};

/// The largest number of descriptors of a packet. The stack is stopped if fewer are free.
const MAX_PACKET_DESCS: u32 = MAX_SKB_FRAGS as u32 + 2;

/// Returns the number of free descriptors at which the stack may send on a ring of `size`:
/// [`MAX_PACKET_DESCS`], or all of a smaller ring.
pub(crate) fn min_free(size: u32) -> u32 {
    MAX_PACKET_DESCS.min(size)
}

/// Whether `free` descriptors are enough for the stack to send.
fn has_room(free: u32, pair: &Pair) -> bool {
    // PERF: For rings of the usual sizes, the comparison with a constant decides.
    free >= MAX_PACKET_DESCS || free >= pair.tx_min_free.read_once()
}

/// State of a transmit queue.
pub(crate) struct TxState {
    /// The queue; none while the device sleeps or after it was given up.
    pub(crate) queue: Option<Virtqueue<TxPacket>>,
    header: HeaderLayout,
}

impl TxState {
    /// Returns the state without a queue.
    pub(crate) const fn new(header: HeaderLayout) -> Self {
        Self {
            queue: None,
            header,
        }
    }
}

/// The number of completed packets and bytes to report to BQL.
#[derive(Clone, Copy, Default)]
struct Done {
    packets: u32,
    bytes: u32,
}

impl Done {
    /// Frees a packet that was transmitted, and counts it. `budget` as for [`SkBuff::consume`].
    fn take(&mut self, used: Used<TxPacket>, counters: &TxCounters, budget: Budget<'_>) {
        let packet = used.into_buffer();
        let len = packet.len();
        if packet.is_counted() {
            self.packets = self.packets.wrapping_add(1);
            self.bytes = self.bytes.wrapping_add(len);
        } else {
            counters.packets.add(1);
            counters.bytes.add(len.into());
        }
        packet.consume(budget);
    }

    /// Reports the packets to BQL, and counts them.
    fn account(self, stack: StackQueue<'_, Nic<'_>>, counters: &TxCounters) {
        // PERF: `netdev_tx_completed_queue()` checks the bytes, not the packets, so the compiler
        // makes one check of both. No packet is empty, so without bytes there are no packets.
        if self.bytes == 0 {
            return;
        }
        stack.completed(self.packets, self.bytes);
        counters.packets.add(self.packets.into());
        counters.bytes.add(self.bytes.into());
    }
}

/// Reaps used packets and accounts for them (C: `free_old_xmit`).
#[inline(always)]
fn reap(
    queue: &mut impl QueueOps<TxPacket>,
    stack: StackQueue<'_, Nic<'_>>,
    counters: &TxCounters,
    budget: Budget<'_>,
) {
    let mut done = Done::default();
    while let Some(used) = queue.get_buf() {
        done.take(used, counters, budget);
    }
    done.account(stack, counters);
}

/// Notifies the device if it wants to be notified.
#[inline(always)]
fn kick(queue: &mut impl QueueOps<TxPacket>, counters: &TxCounters) {
    if queue.kick_prepare() && queue.notify() {
        counters.kicks.add(1);
    }
}

/// Wakes the stack if it was stopped and the queue has room again.
fn wake(queue: &impl QueueOps<TxPacket>, stack: StackQueue<'_, Nic<'_>>, counters: &TxCounters) {
    // PERF: The condition that is rarely true comes first: that saves three instructions in most
    // polls.
    if stack.is_stopped() && has_room(queue.num_free(), stack.pair()) && stack.wake() {
        counters.wake.add_shared(1);
    }
}

/// Adds a packet to the queue. `counted` says whether BQL counts it.
///
/// # Errors
///
/// `EPROTO`: the header cannot express the offload. Or the error of [`QueueOps::add_buf`]. The
/// packet is dropped.
#[inline(always)]
fn add(
    queue: &mut impl QueueOps<TxPacket>,
    stack: StackQueue<'_, Nic<'_>>,
    header: HeaderLayout,
    skb: SkBuff,
    counted: bool,
) -> Result {
    // PERF: Read before the header is written: for the compiler, the header may alias the packet.
    let offloaded = skb.is_offloaded();
    skb.tx_timestamp();
    let mut packet = TxPacket::new(skb, header, counted);
    if offloaded {
        let skb = packet.skb();
        let (csum, gso, head_len) = (skb.partial_csum(), skb.gso(), skb.head_len());
        let layout = &stack.dev().data().negotiated.header;
        if !layout.encode(packet.header(), csum, gso, head_len) {
            return Err(EPROTO);
        }
    }
    packet.add_to(queue)?;
    Ok(())
}

/// Sends a packet.
fn xmit(
    queue: impl QueueOps<TxPacket>,
    stack: StackQueue<'_, Nic<'_>>,
    header: HeaderLayout,
    skb: SkBuff,
    more: bool,
) -> NetdevTx {
    if stack.pair().tx_napi.read_once() {
        xmit_napi(queue, stack, header, skb, more)
    } else {
        xmit_reap(queue, stack, header, skb, more)
    }
}

/// Sends a packet that is reaped by NAPI.
fn xmit_napi(
    mut queue: impl QueueOps<TxPacket>,
    stack: StackQueue<'_, Nic<'_>>,
    header: HeaderLayout,
    skb: SkBuff,
    more: bool,
) -> NetdevTx {
    let pair = stack.pair();
    let counters = &pair.counters.tx;
    // Callbacks are not needed before the last packet of a burst: they are enabled together with
    // the kick.
    if more {
        queue.disable_cb();
    }
    let len = skb.len();
    if let Err(e) = add(&mut queue, stack, header, skb, true) {
        add_failed(stack, e);
        // Earlier packets of the burst still need a kick if this was the last one.
        if more {
            return NetdevTx::DONE;
        }
    } else {
        pair.tx_pending.write_once(true);
        if !has_room(queue.num_free(), pair) {
            stack.stop();
            counters.stop.add(1);
        }
        if !stack.sent(len, more) {
            return NetdevTx::DONE;
        }
    }
    let (notified, done) = queue.kick_enable_cb_delayed();
    if notified {
        counters.kicks.add(1);
    }
    if !done {
        stack.schedule();
    }
    NetdevTx::DONE
}

/// Sends a packet without NAPI, and reaps used packets before.
#[inline(never)]
fn xmit_reap(
    mut queue: impl QueueOps<TxPacket>,
    stack: StackQueue<'_, Nic<'_>>,
    header: HeaderLayout,
    mut skb: SkBuff,
    more: bool,
) -> NetdevTx {
    let pair = stack.pair();
    let counters = &pair.counters.tx;
    reap(&mut queue, stack, counters, Budget::NONE);
    if skb.orphan_frags().is_err() {
        stack.dev().data().errors.tx_dropped.add_shared(1);
        drop(skb);
        if !more || stack.is_xmit_stopped() {
            kick(&mut queue, counters);
        }
        return NetdevTx::DONE;
    }
    if let Err(e) = add(&mut queue, stack, header, skb, false) {
        add_failed(stack, e);
        // Earlier packets of the burst still need a kick if this was the last one.
        if more {
            return NetdevTx::DONE;
        }
    } else {
        if !has_room(queue.num_free(), pair) {
            stack.stop();
            counters.stop.add(1);
            stopped::wait_for_room(&mut queue, stack, counters);
        }
        if more && !stack.is_xmit_stopped() {
            return NetdevTx::DONE;
        }
    }
    kick(&mut queue, counters);
    NetdevTx::DONE
}

/// `ndo_start_xmit`.
#[inline(always)]
pub(crate) fn start_xmit(mut queue: TxQueue<'_, Nic<'_>>, skb: SkBuff, more: bool) -> NetdevTx {
    let (state, stack) = queue.parts();
    let Some(vq) = state.queue.as_mut() else {
        return drop_packet(stack, skb);
    };
    let header = state.header;
    with_queue!(vq, |queue| xmit(queue, stack, header, skb, more))
}

/// Drops a packet, because there is no queue.
#[cold]
fn drop_packet(stack: StackQueue<'_, Nic<'_>>, skb: SkBuff) -> NetdevTx {
    drop(skb);
    stack.dev().data().errors.tx_dropped.add_shared(1);
    NetdevTx::DONE
}

/// Counts and reports a packet that could not be added although the ring had room.
#[cold]
fn add_failed(stack: StackQueue<'_, Nic<'_>>, e: Error) {
    let nic = stack.dev().data();
    nic.errors.tx_fifo_errors.add_shared(1);
    nic.errors.tx_dropped.add_shared(1);
    if e == EIO {
        nic.health.report(stack.dev(), Failure::QueueBroken);
    }
    if ratelimit() {
        stack.dev().dev_warn(fmt!(
            "Unexpected TXQ ({}) queue failure: {}\n",
            stack.index(),
            e.to_errno()
        ));
    }
}

/// Reports a broken transmit queue to the recovery.
#[cold]
fn report_broken(stack: StackQueue<'_, Nic<'_>>) {
    let dev = stack.dev();
    dev.data().health.report(dev, Failure::QueueBroken);
}

/// Reports the queue to the recovery if it is broken.
fn report_if_broken(queue: &impl QueueOps<TxPacket>, stack: StackQueue<'_, Nic<'_>>) {
    if queue.is_broken() {
        report_broken(stack);
    }
}

/// The number of free descriptors when the device last reported a used buffer. Detects a device
/// that reports used buffers without any.
struct LastReport(u32);

impl LastReport {
    /// Returns the state before the first report.
    const fn new() -> Self {
        // No queue has so many descriptors.
        Self(u32::MAX)
    }

    /// Records a report of used buffers. Returns whether no buffer was taken since the last report:
    /// then the device withdrew its report, and the caller must leave the loop.
    fn is_unchanged(&mut self, queue: &impl QueueOps<TxPacket>) -> bool {
        let free = queue.num_free();
        core::mem::replace(&mut self.0, free) == free
    }
}

/// Reaps used packets until callbacks are enabled and no used packet is left, then wakes the stack.
/// `DELAYED`: the callback comes when most packets are used, not for the next one.
fn clean_until_done<const DELAYED: bool>(
    mut queue: impl QueueOps<TxPacket>,
    stack: StackQueue<'_, Nic<'_>>,
    budget: Budget<'_>,
) {
    let pair = stack.pair();
    let counters = &pair.counters.tx;
    if DELAYED {
        let mut last_report = LastReport::new();
        loop {
            queue.disable_cb();
            reap(&mut queue, stack, counters, budget);
            match queue.enable_cb_delayed() {
                Callbacks::On => break,
                Callbacks::Broken => {
                    report_broken(stack);
                    break;
                }
                Callbacks::Missed if last_report.is_unchanged(&queue) => break,
                Callbacks::Missed => {}
            }
        }
    } else {
        let mut done = Done::default();
        let broken = queue.drain(|used| done.take(used, counters, budget));
        done.account(stack, counters);
        if broken {
            report_broken(stack);
        }
    }
    wake(&queue, stack, counters);
    pair.tx_pending.write_once(!queue.is_idle());
}

/// The poll of a transmit queue.
#[inline(always)]
pub(crate) fn poll<'a>(poll: TxPoll<'a, Nic<'_>>) -> Polled<'a> {
    if poll.budget().get() == 0 {
        return poll_for_netpoll(poll);
    }
    let mut guard = poll.lock();
    let (state, stack) = guard.parts();
    let pair = stack.pair();
    if let Some(vq) = state.queue.as_mut() {
        if pair.tx_stuck.read_once() && pair.tx_stuck.xchg(false, Relaxed) {
            vq.notify();
        }
        let budget = poll.budget();
        with_queue!(vq, |queue| clean_until_done::<false>(queue, stack, budget));
    }
    poll.complete(guard)
}

/// Reaps used packets and wakes the stack. Leaves callbacks as they are.
#[inline(never)]
fn reap_and_wake(mut queue: impl QueueOps<TxPacket>, stack: StackQueue<'_, Nic<'_>>) {
    let pair = stack.pair();
    let counters = &pair.counters.tx;
    reap(&mut queue, stack, counters, Budget::NONE);
    report_if_broken(&queue, stack);
    wake(&queue, stack, counters);
    pair.tx_pending.write_once(!queue.is_idle());
}

/// The poll of a transmit queue for netpoll, which frees descriptors in order to send a message.
///
/// The NAPI instance and the callbacks keep their state. Callbacks are enabled unless the instance
/// is scheduled. The queue lock may be held by this CPU, because the message may come from the
/// driver itself.
///
/// PERF: A separate function. With a second caller, [`clean_until_done`] would no longer be inlined
/// into [`poll`], which costs 28 instructions a packet.
#[cold]
fn poll_for_netpoll<'a>(poll: TxPoll<'a, Nic<'_>>) -> Polled<'a> {
    if let Some(mut guard) = poll.try_lock() {
        let (state, stack) = guard.parts();
        if let Some(vq) = state.queue.as_mut() {
            with_queue!(vq, |queue| reap_and_wake(queue, stack));
        }
    }
    poll.stay_scheduled()
}

/// Reaps the transmit queue of a pair in the poll of the receive queue.
pub(crate) fn clean(rx: Napi<'_, Nic<'_>>, budget: Budget<'_>) {
    if rx.pair().tx_pending.read_once() {
        clean_pending(rx, budget);
    }
}

#[inline(never)]
fn clean_pending(rx: Napi<'_, Nic<'_>>, budget: Budget<'_>) {
    if !rx.pair().tx_napi.read_once() {
        return;
    }
    let Some(mut guard) = rx.dev().tx_try_lock(rx.index(), rx) else {
        return;
    };
    let (state, stack) = guard.parts();
    if let Some(vq) = state.queue.as_mut() {
        with_queue!(vq, |queue| clean_until_done::<true>(queue, stack, budget));
    }
}
