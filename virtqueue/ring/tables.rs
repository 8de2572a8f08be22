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
        Shared, //
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
/// One more than that, so that a [`Slot`](super::Slot) has room for one, or none, in two bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loan(NonZeroU16);

impl Loan {
    /// The loan of a number. `None` of 65535, which is no table's.
    #[inline]
    pub const fn new(number: u16) -> Option<Self> {
        match NonZeroU16::new(number.wrapping_add(1)) {
            Some(more) => Some(Self(more)),
            None => None,
        }
    }

    /// Returns the number.
    #[inline]
    pub const fn number(self) -> u16 {
        self.0.get().wrapping_sub(1)
    }
}

/// A table for a buffer whose id has none that is long enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lent {
    /// That of the id from now on, with room for so many segments: what [`Tables::own`] returns.
    /// The device can see it.
    Own(TableMemory, u16),
    /// A table that comes back with the buffer. The device can see it only after
    /// [`Tables::expose`]; its address is none before.
    Once(Loan, TableMemory),
}

/// Gives a ring its tables.
///
/// All but [`Tables::own`] is off the usual path: called for the first buffer of an id, and for
/// buffers with unusually many segments.
///
/// # Safety
///
/// - A table is memory aligned to 16, with room for as many descriptors as were asked for, and the
///   ring alone writes it: that of an id as long as this exists, one that is [`Lent::Once`] up to
///   [`Tables::take_back`]. No two of those are the same.
/// - The address of a table is one at which the device finds it; that of [`Lent::Once`] is so from
///   [`Tables::expose`] up to [`Tables::take_back`], or as long as this exists.
pub unsafe trait Tables {
    /// Returns whether buffers may have tables at all: `VIRTIO_F_INDIRECT_DESC` was negotiated.
    fn lends(&self) -> bool;

    /// Says whether memory may be waited for from now on.
    #[inline(always)]
    fn may_sleep(&mut self, _sleeps: bool) {}

    /// Returns the table of an id.
    ///
    /// # Safety
    ///
    /// It has one, which was [`Lent::Own`].
    unsafe fn own(&self, id: u16) -> TableMemory;

    /// Returns a table with room for `segments` for a buffer with an id that has none, or one that
    /// is too short. `None`: there is none for now.
    fn lend(&mut self, id: u16, segments: u16) -> Option<Lent>;

    /// Lets the device see as many descriptors of a table as were asked for: before they are
    /// written, or, if that [maps](super::Describe::MAPS) memory, afterwards. Returns the address.
    /// `None`: that cannot be done for now.
    fn expose(&mut self, loan: Loan) -> Option<u64>;

    /// Takes a table back that was lent once. The device has done with it, or cannot see it.
    fn take_back(&mut self, loan: Loan);
}

/// No tables: `VIRTIO_F_INDIRECT_DESC` was not negotiated.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoTables;

// SAFETY: There is no table.
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
    /// As many descriptors as the buffer was said to have segments, or more.
    pub(super) descs: Descs<P>,
    /// The address at which the device finds them.
    pub(super) addr: u64,
}

impl<P: Platform> Table<P> {
    /// # Safety
    ///
    /// The memory is the ring's as long as the result is used, and has room for the buffer.
    #[inline(always)]
    pub(super) unsafe fn new(memory: TableMemory) -> Self {
        Self {
            // SAFETY: By the safety requirements, the memory is the ring's and has room for the
            // table.
            descs: Descs::new(unsafe { Shared::new(memory.base) }),
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
