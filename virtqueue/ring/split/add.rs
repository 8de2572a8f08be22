// SPDX-License-Identifier: GPL-2.0

//! Describing buffers (§2.7.5, §2.7.13.1).

use super::{
    super::{
        desc::{
            INDIRECT,
            NEXT, //
        },
        desc_state::{
            self,
            DescState, //
        },
        endian::Endian,
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
    memory::Areas, //
};

/// Writes the descriptors of a buffer, the first at `head`.
///
/// # Safety
///
/// There are as many descriptor states as descriptors; `head`, and `next` in the descriptor states
/// where buffers are not in order, are below that number. A table of `plan` has room for as many
/// segments as `buffer` may have.
#[inline(always)]
pub(super) unsafe fn describe<S, B, M, P, T, const IN_ORDER: bool, const COMMON: bool>(
    areas: &Areas<P>,
    head: u16,
    plan: Plan<P>,
    states: &[DescState<T>],
    buffer: NewBuffer<'_, B, M, COMMON>,
) -> Result<Chain, S::Error>
where
    S: Piece,
    B: Segments<S>,
    M: Translate<S>,
    P: Platform,
{
    let endian = areas.endian();
    match plan {
        Plan::Table(Table { descs, addr }) => {
            // INVARIANT: By the safety requirements, the table has room for as many segments as the
            // buffer may have, which is the limit of its counter.
            let table = Indirect {
                descs,
                endian,
                last: 0,
            };
            let written = buffer.write(table).map_err(|(e, _)| e)?;
            // §2.7.5.3: The one descriptor of the ring has neither NEXT nor WRITE.
            let rest = endian.join(u32::from(written.count) << 4, INDIRECT, 0);
            // SAFETY: Bounded by the safety requirements.
            unsafe { areas.desc().write(head, endian.u64(addr), rest) };
            Ok(Chain {
                count: 1,
                tail: head,
                // SAFETY: By the safety requirements, `head` is below the number of descriptor
                // states.
                after: unsafe { after::<_, _, IN_ORDER>(areas, states, head) },
                writable_len: written.writable_len,
                head: 0,
            })
        }
        Plan::Direct => {
            // INVARIANT: By the safety requirements.
            let chain = Direct::<_, _, IN_ORDER> {
                areas,
                states,
                at: head,
                after: head,
                last: 0,
            };
            let written = buffer.write(chain).map_err(|(e, _)| e)?;
            Ok(Chain {
                count: written.count,
                tail: written.descs.at,
                after: written.descs.after,
                writable_len: written.writable_len,
                head: 0,
            })
        }
    }
}

/// Returns the free descriptor that follows a free one.
///
/// # Safety
///
/// `at` is below the number of descriptor states.
#[inline(always)]
unsafe fn after<P: Platform, T, const IN_ORDER: bool>(
    areas: &Areas<P>,
    states: &[DescState<T>],
    at: u16,
) -> u16 {
    if IN_ORDER {
        at.wrapping_add(1) & areas.mask()
    } else {
        // SAFETY: By the safety requirements, `at` is below the number of descriptor states.
        unsafe { desc_state::get(states, at) }.next
    }
}

/// Returns the second half of a descriptor, in the byte order of the ring.
///
/// Every descriptor has NEXT and a link, unless `counter` is full. If the buffer ends before that,
/// its last descriptor is written again without them, while the device cannot see it.
#[inline(always)]
fn rest(endian: Endian, counter: &SegmentCounter, len: u32, kind: u16, next: u16) -> u64 {
    if counter.is_full() {
        endian.join(len, kind, 0)
    } else {
        endian.join(len, kind | NEXT, next)
    }
}

/// Returns the value that `rest` would have been for the last segment.
#[cold]
fn unlinked(endian: Endian, rest: u64) -> u64 {
    rest & !endian.join(0, NEXT, u16::MAX)
}

/// A chain of free descriptors to which segments are written (§2.7.13.1).
///
/// # Invariants
///
/// `at` and `after` are below the number of descriptors and of descriptor states.
struct Direct<'a, P, T, const IN_ORDER: bool> {
    areas: &'a Areas<P>,
    states: &'a [DescState<T>],
    /// The last descriptor.
    at: u16,
    /// The free descriptor that follows it.
    after: u16,
    /// The second half of the last descriptor.
    last: u64,
}

impl<P: Platform, T, const IN_ORDER: bool> Descriptors for Direct<'_, P, T, IN_ORDER> {
    #[inline(always)]
    fn push(&mut self, counter: &SegmentCounter, addr: u64, len: u32, kind: u16) {
        let endian = self.areas.endian();
        self.at = self.after;
        // SAFETY: By the type invariant, `at` is below the number of descriptor states.
        // INVARIANT: So is the result: it is masked, or by the safety requirements of `describe`.
        self.after = unsafe { after::<_, _, IN_ORDER>(self.areas, self.states, self.at) };
        self.last = rest(endian, counter, len, kind, self.after);
        // SAFETY: By the type invariant, `at` is below the number of descriptors.
        unsafe {
            self.areas
                .desc()
                .write(self.at, endian.u64(addr), self.last)
        };
    }

    #[inline(always)]
    fn end(&mut self, _counter: &SegmentCounter) {
        let rest = unlinked(self.areas.endian(), self.last);
        // SAFETY: By the type invariant, `at` is below the number of descriptors.
        unsafe { self.areas.desc().write_rest(self.at, rest) };
    }
}

/// An indirect table to which segments are written (§2.7.5.3).
///
/// # Invariants
///
/// `descs` are as many descriptors as the limit of the counter that it is used with.
struct Indirect<P> {
    descs: Descs<P>,
    endian: Endian,
    /// The second half of the last descriptor.
    last: u64,
}

impl<P: Platform> Descriptors for Indirect<P> {
    #[inline(always)]
    fn push(&mut self, counter: &SegmentCounter, addr: u64, len: u32, kind: u16) {
        self.last = rest(self.endian, counter, len, kind, counter.count());
        // SAFETY: The index of a counted segment is below the limit of the counter, and so, by the
        // type invariant, below the number of descriptors.
        unsafe {
            self.descs
                .write(counter.last(), self.endian.u64(addr), self.last)
        };
    }

    #[inline(always)]
    fn end(&mut self, counter: &SegmentCounter) {
        let rest = unlinked(self.endian, self.last);
        // SAFETY: As in `push`. There is a last segment: a buffer without one was refused.
        unsafe { self.descs.write_rest(counter.last(), rest) };
    }
}
