// SPDX-License-Identifier: GPL-2.0

//! Frames of XDP: those that a program of this interface sends back, and those that other
//! interfaces redirect to it.
//!
//! If the device has enough pairs of queues, each CPU has a transmit queue for these frames that
//! the stack does not use. Otherwise the CPUs share the queues of the stack. In both cases the
//! queue is locked.

use super::{
    has_room,
    kick,
    reap,
    report_if_broken,
    stopped,
    with_guard, //
};
use crate::nic::Nic;
use kernel::{
    cpu::CpuId,
    prelude::*, //
};
use net_buffers::{
    packet::HeaderLayout,
    TxPacket, //
};
use netdev::{
    Budget,
    Device,
    Napi,
    StackQueue,
    TxGuard,
    XdpFrame,
    XdpFrames, //
};
use virtio::{
    with_queue,
    Once,
    QueueOps, //
};

/// Returns the index of the transmit queue for the frames of this CPU.
fn queue_of_cpu(nic: &Nic<'_>) -> usize {
    let cpu = CpuId::current().as_u32() as usize;
    match nic.first_xdp_pair.read_once() {
        // The stack uses the first pair.
        0 => cpu % nic.current_pairs().max(1),
        first => first.saturating_add(cpu),
    }
}

/// Transmits frames that were redirected to the interface: `ndo_xdp_xmit`.
///
/// # Errors
///
/// `ENXIO`: the interface has no program, so it may not have the queues. `ENETDOWN`: the interface
/// is down or detached.
pub(crate) fn xmit(dev: &Device<Nic<'_>>, frames: XdpFrames<'_>) -> Result {
    let nic = dev.data();
    if !nic.has_xdp.read_once() {
        return Err(ENXIO);
    }
    let guard = dev.tx_lock(queue_of_cpu(nic)).ok_or(ENETDOWN)?;
    with_guard(guard, |vq, header, stack| {
        if !stack.is_in_use() {
            // The device is being reset: nothing may be added to its queues.
            return Err(ENETDOWN);
        }
        with_queue!(vq, |queue| send_all(queue, stack, header, frames));
        Ok(())
    })
    .ok_or(ENETDOWN)?
}

#[inline(never)]
fn send_all(
    mut queue: impl QueueOps<TxPacket>,
    stack: StackQueue<'_, Nic<'_>>,
    header: HeaderLayout,
    frames: XdpFrames<'_>,
) {
    let counters = &stack.pair().tx.counters;
    reap(&mut queue, stack, Budget::NONE);
    let (all, flush) = (frames.len(), frames.flush());
    let sent = frames.send(|frame| add(&mut queue, header, frame));
    finish(&mut queue, stack, all, sent);
    if flush {
        kick(&mut queue, counters);
    }
}

/// Locks the queue for the frames of this CPU in a poll.
fn lock<'a, 'b>(napi: Napi<'a, Nic<'b>>) -> Option<TxGuard<'a, Nic<'b>>> {
    let dev = napi.dev();
    dev.tx_lock_in_poll(queue_of_cpu(dev.data()), napi)
}

/// Transmits a frame that a program sent back. The device is notified by [`flush`]. A frame for
/// which the ring has no room is dropped and counted.
///
/// # Errors
///
/// `ENETDOWN`: the device has no queues.
pub(crate) fn send_back(napi: Napi<'_, Nic<'_>>, frame: XdpFrame) -> Result {
    with_guard(lock(napi).ok_or(ENETDOWN)?, |vq, header, stack| {
        with_queue!(vq, |queue| send_one(queue, stack, header, frame))
    })
    .ok_or(ENETDOWN)
}

#[inline(never)]
fn send_one(
    mut queue: impl QueueOps<TxPacket>,
    stack: StackQueue<'_, Nic<'_>>,
    header: HeaderLayout,
    frame: XdpFrame,
) {
    reap(&mut queue, stack, Budget::NONE);
    let sent = add(&mut queue, header, frame).is_ok();
    finish(&mut queue, stack, 1, sent.into());
}

/// Notifies the device of the frames that programs sent back in this poll.
pub(crate) fn flush(napi: Napi<'_, Nic<'_>>) {
    let Some(guard) = lock(napi) else { return };
    with_guard(guard, |vq, _, stack| {
        with_queue!(vq, |mut queue| kick(&mut queue, &stack.pair().tx.counters))
    });
}

/// Adds a frame to the queue.
///
/// # Errors
///
/// Returns the frame if the frame has no room for the header, or the ring has no room.
#[inline]
fn add(
    queue: &mut impl QueueOps<TxPacket>,
    header: HeaderLayout,
    frame: XdpFrame,
) -> Result<(), XdpFrame> {
    let packet = TxPacket::from_frame(frame, header)?;
    match queue.add_buf(packet) {
        Ok(()) => Ok(()),
        Err(refused) => match refused.buffer.into_frame() {
            Some(frame) => Err(frame),
            // Not possible: the buffer is the one that was to be added.
            None => Ok(()),
        },
    }
}

/// Counts frames, of which the first `sent` were added, and stops the stack if it uses the queue
/// and the ring is full.
#[inline]
fn finish<Q: QueueOps<TxPacket>>(
    queue: &mut Q,
    stack: StackQueue<'_, Nic<'_>>,
    all: usize,
    sent: usize,
) {
    let pair = stack.pair();
    let counters = &pair.tx.counters;
    counters.xdp_tx.add(all as u64);
    if sent < all {
        counters.xdp_tx_drops.add(all.saturating_sub(sent) as u64);
        report_if_broken(queue, stack);
    }
    if pair.tx_rare.read_once() {
        // The queue may have given back packets of user space, which its poll passes on.
        stack.schedule();
    }
    if !stack.dev().data().is_xdp_pair(stack.index()) {
        finish_shared(queue, stack, sent != 0);
    }
}

/// Lets the stack know of frames in a queue that it uses.
fn finish_shared<Q: QueueOps<TxPacket>>(queue: &mut Q, stack: StackQueue<'_, Nic<'_>>, any: bool) {
    let pair = stack.pair();
    let counters = &pair.tx.counters;
    if any {
        pair.set_tx_pending(true);
    }
    if has_room(queue.num_free(), pair) || stack.is_stopped() {
        return;
    }
    stack.stop();
    counters.stop.add(1);
    if !pair.tx_napi.read_once() {
        stopped::wait_for_room(queue, stack);
    } else if !queue.enable_cb_delayed().is_quiet() {
        stack.schedule();
    }
}
