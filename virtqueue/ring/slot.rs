// SPDX-License-Identifier: GPL-2.0

//! The private state of each descriptor.

use super::tables::Loan;

/// The private state that goes with one id: a head descriptor of a split ring, a buffer id of a
/// packed one.
///
/// The caller sets aside as many as the queue has descriptors and gives them to the ring.
///
/// PERF: Half a cache line for a token of two words, and computed by a shift. The table of the id
/// is known to the [`Tables`](super::Tables), which only a buffer asks that fits into one.
///
/// # Invariants
///
/// The `tables` of the ring that has the slot have a table with room for `own_room` segments for
/// the id, if that is not 0.
pub struct Slot<T> {
    /// The buffer, if the device has one of this id.
    pub(super) token: Option<T>,
    /// Bytes that the device may write to it.
    pub(super) room: u32,
    /// Any order: the next free descriptor or id, or the next one of the chain. In order: the
    /// number of the buffer among all that were made available, which wraps.
    pub(super) next: u16,
    /// Descriptors that the buffer takes in the ring.
    pub(super) count: u16,
    /// Split, any order: the last descriptor of the chain.
    pub(super) tail: u16,
    /// The most segments that the table of the id has room for. 0: it has none.
    own_room: u16,
    /// The table that was lent for the buffer of this id.
    pub(super) loan: Option<Loan>,
}

impl<T> Slot<T> {
    /// A slot for a ring to be.
    pub const fn new() -> Self {
        // INVARIANT: There is no table.
        Self {
            token: None,
            room: 0,
            next: 0,
            count: 0,
            tail: 0,
            own_room: 0,
            loan: None,
        }
    }

    /// Forgets all that an earlier ring left: what is not known to be free of its device.
    pub(super) fn clear(&mut self) {
        core::mem::forget(core::mem::take(self));
    }

    /// The most segments that the table of the id has room for. 0: it has none.
    #[inline(always)]
    pub(super) fn own_room(&self) -> u16 {
        self.own_room
    }

    /// Notes that the id has a table of its own.
    ///
    /// # Safety
    ///
    /// The tables of the ring that has the slot have one for this id, with as much room.
    pub(super) unsafe fn set_own_room(&mut self, room: u16) {
        // INVARIANT: By the safety requirements.
        self.own_room = room;
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
    // SAFETY: By the safety requirements, there is a slot of the id.
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
    // SAFETY: By the safety requirements, there is a slot of the id.
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
    /// The token that stands for the buffer.
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
    /// The token that stands for the buffer.
    pub token: T,
    /// The id that it had: what `add` returned.
    pub id: u16,
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::ptr::NonNull;

    #[test]
    fn two_slots_of_a_token_of_two_words_in_a_cache_line() {
        assert_eq!(size_of::<Slot<(NonNull<()>, usize)>>(), 32);
        assert_eq!(size_of::<Slot<NonNull<()>>>(), 24);
    }
}
