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
            SegmentCounter, //
        },
    },
    desc_ref::DescRef,
    memory::{
        rest,
        rest_at,
        DescRing, //
    },
    position::RingCursor, //
};

/// Writes the descriptors of a buffer, the first at `avail_pos`. The second half of the first
/// descriptor is left out, because it makes the buffer available.
///
/// # Safety
///
/// `next` is a position in `ring`, and `avail_pos` that position. A table of `plan` has room for as
/// many segments as `buffer` may have.
#[inline(always)]
pub(super) unsafe fn describe<S, B, M, P, const COMMON: bool>(
    ring: &DescRing<P>,
    avail_pos: DescRef<P>,
    next: RingCursor,
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
            // buffer may have, which is the limit of its counter.
            let table = Indirect { descs, next: 0 };
            let written = buffer.write(table).map_err(|(e, _)| e)?;
            avail_pos.write_addr(addr);
            // §2.8.7: The one descriptor of the ring has neither NEXT nor WRITE.
            Ok(Chain {
                count: 1,
                tail: 0,
                after: 0,
                writable_len: written.writable_len,
                head: rest_at(u32::from(written.count) << 4, id, INDIRECT, avail_pos.pos()),
            })
        }
        Plan::Direct => {
            // INVARIANT: By the safety requirements.
            let chain = Direct {
                ring,
                avail_pos,
                id,
                begun: false,
                at: next,
                head: 0,
                last: 0,
            };
            let written = match buffer.write(chain) {
                Ok(written) => written,
                Err((e, count)) => {
                    // SAFETY: By the safety requirements, `next` is a position in the ring.
                    unsafe { withdraw(ring, next, count) };
                    return Err(e);
                }
            };
            Ok(Chain {
                count: written.count,
                tail: 0,
                after: 0,
                writable_len: written.writable_len,
                head: written.descs.head,
            })
        }
    }
}

/// The descriptors from a position on, to which segments are written.
///
/// Every descriptor has NEXT, unless the counter is full. If the buffer ends before that, its last
/// descriptor is written again without it, while the device does not look at it.
///
/// # Invariants
///
/// `at` is a position in `ring`.
struct Direct<'a, P> {
    ring: &'a DescRing<P>,
    /// The position of the first descriptor.
    avail_pos: DescRef<P>,
    id: u16,
    /// Whether there was a segment.
    begun: bool,
    /// The position for the next segment.
    at: RingCursor,
    /// The second half of the first descriptor, and of the last one.
    head: u64,
    last: u64,
}

impl<P: Platform> Descriptors for Direct<'_, P> {
    #[inline(always)]
    fn push(&mut self, counter: &SegmentCounter, addr: u64, len: u32, kind: u16) {
        let next = if counter.is_full() { 0 } else { NEXT };
        let at = self.at.pos();
        self.last = rest_at(len, self.id, kind | next, at);
        if !self.begun {
            self.begun = true;
            self.avail_pos.write_addr(addr);
            self.head = self.last;
        } else {
            // SAFETY: By the type invariant, `at` is a position in the ring.
            let desc = unsafe { self.ring.desc_at(at) };
            desc.write_addr(addr);
            desc.write_rest(self.last);
        }
        self.at.advance(at, 1, self.ring.size());
    }

    #[inline(always)]
    fn end(&mut self, counter: &SegmentCounter) {
        let rest = self.last & !rest(0, 0, NEXT);
        if counter.count() == 1 {
            self.head = rest;
        } else {
            let size = self.ring.size();
            // The position before `at`: a whole lap ahead, less one.
            let last = self.at.pos_ahead(u32::from(size) - 1, size);
            // SAFETY: By the type invariant, `at` is a position in the ring, and so is `last`.
            unsafe { self.ring.desc_at(last) }.write_rest(rest);
        }
    }
}

/// Makes the descriptors of a buffer unavailable again, whose first `count` segments were written
/// from `next` on. The first descriptor was not made available, so the device has not looked at
/// those behind it. It must not find them available when it gets there with a later buffer.
///
/// # Safety
///
/// `next` is a position in `ring`.
#[cold]
unsafe fn withdraw<P: Platform>(ring: &DescRing<P>, next: RingCursor, count: u16) {
    let mut at = next;
    for _ in 1..count {
        at.advance(at.pos(), 1, ring.size());
        // SAFETY: By the safety requirements, `next` is a position in the ring; a cursor stays in
        // the ring.
        let desc = unsafe { ring.desc_at(at.pos()) };
        desc.write_flags(desc.pos().unavailable_flags().to_le());
    }
}

/// An indirect table to which segments are written. Of the flags, only WRITE has a meaning there
/// (§2.8.7).
///
/// # Invariants
///
/// `descs` are as many descriptors as the limit of the counter that it is used with. `next` is the
/// number of segments that were written.
struct Indirect<P> {
    descs: Descs<P>,
    /// The index of the descriptor for the next segment.
    next: u16,
}

impl<P: Platform> Descriptors for Indirect<P> {
    #[inline(always)]
    fn push(&mut self, _counter: &SegmentCounter, addr: u64, len: u32, kind: u16) {
        // SAFETY: The counter includes the segment, so that, by the type invariant, `next` is below
        // its limit, and below the number of descriptors.
        unsafe {
            self.descs
                .write(self.next, addr.to_le(), rest(len, 0, kind))
        };
        // OVERFLOW: It was below the limit.
        self.next = self.next.wrapping_add(1);
    }

    #[inline(always)]
    fn end(&mut self, _counter: &SegmentCounter) {
        // No descriptor of a table has NEXT.
    }
}
