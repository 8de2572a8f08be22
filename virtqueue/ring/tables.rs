// SPDX-License-Identifier: GPL-2.0

//! Indirect tables (§2.7.5.3, §2.8.7).
//!
//! A table is memory beside the ring. The ring core does not allocate memory: it asks its
//! [`Tables`] for a table. Each id has a table for the usual number of segments. A longer buffer
//! borrows another table, and the ring returns it when the buffer comes back.

use super::{
    desc::Desc,
    platform::Platform,
    shared::{
        Descs,
        SharedPtr, //
    },
};
use core::{
    num::NonZeroU16,
    ptr::NonNull, //
};

/// The memory of one indirect table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableMemory {
    /// The descriptors, aligned to 16.
    pub base: NonNull<Desc>,
    /// The address at which the device finds them.
    pub addr: u64,
}

/// The number of a table that was lent.
///
/// Stored plus one, so that an optional number takes two bytes in a
/// [`DescState`](super::DescState).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loan(NonZeroU16);

impl Loan {
    /// Creates the loan of table `number`. Returns `None` for 65535, which is no table's number.
    #[inline]
    pub const fn new(number: u16) -> Option<Self> {
        match NonZeroU16::new(number.wrapping_add(1)) {
            Some(more) => Some(Self(more)),
            None => None,
        }
    }

    /// Returns the number of the table.
    #[inline]
    pub const fn number(self) -> u16 {
        self.0.get().wrapping_sub(1)
    }
}

/// A table for a buffer whose id has none that is long enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lent {
    /// The table of the id from now on, which [`Tables::own`] returns, and the number of segments
    /// that it has room for. The device can see it.
    Own(TableMemory, u16),
    /// A table for one buffer. The device can see it only after [`Tables::expose`], and it has no
    /// address before.
    Once(Loan, TableMemory),
}

/// The tables of a ring.
///
/// [`Tables::own`] is on the fast path. The other functions are called for the first buffer of an
/// id, and for buffers with unusually many segments.
///
/// # Safety
///
/// - A table is memory aligned to 16, with room for as many descriptors as were requested. The ring
///   alone writes it: the table of an id as long as the tables exist, and one that is
///   [`Lent::Once`] up to [`Tables::take_back`]. No two tables overlap.
/// - The device finds a table at its address: that of an id as long as the tables exist, and one
///   that is [`Lent::Once`] from [`Tables::expose`] up to [`Tables::take_back`], or as long as the
///   tables exist.
pub unsafe trait Tables {
    /// Returns whether buffers may have tables at all: `VIRTIO_F_INDIRECT_DESC` was negotiated.
    fn lends(&self) -> bool;

    /// Sets whether allocations may sleep from now on.
    #[inline(always)]
    fn may_sleep(&mut self, _sleeps: bool) {}

    /// Returns the table of an id.
    ///
    /// # Safety
    ///
    /// The id has a table, which `lend` returned as [`Lent::Own`].
    unsafe fn own(&self, id: u16) -> TableMemory;

    /// Returns a table with room for `segments` for a buffer whose id has none, or one that is too
    /// short. Returns `None` if there is none for now.
    fn lend(&mut self, id: u16, segments: u16) -> Option<Lent>;

    /// Exposes a lent table to the device, for as many descriptors as were requested, and returns
    /// its address. This happens before the descriptors are written, or after if the translation
    /// [maps](super::Translate::MAPS) memory. Returns `None` if the table cannot be exposed for
    /// now.
    fn expose(&mut self, loan: Loan) -> Option<u64>;

    /// Takes back a table that was lent for one buffer. The device is done with the table, or
    /// cannot see it.
    fn take_back(&mut self, loan: Loan);
}

/// An empty set of tables: `VIRTIO_F_INDIRECT_DESC` was not negotiated.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoTables;

// SAFETY: No function hands out a table: `own` may not be called, since `lend` returns none.
unsafe impl Tables for NoTables {
    fn lends(&self) -> bool {
        false
    }

    unsafe fn own(&self, _id: u16) -> TableMemory {
        TableMemory {
            base: NonNull::dangling(),
            addr: 0,
        }
    }

    fn lend(&mut self, _id: u16, _segments: u16) -> Option<Lent> {
        None
    }

    fn expose(&mut self, _loan: Loan) -> Option<u64> {
        None
    }

    fn take_back(&mut self, _loan: Loan) {}
}

/// A table for the next buffer.
pub struct Table<P> {
    /// The descriptors: as many as the buffer was announced to have segments, or more.
    pub(super) descs: Descs<P>,
    /// The address at which the device finds them.
    pub(super) addr: u64,
}

impl<P: Platform> Table<P> {
    /// # Safety
    ///
    /// The ring alone writes the memory as long as the result is used, and it has room for the
    /// segments of the buffer.
    #[inline(always)]
    pub(super) unsafe fn new(memory: TableMemory) -> Self {
        Self {
            // SAFETY: By the safety requirements, the memory stays mapped as long as the table is
            // used, and has room for it.
            descs: Descs::new(unsafe { SharedPtr::new(memory.base) }),
            addr: memory.addr,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        for number in [0, 1, u16::MAX - 1] {
            assert_eq!(Loan::new(number).map(Loan::number), Some(number));
        }
        assert_eq!(Loan::new(u16::MAX), None);
        assert_eq!(size_of::<Option<Loan>>(), 2);
    }
}
