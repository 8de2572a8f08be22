// SPDX-License-Identifier: GPL-2.0

//! The driver side of a virtqueue (virtio spec §2.6): split ([`Split`], §2.7) and packed
//! ([`Packed`], §2.8), each with buffers used in any order or in the order in which they were
//! made available (`VIRTIO_F_IN_ORDER`).
//!
//! Pure: no allocation, no dependency but `core`. What differs between a kernel and user space is
//! behind [`Platform`]: one access to shared memory, and the barriers.
//!
//! # Ownership
//!
//! A ring holds a token `T` for each buffer that the device has: it moves in with `add` and out
//! with `get`, or with `detach_unused` and `reset` when the device has stopped. A token that is
//! still inside when a ring is dropped is forgotten and not dropped: the device may be using what
//! it stands for.
//!
//! # What the device can do
//!
//! It shares the memory of the ring and may write all of it at any time. So
//!
//! - every value is read from there once, and checked against what only this side can write:
//!   which ids are out, how many, how much the device may write to each;
//! - nothing that was written there is ever read back: links, lengths and indices have private
//!   copies in the ring and its [`Slot`]s;
//! - the first thing that cannot be is the last: the queue is [broken](Broken) and takes and
//!   gives nothing any more, and what was in flight stays in it until the device was reset. Not so
//!   a length, which devices that work are known to count wrongly: it is [cut](Used::len).
//!
//! # Names that the `SAFETY` comments refer to
//!
//! - **mapped**: the memory of the ring is valid for reads and writes, aligned as the
//!   specification asks, and stays so as long as the ring or its control exists. The caller of
//!   `new`, `resize` promises it.
//! - **bounded**: an index into the shared memory is below the number of elements, by a mask or
//!   a comparison in the function that makes the pointer.

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

/// What was negotiated with the device, and what the transport needs.
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
