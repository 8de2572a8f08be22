// SPDX-License-Identifier: GPL-2.0

//! The transmit path.
//!
//! With NAPI, the default, the poll of the queue or of the receive queue of its pair frees
//! transmitted packets, and the byte limit of the queue (BQL) holds packets back in the stack.
//! Without NAPI, transmitted packets are freed when the next packet is sent, which may be much
//! later. So each packet releases its socket, route and connection when it is added to the queue.

mod stopped;
pub(crate) mod xdp;
pub(crate) mod xsk;

pub(crate) use self::stopped::{
    link_up,
    resume,
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
    sync::atomic::Full, //
};
use net_buffers::{
    packet::HeaderLayout,
    TxPacket, //
};
use netdev::{
    device::ratelimit,
    skb::{
        Gso,
        SkbRef,
        MAX_SKB_FRAGS, //
    },
    Budget,
    DropReason,
    Napi,
    NetdevTx,
    Polled,
    SkBuff,
    StackQueue,
    TxGuard,
    TxPoll,
    TxQueue,
    XskTx, //
};
use virtio::{
    with_queue,
    AddError,
    Callbacks,
    Once,
    QueueOps,
    Returned,
    Used,
    Virtqueue, //
};

/// The largest number of descriptors of a packet. The stack is stopped if fewer are free.
pub(crate) const MAX_PACKET_DESCS: u32 = MAX_SKB_FRAGS as u32 + 2;

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
    /// The memory of the AF_XDP socket that uses the queue, if there is one.
    pub(crate) xsk: Option<XskTx>,
}

impl TxState {
    /// Returns the state without a queue.
    pub(crate) const fn new(header: HeaderLayout) -> Self {
        Self {
            queue: None,
            header,
            xsk: None,
        }
    }
}

/// Calls `f` with a locked queue, the layout of its headers, and the part of the stack. Returns
/// none if the device has no queues.
#[inline(always)]
fn with_guard<'b, R>(
    mut guard: TxGuard<'_, Nic<'b>>,
    f: impl FnOnce(&mut Virtqueue<TxPacket>, HeaderLayout, StackQueue<'_, Nic<'b>>) -> R,
) -> Option<R> {
    let (state, stack) = guard.parts();
    let queue = state.queue.as_mut()?;
    Some(f(queue, state.header, stack))
}

/// The number of completed packets and bytes to report to BQL.
#[derive(Clone, Copy, Default)]
struct Done {
    packets: u32,
    bytes: u32,
}

impl Done {
    /// Frees a packet that was transmitted, and counts it. `budget` as for [`SkBuff::consume`].
    fn take(&mut self, used: Used<TxPacket>, stack: StackQueue<'_, Nic<'_>>, budget: Budget<'_>) {
        match used.into_buffer().into_counted() {
            Ok(skb) => {
                self.packets = self.packets.wrapping_add(1);
                self.bytes = self.bytes.wrapping_add(skb.len());
                skb.consume(budget);
            }
            Err(packet) => free_uncounted(packet, &stack.pair().tx.counters, budget),
        }
    }

    /// Reports the packets to BQL, and counts them.
    fn account(self, stack: StackQueue<'_, Nic<'_>>) {
        // PERF: `netdev_tx_completed_queue()` checks the bytes, not the packets, so the compiler
        // makes one check of both. No packet is empty, so without bytes there are no packets.
        if self.bytes == 0 {
            return;
        }
        stack.completed(self.packets, self.bytes);
        let counters = &stack.pair().tx.counters;
        counters.packets.add(self.packets.into());
        counters.bytes.add(self.bytes.into());
    }
}

/// Frees a packet that was transmitted and is not counted by BQL, and counts it.
#[inline(never)]
fn free_uncounted(packet: TxPacket, counters: &TxCounters, budget: Budget<'_>) {
    counters.packets.add(1);
    counters.bytes.add(packet.len().into());
    packet.consume(budget);
}

