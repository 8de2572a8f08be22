// SPDX-License-Identifier: GPL-2.0

//! Restart of a device, or the end of its use.

use crate::{
    cache,
    queues::{
        find_queues,
        fit_segments, //
    },
    request::BlkBuffer,
    requeue::{
        settle,
        take_back,
        Return, //
    },
    resize::update_capacity,
    stuck,
    watch::Why,
    Blk, //
};
use blockdev::{
    disk::TimeoutsHeld,
    mq::{
        Request,
        RequestList, //
    },
    Disk,
    GenDisk, //
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

/// Gives a device up now if it is of no use: for callers that are about to wait for its requests.
/// Process context, sleeps.
pub(crate) fn give_up_if_needed(disk: &Disk<Blk>) {
    let shared = disk.data();
    shared.with_device(|dev| {
        if let Some(why) = shared.why(dev) {
            give_up(dev, disk, why);
        }
    });
}

/// Gives a device up: what is under way fails, and what comes. With the link held.
pub(crate) fn give_up(dev: &Device<Bound>, disk: &Disk<Blk>, why: Why) {
    let shared = disk.data();
    shared.cut_off(dev);
    shared.forget();
    // Told before it is seen.
    dev_err!(
        dev.as_ref(),
        "[{}] {}: given up, all requests fail\n",
        disk.name(),
        why
    );
    shared.take_queues();
    // What waits for room in a ring waits for something that does not come.
    disk.start_stopped_queues();
}
