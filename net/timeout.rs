// SPDX-License-Identifier: GPL-2.0

//! Transmit queues that the watchdog found stuck.

use crate::{
    nic::{
        Nic,
        Pair, //
    },
    queue_index::tx_index,
    tx, //
};
use kernel::{
    prelude::*,
    sync::atomic::Relaxed, //
};
use netdev::Device;
use virtio::Once;

/// Number of timeouts in a row, without a packet sent between them, after which the device is
/// restarted.
const MAX_TIMEOUTS: u32 = 3;

/// Handles a timeout of the watchdog: notifies the device again, as a notification may be lost, and
/// reaps used packets, as an interrupt may be lost.
pub(crate) fn handle(dev: &Device<Nic<'_>>, queue: usize) {
    let Some(pair) = dev.data().pairs.get(queue) else {
        return;
    };
    pair.tx.counters.timeouts.add_shared(1);
    dev.netdev_err(fmt!(
        "TX timeout on queue: {}, sq: output.{}, vq: {:#x}, name: output.{}, {} usecs ago\n",
        queue,
        queue,
        tx_index(queue),
        queue,
        dev.queue_age_usecs(queue)
    ));
    tx::stuck(dev, queue, pair);
    count(dev, queue, pair);
}

/// Counts a timeout of a queue, and reports the queue after [`MAX_TIMEOUTS`] in a row.
fn count(dev: &Device<Nic<'_>>, queue: usize, pair: &Pair) {
    let sent = pair.tx.counters.packets.get();
    let timeouts = if pair.tx.sent_at_timeout.xchg(sent, Relaxed) == sent {
        pair.tx.timeouts.read_once().saturating_add(1)
    } else {
        1
    };
    pair.tx.timeouts.write_once(timeouts);
    if timeouts >= MAX_TIMEOUTS {
        pair.tx.timeouts.write_once(0);
        dev.data().health.report_stuck(dev, queue);
    }
}
