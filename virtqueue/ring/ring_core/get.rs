// SPDX-License-Identifier: GPL-2.0

//! Taking buffers from the device (§2.7.14, §2.8.22).

use super::{
    super::{
        broken::{
            BrokenReason,
            BrokenReport, //
        },
        desc_state::{
            self,
            DescState,
            Used, //
        },
        format::{
            Format,
            Found, //
        },
        lockless::LocklessState,
        tables::Tables, //
    },
    RingCore, //
};
use core::ops::{
    Deref,
    DerefMut, //
};

impl<F, T, S, C, L> RingCore<F, T, S, C, L>
where
    F: Format,
    S: DerefMut<Target = [DescState<T>]>,
    C: Deref<Target = LocklessState<F::Platform, F::View>>,
    L: Tables,
{
    /// Takes a buffer that the device has used, or returns `None`.
    ///
    /// The buffer is one that was added and not taken out before. A device that reports any other
    /// id or index breaks the queue ([`RingCore::take_broken_report`]). An impossible length does
    /// not ([`Used::is_cut`]).
    #[inline(always)]
    pub fn get(&mut self) -> Option<Used<T>> {
        // PERF: Only these checks are inlined at each call site, since often there is no used
        // buffer.
        if self.lockless.is_broken() {
            return None;
        }
        let used_pos = self.format.used_pos(&self.count);
        match self.peek_used::<false>(used_pos) {
            Ok(Found::Nothing) => None,
            Ok(found) => self.take::<false>(used_pos, found),
            Err(report) => {
                self.fail(report);
                None
            }
        }
    }

    /// Looks for a used buffer and leaves it in place: the first half of [`RingCore::get`]. Returns
    /// `None` if the queue is broken, or [`RingCore::get`] would break it.
    #[inline(always)]
    pub fn find(&mut self) -> Option<Found> {
        if self.lockless.is_broken() {
            return None;
        }
        let used_pos = self.format.used_pos(&self.count);
        self.peek_used::<false>(used_pos).ok()
    }

    /// Takes the buffer that [`RingCore::find`] has just found: the second half of
    /// [`RingCore::get`].
    #[inline(always)]
    pub fn take_found(&mut self, found: Found) -> Option<Used<T>> {
        let used_pos = self.format.used_pos(&self.count);
        self.take::<false>(used_pos, found)
    }

    /// Takes up to `max` used buffers and passes each to `take`. Returns their number.
    #[inline]
    pub fn get_batch(&mut self, max: usize, mut take: impl FnMut(Used<T>)) -> usize {
        for n in 0..max {
            match self.get() {
                Some(used) => take(used),
                None => return n,
            }
        }
        max
    }

    /// Looks for a used buffer; see [`Format::peek_used`] for `DRAINING`.
    #[inline(always)]
    pub(super) fn peek_used<const DRAINING: bool>(
        &mut self,
        used_pos: F::UsedPos,
    ) -> Result<Found, BrokenReport> {
        self.format
            .peek_used::<DRAINING>(used_pos, &self.batch, &self.lockless, &mut self.count)
    }

    /// Returns whether buffers of a batch are left, which the ring does not show as used.
    #[inline(always)]
    pub(super) fn in_hidden_batch(&self) -> bool {
        F::HIDES_BATCH && self.batch.has_more()
    }

    /// Marks the queue broken by its device.
    #[cold]
    #[inline(never)]
    pub(super) fn fail(&mut self, report: BrokenReport) {
        self.lockless.set_broken_once(&mut self.report, report);
    }

    /// Marks the queue broken because of a used id.
    #[cold]
    #[inline(never)]
    pub(super) fn fail_id(&mut self, reason: BrokenReason, id: u32) {
        let last = self.format.size().wrapping_sub(1);
        self.fail(BrokenReport {
            reason,
            value: id,
            limit: last.into(),
        });
    }

    /// Takes the next used buffer, which [`Format::peek_used`] found; see [`Format::advance_used`]
    /// for `DRAINING`.
    #[inline(always)]
    pub(super) fn take<const DRAINING: bool>(
        &mut self,
        used_pos: F::UsedPos,
        found: Found,
    ) -> Option<Used<T>> {
        if let Found::Entry(seen) = found {
            let (id, len) = self.format.used(used_pos, seen);
            if !F::IN_ORDER || self.is_oldest(id) {
                return self.take_id::<DRAINING>(used_pos, id, Some(len));
            }
            if !self.start_batch(id, len) {
                return None;
            }
        }
        let (id, len) = self.next_of_batch();
        self.take_id::<DRAINING>(used_pos, id, len)
    }

    /// In order: returns whether `id` is that of the oldest outstanding buffer. An id without a
    /// descriptor state is not.
    #[inline(always)]
    fn is_oldest(&self, id: u32) -> bool {
        let Some(id) = self.ids.index_of(&self.states, id) else {
            return false;
        };
        // SAFETY: `id` is the index of a descriptor state, as just found.
        unsafe { desc_state::get(&self.states, id) }.next == self.count.total_taken
    }

    /// In order: starts the batch whose last buffer is `id`, with `len` bytes written as the device
    /// reports (§2.7.9, §2.8.8). Returns false, with the queue broken, if there is no such batch.
    #[inline(never)]
    fn start_batch(&mut self, id: u32, len: u32) -> bool {
        let Some(index) = self.ids.index_of(&self.states, id) else {
            self.fail_id(BrokenReason::IdOutOfRange, id);
            return false;
        };
        // SAFETY: `index` is that of a descriptor state, as just found.
        let state = unsafe { desc_state::get(&self.states, index) };
        if state.token.is_none() {
            self.fail_id(BrokenReason::NotOutstanding, id);
            return false;
        }
        let pending = self.format.pending(&self.count);
        // The number of buffers before the last one: below `pending`, unless the device reports a
        // buffer that it cannot have used.
        let skipped = state.next.wrapping_sub(self.count.total_taken);
        if skipped >= pending {
            let size = skipped.wrapping_add(1);
            self.fail(BrokenReport {
                reason: BrokenReason::WrongBatch,
                value: size.into(),
                limit: pending.into(),
            });
            return false;
        }
        self.batch.start(skipped.wrapping_add(1), len);
        F::set_batched(&self.lockless, true);
        true
    }

    /// In order: returns the id of the next buffer of the batch, and the length if it is the last
    /// one.
    #[inline]
    fn next_of_batch(&mut self) -> (u32, Option<u32>) {
        let len = self.batch.next();
        if len.is_some() {
            F::set_batched(&self.lockless, false);
        }
        (self.format.oldest(self.free_head, &self.count).into(), len)
    }

    /// Takes the buffer with the id that the device reported. `len` is the reported length; without
    /// one, the buffer was used in full.
    #[inline(always)]
    pub(super) fn take_id<const DRAINING: bool>(
        &mut self,
        used_pos: F::UsedPos,
        id: u32,
        len: Option<u32>,
    ) -> Option<Used<T>> {
        let Some(index) = self.ids.index_of(&self.states, id) else {
            self.fail_id(BrokenReason::IdOutOfRange, id);
            return None;
        };
        // SAFETY: `index` is that of a descriptor state, as just found.
        let state = unsafe { desc_state::get_mut(&mut self.states, index) };
        if state.token.is_none() {
            self.fail_id(BrokenReason::NotOutstanding, id);
            return None;
        }
        let writable_len = state.writable_len;
        let claimed = len.unwrap_or(writable_len);
        let Some(token) = state.token.take() else {
            self.fail_id(BrokenReason::NotOutstanding, id);
            return None;
        };
        // CAST: There are at most 32768 descriptor states.
        let id = index as u16;
        let (descs, tail, loan) = (state.count, state.tail, state.loan);
        if !F::IN_ORDER {
            // The whole chain goes to the front of the free list.
            if F::LINKED {
                // SAFETY: By the type invariants, the `tail` of an outstanding buffer is the index
                // of a descriptor state.
                unsafe { desc_state::get_mut(&mut self.states, tail) }.next = self.free_head;
            } else {
                state.next = self.free_head;
            }
            self.free_head = id;
        }
        if loan.is_some() {
            self.return_table(id);
        }
        debug_assert!(self.count.outstanding() != 0);
        debug_assert!(descs <= self.format.size() - self.count.free);
        // OVERFLOW: By the type invariants, as asserted, the sum is at most the size. The number of
        // a buffer wraps.
        self.count.free = self.count.free.wrapping_add(descs);
        self.format
            .advance_used::<DRAINING>(used_pos, descs, &self.lockless, &mut self.count);
        Some(Used {
            token,
            claimed,
            writable_len,
            id,
        })
    }
}
