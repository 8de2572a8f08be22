// SPDX-License-Identifier: GPL-2.0

//! Places in the ring and wrap counters (§2.8.1).

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

    /// Where both sides start: the first descriptor, with a wrap counter of 1.
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

/// A place from which one side goes on: as a [`Position`], with the counter as the flags that it
/// looks for or writes.
///
/// In one word: the descriptor; and from bit 16 on the flags, AVAIL and USED, both the opposite in
/// the next round.
///
/// # Invariants
///
/// The descriptor is below the size of the ring with which it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor(u32);

impl Cursor {
    /// Where the driver makes descriptors available first: AVAIL is as the wrap counter, USED its
    /// opposite.
    pub(super) const NEXT: Self = Self::new(0, AVAIL);

    /// Where it looks for used ones first: both are as the wrap counter.
    pub(super) const TAKEN: Self = Self::new(0, AVAIL | USED);

    #[inline(always)]
    const fn new(slot: u16, flags: u16) -> Self {
        Self(slot as u32 | (flags as u32) << 16)
    }

    /// The descriptor.
    #[inline(always)]
    pub(super) const fn slot(self) -> u16 {
        self.0 as u16
    }

    /// AVAIL and USED of a descriptor here.
    #[inline(always)]
    pub(super) const fn flags(self) -> u16 {
        (self.0 >> 16) as u16
    }

    /// Those of a descriptor here before it is made available: as of a used one of the round
    /// before.
    #[inline(always)]
    pub(super) const fn unavailable(self) -> u16 {
        if self.flags() & AVAIL != 0 {
            0
        } else {
            AVAIL | USED
        }
    }

    /// Whether flags say what is looked for.
    #[inline(always)]
    pub(super) const fn matches(self, flags: u16) -> bool {
        flags & (AVAIL | USED) == self.flags()
    }

    /// The place. AVAIL is as the counter for both sides.
    #[inline(always)]
    pub(super) const fn position(self) -> Position {
        Position(self.slot() | (self.flags() & AVAIL) << 8)
    }

    /// The place `count` descriptors on, in a ring of `size`; `count` is not more than that.
    #[inline(always)]
    #[must_use]
    pub(super) const fn advance(self, count: u16, size: u16) -> Self {
        debug_assert!(count <= size && self.slot() < size);
        // OVERFLOW: Both are at most 2^15, and their sum is less than twice the size: it does not
        // reach the flags.
        let next = Self(self.0.wrapping_add(count as u32));
        if next.slot() < size {
            next
        } else {
            next.wrap(size)
        }
    }

    /// The place at the beginning for one behind the end. Once in a round: cold, so that a branch
    /// leads here.
    #[cold]
    #[inline]
    const fn wrap(self, size: u16) -> Self {
        Self(self.0.wrapping_sub(size as u32) ^ ((AVAIL | USED) as u32) << 16)
    }

    /// The word.
    #[inline(always)]
    pub(super) const fn into_raw(self) -> u32 {
        self.0
    }

    /// From what [`Cursor::into_raw`] returned.
    #[inline(always)]
    pub(super) const fn from_raw(raw: u32) -> Self {
        Self(raw)
    }

    /// The place at which the driver looks for a used descriptor.
    #[inline(always)]
    pub(super) const fn taken_at(place: Position) -> Self {
        Self::new(place.slot(), if place.wrap() { AVAIL | USED } else { 0 })
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
                let (mut next, mut taken) = (Cursor::NEXT, Cursor::TAKEN);
                let mut total = 0u64;
                for _ in 0..1000 {
                    let round = total / u64::from(size);
                    assert_eq!(u64::from(at.slot()), total % u64::from(size));
                    assert_eq!(at.wrap(), round % 2 == 0);
                    assert_eq!((next.position(), taken.position()), (at, at));
                    assert!(taken.matches(taken.flags() | !0x8080));
                    assert_eq!(Cursor::taken_at(at), taken);
                    assert_eq!(Cursor::from_raw(next.into_raw()), next);
                    assert!(!taken.matches(next.flags()) && !taken.matches(next.unavailable()));
                    assert_eq!(Position::from_raw(at.into_raw()), at);
                    at = at.advance(count, size);
                    next = next.advance(count, size);
                    taken = taken.advance(count, size);
                    total += u64::from(count);
                }
            }
        }
    }
}
