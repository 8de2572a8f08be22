// SPDX-License-Identifier: GPL-2.0

//! The virtio bus and virtqueues for Rust drivers.
//!
//! A driver implements [`Driver`], declares itself with
//! [`module_virtio_driver!`](crate::module_virtio_driver), and gets a [`Device`] at probe. The
//! device has the negotiated [`Feature`]s and the [`config`] space, and finds the [`Virtqueue`]s.
//!
//! Differences from C:
//!
//! - A buffer moves *by value* into the queue with [`Virtqueue::add_buf`] and comes back from
//!   [`Virtqueue::get_buf`]. While the device owns the buffer, the driver cannot touch it.
//! - Operations that C callers must serialise take `&mut self`: a queue is [`Send`] and never
//!   [`Sync`]. Operations that may run at any time are on [`QueueHandle`].
//! - The driver data is published before the first callback, and outlives the last one.
//! - Ownership deletes queues: a device is not unbound while one of its [`Virtqueue`]s is alive,
//!   and the buffers of a queue are not freed before the device was reset.
//!
//! C headers: [`include/linux/virtio.h`](srctree/include/linux/virtio.h),
//! [`include/linux/virtio_config.h`](srctree/include/linux/virtio_config.h)

#![deny(unsafe_op_in_unsafe_fn)]

pub mod bus;
pub mod queue;

pub use bus::{
    adapter,
    binding,
    config,
    device,
    driver,
    endian,
    feature,
    id,
    param,
    scope,
    shortage,
    time_limit, //
};

pub use crate::{
    adapter::Adapter,
    config::{
        Config,
        Field, //
    },
    device::{
        Device,
        Exclusive,
        Restarts,
        WeakDevice, //
    },
    driver::Driver,
    endian::Endian,
    feature::{
        Feature,
        FeatureSet, //
    },
    id::{
        DeviceId,
        IdTable, //
    },
    queue::{
        AddError,
        Affinity,
        AnyQueue,
        Armed,
        Buffer,
        CQueue,
        Doorbell,
        Look,
        Message,
        QueueHandle,
        QueueOps,
        QueueSpec,
        Queues,
        RawToken,
        Request,
        Returned,
        RustQueue,
        Segment,
        SegmentWriter,
        Segments,
        Unmapped,
        Used,
        UsedRef,
        Virtqueue, //
    },
    scope::{
        Hold,
        Scope, //
    },
    time_limit::TimeLimit,
};

pub use vring::{
    Callbacks,
    Looked,
    Once,
    ReadAcquire, //
};

pub(crate) use vring::bindings;

use kernel::prelude::*;

module! {
    type: VirtioModule,
    name: "rust_virtqueue",
    authors: ["The rust-virtio authors"],
    description: "Virtio bus and virtqueues for Rust drivers",
    license: "GPL",
}

/// The module is a library of the driver modules.
struct VirtioModule;

impl kernel::Module for VirtioModule {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Self)
    }
}

impl Drop for VirtioModule {
    fn drop(&mut self) {
        // The drivers went before, and with them the last device of theirs.
        device::free_all();
    }
}
