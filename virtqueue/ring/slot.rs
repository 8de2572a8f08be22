// SPDX-License-Identifier: GPL-2.0

//! What the driver side remembers of each descriptor.

use super::{
    desc::Desc,
    platform::Platform,
    shared::{
        Descs,
        Shared, //
    },
    tables::{
        Table,
        TableMemory, //
    },
};
use core::ptr::NonNull;

/// The place of a table, or of none.
#[derive(Clone, Copy)]
struct Place {
    base: Shared<Desc>,
    addr: u64,
}

impl Place {
    const fn none() -> Self {
        Self {
            // SAFETY: Not used, as the slot says that there is no room.
            base: unsafe { Shared::new(NonNull::dangling()) },
            addr: 0,
        }
    }

    /// # Safety
    ///
    /// The table is memory of the ring as long as the result is used.
    unsafe fn new(table: TableMemory) -> Self {
        Self {
            // SAFETY: By the safety requirements.
            base: unsafe { Shared::new(table.base) },
            addr: table.addr,
        }
    }

    #[inline(always)]
    fn table<P: Platform>(self) -> Table<P> {
        Table {
            descs: Descs::new(self.base),
            addr: self.addr,
        }
    }

    fn memory(self, room: u16) -> Option<TableMemory> {
        (room != 0).then(|| TableMemory {
            base: self.base.as_non_null(),
            addr: self.addr,
            room,
        })
    }
}

/// The private state that goes with one id: a head descriptor of a split ring, a buffer id of a
/// packed one.
///
/// The caller sets aside as many as the queue has descriptors and gives them to the ring.
///
/// PERF: All that is known of an id is in one cache line, its table included: adding a buffer
/// computes one address, by a shift.
///
/// # Invariants
///
/// `own` is a table of `own_room` descriptors and `lent` one of `lent_room`, of the ring that has
/// the slot; with a room of 0 there is none. `lent_used` is not above `lent_room`.
#[repr(align(64))]
pub struct Slot<T> {
    /// The buffer, if the device has one of this id.
    pub(super) token: Option<T>,
    /// The table that stays with the id.
    own: Place,
    /// The table for a buffer that is too long for that.
    lent: Place,
    /// Bytes that the device may write to it.
    pub(super) room: u32,
    /// Any order: the next free descriptor or id, or the next one of the chain. In order: the
    /// number of the buffer among all that were made available, which wraps.
    pub(super) next: u16,
    /// Descriptors that the buffer takes in the ring.
    pub(super) count: u16,
    /// Split, any order: the last descriptor of the chain.
    pub(super) tail: u16,
    own_room: u16,
    lent_room: u16,
    /// Descriptors of `lent` that the device sees, for the buffer of this id. 0: it is not used.
    pub(super) lent_used: u16,
}

impl<T> Slot<T> {
    /// A slot for a ring to be.
    pub const fn new() -> Self {
        // INVARIANT: There is no table.
        Self {
            token: None,
            own: Place::none(),
            lent: Place::none(),
            room: 0,
            next: 0,
            count: 0,
            tail: 0,
            own_room: 0,
            lent_room: 0,
            lent_used: 0,
        }
    }

    /// Forgets all that an earlier ring left: what is not known to be free of its device.
    pub(super) fn clear(&mut self) {
        core::mem::forget(core::mem::replace(self, Self::new()));
    }

    /// Returns the table of the id, if it is long enough for `segments`.
    #[inline(always)]
    pub(super) fn own<P: Platform>(&self, segments: u16) -> Option<Table<P>> {
        (segments <= self.own_room).then(|| self.own.table())
    }

    /// Gives the id a table of its own.
    ///
    /// # Safety
    ///
    /// The table is memory of the ring as long as it has the slot.
    pub(super) unsafe fn set_own(&mut self, table: TableMemory) {
        // SAFETY: By the safety requirements.
        self.own = unsafe { Place::new(table) };
        // INVARIANT: It is that of the table.
        self.own_room = table.room;
    }

