// SPDX-License-Identifier: GPL-2.0

//! Scheduling of the recovery work of a device: after configuration changes, broken queues, and
//! requests without an answer.
//!
//! The requests of a broken queue do not come back by themselves. The driver must not end them,
//! because the device may still use their memory. So it resets the device: after that, the driver
//! owns all requests. If the disk is in use, the driver then [restarts the device](crate::restart).
//! If the restart fails, the driver holds requests back and tries again. If the device needs too
//! many restarts, or another one cannot help, the driver fails the device: the disk has no queues,
//! and each request fails at once. That ends when the device is bound again, wakes up, or its
//! function is reset.

use crate::{
    globals::Globals,
    Blk, //
};
use blockdev::{
    disk::Quiesced,
    workqueue::Deferred,
    GenDisk, //
};
use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    },
};

/// Requests that are held back, because the system sleeps, the transport is being reset, or a
/// restart has failed.
pub(crate) type HeldRequests = Mutex<Option<Quiesced<Blk>>>;

/// The recovery work of a disk. Callers that cannot sleep schedule it: callbacks, adding, polling.
///
/// The driver data and each queue have a reference to it. The queues need one because the virtio
/// core holds back configuration changes while a device is probed, removed, or put to sleep, and
/// these wait for requests.
#[pin_data]
pub(crate) struct Recovery {
    #[pin]
    work: Deferred<RecoveryWork>,
    #[pin]
    removal_watch: Deferred<RemovalWatch>,
    globals: Arc<Globals>,
    /// Whether the device is software, so that its reset waits for other work of the kernel.
    software: bool,
    /// Requests that are held back.
    pub(crate) held: Arc<HeldRequests>,
}

impl Recovery {
    /// Creates the recovery of a disk. The reset of a `software` device waits for other work of the
    /// kernel.
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
        let removal_watch = RemovalWatch { disk: disk.clone() };
        let work = RecoveryWork {
            disk,
            held: held.clone(),
        };
        Arc::pin_init(
            pin_init!(Self {
                work <- Deferred::new(work),
                removal_watch <- Deferred::new(removal_watch),
                globals,
                software,
                held,
            }),
            GFP_KERNEL,
        )
    }

    /// Schedules the work. Any context.
    #[cold]
    pub(crate) fn schedule(&self) {
        self.work.schedule(self.globals.queue(self.software));
    }

    /// Watches the device until the driver revokes its reference to it: if the device is silent, it
    /// is [failed](crate::removal). For the time in which the disk is deleted. Any context.
    pub(crate) fn watch_removal(&self) {
        self.removal_watch
            .schedule(self.globals.watch_queue(self.software));
    }

    /// Waits until the work that was scheduled is done. Process context, sleeps, without the device
    /// locked.
    ///
    /// While the [phase](crate::health::Phase) is `Running`, the work may wait for the lock of a
    /// device that is being removed or put to sleep. So the code that removes a device, or puts it
    /// to sleep, changes the phase before it calls this.
    pub(crate) fn flush(&self) {
        self.work.flush();
    }

    /// Releases the requests that are held back. Process context.
    pub(crate) fn release_held(&self) {
        release_held(&self.held);
    }
}

/// Lets requests through that were held back.
pub(crate) fn release_held(held: &HeldRequests) {
    let quiesced = held.lock().take();
    // Dropped without the lock: this dispatches the requests at once.
    drop(quiesced);
}

/// The recovery work: see [`recovery_work`](crate::recovery_work).
pub(crate) struct RecoveryWork {
    pub(crate) disk: Arc<GenDisk<Blk>>,
    pub(crate) held: Arc<HeldRequests>,
}

/// The work that watches a device while its disk is deleted: see [`removal`](crate::removal). Ends
/// when the driver [revokes](virtio::WeakDevice::revoke) its reference to the device.
pub(crate) struct RemovalWatch {
    pub(crate) disk: Arc<GenDisk<Blk>>,
}
