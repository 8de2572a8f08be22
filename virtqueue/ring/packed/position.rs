// SPDX-License-Identifier: GPL-2.0

//! Positions in the ring, and wrap counters (§2.8.1).

use super::memory::{
    AVAIL,
    USED, //
};

/// A place in a packed ring: a descriptor, and the wrap counter of the round in which it is.
///
/// In one word, as §2.8.14 has it: the counter is the highest bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position(u16);

impl Position {
    const WRAP: u16 = 1 << 15;

    /// The start of both sides: the first descriptor, with a wrap counter of 1.
    pub const START: Self = Self(Self::WRAP);

    /// The word.
    #[inline(always)]
    pub const fn into_raw(self) -> u16 {
        self.0
    }

    /// From a word.
    #[inline(always)]
    pub const fn from_raw(raw: u16) -> Self {
        Self(raw)
    }

    /// The descriptor.
    #[inline(always)]
    pub const fn slot(self) -> u16 {
        self.0 & !Self::WRAP
    }

    /// The wrap counter.
    #[inline(always)]
    pub const fn wrap(self) -> bool {
        self.0 & Self::WRAP != 0
    }

    /// The same in a ring of `size`, which is not 0; the last one there, if there is none such.
    #[inline]
    #[must_use]
    pub(super) fn clamp(self, size: u16) -> Self {
        Self(self.slot().min(size.wrapping_sub(1)) | self.0 & Self::WRAP)
    }

    /// The place `count` descriptors on, in a ring of `size`; `count` is not more than that.
    #[inline(always)]
    #[must_use]
    pub const fn advance(self, count: u16, size: u16) -> Self {
        // OVERFLOW: Both are at most 2^15.
        let slot = (self.slot() as u32).wrapping_add(count as u32);
        if slot >= size as u32 {
            Self(slot.wrapping_sub(size as u32) as u16 | (self.0 ^ Self::WRAP) & Self::WRAP)
        } else {
            Self(slot as u16 | self.0 & Self::WRAP)
        }
    }
}

/// A place in the ring, with AVAIL and USED of the descriptors that one side writes, or looks for,
/// there.
///
/// In one word: the [`Position`], and from bit 16 on the flags. All of the word but the descriptor
/// is the opposite in the next round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place(u32);

impl Place {
    /// The bits that change from one round to the next.
    const ROUND: u32 = Position::WRAP as u32 | ((AVAIL | USED) as u32) << 16;

    /// The first descriptor, in the first round, where `flags` are those of that.
    const fn first(flags: u16) -> Self {
        Self(Position::START.into_raw() as u32 | (flags as u32) << 16)
    }

    /// The descriptor.
    #[inline(always)]
    pub(super) const fn slot(self) -> u16 {
        self.position().slot()
    }

    /// The flags alone, where they are in the word.
    #[inline(always)]
    pub(super) const fn upper(self) -> u32 {
        self.0 & (u16::MAX as u32) << 16
    }

    /// Those of a descriptor here before it is made available: as of a used one of the round
    /// before.
    #[inline(always)]
    pub(super) const fn unavailable(self) -> u16 {
        if self.position().wrap() {
            0
        } else {
            AVAIL | USED
        }
    }

    /// Whether flags, the upper half of `word`, say what is looked for.
    #[inline(always)]
    pub(super) const fn matches(self, word: u32) -> bool {
        (word ^ self.0) & ((AVAIL | USED) as u32) << 16 == 0
    }

    /// The place as both sides tell it to each other.
    #[inline(always)]
    pub(super) const fn position(self) -> Position {
        Position(self.0 as u16)
    }

    /// The word.
    #[inline(always)]
    pub(super) const fn into_raw(self) -> u32 {
        self.0
    }

    /// From what [`Place::into_raw`] returned.
    #[inline(always)]
    pub(super) const fn from_raw(raw: u32) -> Self {
        Self(raw)
    }

    /// The place at which the driver looks for a used descriptor.
    #[inline(always)]
    pub(super) const fn taken_at(position: Position) -> Self {
        let flags = if position.wrap() { AVAIL | USED } else { 0 };
        Self(position.into_raw() as u32 | (flags as u32) << 16)
    }
}

/// A place from which one side goes on through a ring.
///
/// # Invariants
///
/// - The descriptor of `place` is one of the ring for which the cursor was made.
/// - `end` is the word of `place` on, for as many descriptors as are left in this round: what that
///   of the place behind the last one would be, if there were one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    place: Place,
    end: u32,
}

