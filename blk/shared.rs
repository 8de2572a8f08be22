// SPDX-License-Identifier: GPL-2.0

//! State that a disk keeps until its last close.

use crate::{
    globals::DiskIndex,
    queue::Slot,
    recovery::Recovery,
    watch::{
        Watch,
        Why, //
    },
};
use blockdev::{
    disk::Pending,
    memory, //
};
use kernel::{
    device::Bound,
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    },
};
use virtio::{
    Device,
    DeviceLink,
    Endian, //
};

/// The state that a disk keeps until its last close.
#[pin_data]
pub(crate) struct Shared {
    /// The queues, as many as the disk has hardware queues.
    pub(crate) slots: KVec<Pin<KBox<Slot>>>,
    /// Byte order of request headers.
    pub(crate) endian: Endian,
    /// The device, as long as it is bound.
    pub(crate) link: DeviceLink,
    /// The cache can be switched.
    pub(crate) cache_control: bool,
    /// A request for the identification string that the device has not answered.
    #[pin]
    pub(crate) identifying: Mutex<Option<Pending>>,
    /// The health of the device.
    pub(crate) watch: Watch,
    /// Given back after the last close.
    pub(crate) _index: DiskIndex,
}

impl Shared {
    /// A queue by its index.
    #[inline(always)]
    pub(crate) fn slot(&self, index: usize) -> Option<Pin<&Slot>> {
        self.slots.get(index).map(|slot| slot.as_ref())
    }

    /// Whether a queue is broken, so that what is under way on it will not be completed.
    pub(crate) fn is_broken(&self) -> bool {
        self.slots.iter().any(|slot| slot.is_broken())
    }

    /// Whether there are queues: not while the device sleeps, nor after it was given up.
    pub(crate) fn has_queues(&self) -> bool {
        self.slots.iter().all(|slot| slot.is_filled())
    }

    /// Sets what those call who find a queue broken while they add or poll; not before they may,
    /// and `None` before the driver data goes.
    pub(crate) fn set_recovery(&self, recovery: Option<&Arc<Recovery>>) {
        for slot in &self.slots {
            slot.set_recovery(recovery.cloned());
        }
    }

    /// Resets the device. It is not notified any more: a device may get stuck if it is, after that.
    /// Process context, sleeps.
    pub(crate) fn reset(&self, dev: &Device<Bound>) {
        Slot::silence_all(&self.slots);
        dev.reset();
    }

    /// Resets the device while queues are used: those that still work take nothing more. Process
    /// context, sleeps.
    pub(crate) fn cut_off(&self, dev: &Device<Bound>) {
        dev.break_device();
        dev.synchronize_callbacks();
        self.reset(dev);
    }

    /// Runs `f` with the device, or returns `None` if the binding is over. Memory is not freed by
    /// I/O meanwhile: I/O to this disk may wait for a thread that waits for the device. Process
    /// context, sleeps; does not nest.
    pub(crate) fn with_device<R>(&self, f: impl FnOnce(&Device<Bound>) -> R) -> Option<R> {
        memory::without_io(|| self.link.with(f))
    }

    /// As [`Shared::with_device`], without waiting: also where requests are held back.
    ///
    /// # Errors
    ///
    /// Those of [`DeviceLink::try_with`](virtio::DeviceLink::try_with).
    pub(crate) fn try_with_device<R>(&self, f: impl FnOnce(&Device<Bound>) -> R) -> Result<R> {
        memory::without_io(|| self.link.try_with(f))
    }

    /// Takes the queues away and drops them: what is under way fails, what comes later too. The
    /// device is in [reset](Shared::reset). Process context, sleeps.
    pub(crate) fn take_queues(&self) {
        Slot::clear_all(&self.slots);
    }
    /// Why the device is of no use as it is, if so. With the link. Process context.
    pub(crate) fn why(&self, dev: &Device<Bound>) -> Option<Why> {
        if self.watch.is_not_woken() {
            Some(Why::NotWoken)
        } else if !self.has_queues() {
            // It was given up.
            None
        } else if self.is_broken() {
            Some(Why::Broken)
        } else if dev.needs_reset() {
            Some(Why::Asks)
        } else if self.slots.iter().any(|slot| slot.is_stuck()) {
            Some(Why::Silent)
        } else {
            None
        }
    }

    /// Forgets what is wrong with the device: it was seen to.
    pub(crate) fn forget(&self) {
        self.watch.clear();
        for slot in &self.slots {
            slot.set_stuck(false);
        }
    }

    /// Returns the queue that does not answer, and its index, if there is one such queue.
    pub(crate) fn stuck_queue(&self) -> Option<(usize, Pin<&Slot>)> {
        let mut stuck = (0..).zip(&self.slots).filter(|(_, slot)| slot.is_stuck());
        match (stuck.next(), stuck.next()) {
            (Some((index, slot)), None) => Some((index, slot.as_ref())),
            _ => None,
        }
    }
}
