// SPDX-License-Identifier: GPL-2.0

//! Changes of capacity.

use crate::{
    config,
    Blk, //
};
use blockdev::{
    size::{
        HumanSize,
        Units, //
    },
    Disk,
    SECTOR_SIZE, //
};
use kernel::{
    device::Bound,
    prelude::*, //
};
use virtio::Device;

/// Reads the capacity and sets it for the disk. The block size of the disk is set before. The
/// message about it may be suppressed if there were many. Process context, with the device locked
/// ([`DiskData::with_device`](crate::disk_data::DiskData::with_device)), or before the disk is
/// registered.
///
/// # Errors
///
/// Those of [`virtio::Config::read`].
pub(crate) fn update_capacity(dev: &Device<Bound>, disk: &Disk<Blk>, resized: bool) -> Result {
    let capacity = dev.config().read(config::CAPACITY)?;
    if resized && capacity == disk.capacity() {
        // The interrupt does not say which field has changed.
        return Ok(());
    }
    let block_size = disk.logical_block_size();
    let blocks = capacity.div_ceil((block_size / SECTOR_SIZE).max(1).into());
    if disk.data().messages.may_log() {
        dev_notice!(
            dev.as_ref(),
            "[{}] {}{} {}-byte logical blocks ({}/{})\n",
            disk.name(),
            if resized { "new size: " } else { "" },
            blocks,
            block_size,
            HumanSize::new(blocks, block_size, Units::Decimal),
            HumanSize::new(blocks, block_size, Units::Binary)
        );
    }
    disk.set_capacity_and_notify(capacity);
    Ok(())
}
