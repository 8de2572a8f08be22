// SPDX-License-Identifier: GPL-2.0

//! The virtio bus: devices, their drivers, and the binding of one to the other.
//!
//! C headers: [`include/linux/virtio.h`](srctree/include/linux/virtio.h),
//! [`include/linux/virtio_config.h`](srctree/include/linux/virtio_config.h)

pub mod adapter;
pub mod binding;
pub mod config;
pub mod device;
pub mod driver;
pub mod endian;
pub mod feature;
pub mod id;
pub mod param;
pub(crate) mod references;
pub mod scope;
pub mod shortage;
pub mod time_limit;
