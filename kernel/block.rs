// SPDX-License-Identifier: GPL-2.0

//! Block device support for drivers that carry data.
//!
//! What `kernel::block` upstream lacks so far: requests with their data segments, owned and ended
//! with a status; per-request driver data; queue limits; disks with attributes, geometry and data
//! that lives until the last close; requests of the driver's own.
//!
//! - [`mq`]: hardware queues, tag sets and requests;
//! - [`disk`]: disks, and what sysfs and ioctls ask of them;
//! - [`virtio`]: requests as buffers of a virtqueue.
//!
//! C headers: [`include/linux/blk-mq.h`](srctree/include/linux/blk-mq.h),
//! [`include/linux/blkdev.h`](srctree/include/linux/blkdev.h)

#![deny(unsafe_op_in_unsafe_fn)]

#[path = "block/attr.rs"]
pub mod attr;
#[path = "block/bindings.rs"]
mod bindings;
#[path = "block/disk.rs"]
pub mod disk;
#[path = "block/index.rs"]
pub mod index;
#[path = "block/limits.rs"]
pub mod limits;
#[path = "block/major.rs"]
pub mod major;
#[path = "block/memory.rs"]
pub mod memory;
#[path = "block/mq.rs"]
pub mod mq;
#[path = "block/size.rs"]
pub mod size;
#[path = "block/state.rs"]
pub mod state;
#[path = "block/status.rs"]
pub mod status;
#[cfg(CONFIG_RUST_VIRTIO_KUNIT_TEST)]
#[path = "block/tests.rs"]
mod tests;
#[path = "block/virtio.rs"]
pub mod virtio;
#[path = "block/workqueue.rs"]
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
