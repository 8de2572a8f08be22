// SPDX-License-Identifier: GPL-2.0

//! State that devices share.

use crate::name::DiskName;
use blockdev::{
    index::IndexAllocator,
    major::{
        DeviceNumbers,
        Major,
        MINOR_BITS, //
    },
    state::LastReference,
    workqueue::OwnedQueue, //
};
use kernel::{
    device::Bound,
    prelude::*,
    sync::Arc, //
};
use virtio::Device;

/// Binary logarithm of the device numbers of a disk: the disk and 15 partitions.
const PART_BITS: u32 = 4;

/// The state that the devices of the module share.
#[pin_data]
pub(crate) struct Globals {
    /// The major number of all disks.
    pub(crate) major: Major,
    /// The numbers of the disks. The name and the minor numbers of a disk follow from its number.
    #[pin]
    indices: IndexAllocator,
    /// The workqueue of the recovery work.
    workqueue: OwnedQueue,
    /// The workqueue of the recovery work of devices in software. The reset of such a device waits
    /// for work on queues without a rescuer thread.
    without_reserve: OwnedQueue,
    /// The workqueue of the work that watches devices which are removed. It has a rescuer thread of
    /// its own, because such work lasts as long as the removal.
    watches: OwnedQueue,
    /// The module cannot be unloaded before this is dropped, as the last field.
    _last: LastReference,
}

impl Globals {
    /// Creates the globals when the module is loaded.
    ///
    /// # Errors
    ///
    /// - `EBUSY`: no major number is free.
    /// - `ENOMEM`.
    pub(crate) fn new(last: LastReference) -> Result<Arc<Self>> {
        let workqueue = OwnedQueue::new_percpu(c"virtio-blk")?;
        let without_reserve = OwnedQueue::new_percpu_without_reserve(c"virtio-blk-soft")?;
        let watches = OwnedQueue::new_percpu(c"virtio-blk-gone")?;
        let major = Major::register(c"virtblk")?;
        Arc::pin_init(
            pin_init!(Self {
                major,
                indices <- IndexAllocator::new(),
                workqueue,
                without_reserve,
                watches,
                _last: last,
            }),
            GFP_KERNEL,
        )
    }

    /// Returns the workqueue for work that may reset a device. `software` says whether the device
    /// is software in this kernel or in a process of it.
    pub(crate) fn queue(&self, software: bool) -> &OwnedQueue {
        if software {
            &self.without_reserve
        } else {
            &self.workqueue
        }
    }

    /// Returns the workqueue for work that watches a device during its removal, and may reset it.
    /// `software` as for [`Globals::queue`].
    pub(crate) fn watch_queue(&self, software: bool) -> &OwnedQueue {
        if software {
            &self.without_reserve
        } else {
            &self.watches
        }
    }
}

/// The number of a disk, reserved while this value exists.
pub(crate) struct DiskIndex {
    globals: Arc<Globals>,
    index: u32,
}

impl DiskIndex {
    /// Reserves the smallest number whose name is free. Another driver may have disks with names of
    /// the same pattern.
    ///
    /// # Errors
    ///
    /// - `ENOSPC`: no device number is free.
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

    /// Returns the name of the disk.
    pub(crate) fn name(&self) -> DiskName {
        DiskName::new(self.index)
    }

    /// Returns the device numbers of the disk and its partitions.
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
