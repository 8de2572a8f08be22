// SPDX-License-Identifier: GPL-2.0

//! The fate of the requests that a device had when it was reset.
//!
//! After a reset the device has no requests, and the driver does not know which of them the device
//! has carried out. Requests that may be carried out twice are queued again. The others end with an
//! error:
//!
//! - Reads are queued again.
//! - Writes, discards and writes of zeroes are queued again. Their sender has no answer yet, so no
//!   later request relies on them. Requests that are outstanding at the same time have no order
//!   among each other. So to carry one out twice is the same as to carry it out once, later.
//! - Flushes end with an error, and so does the data of a flush sequence (`REQ_FUA`,
//!   `REQ_PREFLUSH`). A flush vouches for every write that was answered before it. A device that
//!   was reset cannot vouch for those writes, and only the sender of the flush can repeat them.
//! - Requests that the driver itself sent end with an error.
//!
//! If the [cache](crate::cache) of the device is on and was off before, only reads are queued
//! again: the senders of writes rely on an answered write to be on the medium.

use crate::{
    disk_data::DiskData,
    Blk, //
};
use blockdev::{
    disk::TimeoutsHeld,
    mq::{
        Op,
        Request,
        RequestInfo,
        RequestList, //
    },
    Disk,
    Status, //
};

/// The fate of the requests that a device had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Queued again.
    pub(crate) requeued: usize,
    /// Ended with an error.
    pub(crate) failed: usize,
}

/// The state of a device after a reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AfterReset {
    /// The device is in the same state as before, or is expected to be.
    Same,
    /// The cache is on, and was off before.
    CacheOn,
    /// The device does not come back.
    Gone,
}

impl AfterReset {
    /// Whether a request that the device may have done is queued again.
    fn may_requeue(self, rq: &RequestInfo<Blk>) -> bool {
        match rq.op() {
            Op::READ => self != Self::Gone,
            Op::WRITE | Op::DISCARD | Op::WRITE_ZEROES | Op::SECURE_ERASE => {
                self == Self::Same && !rq.is_of_flush_sequence()
            }
            _ => false,
        }
    }
}

/// Drops the queues. Completes requests that the device has answered, and puts the others into
/// `left`. The device is in [reset](DiskData::reset). Process context, sleeps.
pub(crate) fn reclaim(disk_data: &DiskData, left: &mut RequestList<Request<Blk>>) {
    for queue in &disk_data.queues {
        queue.reclaim(left);
    }
}

/// Queues [reclaimed](reclaim) requests again, or ends them with an error, as `state` requires.
/// Dispatch and timeouts have been stopped since before the requests were reclaimed. Process
/// context, sleeps.
pub(crate) fn requeue_or_fail(
    disk: &Disk<Blk>,
    timeouts: &TimeoutsHeld<'_, Blk>,
    mut requests: RequestList<Request<Blk>>,
    state: AfterReset,
) -> Outcome {
    let mut outcome = Outcome::default();
    while let Some(mut rq) = requests.pop_front() {
        rq.data_mut().drop_ranges();
        if state.may_requeue(&rq) {
            rq.requeue_later(timeouts);
            outcome.requeued += 1;
        } else {
            rq.end(Status::IOERR);
            outcome.failed += 1;
        }
    }
    disk.queue_again();
    outcome
}
