// SPDX-License-Identifier: GPL-2.0

//! Stopped transmit queues, and restarting them.

use super::{
    has_room,
    reap,
    report_if_broken,
    wake,
    LastReport, //
};
use crate::{
    nic::{
        Nic,
        Pair, //
    },
    stats::TxCounters,
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

/// Lets the stack go on with a queue that was just stopped, if there is room in it by now.
/// Otherwise, the device calls back when most of what it has is done.
#[cold]
pub(super) fn wait_for_room<Q: QueueOps<TxPacket>>(
    queue: &mut Q,
    stack: StackQueue<'_, Nic<'_>>,
    counters: &TxCounters,
) {
    let finds_room = |queue: &mut Q| {
        reap(queue, stack, counters, Budget::NONE);
        has_room(queue.num_free(), stack.pair())
    };
    let free = |queue: &Q| queue.num_free();
    if room_or_callback(
        queue,
        |queue| queue.enable_cb_delayed().is_quiet(),
        finds_room,
        free,
    ) {
        wake(queue, stack, counters);
        queue.disable_cb();
    }
}

/// Returns whether there is room in a queue; if not, callbacks are on.
///
/// `enable_cb` returns false where the device is past the place to call back at: it does not call
/// back then, and what it did has to be looked at. A device that takes back what it said does not
/// keep the driver here.
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

/// Takes what the device is done with, and lets the stack send; if it may not yet, has the device
/// call back when it may. For a queue that no NAPI instance looks after.
#[inline(never)]
fn wake_stopped_queue(mut queue: impl QueueOps<TxPacket>, stack: StackQueue<'_, Nic<'_>>) {
    let counters = &stack.pair().counters.tx;
    let mut last_report = LastReport::new();
    loop {
        reap(&mut queue, stack, counters, Budget::NONE);
        wake(&queue, stack, counters);
        if !stack.is_xmit_stopped()
            || queue.enable_cb_delayed().is_quiet()
            || last_report.is_unchanged(&queue)
        {
            break;
        }
    }
    report_if_broken(&queue, stack);
}

/// Calls `f` with a queue, locked, and with the stack's side of it, if there is one. Process or
/// softirq context.
fn with_locked(
    dev: &Device<Nic<'_>>,
    index: usize,
    f: impl FnOnce(&mut Virtqueue<TxPacket>, StackQueue<'_, Nic<'_>>),
) {
    if let Some(mut guard) = dev.tx_lock(index) {
        let (state, stack) = guard.parts();
        if let Some(vq) = state.queue.as_mut() {
            f(vq, stack);
        }
    }
}

/// Looks after a queue that may be stopped and not called back for. Process or softirq context.
pub(crate) fn wake_stopped(dev: &Device<Nic<'_>>, index: usize) {
    with_locked(dev, index, |vq, stack| {
        with_queue!(vq, |queue| wake_stopped_queue(queue, stack))
    });
}

/// The watchdog found a queue stuck. A notification may be lost, or an interrupt. BHs are disabled.
pub(crate) fn stuck(dev: &Device<Nic<'_>>, index: usize, pair: &Pair) {
    if pair.tx_napi.read_once() {
        pair.tx_stuck.write_once(true);
        dev.tx_kick(index);
        return;
    }
    with_locked(dev, index, |vq, stack| {
        vq.notify();
        with_queue!(vq, |queue| wake_stopped_queue(queue, stack));
    });
}

/// Lets the stack send on a queue that was stopped because there was no link, unless there is no
/// room in it. Process or softirq context.
pub(crate) fn link_up(dev: &Device<Nic<'_>>, index: usize, pair: &Pair) {
    if !pair.tx_napi.read_once() {
        // It may have been called back meanwhile.
        return wake_stopped(dev, index);
    }
    with_locked(dev, index, |vq, stack| {
        // Otherwise, the poll that makes room does it.
        if has_room(vq.num_free(), pair) {
            stack.wake();
        }
    });
}

#[cfg(CONFIG_RUST_VIRTIO_KUNIT_TEST)]
#[kernel::prelude::kunit_tests(rust_virtio_net_tx_stopped)]
mod tests {
    use super::*;

    /// A ring whose device does more each time that it is asked to call back.
    struct Busy {
        /// Packets that were done, and not looked at.
        done: u32,
        /// Packets that the device has.
        left: u32,
        free: u32,
        /// Rounds in which the device is faster than the driver.
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
                // Either the queue goes on, or somebody calls back.
                assert!(found != ring.calls_back);
                assert!(!found || ring.free >= room);
                assert!(found || ring.done == 0);
            }
        }
    }

    /// A device says again and again that it did more, and did not.
    #[test]
    fn a_liar_is_not_listened_to() {
        let mut ring = Busy::new(u32::MAX);
        let found = room_or_callback(&mut ring, Busy::enable_cb, |r| r.finds_room(17), Busy::free);
        assert!(!found && ring.left == 1 && ring.free == 15);
    }
}
