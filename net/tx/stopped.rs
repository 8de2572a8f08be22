// SPDX-License-Identifier: GPL-2.0

//! Stopped transmit queues, and restarting them.

use super::{
    has_room,
    reap,
    report_if_broken,
    wake,
    with_guard,
    LastReport, //
};
use crate::nic::{
    Nic,
    Pair, //
};
use net_buffers::TxPacket;
use netdev::{
    Budget,
    Device,
    StackQueue, //
};
use virtio::{
    with_queue,
    Once,
    QueueOps,
    Virtqueue, //
};

/// Wakes the stack if the queue that was just stopped has room. Otherwise asks for a callback when
/// most outstanding packets are used.
#[cold]
pub(super) fn wait_for_room<Q: QueueOps<TxPacket>>(queue: &mut Q, stack: StackQueue<'_, Nic<'_>>) {
    let finds_room = |queue: &mut Q| {
        reap(queue, stack, Budget::NONE);
        has_room(queue.num_free(), stack.pair())
    };
    let free = |queue: &Q| queue.num_free();
    if room_or_callback(
        queue,
        |queue| queue.enable_cb_delayed().is_quiet(),
        finds_room,
        free,
    ) {
        wake(queue, stack);
        queue.disable_cb();
    }
}

/// Returns whether a queue has room. If it has none, callbacks are enabled.
///
/// `enable_cb` returns false if the device has passed the position of the callback. No callback
/// comes then, and the used buffers have to be reaped. A device that withdraws its report does not
/// keep the driver in the loop.
fn room_or_callback<Q>(
    queue: &mut Q,
    enable_cb: impl Fn(&mut Q) -> bool,
    finds_room: impl Fn(&mut Q) -> bool,
    free: impl Fn(&Q) -> u32,
) -> bool {
    while !enable_cb(queue) {
        let before = free(queue);
        if finds_room(queue) {
            return true;
        }
        if free(queue) == before {
            break;
        }
    }
    false
}

/// Reaps used packets and wakes the stack. If the ring is still full, asks for a delayed callback.
/// For a queue without NAPI.
#[inline(never)]
fn wake_stopped_queue(mut queue: impl QueueOps<TxPacket>, stack: StackQueue<'_, Nic<'_>>) {
    let mut last_report = LastReport::new();
    loop {
        reap(&mut queue, stack, Budget::NONE);
        wake(&queue, stack);
        if !stack.is_xmit_stopped()
            || queue.enable_cb_delayed().is_quiet()
            || last_report.is_unchanged(&queue)
        {
            break;
        }
    }
    report_if_broken(&queue, stack);
}

/// Calls `f` with a queue and its `StackQueue`, under the queue lock, if the device has queues.
/// Process or softirq context.
fn with_locked(
    dev: &Device<Nic<'_>>,
    index: usize,
    f: impl FnOnce(&mut Virtqueue<TxPacket>, StackQueue<'_, Nic<'_>>),
) {
    if let Some(guard) = dev.tx_lock(index) {
        with_guard(guard, |vq, _, stack| f(vq, stack));
    }
}

/// Wakes a queue that may be stopped without a callback to come. Process or softirq context.
pub(crate) fn wake_stopped(dev: &Device<Nic<'_>>, index: usize) {
    with_locked(dev, index, |vq, stack| {
        with_queue!(vq, |queue| wake_stopped_queue(queue, stack))
    });
}

/// Notifies the device again, and reaps used packets: a notification or an interrupt may be lost.
/// With BHs disabled.
pub(crate) fn stuck(dev: &Device<Nic<'_>>, index: usize, pair: &Pair) {
    if pair.tx_napi.read_once() {
        pair.tx_stuck.write_once(true);
        pair.tx_rare.write_once(true);
        dev.tx_kick(index);
        return;
    }
    with_locked(dev, index, |vq, stack| {
        vq.notify();
        with_queue!(vq, |queue| wake_stopped_queue(queue, stack));
    });
}

/// Wakes the stack after the link came up, unless the queue has no room. Process or softirq
/// context.
pub(crate) fn link_up(dev: &Device<Nic<'_>>, index: usize, pair: &Pair) {
    if !pair.tx_napi.read_once() {
        // The callback may have come while the link was down.
        return wake_stopped(dev, index);
    }
    with_locked(dev, index, |vq, stack| {
        // Otherwise the poll that frees descriptors wakes the stack.
        if has_room(vq.num_free(), pair) {
            stack.wake();
        }
    });
}

/// Wakes the stack after a pause of the queue, unless the queue has no room, and has NAPI look for
/// used packets, whose callback may have come during the pause. Process context.
pub(crate) fn resume(dev: &Device<Nic<'_>>, index: usize, pair: &Pair) {
    if !pair.tx_napi.read_once() {
        return wake_stopped(dev, index);
    }
    with_locked(dev, index, |vq, stack| {
        with_queue!(vq, |queue| wake(&queue, stack));
    });
    dev.tx_kick(index);
}

#[cfg(CONFIG_RUST_VIRTIO_KUNIT_TEST)]
#[kernel::prelude::kunit_tests(rust_virtio_net_tx_stopped)]
mod tests {
    use super::*;

    /// A ring whose device uses more packets each time that the driver enables callbacks.
    struct Busy {
        /// Packets that are used and not reaped yet.
        done: u32,
        /// Packets that are outstanding.
        left: u32,
        free: u32,
        /// Number of rounds in which the device is faster than the driver.
        rounds: u32,
        calls_back: bool,
    }

    impl Busy {
        fn new(rounds: u32) -> Self {
            Self {
                done: 0,
                left: 16,
                free: 0,
                rounds,
                calls_back: false,
            }
        }

        fn enable_cb(&mut self) -> bool {
            self.calls_back = self.rounds == 0;
            if !self.calls_back {
                self.rounds -= 1;
                let done = self.left / 2;
                self.left -= done;
                self.done += done;
            }
            self.calls_back
        }

        fn free(&self) -> u32 {
            self.free
        }

        fn finds_room(&mut self, room: u32) -> bool {
            self.free += self.done;
            self.done = 0;
            self.free >= room
        }
    }

    #[test]
    fn room_or_callback_is_seen_to() {
        for rounds in 0..5 {
            for room in [1, 8, 9, 15, 16] {
                let mut ring = Busy::new(rounds);
                let found = room_or_callback(
                    &mut ring,
                    Busy::enable_cb,
                    |r| r.finds_room(room),
                    Busy::free,
                );
                // Either the queue has room, or a callback comes.
                assert!(found != ring.calls_back);
                assert!(!found || ring.free >= room);
                assert!(found || ring.done == 0);
            }
        }
    }

    /// A device reports used packets again and again, without any.
    #[test]
    fn a_liar_is_not_listened_to() {
        let mut ring = Busy::new(u32::MAX);
        let found = room_or_callback(&mut ring, Busy::enable_cb, |r| r.finds_room(17), Busy::free);
        assert!(!found && ring.left == 1 && ring.free == 15);
    }
}
