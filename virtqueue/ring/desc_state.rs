// SPDX-License-Identifier: GPL-2.0

//! The private state of each descriptor.

use super::tables::Loan;

/// The private state of one id: a head descriptor of a split ring, a buffer id of a packed one. C:
/// `vring_desc_state_split`, `vring_desc_state_packed`.
///
/// The caller allocates one for each descriptor of the queue, and passes all of them to the ring.
///
/// PERF: Half a cache line for a token of two words, so that the address of a descriptor state is a
/// shift away from the id. The [`Tables`](super::Tables) keep the table of the id. They are asked
/// for it only if a buffer fits into the table.
///
/// # Invariants
///
/// If `table_capacity` is not 0, the `tables` of the ring with this descriptor state have a table
/// for the id, with room for `table_capacity` segments.
pub struct DescState<T> {
    /// The token of the buffer, if the device has one with this id.
    pub(super) token: Option<T>,
    /// The number of bytes that the device may write to the buffer.
    pub(super) writable_len: u32,
    /// Any order: the next free id, or the next descriptor of the chain. In order: the number of
    /// the buffer, counted in the order in which buffers were made available, which wraps.
    pub(super) next: u16,
    /// The number of descriptors that the buffer takes in the ring.
    pub(super) count: u16,
    /// Split, any order: the last descriptor of the chain.
    pub(super) tail: u16,
    /// The number of segments that the table of the id has room for. 0: the id has no table.
    table_capacity: u16,
    /// The borrowed table by which the buffer of this id is described.
    pub(super) loan: Option<Loan>,
}

impl<T> DescState<T> {
    /// Creates the state of an id without a buffer and without a table.
    pub const fn new() -> Self {
        // INVARIANT: The id has no table.
        Self {
            token: None,
            writable_len: 0,
            next: 0,
            count: 0,
            tail: 0,
            table_capacity: 0,
            loan: None,
        }
    }

    /// Resets the state for a new ring. A token of an earlier ring is forgotten and not dropped:
    /// the device of that ring may still use the buffer.
    pub(super) fn clear(&mut self) {
        core::mem::forget(core::mem::take(self));
    }

    /// Returns the number of segments that the table of the id has room for; 0 if the id has no
    /// table.
    #[inline(always)]
    pub(super) fn table_capacity(&self) -> u16 {
        self.table_capacity
    }

    /// Records that the id has a table of its own.
    ///
    /// # Safety
    ///
    /// The tables of the ring with this descriptor state have a table for this id, with room for
    /// `capacity` segments.
    pub(super) unsafe fn set_table_capacity(&mut self, capacity: u16) {
        // INVARIANT: By the safety requirements, the id has such a table.
        self.table_capacity = capacity;
    }
}

impl<T> Default for DescState<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// Links all descriptor states into one free list: each is the successor of the one before it, and
/// the first that of the last.
pub(super) fn link_free<T>(states: &mut [DescState<T>]) {
    let last = states.len().wrapping_sub(1);
    for (i, state) in states.iter_mut().enumerate() {
        // CAST: There are at most 32768 descriptor states.
        state.next = if i == last { 0 } else { i as u16 + 1 };
    }
}

/// Returns the descriptor state of an id.
///
/// # Safety
///
/// `id` is below the number of descriptor states.
#[inline(always)]
pub(super) unsafe fn get_mut<T>(
    states: &mut [DescState<T>],
    id: impl Into<usize>,
) -> &mut DescState<T> {
    let id = id.into();
    debug_assert!(id < states.len());
    // SAFETY: By the safety requirements, `id` is below the number of descriptor states.
    unsafe { states.get_unchecked_mut(id) }
}

/// Returns the descriptor state of an id.
///
/// # Safety
///
/// As [`get_mut`].
#[inline(always)]
pub(super) unsafe fn get<T>(states: &[DescState<T>], id: impl Into<usize>) -> &DescState<T> {
    let id = id.into();
    debug_assert!(id < states.len());
    // SAFETY: By the safety requirements, `id` is below the number of descriptor states.
    unsafe { states.get_unchecked(id) }
}

