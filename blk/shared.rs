// SPDX-License-Identifier: GPL-2.0

//! State that devices share, and state that a disk keeps until its last close.

use crate::{
    name::DiskName,
    queue::Slot,
    recovery::Recovery,
    watch::Watch, //
};
use blockdev::{
    disk::Pending,
    index::IndexAllocator,
    major::{
        DeviceNumbers,
        Major,
        MINOR_BITS, //
    },
    memory,
    state::LastReference,
    workqueue::OwnedQueue, //
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

/// Binary logarithm of the device numbers of a disk: the disk and 15 partitions.
const PART_BITS: u32 = 4;

/// The state that the devices of the module share.
#[pin_data]
pub(crate) struct Globals {
    /// The major number of all disks.
    pub(crate) major: Major,
    /// The numbers that names and minor numbers are made of.
    #[pin]
    indices: IndexAllocator,
    /// The workqueue on which changes of configuration are followed up, and broken queues.
    workqueue: OwnedQueue,
    /// The same for devices whose reset waits for work of the kernel that has no thread in reserve.
    without_reserve: OwnedQueue,
    /// The module waits for it. Goes last.
    _last: LastReference,
}

impl Globals {
    /// Makes the globals, when the module is loaded.
    ///
    /// # Errors
    ///
    /// - `EBUSY`: no major number is free.
    /// - `ENOMEM`.
    pub(crate) fn new(last: LastReference) -> Result<Arc<Self>> {
        let workqueue = OwnedQueue::new_percpu(c"virtio-blk")?;
        let without_reserve = OwnedQueue::new_percpu_without_reserve(c"virtio-blk-soft")?;
        let major = Major::register(c"virtblk")?;
        Arc::pin_init(
            pin_init!(Self {
                major,
                indices <- IndexAllocator::new(),
                workqueue,
                without_reserve,
                _last: last,
            }),
            GFP_KERNEL,
        )
    }

    /// Returns the queue for work that may reset a device, which is software or not.
    pub(crate) fn queue(&self, software: bool) -> &OwnedQueue {
        if software {
            &self.without_reserve
        } else {
            &self.workqueue
        }
    }
}

/// The number of a disk, taken as long as this exists.
pub(crate) struct DiskIndex {
    globals: Arc<Globals>,
    index: u32,
}

impl DiskIndex {
    /// Takes the smallest number whose name is free: another driver may have made disks of the
    /// same kind of name.
    ///
    /// # Errors
    ///
    /// - `ENOSPC`: there are no device numbers left.
    /// - `ENOMEM`.
    pub(crate) fn take(dev: &Device<Bound>, globals: Arc<Globals>) -> Result<Self> {
        let max = (1 << (MINOR_BITS - PART_BITS)) - 1;
        let mut min = 0;
        loop {
            let index = globals.indices.take(min, max)?;
            if !dev.is_name_taken(DiskName::new(index).as_cstr()) {
                return Ok(Self { globals, index });
            }
            globals.indices.give_back(index);
            min = index + 1;
        }
    }

    /// The name of the disk.
    pub(crate) fn name(&self) -> DiskName {
        DiskName::new(self.index)
    }

    /// The device numbers of the disk and its partitions.
    pub(crate) fn numbers(&self) -> DeviceNumbers {
        DeviceNumbers {
            major: self.globals.major.number(),
            first_minor: self.index << PART_BITS,
            minors: 1 << PART_BITS,
        }
    }
}

impl Drop for DiskIndex {
    fn drop(&mut self) {
        self.globals.indices.give_back(self.index);
    }
}

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
}
