// SPDX-License-Identifier: GPL-2.0

//! Block device support for drivers that carry data.
//!
//! These are the parts that `kernel::block` still lacks:
//!
//! - requests that are owned, have data segments and end with a status;
//! - driver data in each request;
//! - queue limits;
//! - disks with attributes, geometry, and data that lives until the last close;
//! - requests that the driver itself sends.
//!
//! The wrappers are in two modules:
//!
//! - [`mq`]: hardware queues, tag sets and requests;
//! - [`disk`]: disks, with their sysfs attributes and ioctls.
//!
//! C headers: [`include/linux/blk-mq.h`](srctree/include/linux/blk-mq.h),
//! [`include/linux/blkdev.h`](srctree/include/linux/blkdev.h)

#![deny(unsafe_op_in_unsafe_fn)]

pub mod attr;
mod bindings;
pub mod disk;
pub mod index;
pub mod limits;
pub mod major;
pub mod memory;
pub mod mq;
pub mod size;
pub mod state;
pub mod status;
#[cfg(CONFIG_RUST_VIRTIO_KUNIT_TEST)]
mod tests;
pub mod workqueue;

/// The module of the tests, where `#[vtable]` looks for the one of a driver.
#[cfg(CONFIG_RUST_VIRTIO_KUNIT_TEST)]
use tests::NoModule as LocalModule;

pub use crate::{
    disk::{
        Disk,
        GenDisk,
        Geometry,
        Registration, //
    },
    limits::Limits,
    status::Status, //
};

/// Bytes of a sector, the unit of the block layer's positions and sizes.
pub const SECTOR_SIZE: u32 = 1 << SECTOR_SHIFT;
/// Binary logarithm of [`SECTOR_SIZE`].
pub const SECTOR_SHIFT: u32 = 9;
