// SPDX-License-Identifier: GPL-2.0

//! The memory of indirect tables.
//!
//! It was set aside with the queue: a buffer takes none from an allocator and gives none back.
//! There are two classes, as most buffers are short and a table for the longest for each of them
//! would be much memory: a small table for each id, at a known address, and large ones that the
//! ids share. Which of those are free is in private memory, in the [`Slot`]s.

use super::{
    desc::Desc,
    error::SetupError,
    platform::Platform,
    shared::{
        Descs,
        Shared, //
    },
    slot::{
        Slot,
        NO_TABLE, //
    },
};
use core::ptr::NonNull;

/// Memory for the tables of a queue: first `small` descriptors for each descriptor of the ring,
/// then `larges` times `large` descriptors, which is [`TableMemory::bytes`] in all.
///
/// §2.7.5.3.1 wants no more segments in a buffer than the ring has descriptors. Devices take more,
/// and drivers in C give more: whoever sets the memory aside decides.
#[derive(Clone, Copy, Debug)]
pub struct TableMemory {
    /// The descriptors, aligned to 16. Dangling if there are none.
    pub base: NonNull<Desc>,
    /// Where the device finds them.
    pub addr: u64,
    /// Descriptors in the table of each id, so the most segments of a buffer with such a table. 0:
    /// there are none.
    pub small: u16,
    /// Descriptors in one of the tables that are shared.
    pub large: u16,
    /// How many of those there are: not more than the ring has descriptors. 0: there are none.
    pub larges: u16,
}

impl TableMemory {
    /// Returns how many bytes the tables of a ring of `size` descriptors take: 0 if there are
    /// none.
    #[inline]
    pub const fn bytes(size: u16, small: u16, large: u16, larges: u16) -> usize {
        let small = (size as usize).saturating_mul(small as usize);
        let large = (larges as usize).saturating_mul(large as usize);
        small
            .saturating_add(large)
            .saturating_mul(size_of::<Desc>())
    }
}

/// The tables of a queue.
///
/// # Invariants
///
/// - `base` is followed by `small` descriptors for each of 0 to `last`, and by `large` descriptors
///   for each of 0 to `larges`, exclusively.
/// - The large tables from `free` along `link` are free: no buffer that the device has is in
///   them. Each of the others is that of one id.
pub(super) struct Tables {
    base: Shared<Desc>,
    addr: u64,
    small: u16,
    large: u16,
    larges: u16,
    last: u16,
    /// The first large table that is free, if it is below `larges`.
    free: u16,
}

/// A table for the next buffer.
pub struct Table<P> {
    /// As many descriptors as the buffer was said to have segments, or more.
    pub(super) descs: Descs<P>,
    /// Where the device finds it.
    pub(super) addr: u64,
}

impl Tables {
    /// Takes over the memory of the tables of a queue with ids up to `last`.
    ///
    /// [`Tables::start`] has to follow.
    ///
    /// # Safety
    ///
    /// The memory is mapped as [`TableMemory`] says.
    pub(super) unsafe fn new(memory: Option<TableMemory>, last: u16) -> Result<Self, SetupError> {
        let memory = memory.unwrap_or(TableMemory {
            base: NonNull::dangling(),
            addr: 0,
            small: 0,
            large: 0,
            larges: 0,
        });
        if u32::from(memory.larges) > u32::from(last) + 1 {
            return Err(SetupError::Tables);
        }
        // SAFETY: By the safety requirements; where there is no table, it is not used.
        let base = unsafe { Shared::new(memory.base) };
        if !base.is_aligned(align_of::<Desc>()) {
            return Err(SetupError::Alignment);
        }
        // INVARIANT: By the safety requirements.
        Ok(Self {
            base,
            addr: memory.addr,
            small: memory.small,
            large: memory.large,
            larges: if memory.large == 0 { 0 } else { memory.larges },
            last,
            free: NO_TABLE,
        })
    }

    /// Makes all tables free; no buffer is in one.
    pub(super) fn start<T>(&mut self, slots: &mut [Slot<T>]) {
        let mut next = NO_TABLE;
        for number in (0..self.larges).rev() {
            if let Some(slot) = slots.get_mut(usize::from(number)) {
                slot.link = next;
                next = number;
            }
        }
        for slot in slots {
            slot.table = NO_TABLE;
        }
        self.free = next;
    }

    /// The most segments that any table has room for.
    #[inline]
    pub(super) fn most(&self) -> u16 {
        if self.larges == 0 {
            self.small
        } else {
            self.small.max(self.large)
        }
    }

    /// Takes a table for a buffer of `segments`, which is to have the id `id`: its own if that is
    /// large enough, or else a large one, if one is free, until [`Tables::give`].
    ///
    /// # Safety
    ///
    /// `id` is not above that with which the tables were made.
    #[inline(always)]
    pub(super) unsafe fn take<P: Platform, T>(
        &mut self,
        slots: &mut [Slot<T>],
        id: u16,
        segments: u16,
    ) -> Option<Table<P>> {
        // OVERFLOW: All are at most 2^16, and the offset is that of memory that there is.
        debug_assert!(id <= self.last);
        let offset = if segments <= self.small {
            usize::from(id).wrapping_mul(usize::from(self.small))
        } else if segments <= self.large && self.free < self.larges {
            self.take_large(slots, id)
        } else {
            return None;
        };
        // SAFETY: Mapped, and bounded by the type invariants: the offset is that of a table. Where
        // there are none, it is 0 and `segments` is too.
        let base = unsafe { self.base.as_ptr().add(offset) };
        // SAFETY: Derived from a pointer that is not null, and as mapped as that.
        let base = unsafe { Shared::new(NonNull::new_unchecked(base)) };
        Some(Table {
            descs: Descs::new(base),
            // CAST: `usize` is not larger than `u64`.
            addr: self
                .addr
                .wrapping_add((offset as u64) << size_of::<Desc>().ilog2()),
        })
    }

