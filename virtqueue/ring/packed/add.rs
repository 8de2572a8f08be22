// SPDX-License-Identifier: GPL-2.0

//! Describing buffers (§2.8.6, §2.8.7, §2.8.21).

use super::{
    super::{
        desc::{
            INDIRECT,
            NEXT, //
        },
        indirect::Plan,
        platform::Platform,
        segments::{
            Piece,
            Segments,
            Translate, //
        },
        shared::Descs,
        tables::Table,
        writer::{
            Chain,
            Descriptors,
            NewBuffer,
            Tally, //
        },
    },
    memory::{
        rest,
        rest_at,
        Ring, //
    },
    position::Cursor,
    spot::Spot, //
};

/// Writes the descriptors of a buffer, the first at `to`: all but the second half of that.
///
/// # Safety
///
/// `next` is a position in `ring`, and `to` that position. A table of `plan` has room for as many
/// segments as `buffer` may have.
#[inline(always)]
pub(super) unsafe fn describe<S, B, M, P, const COMMON: bool>(
    ring: &Ring<P>,
    to: Spot<P>,
    next: Cursor,
    id: u16,
    plan: Plan<P>,
    buffer: NewBuffer<'_, B, M, COMMON>,
) -> Result<Chain, S::Error>
where
    S: Piece,
    B: Segments<S>,
    M: Translate<S>,
    P: Platform,
{
    match plan {
        Plan::Table(Table { descs, addr }) => {
            // INVARIANT: By the safety requirements, the table has room for as many segments as the
            // buffer may have, which is the limit of its tally.
            let table = Indirect { descs, next: 0 };
            let written = buffer.write(table).map_err(|(e, _)| e)?;
            to.write_addr(addr);
            // §2.8.7: The one descriptor of the ring has neither NEXT nor WRITE.
            Ok(Chain {
                count: 1,
                tail: 0,
                after: 0,
                room: written.room,
                head: rest_at(u32::from(written.count) << 4, id, INDIRECT, to.place()),
            })
        }
        Plan::Direct => {
            // INVARIANT: By the safety requirements.
            let chain = Direct {
                ring,
                to,
                id,
                begun: false,
                at: next,
                head: 0,
                last: 0,
            };
            let written = match buffer.write(chain) {
                Ok(written) => written,
                Err((e, count)) => {
                    // SAFETY: By the safety requirements, `next` is a place in the ring; `count`
                    // descriptors were written from there.
                    unsafe { withdraw(ring, next, count) };
                    return Err(e);
                }
            };
            Ok(Chain {
                count: written.count,
                tail: 0,
                after: 0,
                room: written.room,
                head: written.descs.head,
            })
        }
    }
}

/// Writes segments to the descriptors from a place on.
///
/// Each one but that of the last segment that is to come has NEXT. If it turns out that there were
/// less, the last one is written again: the device has not looked at it.
///
/// # Invariants
///
/// `at` is a place in `ring`.
struct Direct<'a, P> {
    ring: &'a Ring<P>,
    /// The place of the first descriptor.
    to: Spot<P>,
    id: u16,
    /// Whether there was a segment.
    begun: bool,
    /// The place for the next segment.
    at: Cursor,
    /// The second half of the first descriptor, and of the last one.
    head: u64,
    last: u64,
}

impl<P: Platform> Descriptors for Direct<'_, P> {
    #[inline(always)]
    fn push(&mut self, tally: &Tally, addr: u64, len: u32, kind: u16) {
        let next = if tally.is_full() { 0 } else { NEXT };
        let at = self.at.place();
        self.last = rest_at(len, self.id, kind | next, at);
        if !self.begun {
            self.begun = true;
            self.to.write_addr(addr);
            self.head = self.last;
        } else {
            // SAFETY: By the type invariant, `at` is a place in the ring.
            let spot = unsafe { self.ring.spot(at) };
            spot.write_addr(addr);
            spot.write_rest(self.last);
        }
        self.at.go(at, 1, self.ring.size());
    }

    #[inline(always)]
    fn end(&mut self, tally: &Tally) {
        let rest = self.last & !rest(0, 0, NEXT);
        if tally.count() == 1 {
            self.head = rest;
        } else {
            let size = self.ring.size();
            // The one before, that is all but one of the ring behind.
            let last = self.at.ahead(u32::from(size) - 1, size);
            // SAFETY: By the type invariant, `last` is a place in the ring.
            unsafe { self.ring.spot(last) }.write_rest(rest);
        }
    }
}

/// Makes the descriptors behind the next place unavailable again: those of a buffer of which the
/// first `count` segments were written. The device has not looked at them, as it has not passed the
/// first, and must not take them for available when it has.
///
/// # Safety
///
/// `next` is a place in `ring`.
#[cold]
unsafe fn withdraw<P: Platform>(ring: &Ring<P>, next: Cursor, count: u16) {
    let mut at = next;
    for _ in 1..count {
        at.go(at.place(), 1, ring.size());
        // SAFETY: By the safety requirements, and the invariants of cursors.
        let spot = unsafe { ring.spot(at.place()) };
        spot.write_flags(spot.place().unavailable().to_le());
    }
}

/// Writes segments to an indirect table, in which only WRITE means something (§2.8.7).
///
/// # Invariants
///
/// `descs` are as many descriptors as the limit of the tally that it is used with.
struct Indirect<P> {
    descs: Descs<P>,
    /// The descriptor for the next segment: as many as were counted.
    next: u16,
}

impl<P: Platform> Descriptors for Indirect<P> {
    #[inline(always)]
    fn push(&mut self, _tally: &Tally, addr: u64, len: u32, kind: u16) {
        // SAFETY: Bounded by the type invariant: what is counted is not above the limit.
        unsafe {
            self.descs
                .write(self.next, addr.to_le(), rest(len, 0, kind))
        };
        // OVERFLOW: As above.
        self.next = self.next.wrapping_add(1);
    }

    #[inline(always)]
    fn end(&mut self, _tally: &Tally) {
        // None has NEXT.
    }
}
