// SPDX-License-Identifier: GPL-2.0

//! Describing buffers (§2.7.5, §2.7.13.1).

use super::{
    super::{
        desc::{
            INDIRECT,
            NEXT, //
        },
        endian::Endian,
        error::AddError,
        indirect::Plan,
        platform::Platform,
        shared::Descs,
        sink::{
            Chain,
            Describe,
            Tally,
            Writer, //
        },
        slot::{
            self,
            Slot, //
        },
        tables::Table, //
    },
    memory::Areas, //
};

/// Writes descriptors for a buffer, the first at `head`.
///
/// # Safety
///
/// There are as many slots as descriptors; `head`, and `next` in the slots where buffers are not in
/// order, are below that number.
#[inline(always)]
pub(super) unsafe fn describe<P: Platform, D: Describe, T, const IN_ORDER: bool>(
    areas: &Areas<P>,
    head: u16,
    segments: u16,
    plan: Plan<P>,
    slots: &[Slot<T>],
    buffer: &mut D,
) -> Result<Chain, D::Error> {
    let endian = areas.endian();
    match plan {
        Plan::Table(Table { descs, addr }) => {
            let mut sink = Indirect {
                descs,
                endian,
                tally: Tally::new(segments),
                last: 0,
            };
            buffer.describe(&mut sink)?;
            let room = sink.finish()?;
            // §2.7.5.3: The one descriptor of the ring has neither NEXT nor WRITE.
            let rest = endian.join(u32::from(sink.tally.count()) << 4, INDIRECT, 0);
            // SAFETY: Bounded by the safety requirements.
            unsafe { areas.desc().write(head, endian.u64(addr), rest) };
            Ok(Chain {
                count: 1,
                tail: head,
                // SAFETY: By the safety requirements, `head` is below the number of slots.
                after: unsafe { after::<_, _, IN_ORDER>(areas, slots, head) },
                room,
                head: 0,
            })
        }
        Plan::Direct => {
            let mut sink = Direct::<_, _, IN_ORDER> {
                areas,
                slots,
                tally: Tally::new(segments),
                at: head,
                after: head,
                last: 0,
            };
            buffer.describe(&mut sink)?;
            let room = sink.finish()?;
            Ok(Chain {
                count: sink.tally.count(),
                tail: sink.at,
                after: sink.after,
                room,
                head: 0,
            })
        }
    }
}

/// The free descriptor behind a free one.
///
/// # Safety
///
/// `at` is below the number of slots.
#[inline(always)]
unsafe fn after<P: Platform, T, const IN_ORDER: bool>(
    areas: &Areas<P>,
    slots: &[Slot<T>],
    at: u16,
) -> u16 {
    if IN_ORDER {
        at.wrapping_add(1) & areas.mask()
    } else {
        // SAFETY: By the safety requirements, `at` is below the number of slots.
        unsafe { slot::at(slots, at) }.next
    }
}

/// The second half of a descriptor, in the order of the ring.
///
/// Each one but that of the last segment that is to come has NEXT, and a link. If it turns out that
/// there were less, the last one is written again: the device has not seen it.
#[inline(always)]
fn rest(endian: Endian, tally: &Tally, len: u32, kind: u16, next: u16) -> u64 {
    if tally.is_full() {
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

/// Writes segments to a chain of free descriptors (§2.7.13.1).
///
/// # Invariants
///
/// `at` and `after` are below the number of descriptors and of slots.
struct Direct<'a, P, T, const IN_ORDER: bool> {
    areas: &'a Areas<P>,
    slots: &'a [Slot<T>],
    tally: Tally,
    /// The last descriptor.
    at: u16,
    /// The free descriptor behind it.
    after: u16,
    /// The second half of the last descriptor.
    last: u64,
}

impl<P: Platform, T, const IN_ORDER: bool> Writer for Direct<'_, P, T, IN_ORDER> {
    #[inline(always)]
    fn tally(&mut self) -> &mut Tally {
        &mut self.tally
    }

    #[inline(always)]
    fn push(&mut self, addr: u64, len: u32, kind: u16) {
        let endian = self.areas.endian();
        self.at = self.after;
        // SAFETY: By the type invariant, which holds for what is returned too.
        self.after = unsafe { after::<_, _, IN_ORDER>(self.areas, self.slots, self.at) };
        self.last = rest(endian, &self.tally, len, kind, self.after);
        // SAFETY: Bounded by the type invariant.
        unsafe {
            self.areas
                .desc()
                .write(self.at, endian.u64(addr), self.last)
        };
    }
}

impl<P: Platform, T, const IN_ORDER: bool> Direct<'_, P, T, IN_ORDER> {
    #[inline(always)]
    fn finish(&self) -> Result<u32, AddError> {
        let room = self.tally.finish()?;
        if !self.tally.is_full() {
            let rest = unlinked(self.areas.endian(), self.last);
            // SAFETY: Bounded by the type invariant.
            unsafe { self.areas.desc().write_rest(self.at, rest) };
        }
        Ok(room)
    }
}

/// Writes segments to an indirect table (§2.7.5.3).
///
/// # Invariants
///
/// `descs` are as many descriptors as the limit of `tally`.
struct Indirect<P> {
    descs: Descs<P>,
    endian: Endian,
    tally: Tally,
    /// The second half of the last descriptor.
    last: u64,
}

impl<P: Platform> Writer for Indirect<P> {
    #[inline(always)]
    fn tally(&mut self) -> &mut Tally {
        &mut self.tally
    }

    #[inline(always)]
    fn push(&mut self, addr: u64, len: u32, kind: u16) {
        self.last = rest(self.endian, &self.tally, len, kind, self.tally.count());
        // SAFETY: Bounded by the type invariant: what is counted is not above the limit.
        unsafe {
            self.descs
                .write(self.tally.last(), self.endian.u64(addr), self.last)
        };
    }
}

impl<P: Platform> Indirect<P> {
    #[inline(always)]
    fn finish(&self) -> Result<u32, AddError> {
        let room = self.tally.finish()?;
        if !self.tally.is_full() {
            let rest = unlinked(self.endian, self.last);
            // SAFETY: As in `push`; there is one, as the tally says.
            unsafe { self.descs.write_rest(self.tally.last(), rest) };
        }
        Ok(room)
    }
}
