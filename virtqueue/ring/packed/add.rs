// SPDX-License-Identifier: GPL-2.0

//! Giving buffers to the device (§2.8.21).

use super::{
    super::{
        broken::Broken,
        desc::{
            INDIRECT,
            NEXT, //
        },
        error::AddError,
        indirect::{
            plan,
            Plan, //
        },
        platform::Platform,
        shared::Descs,
        sink::{
            Describe,
            Tally,
            Writer, //
        },
        slot::{
            Slot,
            NO_TABLE, //
        },
        tables::Table, //
    },
    memory::{
        rest,
        Ring, //
    },
    Control, Packed, Position,
};
use core::ops::{
    Deref,
    DerefMut, //
};

/// What was written for a buffer: all but the second half of the first descriptor.
struct Chain {
    /// Descriptors in the ring.
    count: u16,
    /// The place behind them.
    after: Position,
    /// Bytes that the device may write.
    room: u32,
    /// The large table that it takes, or [`NO_TABLE`].
    large: u16,
    /// What is still to be written, to let the device look at it.
    head: u64,
}

impl<P, T, S, C, const IN_ORDER: bool> Packed<P, T, S, C, IN_ORDER>
where
    P: Platform,
    S: DerefMut<Target = [Slot<T>]>,
    C: Deref<Target = Control<P>>,
{
    /// Gives a buffer of up to `segments` segments to the device, which gets to know of it with
    /// [`Packed::publish`] or [`Packed::kick_prepare`]. Returns the id of the buffer.
    ///
    /// `segments` decides how the buffer is described and whether there is room: it is best
    /// exact.
    ///
    /// # Errors
    ///
    /// The token comes back, and the device sees nothing, with an [`AddError`] or the error of
    /// the description.
    #[inline]
    pub fn add<D: Describe>(
        &mut self,
        token: T,
        segments: u16,
        buffer: &mut D,
    ) -> Result<u16, (D::Error, T)> {
        if self.control.is_broken() {
            return Err((AddError::Broken.into(), token));
        }
        let id = if IN_ORDER {
            self.next.slot()
        } else {
            self.free_id
        };
        let chain = match self.describe(id, segments, buffer) {
            Ok(chain) => chain,
            Err(e) => return Err((e, token)),
        };
        let Some(slot) = self.slots.get_mut(usize::from(id)) else {
            let last = self.ring.last();
            self.control
                .latch(&mut self.report, Broken::Internal, id.into(), last);
            return Err((AddError::Broken.into(), token));
        };
        slot.token = Some(token);
        slot.room = chain.room;
        slot.count = chain.count;
        if IN_ORDER {
            slot.next = self.made;
            self.made = self.made.wrapping_add(1);
        } else {
            self.free_id = slot.next;
        }
        if self.held.is_none() {
            self.held = Some((self.next.slot(), chain.head));
        } else {
            // Behind a descriptor that the device cannot pass yet.
            self.ring.write_rest(self.next.slot(), chain.head);
        }
        self.next = chain.after;
        if chain.large != NO_TABLE {
            self.tables.take(&mut self.slots, id, chain.large);
        }
        debug_assert!(chain.count <= self.free && self.in_flight < self.ring.size());
        // OVERFLOW: By the type invariants, as asserted; the count of adds is too large to.
        self.free = self.free.wrapping_sub(chain.count);
        self.in_flight = self.in_flight.wrapping_add(1);
        self.added = self.added.wrapping_add(u64::from(chain.count));
        Ok(id)
    }

    /// Writes descriptors for a buffer, the first at the next place.
    #[inline(always)]
    fn describe<D: Describe>(
        &self,
        id: u16,
        segments: u16,
        buffer: &mut D,
    ) -> Result<Chain, D::Error> {
        match plan::<P>(
            self.config.indirect,
            &self.tables,
            id,
            segments,
            self.free,
            self.ring.size(),
        )? {
            Plan::Table(Table { descs, addr, large }) => {
                let mut sink = Indirect {
                    table: &descs,
                    tally: Tally::new(segments),
                };
                buffer.describe(&mut sink)?;
                let room = sink.tally.finish()?;
                self.ring.write_addr(self.next.slot(), addr);
                // §2.8.7: The one descriptor of the ring has neither NEXT nor WRITE.
                let flags = INDIRECT | self.next.available();
                Ok(Chain {
                    count: 1,
                    after: self.next.advance(1, self.ring.size()),
                    room,
                    large,
                    head: rest(u32::from(sink.tally.count) << 4, id, flags),
                })
            }
            Plan::Direct => {
                let mut sink = Direct {
                    ring: &self.ring,
                    id,
                    tally: Tally::new(segments),
                    at: self.next,
                    head: 0,
                    last: (0, 0),
                };
                let finished = match buffer.describe(&mut sink) {
                    Ok(()) => sink.finish().map_err(D::Error::from),
                    Err(e) => Err(e),
                };
                match finished {
                    Ok(room) => Ok(Chain {
                        count: sink.tally.count,
                        after: sink.at.advance(1, self.ring.size()),
                        room,
                        large: NO_TABLE,
                        head: sink.head,
                    }),
                    Err(e) => {
                        self.withdraw(sink.tally.count);
                        Err(e)
                    }
                }
            }
        }
    }

    /// Makes the descriptors behind the next place unavailable again: those of a buffer of which
    /// the first `count` segments were told. The device has not looked at them, as it has not
    /// passed the first, and must not take them for available when it has.
    #[cold]
    fn withdraw(&self, count: u16) {
        let mut at = self.next;
        for _ in 1..count {
            at = at.advance(1, self.ring.size());
            self.ring.write_flags(at.slot(), at.unavailable());
        }
    }
}