impl Cursor {
    /// Returns the place at which the driver makes descriptors available first in a ring of `size`:
    /// AVAIL is as the wrap counter, USED its opposite.
    pub(super) const fn next(size: u16) -> Self {
        Self::start(Place::first(AVAIL), size)
    }

    /// Returns the place at which it looks for used ones first: both are as the wrap counter.
    pub(super) const fn taken(size: u16) -> Self {
        Self::start(Place::first(AVAIL | USED), size)
    }

    /// At the beginning of a round.
    const fn start(place: Place, size: u16) -> Self {
        // OVERFLOW: The bits from 16 to 22 are not set.
        let end = place.0.wrapping_add(size as u32);
        Self { place, end }
    }

    /// Returns the place of the cursor.
    #[inline(always)]
    pub(super) const fn place(self) -> Place {
        self.place
    }

    /// Goes `count` descriptors on, in a ring of `size`, for which the cursor was made; `count` is
    /// not more than that.
    ///
    /// `place` is where the cursor is: a caller that has it need not read it again.
    #[inline(always)]
    pub(super) const fn go(&mut self, place: Place, count: u16, size: u16) {
        debug_assert!(count <= size && place.slot() < size && place.0 == self.place.0);
        // OVERFLOW: From the beginning of the round, where that many bits are zero, the sum is less
        // than twice the size, which is at most 2^15.
        let next = place.0.wrapping_add(count as u32);
        if next < self.end {
            // INVARIANT: Still before the end.
            self.place = Place(next);
        } else {
            let place = Self::wrapped(next, size);
            // INVARIANT: A cursor goes on by not more than a round, so this is in the next one.
            *self = Self {
                place,
                end: Self::start(Place(place.0 & !(place.slot() as u32)), size).end,
            };
        }
    }

    /// The place `count` descriptors on, as [`Cursor::go`] has it.
    #[inline(always)]
    #[must_use]
    pub(super) const fn ahead(&self, count: u32, size: u16) -> Place {
        // OVERFLOW: As in `go`.
        let next = self.place.0.wrapping_add(count);
        if next < self.end {
            Place(next)
        } else {
            Self::wrapped(next, size)
        }
    }

    /// The place in the next round for what is not before the end of one. Once in a round: cold, so
    /// that a branch leads here.
    #[cold]
    #[inline]
    const fn wrapped(next: u32, size: u16) -> Place {
        // OVERFLOW: It is `size` or more from the beginning of the round. What is left then is less
        // than 2^15, and the bits of the round are as they were.
        Place(next.wrapping_sub(size as u32) ^ Place::ROUND)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn around_rings_of_every_kind_of_size() {
        for size in [1u16, 2, 3, 7, 256, 1000, 32767, 32768] {
            for count in [1, 2, 3, size / 2, size - 1, size] {
                if count == 0 || count > size {
                    continue;
                }
                let mut at = Position::START;
                let (mut next, mut taken) = (Cursor::next(size), Cursor::taken(size));
                let mut total = 0u64;
                for _ in 0..1000 {
                    let round = total / u64::from(size);
                    assert_eq!(u64::from(at.slot()), total % u64::from(size));
                    assert_eq!(at.wrap(), round % 2 == 0);
                    let (here, there) = (next.place(), taken.place());
                    assert_eq!((here.position(), there.position()), (at, at));
                    let flags = match at.wrap() {
                        true => [0x0080, 0x8080],
                        false => [0x8000, 0],
                    };
                    assert_eq!([here.upper(), there.upper()], flags.map(|f| f << 16));
                    let matches = |flags: u16| there.matches(u32::from(flags) << 16 | 0x7f7f);
                    assert!(matches(flags[1] as u16 | !0x8080));
                    assert_eq!(Place::taken_at(at), there);
                    assert_eq!(Place::from_raw(here.into_raw()), here);
                    assert!(!matches(flags[0] as u16) && !matches(here.unavailable()));
                    assert_eq!(Position::from_raw(at.into_raw()), at);
                    at = at.advance(count, size);
                    let there = at.into_raw();
                    assert_eq!(next.ahead(count.into(), size).position().into_raw(), there);
                    next.go(next.place(), count, size);
                    taken.go(taken.place(), count, size);
                    total += u64::from(count);
                }
            }
        }
    }
}