    /// Takes the first large table that is free, which there is, for a buffer with the id `id`.
    /// Returns its offset.
    #[inline]
    fn take_large<T>(&mut self, slots: &mut [Slot<T>], id: u16) -> usize {
        let number = self.free;
        let link = slots.get(usize::from(number)).map(|slot| slot.link);
        self.free = link.unwrap_or(NO_TABLE);
        if let Some(slot) = slots.get_mut(usize::from(id)) {
            debug_assert_eq!(slot.table, NO_TABLE);
            slot.table = number;
        }
        // OVERFLOW: As in `take`.
        usize::from(self.last)
            .wrapping_add(1)
            .wrapping_mul(usize::from(self.small))
            .wrapping_add(usize::from(number).wrapping_mul(usize::from(self.large)))
    }

    /// Gives back the large table of the buffer with id `id`, which the device has no more.
    pub(super) fn give<T>(&mut self, slots: &mut [Slot<T>], id: u16) {
        let Some(slot) = slots.get_mut(usize::from(id)) else {
            return;
        };
        let number = core::mem::replace(&mut slot.table, NO_TABLE);
        debug_assert!(number < self.larges);
        if let Some(slot) = slots.get_mut(usize::from(number)) {
            slot.link = self.free;
            self.free = number;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Host;

    /// A ring of four with tables of two and of eight, in memory that is not used.
    fn tables(larges: u16) -> (Tables, [Slot<()>; 4]) {
        let memory = TableMemory {
            base: NonNull::dangling(),
            addr: 0x1000,
            small: 2,
            large: 8,
            larges,
        };
        // SAFETY: No descriptor is written.
        let mut tables =
            unsafe { Tables::new(Some(memory), 3) }.unwrap_or_else(|e| panic!("{e:?}"));
        let mut slots = [const { Slot::new() }; 4];
        tables.start(&mut slots);
        (tables, slots)
    }

    fn take(tables: &mut Tables, slots: &mut [Slot<()>], id: u16, segments: u16) -> Option<u64> {
        // SAFETY: There are four ids.
        let taken = unsafe { tables.take::<Host, _>(slots, id, segments) };
        taken.map(|table| table.addr)
    }

    #[test]
    fn bytes() {
        assert_eq!(TableMemory::bytes(256, 0, 0, 0), 0);
        assert_eq!(TableMemory::bytes(256, 4, 0, 0), 256 * 4 * 16);
        assert_eq!(TableMemory::bytes(256, 0, 256, 8), 256 * 8 * 16);
        assert_eq!(TableMemory::bytes(256, 4, 256, 8), (4 + 8) * 256 * 16);
        assert_eq!(TableMemory::bytes(256, 0, 0, 8), 0);
    }

    #[test]
    fn small_ones_where_they_fit_and_large_ones_in_turn() {
        let (mut tables, mut slots) = tables(2);
        assert_eq!(tables.most(), 8);
        let first = 0x1000 + 4 * 2 * 16;
        let wanted = [
            (3, 2, Some(0x1000 + 3 * 2 * 16)),
            (3, 3, Some(first)),
            (1, 8, Some(first + 8 * 16)),
            (0, 8, None),
            (0, 2, Some(0x1000)),
            (0, 9, None),
        ];
        for (id, segments, table) in wanted {
            assert_eq!(take(&mut tables, &mut slots, id, segments), table);
        }
        assert_eq!(
            slots.each_ref().map(|slot| slot.table),
            [NO_TABLE, 1, NO_TABLE, 0]
        );
        tables.give(&mut slots, 3);
        assert_eq!(take(&mut tables, &mut slots, 2, 8), Some(first));
        tables.start(&mut slots);
        assert!(slots.iter().all(|slot| slot.table == NO_TABLE));
        assert_eq!(take(&mut tables, &mut slots, 0, 8), Some(first));
    }

    #[test]
    fn none_at_all() {
        // SAFETY: There is none.
        let mut tables = unsafe { Tables::new(None, 3) }.unwrap_or_else(|e| panic!("{e:?}"));
        let mut slots = [const { Slot::new() }; 4];
        assert_eq!(take(&mut tables, &mut slots, 0, 2), None);
        assert_eq!(tables.most(), 0);
    }

    #[test]
    fn not_more_large_ones_than_there_are_links() {
        let memory = |larges| TableMemory {
            base: NonNull::dangling(),
            addr: 0,
            small: 0,
            large: 4,
            larges,
        };
        // SAFETY: No descriptor is written.
        let new = |larges| unsafe { Tables::new(Some(memory(larges)), 3) }.map(|_| ());
        assert_eq!(new(4), Ok(()));
        assert_eq!(new(5), Err(SetupError::Tables));
    }
}
