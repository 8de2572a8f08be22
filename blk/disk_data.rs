// SPDX-License-Identifier: GPL-2.0

//! State that a disk keeps until its last close.

use crate::{
    globals::DiskIndex,
    health::{
        Failure,
        Health, //
    },
    message_limit::MessageLimit,
    queue::LockedQueue,
    recovery::Recovery,
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
    Endian,
    WeakDevice, //
};

/// The state that a disk keeps until its last close.
#[pin_data]
pub(crate) struct DiskData {
    /// The queues: one for each hardware queue of the disk.
    pub(crate) queues: KVec<Pin<KBox<LockedQueue>>>,
    /// Byte order of request headers.
    pub(crate) endian: Endian,
    /// The device, while it is bound.
    pub(crate) device: WeakDevice,
    /// Whether the driver can switch the cache.
    pub(crate) cache_control: bool,
    /// A request for the identification string that the device has not answered.
    #[pin]
    pub(crate) pending_id: Mutex<Option<Pending>>,
    /// The health of the device.
    pub(crate) health: Health,
    /// The limit for messages about changes of the configuration.
    pub(crate) messages: MessageLimit,
    /// The index of the disk, free again after the last close.
    pub(crate) _index: DiskIndex,
}

impl DiskData {
    /// Returns the queue with an index.
    pub(crate) fn queue(&self, index: usize) -> Option<Pin<&LockedQueue>> {
        self.queues.get(index).map(|queue| queue.as_ref())
    }

    /// Whether a queue is broken, so that its outstanding requests will not be completed.
    pub(crate) fn is_broken(&self) -> bool {
        self.queues.iter().any(|queue| queue.is_broken())
    }

    /// Whether there are queues. There are none while the device sleeps, or after it was failed.
    pub(crate) fn has_queues(&self) -> bool {
        self.queues.iter().all(|queue| queue.has_queue())
    }

    /// Sets the recovery to schedule if adding or polling finds a queue broken. It is set to `None`
    /// before the driver data is dropped.
    pub(crate) fn set_recovery(&self, recovery: Option<&Arc<Recovery>>) {
        for queue in &self.queues {
            queue.set_recovery(recovery.cloned());
        }
    }

    /// Stops notifications and resets the device: a device may hang if it is notified after a
    /// reset. Process context, sleeps.
    pub(crate) fn reset(&self, dev: &Device<Bound>) {
        LockedQueue::detach_doorbells(&self.queues);
        dev.reset();
    }

    /// Resets the device while its queues are in use. Breaks all queues first, so that they accept
    /// no more requests. Process context, sleeps.
    pub(crate) fn quiesce_and_reset(&self, dev: &Device<Bound>) {
        dev.break_device();
        dev.synchronize_callbacks();
        self.reset(dev);
    }

    /// Runs `f` with the device, or returns `None` if the binding is over. Memory
    /// allocation in `f` does no I/O: I/O to this disk may wait for a thread that waits for the
    /// device. Process context, sleeps; does not nest.
    pub(crate) fn with_device<R>(&self, f: impl FnOnce(&Device<Bound>) -> R) -> Option<R> {
        memory::without_io(|| self.device.with(f))
    }

    /// As [`DiskData::with_device`], but does not wait for the lock. So it may be called while
    /// requests are held back.
    ///
    /// # Errors
    ///
    /// Those of [`WeakDevice::try_with`](virtio::WeakDevice::try_with).
    pub(crate) fn try_with_device<R>(&self, f: impl FnOnce(&Device<Bound>) -> R) -> Result<R> {
        memory::without_io(|| self.device.try_with(f))
    }

    /// Drops the queues: outstanding requests fail, and so do later ones. The device is in
    /// [reset](DiskData::reset). Process context, sleeps.
    pub(crate) fn drop_queues(&self) {
        LockedQueue::fail_all(&self.queues);
    }

    /// Returns the reason why the device cannot be used as it is, or `None`. With the device locked
    /// ([`DiskData::with_device`]). Process context.
    pub(crate) fn failure(&self, dev: &Device<Bound>) -> Option<Failure> {
        if self.health.is_not_woken() {
            Some(Failure::NotWoken)
        } else if !self.has_queues() {
            // The device sleeps, or was failed.
            None
        } else if self.is_broken() {
            Some(Failure::QueueBroken)
        } else if dev.needs_reset() {
            Some(Failure::NeedsReset)
        } else if self.queues.iter().any(|queue| queue.is_stuck()) {
            Some(Failure::RequestTimeout)
        } else {
            None
        }
    }

    /// Clears all recorded failures of the device.
    pub(crate) fn clear_failures(&self) {
        self.health.clear();
        for queue in &self.queues {
            queue.set_stuck(false);
        }
    }

    /// Returns the stuck queue and its index, if one queue alone is stuck.
    pub(crate) fn only_stuck_queue(&self) -> Option<(usize, Pin<&LockedQueue>)> {
        let mut stuck = (0..)
            .zip(&self.queues)
            .filter(|(_, queue)| queue.is_stuck());
        match (stuck.next(), stuck.next()) {
            (Some((index, queue)), None) => Some((index, queue.as_ref())),
            _ => None,
        }
    }
}
