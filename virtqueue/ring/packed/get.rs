// SPDX-License-Identifier: GPL-2.0

//! Taking buffers from the device (§2.8.22).

use super::{
    super::{
        broken::{
            written,
            Broken,
            Fault, //
        },
        platform::Platform,
        slot::{
            Slot,
            Used,
            NO_TABLE, //
        },
    },
    memory::Ring,
    Control, Packed, Position,
};
use core::ops::{
    Deref,
    DerefMut, //
};

impl<P, T, S, C, const IN_ORDER: bool> Packed<P, T, S, C, IN_ORDER>
where
    P: Platform,
    S: DerefMut<Target = [Slot<T>]>,
    C: Deref<Target = Control<P>>,
{
    /// Takes a buffer that the device has used.
    ///
    /// The buffer is one that was added and not taken out before, and its length is not more
    /// than it has to write. A device that says anything else breaks the queue
    /// ([`Packed::take_report`]).
    #[inline]
    pub fn get(&mut self) -> Option<Used<T>> {
        if self.control.is_broken() {
            return None;
        }
        // Copies, which a barrier lets stay in registers.
        let (ring, at) = (self.ring, self.taken);
        let fresh = !IN_ORDER || self.batch.is_over(self.done);
        if fresh && !self.look(&ring, at) {
            return None;
        }
        let used = if IN_ORDER {
            self.take_in_order(&ring, at, fresh)
        } else {
            self.take_any(&ring, at)
        };
        match used {
            Ok((used, count)) => {
                debug_assert!(self.in_flight != 0 && count <= ring.size() - self.free);
                // OVERFLOW: By the type invariants, as asserted.
                self.in_flight = self.in_flight.wrapping_sub(1);
                self.free = self.free.wrapping_add(count);
                self.taken = at.advance(count, ring.size());
                self.control.taken.set(self.taken.into_raw());
                if self.config.event_idx {
                    self.move_event();
                }
                Some(used)
            }
            Err((reason, value, limit)) => {
                self.control.latch(&mut self.report, reason, value, limit);
                None
            }
        }
    }

    /// Takes up to `max` used buffers and gives each to `take`; returns how many.
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

    /// Returns whether the descriptor at the next place is used.
    #[inline(always)]
    fn look(&mut self, ring: &Ring<P>, at: Position) -> bool {
        // A device can only have used what it has.
        if self.in_flight == 0 {
            return false;
        }
        let mut used = at.is_used(ring.flags(at.slot()));
        if !used && self.event_moved {
            // §2.8.10: The used event was written before the flags are read, as the device reads
            // the event after it wrote flags. Pairs with the barrier there: one of the two sees
            // what the other wrote.
            P::mb(self.config.strong_barriers);
            self.event_moved = false;
            used = at.is_used(ring.flags(at.slot()));
        }
        if used {
            // §2.8.22: The flags are read before the rest of the descriptor and what is in the
            // buffer. Pairs with the barrier of the device between writing those and the flags.
            P::rmb(self.config.strong_barriers);
        }
        used
    }

    /// After a buffer was taken: asks for a callback at the next, if callbacks are on.
    #[inline(always)]
    fn move_event(&mut self) {
        if self.control.off.get() == 0 {
            self.driver.set_position(self.taken.into_raw());
            self.event_moved = true;
        }
    }

    /// Takes the buffer of the next used descriptor, and returns how many descriptors it had.
    #[inline(always)]
    fn take_any(&mut self, ring: &Ring<P>, at: Position) -> Result<(Used<T>, u16), Fault> {
        let (id, len) = ring.used(at.slot());
        let Some(slot) = self.slots.get_mut(usize::from(id)) else {
            return Err((Broken::IdOutOfRange, id.into(), ring.last()));
        };
        if slot.token.is_none() {
            return Err((Broken::NotOutstanding, id.into(), ring.last()));
        }
        let len = written(len, slot.room, self.config.trim_lengths)?;
        let Some(token) = slot.token.take() else {
            return Err((Broken::NotOutstanding, id.into(), ring.last()));
        };
        slot.next = self.free_id;
        self.free_id = id;
        let count = slot.count;
        if slot.table != NO_TABLE {
            self.tables.give(&mut self.slots, id);
        }
        Ok((Used { token, len, id }, count))
    }

    /// Takes the oldest buffer, which is of the current batch or, if `fresh`, starts the next
    /// (§2.8.8).
    #[inline(always)]
    fn take_in_order(
        &mut self,
        ring: &Ring<P>,
        at: Position,
        fresh: bool,
    ) -> Result<(Used<T>, u16), Fault> {
        let last = ring.last();
        if fresh {
            let (id, len) = ring.used(at.slot());
            let Some(slot) = self.slots.get(usize::from(id)) else {
                return Err((Broken::IdOutOfRange, id.into(), last));
            };
            if slot.token.is_none() {
                return Err((Broken::NotOutstanding, id.into(), last));
            }
            let len = written(len, slot.room, self.config.trim_lengths)?;
            if let Err(size) = self.batch.start(self.done, slot.next, len, self.in_flight) {
                return Err((Broken::WrongBatch, size.into(), self.in_flight.into()));
            }
        }
        let id = at.slot();
        let slot = self.slots.get_mut(usize::from(id));
        let Some((token, room, count, table)) = slot.and_then(|s| {
            s.token
                .take()
                .map(|token| (token, s.room, s.count, s.table))
        }) else {
            return Err((Broken::Internal, id.into(), last));
        };
        if table != NO_TABLE {
            self.tables.give(&mut self.slots, id);
        }
        let len = self.batch.len(self.done, room);
        self.done = self.done.wrapping_add(1);
        self.control
            .batched
            .set(u16::from(!self.batch.is_over(self.done)));
        Ok((Used { token, len, id }, count))
    }
}
