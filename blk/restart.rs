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
    recovery::HeldRequests,
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

/// The end of a [restart].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The device works, or was given up.
    Done,
    /// The device does not work, and another restart may help. Requests are held back, and the
    /// device has no queues.
    Failed,
}

/// Restarts a device, or only [the queue](crate::queue_restart) that is stuck, or fails the device.
/// If the restart has failed and another one may help, requests go to `held`. Process context,
/// sleeps.
pub(crate) fn restart(
    dev: &Exclusive<'_>,
    disk: &Arc<GenDisk<Blk>>,
    held: &HeldRequests,
    failure: Failure,
) -> Ended {
    let quiet = disk.quiesce();
    // A timeout that is handled before the requests are queued again would schedule another
    // restart.
    let timeouts = disk.hold_timeouts();
    let mut requests = RequestList::new();
    let ended = if queue_restart::restart_queue(dev, disk, failure, &timeouts, &mut requests) {
        Ended::Done
    } else {
        restart_device(dev, disk, failure, &timeouts, requests)
    };
    drop(timeouts);
    if ended == Ended::Failed {
        let old = held.lock().replace(quiet);
        // After a failed wake-up or restart, requests were held back before.
        drop(old);
        return ended;
    }
    drop(quiet);
    // Requests that waited for room in a ring can be added now, or fail.
    disk.start_stopped_queues();
    ended
}

/// Whether an error of a restart will be the same at the next one:
///
/// - `ENODEV`: the device was given up, or refuses the features;
/// - `EINVAL`: the device no longer offers the features;
/// - `E2BIG`: the new rings are too small.
fn is_final(e: Error) -> bool {
    matches!(e, ENODEV | EINVAL | E2BIG)
}

/// Restarts a device, or fails it. `requests` are those that were reclaimed from the device before,
/// and are not in its queues.
fn restart_device(
    dev: &Exclusive<'_>,
    disk: &GenDisk<Blk>,
    failure: Failure,
    timeouts: &TimeoutsHeld<'_, Blk>,
    mut requests: RequestList<Request<Blk>>,
) -> Ended {
    let disk_data = disk.data();
    disk_data.reset(dev);
    reclaim(disk_data, &mut requests);
    let result = if dev.is_given_up() {
        Err(ENODEV)
    } else {
        dev.negotiate().and_then(|()| bring_up(dev, disk))
    };
    disk_data.clear_failures();
    let (state, ended) = match result {
        Ok(state) => (state, Ended::Done),
        Err(e) => {
            disk_data.quiesce_and_reset(dev);
            disk_data.drop_queues();
            if is_final(e) || dev.is_given_up() {
                // Logged before the first request fails.
                dev_err!(
                    dev.as_ref(),
                    "[{}] {}: given up ({:?}), all requests fail\n",
                    disk.name(),
                    failure,
                    e
                );
                (AfterReset::Gone, Ended::Done)
            } else {
                // The requests wait for another restart, as they do while the system sleeps.
                (AfterReset::Same, Ended::Failed)
            }
        }
    };
    let outcome = requeue_or_fail(disk, timeouts, requests, state);
    match result {
        Ok(_) => dev_warn!(
            dev.as_ref(),
            "[{}] {}: started anew, {} requests are issued again, {} failed\n",
            disk.name(),
            failure,
            outcome.requeued,
            outcome.failed
        ),
        Err(e) if ended == Ended::Failed => dev_warn!(
            dev.as_ref(),
            "[{}] {}: cannot be started anew yet ({:?}), {} requests wait, {} failed\n",
            disk.name(),
            failure,
            e,
            outcome.requeued,
            outcome.failed
        ),
        Err(_) => {}
    }
    ended
}

/// Brings a device whose features were negotiated into its former state: finds as many queues, sets
/// DRIVER_OK, and switches the cache into the mode that the disk reports, if the device allows
/// that. Dispatch of requests is stopped. Process context, sleeps.
///
/// # Errors
///
/// - `E2BIG`: the new rings are too small for requests that the block layer has made.
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
        return Err(E2BIG);
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
