// SPDX-License-Identifier: GPL-2.0

//! Restart of a device that cannot go on.
//!
//! The device is reset and gets its settings again, as after a sleep of the system. The interface
//! stays and keeps its settings and counters. Packets that the device had are lost. If the device
//! does not come back, or needs too many restarts, the driver gives it up: the interface has no
//! carrier until the device is bound again, sleeps and wakes up, or its function is reset.

pub(crate) mod state;

pub(crate) use self::state::{
    Recovery,
    Trouble, //
};

use crate::{
    nic::{
        Nic,
        Pair, //
    },
    power,
    queues, //
};
use kernel::{
    prelude::*,
    sync::atomic::{
        Full,
        Relaxed, //
    },
    time::Delta,
};
use netdev::{
    Device,
    Rtnl, //
};
use virtio::{
    Exclusive,
    Once, //
};

/// Milliseconds until a device that somebody else has is asked for again.
const PAUSE_MS: u32 = 50;
/// Timeouts of the watchdog in a row, with no packet sent meanwhile, that a device gets.
const MOST_TIMEOUTS: u32 = 3;

/// The watchdog found that a transmit queue does not move.
pub(crate) fn timed_out(dev: &Device<Nic<'_>>, pair: &Pair) {
    let sent = pair.counters.tx.packets.get();
    let rounds = if pair.sent_at_timeout.xchg(sent, Relaxed) == sent {
        pair.timeouts.read_once().saturating_add(1)
    } else {
        1
    };
    pair.timeouts.write_once(rounds);
    if rounds >= MOST_TIMEOUTS {
        pair.timeouts.write_once(0);
        dev.data().recovery.report(dev, Trouble::Stuck);
    }
}

/// Sees to a device whose trouble was noted. Process context.
pub(crate) fn run(dev: &Device<Nic<'_>>, rtnl: &mut Rtnl) {
    let recovery = &dev.data().recovery;
    let Some(trouble) = recovery.noted() else {
        return;
    };
    if recovery.is_others.load(Relaxed) {
        return;
    }
    if trouble == Trouble::Deaf && !dev.data().ctrl.is_deaf(dev) {
        return bear(dev, trouble);
    }
    let mut gives_up = false;
    if !recovery.due.xchg(false, Relaxed) {
        match recovery.restarts.next() {
            Some(delay) if delay > Delta::ZERO => return put_off(dev, millis(delay)),
            Some(_) => {}
            None if trouble.is_bearable() => return bear(dev, trouble),
            None => gives_up = true,
        }
    }
    let done = recovery.device.try_exclusive(|vdev| {
        if gives_up {
            give_up(dev, trouble, rtnl);
        } else if let Err(e) = restart(dev, vdev, rtnl) {
            recovery.noted.store(trouble as i32, Relaxed);
            if vdev.is_given_up() {
                give_up(dev, trouble, rtnl);
                return;
            }
            dev.warn(fmt!(
                "{}: cannot be started anew: {}\n",
                trouble,
                e.to_errno()
            ));
            dev.schedule_recovery(0);
        } else {
            dev.warn(fmt!("{}: started anew\n", trouble));
        }
    });
    // `EBUSY`: it is being removed, or put to sleep, which may wait for the RTNL.
    if done == Err(EBUSY) {
        recovery.due.store(!gives_up, Relaxed);
        dev.schedule_recovery(PAUSE_MS);
    }
}

/// Leaves a device in its trouble, unless there is more by now.
fn bear(dev: &Device<Nic<'_>>, trouble: Trouble) {
    let noted = &dev.data().recovery.noted;
    if noted.cmpxchg(trouble as i32, 0, Full).is_err() {
        dev.schedule_recovery(0);
    }
}

/// Starts a device anew in so many milliseconds, with no more counting.
fn put_off(dev: &Device<Nic<'_>>, millis: u32) {
    dev.data().recovery.due.store(true, Relaxed);
    dev.schedule_recovery(millis);
}

/// A time in milliseconds, and not less.
fn millis(delay: Delta) -> u32 {
    u32::try_from(delay.as_millis())
        .unwrap_or(u32::MAX)
        .saturating_add(1)
}

/// Starts a device anew.
///
/// # Errors
///
/// - `ENODEV`: the device is not there, or does not do a reset.
/// - `EINVAL`: its features have changed.
/// - Those of finding the queues.
///
/// The interface stays detached.
fn restart(dev: &Device<Nic<'_>>, vdev: &Exclusive<'_>, rtnl: &mut Rtnl) -> Result {
    power::take_from_stack(dev, rtnl);
    let reset = vdev.try_reset();
    queues::drop_queues(dev, rtnl);
    dev.data().recovery.forget();
    reset?;
    vdev.negotiate()?;
    power::bring_back(dev, rtnl)
}

/// Gives a device up. Its trouble stays noted, so that nothing is tried any more.
fn give_up(dev: &Device<Nic<'_>>, trouble: Trouble, rtnl: &mut Rtnl) {
    power::take_from_stack(dev, rtnl);
    dev.data().vdev.reset();
    queues::drop_queues(dev, rtnl);
    dev.error(fmt!("{}: given up\n", trouble));
}