/// Takes a packet back from a queue that is reset, and counts the packet as transmitted or as
/// dropped. No other code uses the queue.
pub(crate) fn take_back(nic: &Nic<'_>, pair: &Pair, returned: Returned<TxPacket>) {
    let counters = &pair.tx.counters;
    match returned {
        Returned::Used(used) => {
            free_uncounted(used.into_buffer(), counters, Budget::NONE);
        }
        Returned::Unused(packet) => {
            match packet.skb() {
                Some(_) => nic.errors.tx_dropped.add_shared(1),
                None => counters.xdp_tx_drops.add(1),
            }
            packet.drop_with(DropReason::QueuePurge);
        }
    }
}

/// Drops the queue of a pair, and counts its packets. The device is in reset. Process context.
pub(crate) fn drop_queue(nic: &Nic<'_>, pair: &Pair, mut queue: Virtqueue<TxPacket>) {
    while let Some(used) = queue.get_buf() {
        take_back(nic, pair, Returned::Used(used));
    }
    while let Some(packet) = queue.detach_unused_buf() {
        take_back(nic, pair, Returned::Unused(packet));
    }
}

/// Reaps used packets and accounts for them (C: `free_old_xmit`).
#[inline(always)]
fn reap(queue: &mut impl QueueOps<TxPacket>, stack: StackQueue<'_, Nic<'_>>, budget: Budget<'_>) {
    let mut done = Done::default();
    while let Some(used) = queue.get_buf() {
        done.take(used, stack, budget);
    }
    done.account(stack);
}

/// Notifies the device if it wants to be notified.
#[inline(always)]
fn kick(queue: &mut impl QueueOps<TxPacket>, counters: &TxCounters) {
    if queue.kick_prepare() && queue.notify() {
        counters.kicks.add(1);
    }
}

