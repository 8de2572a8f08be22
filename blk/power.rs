// SPDX-License-Identifier: GPL-2.0

//! Sleep and wake-up of the system, and reset of the transport. The disk stays; the queues are
//! dropped and found again.

use crate::{
    disk_data::DiskData,
    driver_data::DriverData,
    health::Phase,
    requeue::{
        reclaim,
        requeue_or_fail,
        AfterReset, //
    },
    restart::bring_up,
    Blk, //
};
use blockdev::{
    disk::Freezing,
    memory,
    mq::{
        Op,
        RequestList, //
    },
};
use kernel::{
    device::Bound,
    prelude::*, //
};
use virtio::{
    Device,
    TimeLimit, //
};

/// The time in which a device has to end one more request, unless it has a [long
/// operation](Op::is_long).
const QUIET_LIMIT: TimeLimit = TimeLimit::from_millis(5_000);
/// The time in which a device has to end all requests.
const FREEZE_LIMIT: TimeLimit = TimeLimit::from_millis(60_000);
/// The time between two checks for ended requests, in milliseconds.
const POLL_INTERVAL_MS: u32 = 50;

/// Waits for outstanding requests, holds back later ones, and drops the queues. Process context,
/// sleeps.
///
/// If the device ends no request for five seconds, or not all within a minute, the outstanding
/// requests are reclaimed. They wait for the wake-up of the device, or fail, as after a
/// [restart](crate::requeue). A device that has a flush, discard, write of zeroes or secure erase
/// gets the whole minute, because a flush would fail. So does a disk that does not count its
/// requests.
///
/// # Errors
///
/// `ENODEV`: the binding is over.
pub(crate) fn freeze(data: Pin<&DriverData>) -> Result {
    // From here on, requests to this disk wait, so memory reclaim must not write to it.
    memory::without_io(|| {
        let disk_data = &data.disk_data;
        // From here on, the recovery neither fails nor restarts the device.
        disk_data.health.set_phase(Phase::Suspended);
        data.recovery.flush();
        if data.recovery.held.lock().is_some() {
            // The device did not wake up the last time, or its restart has failed: no request is
            // outstanding, and held requests stay held.
            return disk_data
                .with_device(|dev| reset_device(dev, &data))
                .ok_or(ENODEV);
        }
        let freezing = data.disk.begin_freeze();
        wait_for_requests(&freezing, &data);
        *data.recovery.held.lock() = Some(data.disk.quiesce());
        // Lets threads submit I/O again: their requests wait in the queue, which stays quiesced.
        drop(freezing);

        let frozen = disk_data.with_device(|dev| reset_device(dev, &data));
        // From here on, code that locks the device finds no queue, and leaves the device alone.
        data.recovery.flush();
        frozen.ok_or(ENODEV)
    })
}

/// Resets the device, and reclaims its requests.
fn reset_device(dev: &Device<Bound>, data: &DriverData) {
    let disk_data = &data.disk_data;
    let timeouts = data.disk.hold_timeouts();
    disk_data.reset(dev);
    let mut requests = RequestList::new();
    reclaim(disk_data, &mut requests);
    disk_data.clear_failures();
    if !requests.is_empty() {
        let outcome = requeue_or_fail(&data.disk, &timeouts, requests, AfterReset::Same);
        dev_warn!(
            dev.as_ref(),
            "[{}] stopped with outstanding requests: {} are issued again, {} failed\n",
            data.disk.name(),
            outcome.requeued,
            outcome.failed
        );
    }
}

/// Waits until no request is outstanding, or the device has failed.
fn wait_for_requests(freezing: &Freezing<'_, Blk>, data: &DriverData) {
    let disk_data: &DiskData = &data.disk_data;
    let disk = &data.disk;
    let (mut quiet, mut total) = (0, 0);
    let mut ended = disk.ended_so_far();
    while !freezing.wait(POLL_INTERVAL_MS) {
        let now = disk.ended_so_far();
        quiet = if now == ended {
            quiet + POLL_INTERVAL_MS
        } else {
            0
        };
        ended = now;
        total += POLL_INTERVAL_MS;
        // Does not wait for the device lock: its holder may wait for I/O that is held back.
        let unusable = || {
            disk_data
                .try_with_device(|dev| disk_data.failure(dev).is_some())
                .unwrap_or_else(|e| e == ENODEV)
        };
        // A disk that does not count ended requests has the whole minute.
        let is_silent = || {
            quiet >= QUIET_LIMIT.as_millis()
                && disk.counts_ended()
                && !disk.any_outstanding(Op::is_long)
        };
        if total >= FREEZE_LIMIT.as_millis() || is_silent() || unusable() {
            return;
        }
    }
}

/// Finds as many queues as before, and releases the held requests. Process context, sleeps.
///
/// # Errors
///
/// Those of [`bring_up`]. The requests stay held until the recovery has [restarted the device or
/// failed it](not_woken).
pub(crate) fn restore(dev: &Device<Bound>, data: Pin<&DriverData>) -> Result {
    // With the device locked, so that the recovery takes no queue that breaks at once before all
    // queues are there.
    let result = data
        .disk_data
        .with_device(|dev| {
            bring_up(dev, &data.disk).inspect_err(|_| {
                data.disk_data.reset(dev);
                data.disk_data.drop_queues();
            })
        })
        .unwrap_or(Err(ENODEV));
    if let Err(e) = result {
        dev_err!(
            dev.as_ref(),
            "[{}] queues cannot be found again ({:?}), requests wait for a restart\n",
            data.disk.name(),
            e
        );
        return Err(e);
    }
    data.disk_data.clear_failures();
    data.disk_data.health.restarts.clear();
    data.disk_data.health.set_phase(Phase::Running);
    // The recovery did nothing until here: a queue may have broken.
    data.recovery.schedule();
    data.recovery.release_held();
    // The new rings are empty: requests that waited for room can be added.
    data.disk.start_stopped_queues();
    Ok(())
}

/// Schedules the recovery of a device that did not wake up: the recovery restarts the device, or
/// fails it. Process context.
pub(crate) fn not_woken(data: Pin<&DriverData>) {
    data.disk_data.health.note_not_woken();
    data.disk_data.health.set_phase(Phase::Running);
    data.recovery.schedule();
}