/// Returns the number of elements that a table with one element for each id of a ring needs memory
/// for, if the ring has `size` descriptors.
///
/// A processor that goes on with an id before it has found that the id is out of range reads one of
/// these. Those from `size` on are zeroes, and are not used otherwise.
pub const fn states_in_reach(size: u16) -> usize {
    (size as usize).next_power_of_two()
}

/// The bits that an id of a ring can have: those below the next power of two from its size.
///
/// A processor that goes on before it has compared an id of the device with the size reads no
/// memory but that of [`states_in_reach`] descriptor states.
#[derive(Clone, Copy)]
pub(super) struct Ids {
    mask: usize,
}

impl Ids {
    /// Creates the bits of the ids of a ring with `size` descriptors.
    pub(super) const fn new(size: u16) -> Self {
        Self {
            mask: states_in_reach(size) - 1,
        }
    }

    /// Returns `id`, or any number within reach if `id` is out of range.
    #[inline(always)]
    const fn within_reach(self, id: u32) -> usize {
        id as usize & self.mask
    }

    /// Returns an id that the device reports, as the index of one of `states`, or `None` if it is
    /// out of range.
    #[inline(always)]
    pub(super) fn index_of<T>(self, states: &[DescState<T>], id: u32) -> Option<usize> {
        // PERF: One instruction. The kernel's `array_index_nospec` has four, for any size.
        ((id as usize) < states.len()).then_some(self.within_reach(id))
    }
}

/// Forgets the tokens of all outstanding buffers, since the device may still use the buffers.
pub(super) fn forget_tokens<T>(states: &mut [DescState<T>]) {
    for state in states {
        core::mem::forget(state.token.take());
    }
}

/// A buffer that the device has used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Used<T> {
    /// The token that stands for the buffer.
    pub token: T,
    /// The number of bytes that the device reports as written, which may be any value.
    pub claimed: u32,
    /// The number of bytes that the device was allowed to write.
    pub writable_len: u32,
    /// The id that the buffer had: the result of `add`.
    pub id: u16,
}

impl<T> Used<T> {
    /// Returns the number of bytes that the device reports as written, cut to the number that it
    /// was allowed to write.
    #[inline(always)]
    #[allow(clippy::len_without_is_empty)]
    pub const fn len(&self) -> u32 {
        if self.is_cut() {
            self.writable_len
        } else {
            self.claimed
        }
    }

    /// Returns whether the device reports more bytes as written than it was allowed to write.
    #[inline(always)]
    pub const fn is_cut(&self) -> bool {
        self.claimed > self.writable_len
    }
}

/// A buffer that the device had not used when it was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unused<T> {
    /// The token that stands for the buffer.
    pub token: T,
    /// The id that the buffer had: the result of `add`.
    pub id: u16,
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::ptr::NonNull;

    #[test]
    fn two_states_of_a_token_of_two_words_in_a_cache_line() {
        assert_eq!(size_of::<DescState<(NonNull<()>, usize)>>(), 32);
        assert_eq!(size_of::<DescState<NonNull<()>>>(), 24);
    }

    #[test]
    fn h145_no_id_reaches_other_memory() {
        for size in [1, 2, 3, 5, 64, 255, 256, 1000, 1024, 32767, 32768] {
            let ids = Ids::new(size);
            for near in [0, u32::from(size), 1 << 15, 1 << 16, 1 << 31, u32::MAX] {
                for id in near.saturating_sub(2)..=near.saturating_add(2) {
                    let reached = ids.within_reach(id);
                    assert!(reached < states_in_reach(size), "{id} of {size}");
                    assert!(
                        id >= size.into() || reached == id as usize,
                        "{id} of {size}"
                    );
                }
            }
        }
    }

    #[test]
    fn an_id_out_of_range_has_no_index() {
        let states = [const { DescState::<u32>::new() }; 3];
        let found = [0, 1, 2, 3, 4, 1 << 16, u32::MAX].map(|id| Ids::new(3).index_of(&states, id));
        assert_eq!(found, [Some(0), Some(1), Some(2), None, None, None, None]);
    }
}
