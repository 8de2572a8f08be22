// SPDX-License-Identifier: GPL-2.0

//! Removal of a disk whose device does not answer.
//!
//! The block layer writes dirty data back, and waits for all requests. A request is late only after
//! the timeout of the disk, which may be long. So a work item watches the device during this time,
//! and fails it if it is silent.

use crate::{
    health::Failure,
    recovery::RemovalWatch,
    restart::fail_device,
    Blk, //
};
use blockdev::{
    mq::Op,
    workqueue::Run,
    GenDisk, //
};
use kernel::{
    prelude::*,
    time::{
        delay::fsleep,
        Delta,
        Instant,
        Monotonic, //
    },
};
use virtio::TimeLimit;

/// A device that is being removed, has requests, and ends none of them for so long is failed. After
/// half of that time it is notified once more.
const SILENCE_LIMIT: TimeLimit = TimeLimit::from_millis(10_000);
/// The same for a device that has a [long operation](Op::is_long).
const LONG_SILENCE_LIMIT: TimeLimit = TimeLimit::from_millis(60_000);
/// The time between two looks at the device.
const POLL_INTERVAL: Delta = Delta::from_millis(20);

impl Run for RemovalWatch {
    fn run(&self) {
        let disk_data = self.disk.data();
        let mut silence = Silence::begin(&self.disk);
        while disk_data.try_with_device(|_| ()) != Err(ENODEV) {
            if silence.is_too_long(&self.disk) {
                let _ = disk_data.with_device(|dev| {
                    if disk_data.has_queues() {
                        fail_device(dev, &self.disk, Failure::RequestTimeout);
                    }
                });
                return;
            }
            fsleep(POLL_INTERVAL);
        }
    }
}

/// The time in which a device has ended no request although it has some.
struct Silence {
    /// The number of requests that had ended at the last look.
    ended: usize,
    begin: Instant<Monotonic>,
    /// The device was notified once more.
    renotified: bool,
}

impl Silence {
    fn begin(disk: &GenDisk<Blk>) -> Self {
        Self {
            ended: disk.ended_so_far(),
            begin: Instant::now(),
            renotified: false,
        }
    }

    /// Whether the device has been silent for too long. A device whose disk does not count ended
    /// requests is never silent: its requests have the timeout of the disk.
    fn is_too_long(&mut self, disk: &GenDisk<Blk>) -> bool {
        let is_silent = || {
            disk.counts_ended()
                && disk.ended_so_far() == self.ended
                && disk.any_outstanding(|_| true)
        };
        if !is_silent() {
            *self = Self::begin(disk);
            return false;
        }
        let elapsed = self.begin.elapsed();
        if elapsed >= SILENCE_LIMIT.as_delta()
            && (elapsed >= LONG_SILENCE_LIMIT.as_delta() || !disk.any_outstanding(Op::is_long))
        {
            // The interrupt for an answer may have been lost.
            recheck(disk);
            return is_silent();
        }
        if elapsed.as_nanos() >= SILENCE_LIMIT.as_delta().as_nanos() / 2 && !self.renotified {
            self.renotified = true;
            recheck(disk);
            // A notification may have been lost.
            for queue in &disk.data().queues {
                queue.renotify();
            }
        }
        false
    }
}

/// Completes requests that the device has answered without an interrupt.
fn recheck(disk: &GenDisk<Blk>) {
    for queue in &disk.data().queues {
        queue.recheck();
    }
}
