// SPDX-License-Identifier: GPL-2.0

//! The work that attends to a device.

use crate::{
    cache,
    recovery::{
        let_go,
        RecoveryWork, //
    },
    resize::update_capacity,
    restart::{
        give_up,
        give_up_if_needed,
        restart, //
    },
    watch::{
        Phase,
        Why, //
    },
};
use blockdev::{
    memory,
    workqueue::Run, //
};
use kernel::{
    device::Bound,
    prelude::*,
    time::{
        delay::fsleep,
        Delta, //
    },
};
use virtio::Device;

/// Time between two attempts to have a device that somebody else has.
const PAUSE: Delta = Delta::from_millis(50);

impl Run for RecoveryWork {
    fn run(&self) {
        loop {
            while self.look().is_some_and(|why| self.see_to(why)) {}
            // A change of the limits may wait for requests, and so for a restart that is needed by
            // now.
            if !self.owes_cache_news() {
                return;
            }
            fsleep(PAUSE);
        }
    }
}

impl RecoveryWork {
    /// Looks at the device, and returns why something has to be done about it.
    fn look(&self) -> Option<Why> {
        let shared = self.disk.data();
        let look = |dev: &Device<Bound>| {
            let why = shared.why(dev);
            if why.is_none() && shared.has_queues() && shared.watch.is_reconfigured() {
                let _ = update_capacity(dev, &self.disk, true).inspect_err(|e| {
                    dev_err!(dev.as_ref(), "capacity cannot be read: {:?}\n", e);
                });
            }
            why
        };
        shared.with_device(look).flatten()
    }

    /// Has the disk say that its cache is on, if it is to. Returns whether to try again.
    fn owes_cache_news(&self) -> bool {
        cache::announce(&self.disk) == Err(EBUSY)
            && self.disk.data().watch.phase() == Phase::Running
    }

    /// Sees to a device. Returns whether to look again.
    fn see_to(&self, why: Why) -> bool {
        let shared = self.disk.data();
        match shared.watch.phase() {
            Phase::Running => {}
            // The code that puts the device to sleep sees to it.
            Phase::Asleep => return false,
            Phase::Coming | Phase::Going => {
                give_up_if_needed(&self.disk);
                return false;
            }
        }
        let Some(mut delay) = shared.watch.restarts.next() else {
            let _ = shared.with_device(|dev| give_up(dev, &self.disk, why));
            let_go(&self.held);
            return false;
        };
        while shared.watch.phase() == Phase::Running {
            if delay > Delta::ZERO {
                fsleep(PAUSE);
                delay -= PAUSE;
                continue;
            }
            let done = memory::without_io(|| {
                shared
                    .link
                    .try_exclusive(|dev| restart(dev, &self.disk, why))
            });
            match done {
                Err(EBUSY) => fsleep(PAUSE),
                _ => {
                    let_go(&self.held);
                    return false;
                }
            }
        }
        // The device is about to be removed, or to sleep.
        true
    }
}
