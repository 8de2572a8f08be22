// SPDX-License-Identifier: GPL-2.0

//! Taking buffers from the device (§2.7.14, §2.8.22).

use super::{
    super::{
        broken::{
            Broken,
            Report, //
        },
        desc_state::{
            self,
            Slot,
            Used, //
        },
        format::{
            Format,
            Found, //
        },
        lockless::Control,
        tables::Tables, //
    },
    Frame, //
};
use core::ops::{
    Deref,
    DerefMut, //
};

impl<F, T, S, C, L> Frame<F, T, S, C, L>
where
    F: Format,
    S: DerefMut<Target = [Slot<T>]>,
    C: Deref<Target = Control<F::Platform, F::View>>,
    L: Tables,
{
    /// Takes a buffer that the device has used, or returns `None`.
    ///
    /// The buffer is one that was added and not taken out before. A device that reports any other
    /// id or index breaks the queue ([`Frame::take_report`]). An impossible length does not
    /// ([`Used::is_cut`]).
    #[inline(always)]
    pub fn get(&mut self) -> Option<Used<T>> {
        // PERF: Only these checks are inlined at each call site, since often there is no used
        // buffer.
        if self.control.is_broken() {
            return None;
        }
        let at = self.format.at(&self.count);
        match self.look::<false>(at) {
            Ok(Found::Nothing) => None,
            Ok(found) => self.take::<false>(at, found),
            Err(report) => self.fail(report),
        }
    }

    /// First half of [`Frame::get`]: looks for a used buffer and leaves it in place. Returns `None`
    /// if the queue is broken, or [`Frame::get`] would break it.
    #[inline(always)]
    pub fn find(&mut self) -> Option<Found> {
        if self.control.is_broken() {
            return None;
        }
        let at = self.format.at(&self.count);
        self.look::<false>(at).ok()
    }

    /// Second half of [`Frame::get`]: takes the buffer that [`Frame::find`] has just found.
    #[inline(always)]
    pub fn take_found(&mut self, found: Found) -> Option<Used<T>> {
        let at = self.format.at(&self.count);
        self.take::<false>(at, found)
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

    /// Looks for a used buffer; see [`Format::look`] for `DRAIN`.
    #[inline(always)]
    pub(super) fn look<const DRAIN: bool>(&mut self, at: F::At) -> Result<Found, Report> {
        self.format
            .look::<DRAIN>(at, &self.batch, &self.control, &mut self.count)
    }

    /// Returns whether buffers of a batch are left, which the ring does not show as used.
    #[inline(always)]
    pub(super) fn in_hidden_batch(&self) -> bool {
        F::HIDES_BATCH && self.batch.goes_on()
    }

    /// Marks the queue broken by its device.
    #[cold]
    pub(super) fn fail(&mut self, report: Report) -> Option<Used<T>> {
        self.control.latch(&mut self.report, report);
        None
    }

    /// Marks the queue broken because of a used id.
    #[cold]
    fn fail_id(&mut self, reason: Broken, id: u32) -> Option<Used<T>> {
        let last = self.format.size().wrapping_sub(1);
        self.fail(Report {
            reason,
            value: id,
            limit: last.into(),
        })
    }

    /// Takes the next used buffer, which [`Format::look`] found; see [`Format::step`] for `QUIET`.
    #[inline(always)]
    pub(super) fn take<const QUIET: bool>(&mut self, at: F::At, found: Found) -> Option<Used<T>> {
        if let Found::Entry(seen) = found {
            let (id, len) = self.format.used(at, seen);
            if !F::IN_ORDER || self.is_oldest(id) {
                return self.take_id::<QUIET>(at, id, Some(len));
            }
            if !self.start_batch(id, len) {
                return None;
            }
        }
        let (id, len) = self.next_of_batch();
        self.take_id::<QUIET>(at, id, len)
    }

    /// In order: returns whether `id` is that of the oldest outstanding buffer. An id without a
    /// slot is not.
    #[inline(always)]
    fn is_oldest(&self, id: u32) -> bool {
        let slot = self.slots.get(id as usize);
        slot.is_some_and(|slot| slot.next == self.count.done)
    }

    /// In order: starts the batch whose last buffer is `id`, with `len` bytes written as the device
    /// reports (§2.7.9, §2.8.8). Returns false, with the queue broken, if there is no such batch.
    #[inline(never)]
    fn start_batch(&mut self, id: u32, len: u32) -> bool {
        let Some(slot) = self.slots.get(id as usize) else {
            self.fail_id(Broken::IdOutOfRange, id);
            return false;
        };
        if slot.token.is_none() {
            self.fail_id(Broken::NotOutstanding, id);
            return false;
        }
        let pending = self.format.pending(&self.count);
        // The number of buffers before the last one: below `pending`, unless the device reports a
        // buffer that it cannot have used.
        let skipped = slot.next.wrapping_sub(self.count.done);
        if skipped >= pending {
            let size = skipped.wrapping_add(1);
            self.fail(Report {
                reason: Broken::WrongBatch,
                value: size.into(),
                limit: pending.into(),
            });
            return false;
        }
        self.batch.start(skipped.wrapping_add(1), len);
        F::set_batched(&self.control, true);
        true
    }

    /// In order: returns the id of the next buffer of the batch, and the length if it is the last
    /// one.
    #[inline]
    fn next_of_batch(&mut self) -> (u32, Option<u32>) {
        let len = self.batch.next();
        if len.is_some() {
            F::set_batched(&self.control, false);
        }
        (self.format.oldest(self.free_id, &self.count).into(), len)
    }

    /// Takes the buffer with the id that the device reported. `len` is the reported length; without
    /// one, the buffer was used in full.
    #[inline(always)]
    fn take_id<const QUIET: bool>(
        &mut self,
        at: F::At,
        id: u32,
        len: Option<u32>,
    ) -> Option<Used<T>> {
        let Some(slot) = self.slots.get_mut(id as usize) else {
            return self.fail_id(Broken::IdOutOfRange, id);
        };
        if slot.token.is_none() {
            return self.fail_id(Broken::NotOutstanding, id);
        }
        let room = slot.room;
        let claimed = len.unwrap_or(room);
        let Some(token) = slot.token.take() else {
            return self.fail_id(Broken::NotOutstanding, id);
        };
        // CAST: `id` is the index of a slot.
        let id = id as u16;
        let (descs, tail, loan) = (slot.count, slot.tail, slot.loan);
        if !F::IN_ORDER {
            // The whole chain goes to the front of the free list.
            if F::LINKED {
                // SAFETY: By the type invariants, the `tail` of an outstanding buffer is the index
                // of a slot.
                unsafe { desc_state::at_mut(&mut self.slots, tail) }.next = self.free_id;
            } else {
                slot.next = self.free_id;
            }
            self.free_id = id;
        }
        if loan.is_some() {
            self.return_table(id);
        }
        debug_assert!(self.count.in_flight() != 0);
        debug_assert!(descs <= self.format.size() - self.count.free);
        // OVERFLOW: By the type invariants, as asserted, the sum is at most the size. The number of
        // a buffer wraps.
        self.count.free = self.count.free.wrapping_add(descs);
        self.format
            .step::<QUIET>(at, descs, &self.control, &mut self.count);
        Some(Used {
            token,
            claimed,
            room,
            id,
        })
    }
}
