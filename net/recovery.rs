// SPDX-License-Identifier: GPL-2.0

//! Restart of a device that cannot go on.
//!
//! The device is reset and gets its settings again, as after a sleep of the system. The interface
//! stays and keeps its settings and counters. Packets that the device had are lost. If the device
//! does not come back, or needs too many restarts, the driver gives it up: the interface has no
//! carrier until the device is bound again, sleeps and wakes up, or its function is reset.

use crate::{
    nic::{
        Nic,
        Pair, //
    },
    power,
};
use kernel::{
    fmt,
    prelude::*,
    sync::atomic::{
        Atomic,
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
    DeviceLink,
    Exclusive,
    Once,
    Restarts,
    TimeLimit, //
};

/// Milliseconds until a device that somebody else has is asked for again.
const PAUSE_MS: u32 = 50;
/// The time that a device gets to answer a control command after all, when nobody waits for it any
/// more.
const GRACE: TimeLimit = TimeLimit::from_millis(15_000);
/// Timeouts of the watchdog in a row, with no packet sent meanwhile, that a device gets.
const MOST_TIMEOUTS: u32 = 3;

/// The reason why a device cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// A queue is broken.
    Broken = 1,
    /// The device says so, or is not there.
    Asks,
    /// The device sends no packet.
    Stuck,
    /// The device does not answer a control command.
    Deaf,
    /// The device did not wake up.
    NotWoken,
}

impl Trouble {
    const ALL: [Self; 5] = [
        Self::Broken,
        Self::Asks,
        Self::Stuck,
        Self::Deaf,
        Self::NotWoken,
    ];

    /// Whether a device may have it for long and be of use all the same: the fault may be its
    /// host's, and what it still does is better than nothing.
    fn is_bearable(self) -> bool {
        matches!(self, Self::Stuck | Self::Deaf)
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Broken => "a queue is broken",
            Self::Asks => "the device needs a reset",
            Self::Stuck => "the device sends no packet",
            Self::Deaf => "the device does not answer a control command",
            Self::NotWoken => "the device did not wake up",
        })
    }
}

/// The recovery of a device: what is known of its trouble, and how often it was started anew.
pub(crate) struct Recovery {
    link: DeviceLink,
    restarts: Restarts,
    /// The first [`Trouble`] that was noted and not seen to, or 0. It stays for a device that was
    /// given up.
    noted: Atomic<i32>,
    /// The next restart was counted, and waited for.
    due: Atomic<bool>,
    /// The system sleeps, or the function is reset, or the machine goes down: the code that does so
    /// sees to the device.
    is_others: Atomic<bool>,
}

impl Recovery {
    /// The recovery of a device that `link` leads to.
    pub(crate) fn new(link: DeviceLink) -> Self {
        Self {
            link,
            restarts: Restarts::new(),
            noted: Atomic::new(0),
            due: Atomic::new(false),
            is_others: Atomic::new(false),
        }
    }

    /// The trouble that was noted.
    fn noted(&self) -> Option<Trouble> {
        let noted = self.noted.load(Relaxed);
        Trouble::ALL.into_iter().find(|&one| one as i32 == noted)
    }

    /// Forgets what was noted: the device has no queue, and what it gets are new ones.
    fn forget(&self) {
        self.noted.store(0, Relaxed);
    }

    /// Leaves the device to the code that puts it to sleep. With the RTNL held.
    pub(crate) fn leave(&self) {
        self.is_others.store(true, Relaxed);
    }

    /// Ends the recovery for good, and waits for one that runs. Process context, sleeps, without
    /// the RTNL.
    pub(crate) fn end(&self) {
        self.leave();
        self.link.cut();
    }

    /// Brings back a device that wakes up, and looks after it from there on, if that went well.
    /// With the RTNL held.
    ///
    /// # Errors
    ///
    /// Those of `bring_back`.
    pub(crate) fn woken(&self, bring_back: impl FnOnce() -> Result) -> Result {
        // What is noted from here on is of the new queues.
        self.forget();
        bring_back()?;
        self.restarts.clear();
        self.take_over();
        Ok(())
    }

    fn take_over(&self) {
        self.due.store(false, Relaxed);
        self.is_others.store(false, Relaxed);
    }
}

/// Notes that a device cannot go on, and has it started anew. Any context.
#[cold]
pub(crate) fn report(dev: &Device<Nic<'_>>, trouble: Trouble) {
    let noted = &dev.data().recovery.noted;
    let replace = |old: i32| noted.cmpxchg(old, trouble as i32, Full).is_ok();
    if trouble == Trouble::Deaf {
        if replace(0) {
            dev.schedule_recovery(GRACE.as_millis());
        }
        return;
    }
    // What cannot be borne goes before what can.
    let bearable = Trouble::ALL.into_iter().filter(|one| one.is_bearable());
    if replace(0) || !trouble.is_bearable() && bearable.into_iter().any(|one| replace(one as i32)) {
        dev.schedule_recovery(0);
    }
}

/// The device did not wake up. Any context.
pub(crate) fn not_woken(dev: &Device<Nic<'_>>) {
    let recovery = &dev.data().recovery;
    recovery.forget();
    recovery.take_over();
    report(dev, Trouble::NotWoken);
}

/// Returns whether a device asks for a reset, or is not there, and reports that. It says so by a
/// change of its configuration. Process context.
pub(crate) fn needs_reset(dev: &Device<Nic<'_>>) -> bool {
    let needs_reset = dev.data().vdev.needs_reset();
    if needs_reset {
        report(dev, Trouble::Asks);
    }
    needs_reset
}

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
        report(dev, Trouble::Stuck);
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
    let done = recovery.link.try_exclusive(|vdev| {
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
    power::drop_queues(dev, rtnl);
    dev.data().recovery.forget();
    reset?;
    vdev.negotiate()?;
    power::bring_back(dev, rtnl)
}

/// Gives a device up. Its trouble stays noted, so that nothing is tried any more.
fn give_up(dev: &Device<Nic<'_>>, trouble: Trouble, rtnl: &mut Rtnl) {
    power::take_from_stack(dev, rtnl);
    dev.data().vdev.reset();
    power::drop_queues(dev, rtnl);
    dev.error(fmt!("{}: given up\n", trouble));
}
