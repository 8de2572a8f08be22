// SPDX-License-Identifier: GPL-2.0

//! Taking buffers from the device (§2.7.14).

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
    Control,
    Split, //
};
use core::ops::{
    Deref,
    DerefMut, //
};

impl<P, T, S, C, const IN_ORDER: bool> Split<P, T, S, C, IN_ORDER>
where
    P: Platform,
    S: DerefMut<Target = [Slot<T>]>,
    C: Deref<Target = Control<P>>,
{
    /// Takes a buffer that the device has used.
    ///
    /// The buffer is one that was added and not taken out before, and its length is not more
    /// than it has to write. A device that says anything else breaks the queue
    /// ([`Split::take_report`]).
    ///
    /// The index of the device is read, and a barrier done, when everything was taken that was
    /// there at the last time.
    #[inline]
    pub fn get(&mut self) -> Option<Used<T>> {
        if self.control.is_broken() {
            return None;
        }
        if self.last_used == self.used_seen && !self.look() {
            return None;
        }
        let used = if IN_ORDER {
            self.take_in_order()
        } else {
            self.take_any()
        };
        match used {
            Ok(used) => {
                debug_assert!(self.in_flight != 0 && self.free <= self.size());
                // OVERFLOW: By the type invariants, as asserted.
                self.in_flight = self.in_flight.wrapping_sub(1);
                self.last_used = self.last_used.wrapping_add(1);
                self.control.taken.set(self.last_used);
                if self.config.event_idx && self.last_used == self.used_seen {
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

    /// Reads the index of the device. Returns whether there are used entries.
    #[inline]
    fn look(&mut self) -> bool {
        if self.event_moved {
            // §2.7.7.1: The used event was written before the index is read, as the device reads
            // the event after it wrote the index. Pairs with the barrier there: one of the two
            // sees what the other wrote.
            P::mb(self.config.strong_barriers);
            self.event_moved = false;
        }
        let seen = self.used.index();
        if seen == self.last_used {
            return false;
        }
        if seen.wrapping_sub(self.last_used) > self.in_flight {
            self.control.latch(
                &mut self.report,
                Broken::IndexJump,
                seen.into(),
                self.last_used.wrapping_add(self.in_flight).into(),
            );
            return false;
        }
        // §2.7.14: The index is read before the entries and what is in the buffers. Pairs with
        // the barrier of the device between writing those and the index (§2.7.8.2).
        P::rmb(self.config.strong_barriers);
        self.used_seen = seen;
        true
    }

    /// After the last entry that was seen: asks for a callback at the next, if callbacks are on.
    #[inline]
    fn move_event(&mut self) {
        if self.control.off.get() == 0 {
            self.avail.set_used_event(self.last_used);
            self.event_moved = true;
        }
    }

    /// Takes the buffer of the next used entry.
    #[inline(always)]
    fn take_any(&mut self) -> Result<Used<T>, Fault> {
        let (id, len) = self.used.entry(self.last_used);
        let Some(slot) = self.slots.get_mut(id as usize) else {
            return Err((Broken::IdOutOfRange, id, self.mask.into()));
        };
        if slot.token.is_none() {
            return Err((Broken::NotOutstanding, id, self.mask.into()));
        }
        let len = written(len, slot.room, self.config.trim_lengths)?;
        let Some(token) = slot.token.take() else {
            return Err((Broken::NotOutstanding, id, self.mask.into()));
        };
        // CAST: It is the index of a slot.
        let id = id as u16;
        let (tail, table) = (slot.tail, slot.table);
        self.free = self.free.wrapping_add(slot.count);
        // The whole chain goes to the front of the free list.
        if let Some(slot) = self.slots.get_mut(usize::from(tail)) {
            slot.next = self.free_head;
        }
        self.free_head = id;
        if table != NO_TABLE {
            self.tables.give(&mut self.slots, id);
        }
        Ok(Used { token, len, id })
    }

    /// Takes the oldest buffer, which is of the current batch or starts the next (§2.7.9).
    #[inline(always)]
    fn take_in_order(&mut self) -> Result<Used<T>, Fault> {
        if self.batch.is_over(self.last_used) {
            let (id, len) = self.used.entry(self.last_used);
            let Some(slot) = self.slots.get(id as usize) else {
                return Err((Broken::IdOutOfRange, id, self.mask.into()));
            };
            if slot.token.is_none() {
                return Err((Broken::NotOutstanding, id, self.mask.into()));
            }
            let len = written(len, slot.room, self.config.trim_lengths)?;
            let pending = self.used_seen.wrapping_sub(self.last_used);
            if let Err(size) = self.batch.start(self.last_used, slot.next, len, pending) {
                return Err((Broken::WrongBatch, size.into(), pending.into()));
            }
        }
        let id = self.batch.oldest;
        let slot = self.slots.get_mut(usize::from(id));
        let Some((token, room, count, table)) = slot.and_then(|s| {
            s.token
                .take()
                .map(|token| (token, s.room, s.count, s.table))
        }) else {
            return Err((Broken::Internal, id.into(), self.mask.into()));
        };
        let len = self.batch.len(self.last_used, room);
        self.batch.oldest = id.wrapping_add(count) & self.mask;
        self.free = self.free.wrapping_add(count);
        if table != NO_TABLE {
            self.tables.give(&mut self.slots, id);
        }
        Ok(Used { token, len, id })
    }
}
