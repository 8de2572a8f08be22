// SPDX-License-Identifier: GPL-2.0

//! Restart of a device, and the fate of its requests.
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
    cache,
    driver::{
        find_queues,
        fit_segments, //
    },
    ops::{
        Blk,
        BlkBuffer, //
    },
    resize::update_capacity,
    shared::Shared,
    stuck,
    watch::Why, //
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
    GenDisk,
    Status, //
};
use kernel::{
    device::Bound,
    prelude::*,
    sync::Arc, //
};
use virtio::{
    Device,
    Exclusive,
    Virtqueue, //
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

/// Starts a device anew, or only [the queue](crate::stuck) that it does not answer, or gives the
/// device up. Process context, sleeps.
pub(crate) fn restart(dev: &Exclusive<'_>, disk: &Arc<GenDisk<Blk>>, why: Why) {
    let quiet = disk.quiesce();
    // A timeout that is looked at while the requests are here would have the device started anew
    // again.
    let timeouts = disk.hold_timeouts();
    let mut requests = RequestList::new();
    if !stuck::start_anew(dev, disk, why, &timeouts, &mut requests) {
        start_anew(dev, disk, why, &timeouts, requests);
    }
    drop(timeouts);
    drop(quiet);
    // What waited for room in a ring has it, or fails.
    disk.start_stopped_queues();
}

/// Starts a device anew, or gives it up. It had the `requests` besides those that its queues have.
fn start_anew(
    dev: &Exclusive<'_>,
    disk: &GenDisk<Blk>,
    why: Why,
    timeouts: &TimeoutsHeld<'_, Blk>,
    mut requests: RequestList<Request<Blk>>,
) {
    let shared = disk.data();
    shared.reset(dev);
    take_back(shared, &mut requests);
    let result = if dev.is_given_up() {
        Err(ENODEV)
    } else {
        dev.negotiate().and_then(|()| bring_up(dev, disk))
    };
    shared.forget();
    let how = result.unwrap_or(Return::Never);
    if let Err(e) = result {
        shared.cut_off(dev);
        shared.take_queues();
        // Told before it is seen.
        dev_err!(
            dev.as_ref(),
            "[{}] {}: given up ({:?}), all requests fail\n",
            disk.name(),
            why,
            e
        );
    }
    let fate = settle(disk, timeouts, requests, how);
    if result.is_ok() {
        dev_warn!(
            dev.as_ref(),
            "[{}] {}: started anew, {} requests are issued again, {} failed\n",
            disk.name(),
            why,
            fate.again,
            fate.failed
        );
    }
}

/// Brings a device whose features were negotiated to where it was: as many queues, ready, with the
/// cache as the disk has it, if that can be had. Returns whether it can. Nothing is dispatched.
/// Process context, sleeps.
///
/// # Errors
///
/// - `ENOSPC`: the rings have become too small for requests that the block layer has made.
/// - `EIO`: a queue is broken from the beginning.
/// - Those of [`Device::find_vqs`].
pub(crate) fn bring_up(dev: &Device<Bound>, disk: &GenDisk<Blk>) -> Result<Return> {
    let shared = disk.data();
    let queues = find_queues_again(dev, disk)?;
    for (slot, queue) in shared.slots.iter().zip(queues) {
        slot.as_ref().fill(queue);
    }
    let cached = cache::put_back(dev, disk);
    dev.ready();
    if shared.is_broken() {
        return Err(EIO);
    }
    // A device that changed meanwhile said so when nobody listened.
    let capacity = dev.config().read(crate::config::CAPACITY);
    if capacity.is_ok_and(|sectors| sectors != disk.capacity()) {
        let _ = update_capacity(dev, disk, true);
    }
    Ok(if cached { Return::Cached } else { Return::Same })
}

/// Finds the queues, and checks that requests made for the old ones fit them.
fn find_queues_again(
    dev: &Device<Bound>,
    disk: &GenDisk<Blk>,
) -> Result<KVec<Virtqueue<BlkBuffer>>> {
    let segments = disk.max_segments();
    let queues = find_queues(dev, disk.tag_set().data().split, segments)?;
    if fit_segments(dev, &queues, segments) < segments {
        return Err(ENOSPC);
    }
    Ok(queues)
}
