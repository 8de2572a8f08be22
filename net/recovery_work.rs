// SPDX-License-Identifier: GPL-2.0

//! The recovery work of a device that cannot be used as it is.
//!
//! If the device does not come back after a [restart](crate::restart), or needs too many restarts,
//! the driver gives it up. A [tolerable](Failure::is_tolerable) failure is tolerated only while the
//! device has its queues: after a restart that failed there is nothing left to tolerate.

use crate::{
    health::Failure,
    nic::Nic,
    queue_restart::restart_queue,
    restart::{
        fail_device,
        restart, //
    },
};
use kernel::{
    prelude::*,
    sync::atomic::Relaxed,
    time::Delta, //
};
use netdev::{
    Device,
    Rtnl, //
};

/// Milliseconds before the next attempt if another thread holds the lock of the device.
const PAUSE_MS: u32 = 50;

/// Handles the failure that was recorded: restarts the device or the queue that is stuck, or gives
/// the device up. Process context.
pub(crate) fn run(dev: &Device<Nic<'_>>, rtnl: &mut Rtnl) {
    let nic = dev.data();
    let health = &nic.health;
    let Some(failure) = health.failure() else {
        return;
    };
    if health.is_off() {
        return;
    }
    // A device that lost its queues in a restart works no longer, however harmless the failure was
    // that led to the restart.
    let is_tolerable = failure.is_tolerable() && nic.has_queues.load(Relaxed);
    let was_answered = || !nic.ctrl.has_unanswered_command(dev);
    if failure == Failure::CommandTimeout && is_tolerable && was_answered() {
        return tolerate(dev, failure);
    }
    let mut fails = false;
    if !health.take_due() {
        match health.restarts.next() {
            Some(delay) if delay > Delta::ZERO => return restart_later(dev, millis(delay)),
            Some(_) => {}
            None if is_tolerable => return tolerate(dev, failure),
            None => fails = true,
        }
    }
    let done = health.device.try_exclusive(|vdev| {
        if fails {
            fail_device(dev, failure, rtnl);
        } else if failure == Failure::TxTimeout && restart_queue(dev, vdev, rtnl) {
            tolerate(dev, failure);
        } else if let Err(e) = restart(dev, vdev, rtnl) {
            health.set_failure(failure);
            if vdev.is_given_up() {
                fail_device(dev, failure, rtnl);
                return;
            }
            dev.netdev_warn(fmt!("{}: cannot be started anew ({:?})\n", failure, e));
            dev.schedule_recovery(0);
        } else {
            dev.netdev_warn(fmt!("{}: started anew\n", failure));
        }
    });
    // `EBUSY`: the device is being removed or put to sleep. The thread that does so may wait for
    // the RTNL.
    if done == Err(EBUSY) {
        health.set_due(!fails);
        dev.schedule_recovery(PAUSE_MS);
    }
}

/// Drops a tolerable failure, unless a worse one was recorded since.
fn tolerate(dev: &Device<Nic<'_>>, failure: Failure) {
    if !dev.data().health.clear_failure(failure) {
        dev.schedule_recovery(0);
    }
}

/// Schedules a restart that was counted already.
fn restart_later(dev: &Device<Nic<'_>>, millis: u32) {
    dev.data().health.set_due(true);
    dev.schedule_recovery(millis);
}

/// Returns a time in milliseconds, rounded up.
fn millis(delay: Delta) -> u32 {
    u32::try_from(delay.as_millis())
        .unwrap_or(u32::MAX)
        .saturating_add(1)
}
