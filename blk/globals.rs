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
    /// The numbers that names and minor numbers are made of.
    #[pin]
    indices: IndexAllocator,
    /// The workqueue of the recovery work.
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