/// Writes segments to the descriptors from a place on.
struct Direct<'a, P> {
    ring: &'a Ring<P>,
    id: u16,
    tally: Tally,
    /// The place of `last`.
    at: Position,
    /// The second half of the first descriptor, once it is known.
    head: u64,
    /// The segment that came last: its length and its kind. Whether another follows is in its
    /// flags, so they are written when that is known.
    last: (u32, u16),
}

impl<P: Platform> Writer for Direct<'_, P> {
    #[inline(always)]
    fn tally(&mut self) -> &mut Tally {
        &mut self.tally
    }

    #[inline(always)]
    fn push(&mut self, addr: u64, len: u32, kind: u16) {
        if self.tally.count > 1 {
            self.write(NEXT, self.tally.count == 2);
            self.at = self.at.advance(1, self.ring.size());
        }
        self.ring.write_addr(self.at.slot(), addr);
        self.last = (len, kind);
    }
}

impl<P: Platform> Direct<'_, P> {
    #[inline(always)]
    fn write(&mut self, flags: u16, first: bool) {
        let (len, kind) = self.last;
        let rest = rest(len, self.id, kind | flags | self.at.available());
        if first {
            self.head = rest;
        } else {
            self.ring.write_rest(self.at.slot(), rest);
        }
    }

    #[inline(always)]
    fn finish(&mut self) -> Result<u32, AddError> {
        let room = self.tally.finish()?;
        self.write(0, self.tally.count == 1);
        Ok(room)
    }
}

/// Writes segments to an indirect table, in which only WRITE means something (§2.8.7).
struct Indirect<'a, P> {
    table: &'a Descs<P, false>,
    tally: Tally,
}

impl<P: Platform> Writer for Indirect<'_, P> {
    #[inline(always)]
    fn tally(&mut self) -> &mut Tally {
        &mut self.tally
    }

    #[inline(always)]
    fn push(&mut self, addr: u64, len: u32, kind: u16) {
        self.table
            .write(self.tally.last(), addr.to_le(), rest(len, 0, kind));
    }
}