    /// Returns the table that the id has borrowed, if it has.
    pub(super) fn lent(&self) -> Option<TableMemory> {
        self.lent.memory(self.lent_room)
    }

    /// Returns the same, to be written.
    pub(super) fn lent_table<P: Platform>(&self) -> Table<P> {
        self.lent.table()
    }

    /// Borrows a table for the id, in place of one that it had.
    ///
    /// # Safety
    ///
    /// The table is memory of the ring until [`Slot::take_lent`].
    pub(super) unsafe fn set_lent(&mut self, table: TableMemory) {
        // SAFETY: By the safety requirements.
        self.lent = unsafe { Place::new(table) };
        // INVARIANT: It is that of the table.
        self.lent_room = table.room;
        self.lent_used = 0;
    }

    /// Takes the table that the id has borrowed.
    pub(super) fn take_lent(&mut self) -> Option<TableMemory> {
        let table = self.lent();
        // INVARIANT: There is none any more.
        self.lent_room = 0;
        self.lent_used = 0;
        table
    }

    /// Notes that the device sees the first `segments` descriptors of the borrowed table, at
    /// `addr`.
    pub(super) fn show_lent(&mut self, addr: u64, segments: u16) {
        debug_assert!(segments <= self.lent_room);
        self.lent.addr = addr;
        self.lent_used = segments;
    }
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// Makes each slot the successor of the one before it, and the first that of the last.
pub(super) fn link<T>(slots: &mut [Slot<T>]) {
    let last = slots.len().wrapping_sub(1);
    for (i, slot) in slots.iter_mut().enumerate() {
        // CAST: There are at most 32768 slots.
        slot.next = if i == last { 0 } else { i as u16 + 1 };
    }
}

/// The slot of an id.
///
/// # Safety
///
/// There is one.
#[inline(always)]
pub(super) unsafe fn at_mut<T>(slots: &mut [Slot<T>], id: u16) -> &mut Slot<T> {
    debug_assert!(usize::from(id) < slots.len());
    // SAFETY: By the safety requirements.
    unsafe { slots.get_unchecked_mut(usize::from(id)) }
}

/// The slot of an id.
///
/// # Safety
///
/// As [`at_mut`].
#[inline(always)]
pub(super) unsafe fn at<T>(slots: &[Slot<T>], id: u16) -> &Slot<T> {
    debug_assert!(usize::from(id) < slots.len());
    // SAFETY: By the safety requirements.
    unsafe { slots.get_unchecked(usize::from(id)) }
}

/// Forgets all buffers that are left: the device may be using what they stand for.
pub(super) fn forget<T>(slots: &mut [Slot<T>]) {
    for slot in slots {
        core::mem::forget(slot.token.take());
    }
}

/// A buffer that the device has used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Used<T> {
    /// What stands for it.
    pub token: T,
    /// Bytes that the device says it wrote, which may be any number.
    pub claimed: u32,
    /// Bytes that it was given to write.
    pub room: u32,
    /// The id that it had: what `add` returned.
    pub id: u16,
}

impl<T> Used<T> {
    /// Bytes that the device says it wrote, cut to those that it was given to write.
    #[inline(always)]
    #[allow(clippy::len_without_is_empty)]
    pub const fn len(&self) -> u32 {
        if self.is_cut() {
            self.room
        } else {
            self.claimed
        }
    }

    /// Whether the device says that it wrote more than it was given to write.
    #[inline(always)]
    pub const fn is_cut(&self) -> bool {
        self.claimed > self.room
    }
}

/// A buffer that the device had not used when it was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unused<T> {
    /// What stands for it.
    pub token: T,
    /// The id that it had: what `add` returned.
    pub id: u16,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_of_a_token_of_two_words_is_a_cache_line() {
        assert_eq!(size_of::<Slot<(NonNull<()>, usize)>>(), 64);
        assert_eq!(size_of::<Slot<NonNull<()>>>(), 64);
    }
}
