// SPDX-License-Identifier: GPL-2.0

//! Sleep and wake-up of the system, and reset of the transport. The disk stays; the queues are
//! dropped and found again.

use crate::{
    driver_data::Data,
    requeue::{
        settle,
        take_back,
        Return, //
    },
    restart::bring_up,
    shared::Shared,
    watch::Phase,
    Blk, //
};
use blockdev::{
    disk::Freezing,
    memory,
    mq::RequestList, //
};
use kernel::{
    device::Bound,
    prelude::*, //
};
use virtio::{
    Device,
    TimeLimit, //
};

/// The time that a device gets in which it ends no request.
const PATIENCE: TimeLimit = TimeLimit::from_millis(5_000);
/// The time that a device gets at most.
const MOST: TimeLimit = TimeLimit::from_millis(60_000);
/// The time between two looks whether requests have ended, in milliseconds.
const STEP_MS: u32 = 50;

/// Lets the requests that are under way finish, holds back those that come, and gives the queues
/// up. Process context, sleeps.
///
/// Requests that the device does not answer (within five seconds in which nothing is answered, or a
/// minute) are taken back from it, and wait for its wake-up, or fail, as when it is [started
/// anew](crate::restart).
///
/// # Errors
///
/// `ENODEV`: the binding is over.
pub(crate) fn stop(data: Pin<&Data>) -> Result {
    // Where memory is freed by writing to this disk, that waits from here on.
    memory::without_io(|| {
        let shared = &data.shared;
        // From here on nobody else gives the device up, or starts it anew.
        shared.watch.set_phase(Phase::Asleep);
        data.recovery.wait();
        if data.recovery.held.lock().is_some() {
            // It did not wake up: nothing is under way, and what waits goes on waiting.
            return shared
                .with_device(|dev| stop_device(dev, &data))
                .ok_or(ENODEV);
        }
        let freezing = data.disk.begin_freeze();
        wait(&freezing, &data);
        *data.recovery.held.lock() = Some(data.disk.quiesce());
        // A thread that submits I/O need not wait here: requests wait in the queue.
        drop(freezing);

        let stopped = shared.with_device(|dev| stop_device(dev, &data));
        // Code that comes with the link from here on finds no queue, and leaves the device alone.
        data.recovery.wait();
        stopped.ok_or(ENODEV)
    })
}

/// Resets the device, and takes back what it has.
fn stop_device(dev: &Device<Bound>, data: &Data) {
    let shared = &data.shared;
    let timeouts = data.disk.hold_timeouts();
    shared.reset(dev);
    let mut requests = RequestList::new();
    take_back(shared, &mut requests);
    shared.forget();
    if !requests.is_empty() {
        let fate = settle(&data.disk, &timeouts, requests, Return::Same);
        dev_warn!(
            dev.as_ref(),
            "[{}] put to sleep with requests under way: {} are issued again, {} failed\n",
            data.disk.name(),
            fate.again,
            fate.failed
        );
    }
}

/// Waits until no request is under way, or the device does not answer.
fn wait(freezing: &Freezing<'_, Blk>, data: &Data) {
    let shared: &Shared = &data.shared;
    let (mut quiet, mut total) = (0, 0);
    let mut ended = data.disk.ended_so_far();
    while !freezing.wait(STEP_MS) {
        let now = data.disk.ended_so_far();
        quiet = if now == ended { quiet + STEP_MS } else { 0 };
        ended = now;
        total += STEP_MS;
        // Not waited for: a thread that holds on to the device may wait for I/O that is held back.
        let useless = || {
            shared
                .try_with_device(|dev| shared.why(dev).is_some())
                .unwrap_or_else(|e| e == ENODEV)
        };
        if quiet >= PATIENCE.as_millis() || total >= MOST.as_millis() || useless() {
            return;
        }
    }
}

/// Finds the queues again, as many as there were, and lets requests through. Process context,
/// sleeps.
///
/// # Errors
///
/// Those of [`bring_up`]. The requests go on waiting, until it is seen whether the device [can be
/// started anew](not_woken).
pub(crate) fn go_on(dev: &Device<Bound>, data: Pin<&Data>) -> Result {
    // With the link, so that queues that break at once are not taken before all are there.
    let result = data
        .shared
        .with_device(|dev| {
            bring_up(dev, &data.disk).inspect_err(|_| {
                data.shared.reset(dev);
                data.shared.take_queues();
            })
        })
        .unwrap_or(Err(ENODEV));
    if let Err(e) = result {
        dev_err!(
            dev.as_ref(),
            "queues cannot be found again ({:?}), requests wait\n",
            e
        );
        return Err(e);
    }
    data.shared.forget();
    data.shared.watch.restarts.clear();
    data.shared.watch.set_phase(Phase::Running);
    // What broke before is seen to from here on.
    data.recovery.call();
    data.recovery.let_go();
    // What waited for room in the rings of before has it.
    data.disk.start_stopped_queues();
    Ok(())
}

/// The device did not wake up: it is started anew, or given up. Process context.
pub(crate) fn not_woken(data: Pin<&Data>) {
    data.shared.watch.note_not_woken();
    data.shared.watch.set_phase(Phase::Running);
    data.recovery.call();
}
