// SPDX-License-Identifier: GPL-2.0

//! Restart of a single queue, if it is the only one that the device does not answer.
//!
//! A device may be able to reset a single queue (`VIRTIO_F_RING_RESET`, virtio spec §2.6.1), so
//! that the requests of other queues go on. The same requests are issued again as after a
//! [restart](crate::restart) of the device.
//!
//! A queue is reset alone only [on request](crate::RESET_QUEUES), because that is dangerous with
//! some devices. If a device resets the queue, but goes on with requests of the queue, it writes to
//! memory that has another use by then, and its answers are taken for those of other requests.
//! QEMU's disks do this: they drain requests when the device is reset, but not when a queue is.

use crate::{
    requeue::{
        settle,
        Return, //
    },
    watch::Why,
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

/// Starts the queue anew that the device does not answer, if it is one alone, and there was no
/// restart lately. Returns whether this is all that has to be done. If not, what the queue had is
/// in `left`, as far as it is not in the queue. Nothing is dispatched. Process context, sleeps.
pub(crate) fn start_anew(
    dev: &Exclusive<'_>,
    disk: &Disk<Blk>,
    why: Why,
    timeouts: &TimeoutsHeld<'_, Blk>,
    left: &mut RequestList<Request<Blk>>,
) -> bool {
    let shared = disk.data();
    let may = RESET_QUEUES.get()
        && why == Why::Silent
        && dev.has_feature(Feature::RING_RESET)
        // A queue that is stuck again is not what is wrong.
        && shared.watch.restarts.is_first();
    let Some((index, slot)) = shared.stuck_queue().filter(|_| may) else {
        return false;
    };
    if let Err(e) = slot.reset_alone(left) {
        dev_warn!(
            dev.as_ref(),
            "[{}] queue {} is stuck: cannot be started anew alone ({:?})\n",
            disk.name(),
            index,
            e
        );
        return false;
    }
    slot.set_stuck(false);
    let fate = settle(disk, timeouts, core::mem::take(left), Return::Same);
    dev_warn!(
        dev.as_ref(),
        "[{}] queue {} is stuck: started anew alone, {} requests are issued again, {} failed\n",
        disk.name(),
        index,
        fate.again,
        fate.failed
    );
    true
}
