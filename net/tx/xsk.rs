// SPDX-License-Identifier: GPL-2.0

//! Packets of an AF_XDP socket, which are transmitted from the memory of user space.
//!
//! The poll of the transmit queue takes the packets from the ring of user space. User space wakes
//! the poll when there are packets, and the device does so when it has used some.

use super::{
    has_room,
    kick,
    reap,
    report_broken,
    wake,
    LastReport, //
};
use crate::nic::Nic;
use net_buffers::{
    packet::HeaderLayout,
    xsk,
    TxPacket, //
};
use netdev::{
    Budget,
    Device,
    Napi,
    StackQueue,
    XskTx, //
};
use virtio::{
    with_queue,
    Callbacks,
    Once,
    QueueOps, //
};

/// The number of descriptors of a packet, without an indirect table.
const DESCS: u32 = 2;

/// Transmits packets of user space, and gives those back that the device has used, until callbacks
/// are enabled and there is nothing to do. Returns false if the budget is used up before.
pub(super) fn poll(
    mut queue: impl QueueOps<TxPacket>,
    xsk: &mut XskTx,
    header: HeaderLayout,
    stack: StackQueue<'_, Nic<'_>>,
    budget: Budget<'_>,
) -> bool {
    let pair = stack.pair();
    let counters = &pair.tx.counters;
    let mut left = u32::try_from(budget.get()).unwrap_or(0);
    let mut last_report = LastReport::new();
    loop {
        queue.disable_cb();
        reap(&mut queue, stack, budget);
        xsk.complete();
        let sent = send(&mut queue, xsk, header, stack, left);
        left = left.saturating_sub(sent);
        if sent != 0 {
            counters.xdp_tx.add(sent.into());
            kick(&mut queue, counters);
            stack.refresh();
        }
        if left == 0 {
            break;
        }
        match queue.enable_cb() {
            Callbacks::On => break,
            Callbacks::Broken => {
                report_broken(stack);
                break;
            }
            // The device withdrew its report.
            Callbacks::Missed if last_report.is_unchanged(&queue) && sent == 0 => break,
            Callbacks::Missed => {}
        }
    }
    // If the stack was woken, there was room that was kept for the stack.
    left != 0 && !wake_or_stop(&queue, stack)
}

/// As [`poll`], in the poll of the receive queue, for user space that polls the receive queue only
/// (`SO_PREFER_BUSY_POLL`). Leaves callbacks as they are. If there is more to do, the poll of the
/// transmit queue does that.
pub(crate) fn poll_with_rx(napi: Napi<'_, Nic<'_>>, budget: Budget<'_>) {
    let Some(mut guard) = napi.dev().tx_try_lock(napi.index(), napi) else {
        return;
    };
    let (state, stack) = guard.parts();
    let header = state.header;
    if let (Some(vq), Some(xsk)) = (&mut state.queue, &mut state.xsk) {
        with_queue!(vq, |queue| poll_once(queue, xsk, header, stack, budget));
    }
}

fn poll_once(
    mut queue: impl QueueOps<TxPacket>,
    xsk: &mut XskTx,
    header: HeaderLayout,
    stack: StackQueue<'_, Nic<'_>>,
    budget: Budget<'_>,
) {
    let counters = &stack.pair().tx.counters;
    let most = u32::try_from(budget.get()).unwrap_or(0);
    reap(&mut queue, stack, budget);
    xsk.complete();
    let sent = send(&mut queue, xsk, header, stack, most);
    if sent != 0 {
        counters.xdp_tx.add(sent.into());
        kick(&mut queue, counters);
        stack.refresh();
    }
    if wake_or_stop(&queue, stack) || sent == most {
        stack.schedule();
    }
}

/// Wakes the stack if the queue has room, and stops it otherwise. Returns whether it was woken.
fn wake_or_stop(queue: &impl QueueOps<TxPacket>, stack: StackQueue<'_, Nic<'_>>) -> bool {
    let pair = stack.pair();
    let counters = &pair.tx.counters;
    let was_stopped = stack.is_stopped();
    wake(queue, stack);
    let is_woken = was_stopped && !stack.is_stopped();
    if !has_room(queue.num_free(), pair) && !stack.is_stopped() && is_shared(stack) {
        stack.stop();
        counters.stop.add(1);
    }
    is_woken
}

/// Gives packets back to user space that a transmit queue had, which was dropped.
pub(crate) fn queue_dropped(dev: &Device<Nic<'_>>, i: usize) {
    if let Some(mut guard) = dev.tx_lock(i) {
        if let Some(xsk) = &mut guard.parts().0.xsk {
            xsk.complete();
        }
    }
}

/// Whether the stack transmits on the queue.
fn is_shared(stack: StackQueue<'_, Nic<'_>>) -> bool {
    !stack.dev().data().is_xdp_pair(stack.index())
}

/// Adds packets of user space to the queue, at most `most`. Returns the number of packets that were
/// added.
///
/// If the stack waits for room, the packets leave it some.
fn send(
    queue: &mut impl QueueOps<TxPacket>,
    xsk: &mut XskTx,
    header: HeaderLayout,
    stack: StackQueue<'_, Nic<'_>>,
    most: u32,
) -> u32 {
    let for_stack = if stack.is_stopped() && is_shared(stack) {
        stack.pair().tx_min_free.read_once()
    } else {
        0
    };
    let mut sent = 0u32;
    if stack.index() >= stack.dev().data().current_pairs() {
        // The device does not use the queue.
        return 0;
    }
    loop {
        let room = queue.num_free().saturating_sub(for_stack) / DESCS;
        let most = most.saturating_sub(sent).min(room);
        if most == 0 {
            return sent;
        }
        let (added, result) = xsk::send(queue, xsk, header, most);
        sent = sent.saturating_add(added);
        // Fewer packets than asked for: user space has no more.
        if result.is_err() || added < most {
            return sent;
        }
    }
}
