// SPDX-License-Identifier: GPL-2.0

//! State that the driver keeps of a bound device.

use crate::{
    disk_data::DiskData,
    recovery::Recovery,
    Blk, //
};
use blockdev::{
    GenDisk,
    Registration, //
};
use kernel::{
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    },
};

/// The state that the driver keeps of a bound device.
#[pin_data]
pub(crate) struct DriverData {
    /// Handles changes and failures of the device. Dropped first.
    pub(crate) recovery: Arc<Recovery>,
    /// The registration of the disk, which makes the disk visible to user space.
    #[pin]
    pub(crate) registration: Mutex<Option<Registration<Blk>>>,
    pub(crate) disk: Arc<GenDisk<Blk>>,
    pub(crate) disk_data: Arc<DiskData>,
}
