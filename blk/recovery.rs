// SPDX-License-Identifier: GPL-2.0

//! The recovery work of a device: for configuration changes, broken queues, and requests without an
//! answer.
//!
//! The requests of a broken queue do not come back by themselves. The driver must not end them,
//! because the device may still use their memory. So it resets the device, which returns all of
//! them, and, if the disk is in use, [starts the device anew](crate::restart). If the device does
//! not come back, or needs too many restarts, the driver gives it up: the disk has no queues and
//! fails every request at once, until the device is bound again, sleeps and wakes up, or its
//! function is reset.

use crate::{
    cache,
    ops::Blk,
    resize::update_capacity,
    restart::restart,
    shared::Globals,
    watch::{
        Phase,
        Why, //
    },
};
use blockdev::{
    disk::Quiesced,
    memory,
    workqueue::{
        Deferred,
        Run, //
    },
    Disk,
    GenDisk, //
};
use kernel::{
    device::Bound,
    new_mutex,
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    },
    time::{
        delay::fsleep,
        Delta, //
    },
};
use virtio::Device;

/// Time between two attempts to have a device that somebody else has.
const PAUSE: Delta = Delta::from_millis(50);

/// Requests that are held back, because the system sleeps, or the transport is being reset.
pub(crate) type Held = Mutex<Option<Quiesced<Blk>>>;

/// Has a device attended to, for callers that cannot sleep: callbacks, adding, polling.
///
/// The driver data has one, and each queue: the core holds back changes of the configuration while
/// a device is probed, removed, or put to sleep, all of which wait for requests.
#[pin_data]
pub(crate) struct Recovery {
    #[pin]
    work: Deferred<RecoveryWork>,
    globals: Arc<Globals>,
    /// The reset of the device waits for other work of the kernel.
    software: bool,
    /// Requests that are held back.
    pub(crate) held: Arc<Held>,
}

impl Recovery {
    /// Recovery for a disk and its device, which is `software` or not.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(
        disk: Arc<GenDisk<Blk>>,
        globals: Arc<Globals>,
        software: bool,
    ) -> Result<Arc<Self>> {
        let held = Arc::pin_init(new_mutex!(None), GFP_KERNEL)?;
        let work = RecoveryWork {
            disk,
            held: held.clone(),
        };
        Arc::pin_init(
            pin_init!(Self {
                work <- Deferred::new(work),
                globals,
                software,
                held,
            }),
            GFP_KERNEL,
        )
    }

    /// Has the device attended to. Any context.
    #[cold]
    pub(crate) fn call(&self) {
        self.work.schedule(self.globals.queue(self.software));
    }

    /// Waits until all that was called for was attended to. Process context, sleeps, without the
    /// link held.
    ///
    /// While the device is [in use](Phase::Running), that may take as long as it is being removed
    /// or put to sleep: the code that does so says so first.
    pub(crate) fn wait(&self) {
        self.work.flush();
    }

    /// Lets requests through that were held back. Process context.
    pub(crate) fn let_go(&self) {
        let_go(&self.held);
    }
}

/// Lets requests through that were held back.
fn let_go(held: &Held) {
    let quiesced = held.lock().take();
    // Not with the lock: requests run at once.
    drop(quiesced);
}

/// Attends to a device.
struct RecoveryWork {
    disk: Arc<GenDisk<Blk>>,
    held: Arc<Held>,
}

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

/// Gives a device up now if it is of no use: for callers that are about to wait for its requests.
/// Process context, sleeps.
pub(crate) fn give_up_if_needed(disk: &Disk<Blk>) {
    let shared = disk.data();
    shared.with_device(|dev| {
        if let Some(why) = shared.why(dev) {
            give_up(dev, disk, why);
        }
    });
}

/// Gives a device up: what is under way fails, and what comes. With the link held.
fn give_up(dev: &Device<Bound>, disk: &Disk<Blk>, why: Why) {
    let shared = disk.data();
    shared.cut_off(dev);
    shared.forget();
    // Told before it is seen.
    dev_err!(
        dev.as_ref(),
        "[{}] {}: given up, all requests fail\n",
        disk.name(),
        why
    );
    shared.take_queues();
    // What waits for room in a ring waits for something that does not come.
    disk.start_stopped_queues();
}
