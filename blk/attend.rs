// SPDX-License-Identifier: GPL-2.0

//! What a device brings up by itself: changes of its configuration, and queues that break.
//!
//! What a broken queue has does not come back by itself, and is not the driver's to end: the device
//! may still use it. So the device is reset, and with that gives all up, of the other queues too.
//! Until it is bound again, or sleeps and wakes up, or its function is reset, there is a disk
//! without queues, which fails all requests at once.

use crate::{
    ops::Blk,
    resize::update_capacity,
    shared::Globals, //
};
use block::{
    workqueue::{
        Deferred,
        Run, //
    },
    Disk,
    GenDisk, //
};
use kernel::{
    device::Bound,
    prelude::*,
    sync::Arc, //
};
use virtio::Device;

/// Has a device attended to, for those who cannot sleep: callbacks, and who adds or polls.
///
/// The driver data has one, and each queue: the core holds back changes of the configuration while
/// a device is probed, removed, or put to sleep, all of which wait for requests.
#[pin_data]
pub(crate) struct Attention {
    #[pin]
    work: Deferred<Attend>,
    globals: Arc<Globals>,
}

impl Attention {
    /// Attention for a disk and its device.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(disk: Arc<GenDisk<Blk>>, globals: Arc<Globals>) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                work <- Deferred::new(Attend { disk }),
                globals,
            }),
            GFP_KERNEL,
        )
    }

    /// Has the device attended to. Any context.
    #[cold]
    pub(crate) fn call(&self) {
        self.work.schedule(&self.globals.workqueue);
    }

    /// Waits until all that was called for was attended to. Process context, sleeps, without the
    /// link held.
    pub(crate) fn wait(&self) {
        self.work.flush();
    }
}

/// Attends to a device.
struct Attend {
    disk: Arc<GenDisk<Blk>>,
}

impl Run for Attend {
    fn run(&self) {
        let shared = self.disk.data();
        let _ = shared.with_device(|dev| {
            if shared.is_broken() {
                give_up(dev, &self.disk);
            } else if shared.has_queues() {
                let _ = update_capacity(dev, &self.disk, true).inspect_err(|e| {
                    dev_err!(dev.as_ref(), "capacity cannot be read: {:?}\n", e);
                });
            }
        });
    }
}

/// Gives a device up now if a queue is broken: for who is about to wait for what it has. Process
/// context, sleeps.
pub(crate) fn give_up_if_broken(disk: &Disk<Blk>) {
    let shared = disk.data();
    shared.with_device(|dev| {
        if shared.is_broken() {
            give_up(dev, disk);
        }
    });
}

/// Gives a device up of which a queue is broken: what is under way fails. Only one at a time does
/// so, with the link held, and only one finds a broken queue.
fn give_up(dev: &Device<Bound>, disk: &Disk<Blk>) {
    let shared = disk.data();
    shared.cut_off(dev);
    // Told before it is seen.
    dev_err!(
        dev.as_ref(),
        "[{}] a queue is broken: device reset, all requests fail\n",
        disk.name()
    );
    shared.take_queues();
    // What waits for room in a ring waits for something that does not come.
    disk.start_stopped_queues();
}
