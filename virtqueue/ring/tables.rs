// SPDX-License-Identifier: GPL-2.0

//! Indirect tables (§2.7.5.3, §2.8.7).
//!
//! A table is memory beside the ring, and memory is not this crate's business: a ring has a
//! [`Tables`] that it asks for it. It asks seldom. A table for the usual number of segments stays
//! with the id that it was made for, so that the next buffer with the id finds it in its [`Slot`];
//! only a longer buffer borrows another one, which comes back with it.
//!
//! [`Slot`]: super::Slot

use super::{
    desc::Desc,
    shared::Descs, //
};
use core::ptr::NonNull;

/// The memory of one indirect table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableMemory {
    /// The descriptors, aligned to 16.
    pub base: NonNull<Desc>,
    /// The address at which the device finds them.
    pub addr: u64,
    /// The number of descriptors, so the most segments of a buffer with this table. At least one.
    pub room: u16,
}

/// A table for a buffer that the table of its id is too small for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lent {
    /// A table that is the id's from now on, whatever becomes of the buffer. The device can see it.
    Own(TableMemory),
    /// A table that comes back with the buffer. The device can see it only after
    /// [`Tables::expose`]; its address is none before.
    Once(TableMemory),
}

/// Gives a ring its tables.
///
/// Everything here is off the usual path: called for the first buffer of an id, and for buffers
/// with unusually many segments.
///
/// # Safety
///
/// - A table is memory for as many descriptors as it says, aligned to 16 and valid for writes, and
///   the ring alone writes it: one that is [`Lent::Own`] as long as this exists, one that is
///   [`Lent::Once`] up to [`Tables::free`].
/// - The address of a table is one at which the device finds it; that of [`Lent::Once`] is so from
///   [`Tables::expose`] up to [`Tables::conceal`].
pub unsafe trait Tables {
    /// Returns whether buffers may have tables at all: `VIRTIO_F_INDIRECT_DESC` was negotiated.
    fn lends(&self) -> bool;

    /// Says whether memory may be waited for from now on.
    #[inline(always)]
    fn may_sleep(&mut self, _sleeps: bool) {}

    /// Returns a table with room for `segments`. `None`: there is none for now.
    fn lend(&mut self, segments: u16) -> Option<Lent>;

    /// Lets the device see the first `segments` descriptors of a table that was lent once: before
    /// they are written, or, if that [maps](super::Describe::MAPS) memory, afterwards. Returns the
    /// address. `None`: that cannot be done for now.
    fn expose(&mut self, table: TableMemory, segments: u16) -> Option<u64>;

    /// Takes that back, when the device has done with it. Returns whether the table may stay with
    /// its id for a later buffer; otherwise [`Tables::free`] is next.
    fn conceal(&mut self, table: TableMemory, segments: u16) -> bool;

    /// Notes that a table that stayed with its id is used again, or freed.
    fn wake(&mut self, table: TableMemory);

    /// Takes a table back that was lent once.
    fn free(&mut self, table: TableMemory);
}

/// No tables: `VIRTIO_F_INDIRECT_DESC` was not negotiated.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoTables;

// SAFETY: There is no table.
unsafe impl Tables for NoTables {
    fn lends(&self) -> bool {
        false
    }

    fn lend(&mut self, _segments: u16) -> Option<Lent> {
        None
    }

    fn expose(&mut self, _table: TableMemory, _segments: u16) -> Option<u64> {
        None
    }

    fn conceal(&mut self, _table: TableMemory, _segments: u16) -> bool {
        false
    }

    fn wake(&mut self, _table: TableMemory) {}

    fn free(&mut self, _table: TableMemory) {}
}

/// A table for the next buffer.
pub struct Table<P> {
    /// As many descriptors as the buffer was said to have segments, or more.
    pub(super) descs: Descs<P>,
    /// The address at which the device finds them.
    pub(super) addr: u64,
}