/// Wakes the stack if it was stopped and the queue has room again.
fn wake(queue: &impl QueueOps<TxPacket>, stack: StackQueue<'_, Nic<'_>>) {
    // PERF: The condition that is rarely true comes first: that saves three instructions in most
    // polls.
    if stack.is_stopped() && has_room(queue.num_free(), stack.pair()) && stack.wake() {
        stack.pair().tx.counters.wake.add_shared(1);
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
    header: &HeaderLayout,
    skb: SkBuff,
    counted: bool,
) -> Result {
    // PERF: Two copies of the code. For the compiler, the header may alias the packet, so with one
    // copy the answer would be kept in memory while the header is written. With the change of
    // `header`, saves about eight instructions a packet.
    if skb.is_offloaded() {
        add_usual::<true>(queue, stack, header, skb, counted)
    } else {
        add_usual::<false>(queue, stack, header, skb, counted)
    }
}

/// As [`add`]. `OFFLOADED` says whether the device has work to do for the packet.
#[inline(always)]
fn add_usual<const OFFLOADED: bool>(
    queue: &mut impl QueueOps<TxPacket>,
    stack: StackQueue<'_, Nic<'_>>,
    header: &HeaderLayout,
    skb: SkBuff,
    counted: bool,
) -> Result {
    skb.tx_timestamp();
    match TxPacket::usual(skb, *header, counted) {
        Ok(mut packet) => {
            if OFFLOADED && !encode_offload(stack, &mut packet) {
                return Err(refuse(packet, EPROTO));
            }
            packet.add_to(queue).map_err(refuse_failed)
        }
        Err(skb) => add_unusual(queue.reborrow(), stack, *header, skb, counted),
    }
}

/// As [`add`], of a packet whose header is not of the usual length, or not before the packet.
///
/// PERF: Not inlined, so that the compiler knows the header of the usual packets. That saves about
/// 13 instructions a packet, together with the error of an add in a register.
#[inline(never)]
fn add_unusual(
    mut queue: impl QueueOps<TxPacket>,
    stack: StackQueue<'_, Nic<'_>>,
    header: HeaderLayout,
    skb: SkBuff,
    counted: bool,
) -> Result {
    let offloaded = skb.is_offloaded();
    let mut packet = TxPacket::new(skb, header, counted);
    if offloaded && !encode_offload(stack, &mut packet) {
        return Err(refuse(packet, EPROTO));
    }
    packet.add_to(&mut queue).map_err(refuse_failed)
}

/// As [`refuse`], of a packet that the queue did not take.
#[cold]
fn refuse_failed(failed: AddError<TxPacket>) -> Error {
    refuse(failed.buffer, failed.error)
}

/// Drops a packet that cannot be added, because of an error of [`add`]. Returns the error.
#[cold]
fn refuse(packet: TxPacket, error: Error) -> Error {
    packet.drop_with(match error {
        e if e == EPROTO => DropReason::DevHdr,
        e if e == ENOMEM => DropReason::NoMem,
        e if e == ENOSPC => DropReason::FullRing,
        e if e == EIO => DropReason::DevReady,
        _ => DropReason::NotSpecified,
    });
    error
}

/// Writes the offload of a packet to its header. Returns whether the header can express it.
#[inline(always)]
fn encode_offload(stack: StackQueue<'_, Nic<'_>>, packet: &mut TxPacket) -> bool {
    packet
        .parts()
        .is_some_and(|(skb, to)| encode(stack, skb, to))
}

/// As [`encode_offload`], of the parts of a packet.
#[inline(never)]
fn encode(stack: StackQueue<'_, Nic<'_>>, skb: SkbRef<'_>, to: &mut [u8]) -> bool {
    let layout = &stack.dev().data().negotiated.header;
    let (csum, gso, mut hdr_len) = (skb.partial_csum(), skb.gso(), skb.head_len());
    if layout.has_exact_hdr_len {
        hdr_len = exact_hdr_len(&skb, gso);
    }
    let tunnel = gso.and_then(|_| skb.udp_tunnel());
    layout.encode(to, csum, gso, hdr_len)
        && tunnel.is_none_or(|tunnel| layout.encode_tunnel(to, tunnel))
}

/// Returns the length of the headers of a packet that the device segments, or of the head if the
/// headers cannot be found.
#[inline(never)]
fn exact_hdr_len(skb: &SkBuff, gso: Option<Gso>) -> u32 {
    gso.and_then(|gso| skb.segment_header_len(gso.kind?))
        .unwrap_or(skb.head_len())
}

/// Sends a packet.
fn xmit(
    queue: impl QueueOps<TxPacket>,
    stack: StackQueue<'_, Nic<'_>>,
    header: &HeaderLayout,
    skb: SkBuff,
    more: bool,
) -> NetdevTx {
    if stack.pair().tx_napi.read_once() {
        xmit_napi(queue, stack, header, skb, more)
    } else {
        xmit_reap(queue, stack, *header, skb, more)
    }
}

/// Sends a packet that is reaped by NAPI.
fn xmit_napi(
    mut queue: impl QueueOps<TxPacket>,
    stack: StackQueue<'_, Nic<'_>>,
    header: &HeaderLayout,
    skb: SkBuff,
    more: bool,
) -> NetdevTx {
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
        // PERF: The pair is looked up where it is needed, because the add needs all registers.
        let pair = stack.pair();
        pair.set_tx_pending(true);
        if !has_room(queue.num_free(), pair) {
            stop(stack);
        }
        if !stack.sent(len, more) {
            return NetdevTx::DONE;
        }
    }
    let (notified, done) = queue.kick_enable_cb_delayed();
    if notified {
        stack.pair().tx.counters.kicks.add(1);
    }
    if !done {
        stack.schedule();
    }
    NetdevTx::DONE
}

