// SPDX-License-Identifier: GPL-2.0

//! The vring: the object behind a `struct virtqueue`, built on the ring core.
//!
//! - [`ring`] is the core: layouts, indices, suppression. It does not depend on the kernel.
//! - [`Queue`] is the object: a ring of one of the layouts, in memory that was allocated for the
//!   device, the DMA mappings of the outstanding buffers, and the operations that transports and
//!   drivers call.
//! - The crate `virtio_ring_abi` exports the functions of `virtio_ring.ko` on top of it, for C.
//!   Rust drivers use it through the crate `virtio`, with the fast path inlined.
//!
//! C header: [`include/linux/virtio_ring.h`](srctree/include/linux/virtio_ring.h)

#![deny(unsafe_op_in_unsafe_fn)]

pub mod bindings;
mod bookkeeping;
pub mod create;
mod debugfs;
pub mod device;
pub mod direct;
pub mod dma;
mod dma_buffer;
mod dma_mappings;
pub mod exclusive;
mod list;
pub mod once;
mod platform;
pub mod queue;
pub mod report;
pub mod resize;
#[path = "../ring/mod.rs"]
pub mod ring;
pub mod ring_memory;
mod ring_ref;
pub mod segment;
mod stats;
pub mod tables;
mod trace;

pub use self::{
    dma::Mapper,
    exclusive::{
        AnyRing,
        ExclusiveQueue,
        RingPtr, //
    },
    once::{
        Once,
        ReadAcquire, //
    },
    platform::Kernel,
    queue::Queue,
    ring::{
        Armed,
        Callbacks,
        Interrupt,
        SegmentWriter,
        Segments, //
    },
    ring_ref::{
        LookAt,
        Looked,
        RingRef, //
    },
    segment::{
        RawToken,
        Segment, //
    },
};

use kernel::prelude::*;

module! {
    type: VringModule,
    name: "rust_vring",
    authors: ["The rust-virtio authors"],
    description: "The ring of virtqueues in Rust",
    license: "GPL",
}

/// The module. It is a library, and its only state is a directory in debugfs.
struct VringModule;

impl Drop for VringModule {
    fn drop(&mut self) {
        debugfs::remove_directory();
    }
}

impl kernel::Module for VringModule {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Self)
    }
}
