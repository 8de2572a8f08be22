// SPDX-License-Identifier: GPL-2.0

//! Restart of a single queue, if no other one is stuck.
//!
//! Some devices can reset a single queue (`VIRTIO_F_RING_RESET`, virtio spec §2.6.1). The requests
//! of other queues go on then. The same requests are issued again as after a
//! [restart](crate::restart) of the device.
//!
//! A queue is reset alone only [on request](crate::RESET_QUEUES), because that is dangerous with
//! some devices. Such a device resets the queue, but goes on with requests of the queue. It then
//! writes to memory that has another use, and its answers are taken for answers to other requests.
//! QEMU's disks do this: they drain requests when the device is reset, but not when a queue is.

use crate::{
    health::Failure,
    requeue::{
        requeue_or_fail,
        AfterReset, //
    },
    Blk,
    RESET_QUEUES, //
};
use blockdev::{
    disk::TimeoutsHeld,
    mq::{
        Request,
        RequestList, //
    },
    Disk, //
};
use kernel::prelude::*;
use virtio::{
    Exclusive,
    Feature, //
};

/// Restarts the stuck queue, if only one queue is stuck, and there was no restart lately. Returns
/// whether that was done. If not, `left` has the requests that were taken from the queue. Dispatch
/// of requests is stopped. Process context, sleeps.
pub(crate) fn restart_queue(
    dev: &Exclusive<'_>,
    disk: &Disk<Blk>,
    failure: Failure,
    timeouts: &TimeoutsHeld<'_, Blk>,
    left: &mut RequestList<Request<Blk>>,
) -> bool {
    let disk_data = disk.data();
    let may = RESET_QUEUES.get()
        && failure == Failure::RequestTimeout
        && dev.has_feature(Feature::RING_RESET)
        // If a queue is stuck again, a restart of the queue is not enough.
        && disk_data.health.restarts.is_first();
    let Some((index, queue)) = disk_data.only_stuck_queue().filter(|_| may) else {
        return false;
    };
    if let Err(e) = queue.reset(left) {
        dev_warn!(
            dev.as_ref(),
            "[{}] queue {} is stuck: cannot be started anew alone ({:?})\n",
            disk.name(),
            index,
            e
        );
        return false;
    }
    queue.set_stuck(false);
    let outcome = requeue_or_fail(disk, timeouts, core::mem::take(left), AfterReset::Same);
    dev_warn!(
        dev.as_ref(),
        "[{}] queue {} is stuck: started anew alone, {} requests are issued again, {} failed\n",
        disk.name(),
        index,
        outcome.requeued,
        outcome.failed
    );
    true
}
