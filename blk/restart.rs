// SPDX-License-Identifier: GPL-2.0

//! Restart of a device, or the end of its use.

use crate::{
    cache,
    health::Failure,
    queue_restart,
    queues::{
        find_queues,
        fit_segments, //
    },
    request::BlkBuffer,
    requeue::{
        reclaim,
        requeue_or_fail,
        AfterReset, //
    },
    resize::update_capacity,
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

/// Restarts a device, or only [the queue](crate::queue_restart) that is stuck, or fails the device.
/// Process context, sleeps.
pub(crate) fn restart(dev: &Exclusive<'_>, disk: &Arc<GenDisk<Blk>>, failure: Failure) {
    let quiet = disk.quiesce();
    // A timeout that is handled before the requests are queued again would schedule another
    // restart.
    let timeouts = disk.hold_timeouts();
    let mut requests = RequestList::new();
    if !queue_restart::restart_queue(dev, disk, failure, &timeouts, &mut requests) {
        restart_device(dev, disk, failure, &timeouts, requests);
    }
    drop(timeouts);
    drop(quiet);
    // Requests that waited for room in a ring can be added now, or fail.
    disk.start_stopped_queues();
}

/// Restarts a device, or fails it. `requests` are those that were reclaimed from the device before,
/// and are not in its queues.
fn restart_device(
    dev: &Exclusive<'_>,
    disk: &GenDisk<Blk>,
    failure: Failure,
    timeouts: &TimeoutsHeld<'_, Blk>,
    mut requests: RequestList<Request<Blk>>,
) {
    let disk_data = disk.data();
    disk_data.reset(dev);
    reclaim(disk_data, &mut requests);
    let result = if dev.is_given_up() {
        Err(ENODEV)
    } else {
        dev.negotiate().and_then(|()| bring_up(dev, disk))
    };
    disk_data.clear_failures();
    let state = result.unwrap_or(AfterReset::Gone);
    if let Err(e) = result {
        disk_data.quiesce_and_reset(dev);
        disk_data.drop_queues();
        // Logged before the first request fails.
        dev_err!(
            dev.as_ref(),
            "[{}] {}: given up ({:?}), all requests fail\n",
            disk.name(),
            failure,
            e
        );
    }
    let outcome = requeue_or_fail(disk, timeouts, requests, state);
    if result.is_ok() {
        dev_warn!(
            dev.as_ref(),
            "[{}] {}: started anew, {} requests are issued again, {} failed\n",
            disk.name(),
            failure,
            outcome.requeued,
            outcome.failed
        );
    }
}

/// Brings a device whose features were negotiated into its former state: finds as many queues, sets
/// DRIVER_OK, and switches the cache into the mode that the disk reports, if the device allows
/// that. Dispatch of requests is stopped. Process context, sleeps.
///
/// # Errors
///
/// - `ENOSPC`: the new rings are too small for requests that the block layer has made.
/// - `EIO`: a queue broke at once.
/// - Those of [`Device::find_vqs`].
pub(crate) fn bring_up(dev: &Device<Bound>, disk: &GenDisk<Blk>) -> Result<AfterReset> {
    let disk_data = disk.data();
    let vqs = find_queues_again(dev, disk)?;
    for (queue, vq) in disk_data.queues.iter().zip(vqs) {
        queue.as_ref().install(vq);
    }
    let cached = cache::restore_mode(dev, disk);
    dev.ready();
    if disk_data.is_broken() {
        return Err(EIO);
    }
    // The announcement of a change during the restart was missed, because callbacks were off.
    let capacity = dev.config().read(crate::config::CAPACITY);
    if capacity.is_ok_and(|sectors| sectors != disk.capacity()) {
        let _ = update_capacity(dev, disk, true);
    }
    Ok(if cached {
        AfterReset::CacheOn
    } else {
        AfterReset::Same
    })
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

/// [Fails](fail_device) a device that has a failure. For callers that are about to wait for its
/// requests. Process context, sleeps.
pub(crate) fn fail_device_if_unusable(disk: &Disk<Blk>) {
    let disk_data = disk.data();
    disk_data.with_device(|dev| {
        if let Some(failure) = disk_data.failure(dev) {
            fail_device(dev, disk, failure);
        }
    });
}

/// Resets a device for good: outstanding requests fail, and so do later ones. With the device
/// locked ([`DiskData::with_device`](crate::disk_data::DiskData::with_device)).
pub(crate) fn fail_device(dev: &Device<Bound>, disk: &Disk<Blk>, failure: Failure) {
    let disk_data = disk.data();
    disk_data.quiesce_and_reset(dev);
    disk_data.clear_failures();
    // Logged before the first request fails.
    dev_err!(
        dev.as_ref(),
        "[{}] {}: given up, all requests fail\n",
        disk.name(),
        failure
    );
    disk_data.drop_queues();
    // Requests that wait for room in a ring would wait for ever.
    disk.start_stopped_queues();
}
