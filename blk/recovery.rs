// SPDX-License-Identifier: GPL-2.0

//! Scheduling of the recovery work of a device: after configuration changes, broken queues, and
//! requests without an answer.
//!
//! The requests of a broken queue do not come back by themselves. The driver must not end them,
//! because the device may still use their memory. So it resets the device, which returns all of
//! them, and, if the disk is in use, [restarts the device](crate::restart). If the device does
//! not come back, or needs too many restarts, the driver fails it: the disk has no queues and
//! fails every request at once, until the device is bound again, sleeps and wakes up, or its
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

/// Requests that are held back, because the system sleeps, or the transport is being reset.
pub(crate) type HeldRequests = Mutex<Option<Quiesced<Blk>>>;

/// Schedules the recovery work for callers that cannot sleep: callbacks, adding, polling.
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
    pub(crate) held: Arc<HeldRequests>,
}

impl Recovery {
    /// Returns the recovery of a disk. The reset of a `software` device waits for other work of the
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

    /// Schedules the work. Any context.
    #[cold]
    pub(crate) fn schedule(&self) {
        self.work.schedule(self.globals.queue(self.software));
    }

    /// Waits until the work that was scheduled is done. Process context, sleeps, without the device
    /// locked.
    ///
    /// While the [phase](crate::health::Phase) is `Running`, the work waits for a device that is
    /// being removed or put to sleep: the code that does so changes the phase first.
    pub(crate) fn flush(&self) {
        self.work.flush();
    }

    /// Lets requests through that were held back. Process context.
    pub(crate) fn release_held(&self) {
        release_held(&self.held);
    }
}

/// Lets requests through that were held back.
pub(crate) fn release_held(held: &HeldRequests) {
    let quiesced = held.lock().take();
    // Not with the lock: requests run at once.
    drop(quiesced);
}

/// The recovery work: see [`recovery_work`](crate::recovery_work).
pub(crate) struct RecoveryWork {
    pub(crate) disk: Arc<GenDisk<Blk>>,
    pub(crate) held: Arc<HeldRequests>,
}
