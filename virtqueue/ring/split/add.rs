// SPDX-License-Identifier: GPL-2.0

//! Giving buffers to the device (§2.7.13).

use super::{
    super::{
        broken::Broken,
        desc::{
            INDIRECT,
            NEXT, //
        },
        endian::Endian,
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
    Control,
    Split, //
};
use core::ops::{
    Deref,
    DerefMut, //
};

/// What was written for a buffer.
struct Chain {
    /// Descriptors in the ring.
    count: u16,
    /// The last of them.
    tail: u16,
    /// The free descriptor that follows.
    after: u16,
    /// Bytes that the device may write.
    room: u32,
    /// The large table that it takes, or [`NO_TABLE`].
    large: u16,
}

impl<P, T, S, C, const IN_ORDER: bool> Split<P, T, S, C, IN_ORDER>
where
    P: Platform,
    S: DerefMut<Target = [Slot<T>]>,
    C: Deref<Target = Control<P>>,
{
    /// Gives a buffer of up to `segments` segments to the device, which gets to know of it with
    /// [`Split::publish`] or [`Split::kick_prepare`]. Returns the id of the buffer.
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
        let head = self.free_head;
        let chain = match self.describe(head, segments, buffer) {
            Ok(chain) => chain,
            Err(e) => return Err((e, token)),
        };
        let Some(slot) = self.slots.get_mut(usize::from(head)) else {
            self.control.latch(
                &mut self.report,
                Broken::Internal,
                head.into(),
                self.mask.into(),
            );
            return Err((AddError::Broken.into(), token));
        };
        slot.token = Some(token);
        slot.room = chain.room;
        slot.count = chain.count;
        if IN_ORDER {
            slot.next = self.next;
        } else {
            slot.tail = chain.tail;
        }
        self.free_head = chain.after;
        if chain.large != NO_TABLE {
            self.tables.take(&mut self.slots, head, chain.large);
        }
        debug_assert!(chain.count <= self.free && self.in_flight <= self.mask);
        // OVERFLOW: By the type invariants, as asserted; the count of adds is too large to.
        self.free = self.free.wrapping_sub(chain.count);
        self.in_flight = self.in_flight.wrapping_add(1);
        // §2.7.13.2: The entry, which the device reads once the index is past it.
        self.avail.set_entry(self.next, head);
        self.next = self.next.wrapping_add(1);
        self.added = self.added.wrapping_add(1);
        Ok(head)
    }

    /// Writes descriptors for a buffer, the first at `head`.
    #[inline(always)]
    fn describe<D: Describe>(
        &self,
        head: u16,
        segments: u16,
        buffer: &mut D,
    ) -> Result<Chain, D::Error> {
        let endian = self.config.endian;
        match plan::<P>(
            self.config.indirect,
            &self.tables,
            head,
            segments,
            self.free,
            self.size(),
        )? {
            Plan::Table(Table { descs, addr, large }) => {
                let mut sink = Indirect {
                    table: &descs,
                    endian,
                    tally: Tally::new(segments),
                    last: Segment::NONE,
                };
                buffer.describe(&mut sink)?;
                let (count, room) = sink.finish()?;
                // §2.7.5.3: The one descriptor of the ring has neither NEXT nor WRITE.
                let rest = endian.join(u32::from(count) << 4, INDIRECT, 0);
                self.desc.write(head, endian.u64(addr), rest);
                Ok(Chain {
                    count: 1,
                    tail: head,
                    after: after::<T, IN_ORDER>(&self.slots, head, self.mask),
                    room,
                    large,
                })
            }
            Plan::Direct => {
                let mut sink = Direct::<_, _, IN_ORDER> {
                    desc: &self.desc,
                    slots: &self.slots,
                    mask: self.mask,
                    endian,
                    tally: Tally::new(segments),
                    at: head,
                    after: head,
                    last: Segment::NONE,
                };
                buffer.describe(&mut sink)?;
                let room = sink.finish()?;
                Ok(Chain {
                    count: sink.tally.count,
                    tail: sink.at,
                    after: sink.after,
                    room,
                    large: NO_TABLE,
                })
            }
        }
    }
}

/// The free descriptor behind a free one.
#[inline(always)]
fn after<T, const IN_ORDER: bool>(slots: &[Slot<T>], at: u16, mask: u16) -> u16 {
    if IN_ORDER {
        at.wrapping_add(1) & mask
    } else {
        // There is a slot for each descriptor.
        slots.get(usize::from(at)).map_or(0, |slot| slot.next)
    }
}

/// The segment that came last. It is written when it is known whether another follows.
#[derive(Clone, Copy)]
struct Segment {
    addr: u64,
    len: u32,
    flags: u16,
}

impl Segment {
    const NONE: Self = Self {
        addr: 0,
        len: 0,
        flags: 0,
    };
}

/// Writes segments to a chain of free descriptors (§2.7.13.1).
struct Direct<'a, P, T, const IN_ORDER: bool> {
    desc: &'a Descs<P, true>,
    slots: &'a [Slot<T>],
    mask: u16,
    endian: Endian,
    tally: Tally,
    /// The descriptor for `last`.
    at: u16,
    /// The free descriptor behind it.
    after: u16,
    last: Segment,
}

impl<P: Platform, T, const IN_ORDER: bool> Writer for Direct<'_, P, T, IN_ORDER> {
    #[inline(always)]
    fn tally(&mut self) -> &mut Tally {
        &mut self.tally
    }

    #[inline(always)]
    fn push(&mut self, addr: u64, len: u32, kind: u16) {
        if self.tally.count > 1 {
            self.write(NEXT, self.after);
            self.at = self.after;
        }
        self.after = after::<T, IN_ORDER>(self.slots, self.at, self.mask);
        self.last = Segment {
            addr,
            len,
            flags: kind,
        };
    }
}

impl<P: Platform, T, const IN_ORDER: bool> Direct<'_, P, T, IN_ORDER> {
    #[inline(always)]
    fn write(&self, flags: u16, next: u16) {
        let Segment {
            addr,
            len,
            flags: kind,
        } = self.last;
        let rest = self.endian.join(len, kind | flags, next);
        self.desc.write(self.at, self.endian.u64(addr), rest);
    }

    #[inline(always)]
    fn finish(&self) -> Result<u32, AddError> {
        let room = self.tally.finish()?;
        self.write(0, 0);
        Ok(room)
    }
}

/// Writes segments to an indirect table (§2.7.5.3).
struct Indirect<'a, P> {
    table: &'a Descs<P, false>,
    endian: Endian,
    tally: Tally,
    last: Segment,
}

impl<P: Platform> Writer for Indirect<'_, P> {
    #[inline(always)]
    fn tally(&mut self) -> &mut Tally {
        &mut self.tally
    }

    #[inline(always)]
    fn push(&mut self, addr: u64, len: u32, kind: u16) {
        if self.tally.count > 1 {
            let at = self.tally.last();
            self.write(at.wrapping_sub(1), NEXT, at);
        }
        self.last = Segment {
            addr,
            len,
            flags: kind,
        };
    }
}

impl<P: Platform> Indirect<'_, P> {
    #[inline(always)]
    fn write(&self, at: u16, flags: u16, next: u16) {
        let Segment {
            addr,
            len,
            flags: kind,
        } = self.last;
        let rest = self.endian.join(len, kind | flags, next);
        self.table.write(at, self.endian.u64(addr), rest);
    }

    #[inline(always)]
    fn finish(&self) -> Result<(u16, u32), AddError> {
        let room = self.tally.finish()?;
        self.write(self.tally.last(), 0, 0);
        Ok((self.tally.count, room))
    }
}
