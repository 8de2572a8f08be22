// SPDX-License-Identifier: GPL-2.0

//! The recovery work of a device.

use crate::{
    cache,
    health::{
        Failure,
        Phase, //
    },
    recovery::{
        release_held,
        RecoveryWork, //
    },
    resize::update_capacity,
    restart::{
        fail_device,
        fail_device_if_unusable,
        restart,
        Ended, //
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

/// Time between two attempts to lock a device or its limits.
const PAUSE: Delta = Delta::from_millis(50);

impl Run for RecoveryWork {
    fn run(&self) {
        loop {
            while self.check().is_some_and(|failure| self.recover(failure)) {}
            // The thread that changes the limits may wait for requests, and these for a restart. So
            // the loop checks the device again.
            if !self.retry_cache_report() {
                return;
            }
            fsleep(PAUSE);
        }
    }
}

impl RecoveryWork {
    /// Returns the failure of the device, if it has one. If not, follows a change of the capacity.
    fn check(&self) -> Option<Failure> {
        let disk_data = self.disk.data();
        let check = |dev: &Device<Bound>| {
            let failure = disk_data.failure(dev);
            if failure.is_none() && disk_data.has_queues() && disk_data.health.is_reconfigured() {
                let _ = update_capacity(dev, &self.disk, true).inspect_err(|e| {
                    if disk_data.messages.may_log() {
                        dev_err!(
                            dev.as_ref(),
                            "[{}] capacity cannot be read: {:?}\n",
                            self.disk.name(),
                            e
                        );
                    }
                });
            }
            failure
        };
        disk_data.with_device(check).flatten()
    }

    /// Makes the disk report that its cache is on, if such a report is due. Returns whether to try
    /// again.
    fn retry_cache_report(&self) -> bool {
        cache::report_on(&self.disk) == Err(EBUSY)
            && self.disk.data().health.phase() == Phase::Running
    }

    /// Restarts a device, or fails it. Returns whether to check it again.
    fn recover(&self, failure: Failure) -> bool {
        let disk_data = self.disk.data();
        match disk_data.health.phase() {
            Phase::Running => {}
            // The code that puts the device to sleep takes care of the requests.
            Phase::Suspended => return false,
            Phase::Probing | Phase::Removing => {
                fail_device_if_unusable(&self.disk);
                return false;
            }
        }
        // Each restart takes one of a bounded number, and waits for its turn.
        while let Some(delay) = disk_data.health.restarts.next() {
            match self.attempt(failure, delay) {
                Some(Ended::Done) => {
                    release_held(&self.held);
                    return false;
                }
                Some(Ended::Failed) => {}
                // The device is about to be removed, or to sleep. The code that does this takes
                // care of requests that are held back.
                None => return true,
            }
        }
        let _ = disk_data.with_device(|dev| fail_device(dev, &self.disk, failure));
        release_held(&self.held);
        false
    }

    /// Restarts a device after `delay`. Returns `None` if the device is removed or put to sleep
    /// before that.
    fn attempt(&self, failure: Failure, mut delay: Delta) -> Option<Ended> {
        let disk_data = self.disk.data();
        while disk_data.health.phase() == Phase::Running {
            if delay > Delta::ZERO {
                fsleep(PAUSE);
                delay -= PAUSE;
                continue;
            }
            let done = memory::without_io(|| {
                disk_data
                    .device
                    .try_exclusive(|dev| restart(dev, &self.disk, &self.held, failure))
            });
            match done {
                Ok(ended) => return Some(ended),
                Err(EBUSY) => fsleep(PAUSE),
                // The binding is over.
                Err(_) => return Some(Ended::Done),
            }
        }
        None
    }
}
