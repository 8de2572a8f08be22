// SPDX-License-Identifier: GPL-2.0

//! The fate of the requests that a device had when it was reset.
//!
//! After a reset the device has no requests, and the driver does not know which of them it did.
//! Requests that may be done twice are queued again, and the others end with an error:
//!
//! - Reads are queued again.
//! - Writes, discards and writes of zeroes are queued again. Their sender has no answer yet, so no
//!   later request relies on them, and requests in flight at the same time have no order among each
//!   other: doing one twice is the same as doing it once, later.
//! - Flushes end with an error, and so does the data of a flush sequence (`REQ_FUA`,
//!   `REQ_PREFLUSH`). A flush vouches for every write that was answered before it. A device that
//!   was reset cannot vouch for those writes, and only the sender of the flush can repeat them.
//! - Requests that the driver itself sent end with an error.
//!
//! If the [cache](crate::cache) of the device is on and was off before, only reads are queued
//! again: the senders of writes rely on an answered write to be on the medium.

use crate::{
    shared::Shared,
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
pub(crate) struct Fate {
    /// Queued again.
    pub(crate) again: usize,
    /// Ended with an error.
    pub(crate) failed: usize,
}

/// The way that a device comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Return {
    /// As it was, or as is expected.
    Same,
    /// With a cache that is on, which was off before.
    Cached,
    /// The device does not come back.
    Never,
}

impl Return {
    /// Whether a request that the device may have done is done again.
    fn repeats(self, rq: &RequestInfo<Blk>) -> bool {
        match rq.op() {
            Op::READ => self != Self::Never,
            Op::WRITE | Op::DISCARD | Op::WRITE_ZEROES | Op::SECURE_ERASE => {
                self == Self::Same && !rq.is_of_flush_sequence()
            }
            _ => false,
        }
    }
}

/// Takes back what the queues have, and drops them: what was answered is completed, and the rest
/// goes to `left`. The device is in [reset](Shared::reset). Process context, sleeps.
pub(crate) fn take_back(shared: &Shared, left: &mut RequestList<Request<Blk>>) {
    for slot in &shared.slots {
        slot.take_back(left);
    }
}

/// Decides about requests that were [taken back](take_back): whether they are queued again, or end,
/// by how the device comes back. Nothing is dispatched, and no timeout is looked at since before
/// they were taken. Process context, sleeps.
pub(crate) fn settle(
    disk: &Disk<Blk>,
    timeouts: &TimeoutsHeld<'_, Blk>,
    mut requests: RequestList<Request<Blk>>,
    how: Return,
) -> Fate {
    let mut fate = Fate::default();
    while let Some(mut rq) = requests.pop_front() {
        rq.data_mut().finish();
        if how.repeats(&rq) {
            rq.requeue_later(timeouts);
            fate.again += 1;
        } else {
            rq.end(Status::IOERR);
            fate.failed += 1;
        }
    }
    disk.queue_again();
    fate
}
