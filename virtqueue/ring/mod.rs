// SPDX-License-Identifier: GPL-2.0

//! The driver side of a virtqueue (virtio spec §2.6): split ([`Split`], §2.7) and packed
//! ([`Packed`], §2.8). In each, the device uses buffers in any order, or in the order in which they
//! were made available (`VIRTIO_F_IN_ORDER`).
//!
//! The code allocates nothing and depends on `core` only. The trait [`Platform`] provides access to
//! shared memory and barriers, so that the same code runs in a kernel and in user space.
//!
//! # Ownership
//!
//! A ring holds a token `T` for each outstanding buffer. `add` moves the token in, and `get` moves
//! it out; after the device has stopped, `detach_unused` and `reset` do. Dropping a ring forgets
//! the tokens inside instead of dropping them, since the device may still use the buffers that they
//! stand for.
//!
//! # A device that misbehaves
//!
//! The device shares the memory of the ring and may write all of it at any time. Therefore:
//!
//! - Every value in shared memory is read once, and checked against private state: the outstanding
//!   ids, their number, and the number of bytes that the device may write to each buffer.
//! - Nothing that the driver wrote to shared memory is ever read back. Links, lengths and indices
//!   have private copies in the ring and its [`DescState`]s.
//! - The first impossible value breaks the queue. A [broken](BrokenReason) queue accepts and
//!   returns no buffer, and keeps the outstanding ones until the device was reset. An impossible
//!   length does not break the queue, because some working devices count wrongly: the length is
//!   [cut](Used::len).
//!
//! # Names that the `SAFETY` comments refer to
//!
//! - **mapped**: the memory of the ring is valid for reads and writes, is aligned as the
//!   specification asks, and stays so as long as the ring or its lockless state exists. The callers
//!   of `new` and `resize` promise this.
//! - **bounded**: an index into the shared memory is below the number of elements, because the
//!   function that makes the pointer applies a mask or a comparison.

mod broken;
mod desc;
mod desc_state;
mod endian;
mod error;
mod event;
mod flags;
mod format;
mod in_order;
mod indirect;
mod lockless;
mod platform;
mod ring_core;
mod segments;
mod shared;
mod tables;
mod writer;

pub mod packed;
pub mod split;

pub use self::{
    broken::{
        BrokenReason,
        BrokenReport, //
    },
    desc::Desc,
    desc_state::{
        states_in_reach,
        DescState,
        Unused,
        Used, //
    },
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
    indirect::IndirectRule,
    lockless::{
        Armed,
        Callbacks,
        Interrupt,
        LocklessState, //
    },
    packed::Packed,
    platform::Platform,
    ring_core::{
        Broken,
        RingCore,
        Shown, //
    },
    segments::{
        Piece,
        SegmentWriter,
        Segments,
        Translate, //
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

/// The negotiated features of the device, and the requirements of the transport.
#[derive(Clone, Copy, Debug)]
pub struct RingConfig {
    /// `VIRTIO_F_EVENT_IDX`: suppression by index (§2.7.7, §2.7.10, §2.8.10).
    pub event_idx: bool,
    /// Byte order of the split ring: [`Endian::Native`] for a legacy device (§2.7.3). The packed
    /// ring is always little-endian.
    pub endian: Endian,
    /// Barriers order accesses for a device, and not only for other processors (§6):
    /// `VIRTIO_F_ORDER_PLATFORM`, or a transport to real hardware.
    pub strong_barriers: bool,
    /// The rule by which a buffer gets an indirect table (§2.7.5.3, §2.8.7), if the ring has
    /// [`Tables`].
    pub indirect: IndirectRule,
    /// The driver wants callbacks. A queue without a callback starts with its interrupts disabled.
    pub callbacks: bool,
}

impl RingConfig {
    /// A modern device with no optional feature.
    pub const MODERN: Self = Self {
        event_idx: false,
        endian: Endian::Little,
        strong_barriers: false,
        indirect: IndirectRule::DEFAULT,
        callbacks: true,
    };
}