/// Stops the stack, because the ring has no room, and counts that.
#[cold]
#[inline(never)]
fn stop(stack: StackQueue<'_, Nic<'_>>) {
    stack.stop();
    stack.pair().tx.counters.stop.add(1);
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
    let counters = &pair.tx.counters;
    reap(&mut queue, stack, Budget::NONE);
    if skb.orphan_frags().is_err() {
        let done = drop_packet(stack, skb, DropReason::UcopyFault);
        if !more || stack.is_xmit_stopped() {
            kick(&mut queue, counters);
        }
        return done;
    }
    if let Err(e) = add(&mut queue, stack, &header, skb, false) {
        add_failed(stack, e);
        // Earlier packets of the burst still need a kick if this was the last one.
        if more {
            return NetdevTx::DONE;
        }
    } else {
        if !has_room(queue.num_free(), pair) {
            stop(stack);
            stopped::wait_for_room(&mut queue, stack);
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
        return drop_packet(stack, skb, DropReason::DevReady);
    };
    // PERF: By reference, so that no register holds it until it is compared.
    let header = &state.header;
    with_queue!(vq, |queue| xmit(queue, stack, header, skb, more))
}

/// Drops and counts a packet.
#[cold]
fn drop_packet(stack: StackQueue<'_, Nic<'_>>, skb: SkBuff, reason: DropReason) -> NetdevTx {
    skb.drop_with(reason);
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
///
/// PERF: The pair and its counters are looked up by `stack` where they are used, so that no
/// register holds them while packets are freed. That saves about ten instructions a poll, together
/// with the unmapping out of line.
fn clean_until_done<const DELAYED: bool>(
    mut queue: impl QueueOps<TxPacket>,
    stack: StackQueue<'_, Nic<'_>>,
    budget: Budget<'_>,
) {
    if DELAYED {
        let mut last_report = LastReport::new();
        loop {
            queue.disable_cb();
            reap(&mut queue, stack, budget);
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
        let broken = queue.drain(|used| done.take(used, stack, budget));
        done.account(stack);
        if broken {
            report_broken(stack);
        }
    }
    wake(&queue, stack);
    // PERF: It is set with each packet that NAPI reaps, so it is not set here if a packet is left:
    // four instructions a poll less. Other packets are found by their interrupt.
    if queue.is_idle() {
        stack.pair().set_tx_pending(false);
    }
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
    // PERF: One look for all that is rare.
    if pair.tx_rare.read_once() {
        return poll_rare(poll, guard);
    }
    if let Some(vq) = state.queue.as_mut() {
        let budget = poll.budget();
        with_queue!(vq, |queue| clean_until_done::<false>(queue, stack, budget));
    }
    poll.complete(guard)
}

/// As [`poll`], of a queue that has packets of user space, or that the watchdog found stuck.
///
/// PERF: If there is nothing to do, the poll goes on in [`poll`], the only caller of
/// [`clean_until_done`] for this case.
#[cold]
#[inline(never)]
fn poll_rare<'a, 'b>(poll: TxPoll<'a, Nic<'b>>, mut guard: TxGuard<'a, Nic<'b>>) -> Polled<'a> {
    let (state, stack) = guard.parts();
    let pair = stack.pair();
    pair.tx_rare.write_once(false);
    // Full: the watchdog sets `tx_stuck` before `tx_rare`.
    let is_stuck = pair.tx_stuck.xchg(false, Full);
    if state.xsk.is_some() {
        pair.tx_rare.write_once(true);
    }
    let Some(vq) = state.queue.as_mut() else {
        return poll.complete(guard);
    };
    if is_stuck {
        vq.notify();
    }
    let Some(xsk) = &mut state.xsk else {
        return poll.stay_scheduled();
    };
    let (header, budget) = (state.header, poll.budget());
    let done = with_queue!(vq, |queue| xsk::poll(queue, xsk, header, stack, budget));
    if done {
        poll.complete(guard)
    } else {
        poll.stay_scheduled()
    }
}

/// Reaps used packets and wakes the stack. Leaves callbacks as they are.
#[inline(never)]
fn reap_and_wake(mut queue: impl QueueOps<TxPacket>, stack: StackQueue<'_, Nic<'_>>) {
    let pair = stack.pair();
    reap(&mut queue, stack, Budget::NONE);
    report_if_broken(&queue, stack);
    wake(&queue, stack);
    pair.set_tx_pending(!queue.is_idle());
    if pair.tx_rare.read_once() {
        // As in `xdp::finish`.
        stack.schedule();
    }
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
    if let Some(guard) = poll.try_lock() {
        with_guard(guard, |vq, _, stack| {
            with_queue!(vq, |queue| reap_and_wake(queue, stack))
        });
    }
    poll.stay_scheduled()
}

/// Reaps the transmit queue of a pair in the poll of the receive queue.
pub(crate) fn clean(rx: Napi<'_, Nic<'_>>, budget: Budget<'_>) {
    if rx.pair().is_tx_pending() {
        clean_pending(rx, budget);
    }
}

#[inline(never)]
fn clean_pending(rx: Napi<'_, Nic<'_>>, budget: Budget<'_>) {
    if !rx.pair().rx_reaps.read_once() {
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
