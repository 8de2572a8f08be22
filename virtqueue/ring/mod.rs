// SPDX-License-Identifier: GPL-2.0

//! The driver side of a virtqueue (virtio spec §2.6): split ([`Split`], §2.7) and packed
//! ([`Packed`], §2.8), each with buffers used in any order or in the order in which they were
//! made available (`VIRTIO_F_IN_ORDER`).
//!
//! The code is pure: it allocates nothing and depends on `core` only. [`Platform`] hides the
//! difference between a kernel and user space: access to shared memory, and barriers.
//!
//! # Ownership
//!
//! A ring holds a token `T` for each buffer that the device has. The token moves in with `add` and
//! out with `get`, or with `detach_unused` and `reset` after the device has stopped. If a ring is
//! dropped with tokens inside, they are forgotten and not dropped, since the device may still use
//! the buffers that they stand for.
//!
//! # A device that misbehaves
//!
//! The device shares the memory of the ring and may write all of it at any time. Therefore
//!
//! - every value there is read once, and checked against private state: the ids in flight, their
//!   number, and the room in each buffer;
//! - nothing that the driver wrote there is ever read back: links, lengths and indices have private
//!   copies in the ring and its [`Slot`]s;
//! - the first impossible value breaks the queue: a [broken](Broken) queue accepts and returns no
//!   buffer, and those in flight stay in it until the device was reset. An impossible length does
//!   not break the queue, because some working devices count wrongly: it is [cut](Used::len).
//!
//! # Names that the `SAFETY` comments refer to
//!
//! - **mapped**: the memory of the ring is valid for reads and writes, is aligned as the
//!   specification asks, and stays so as long as the ring or its control exists. The callers of
//!   `new` and `resize` promise this.
//! - **bounded**: an index into the shared memory is below the number of elements, because the
//!   function that makes the pointer applies a mask or a comparison.

mod broken;
mod control;
mod desc;
mod endian;
mod error;
mod event;
mod flags;
mod format;
mod frame;
mod in_order;
mod indirect;
mod platform;
mod shared;
mod sink;
mod slot;
mod tables;

pub mod packed;
pub mod split;

pub use self::{
    broken::{
        Broken,
        Report, //
    },
    control::{
        Armed,
        Callbacks,
        Control,
        Interrupt, //
    },
    desc::Desc,
    endian::Endian,
    error::{
        AddError,
        SetupError, //
    },
    event::need_event,
    format::{
        Format,
        Found, //
    },
    frame::Frame,
    indirect::IndirectRule,
    packed::Packed,
    platform::Platform,
    sink::{
        Describe,
        Sink, //
    },
    slot::{
        Slot,
        Unused,
        Used, //
    },
    split::Split,
    tables::{
        Lent,
        Loan,
        NoTables,
        TableMemory,
        Tables, //
    },
};

/// The negotiated features of the device, and the needs of the transport.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// `VIRTIO_F_EVENT_IDX`: suppression by index (§2.7.7, §2.7.10, §2.8.10).
    pub event_idx: bool,
    /// Byte order of the split ring: [`Endian::Native`] for a legacy device (§2.7.3). The packed
    /// ring is always little-endian.
    pub endian: Endian,
    /// `VIRTIO_F_ORDER_PLATFORM`, or a transport to real hardware: barriers for devices and not
    /// only for other processors (§6).
    pub strong_barriers: bool,
    /// When a buffer is described by an indirect table (§2.7.5.3, §2.8.7), if the ring has
    /// [`Tables`].
    pub indirect: IndirectRule,
    /// Whether the driver wants to be called at all. A queue without a callback starts with its
    /// interrupts off.
    pub callbacks: bool,
}

impl Config {
    /// A modern device with no optional feature.
    pub const MODERN: Self = Self {
        event_idx: false,
        endian: Endian::Little,
        strong_barriers: false,
        indirect: IndirectRule::DEFAULT,
        callbacks: true,
    };
}
