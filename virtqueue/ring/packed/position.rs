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
/// # Invariants
///
/// `slot` is below the size of the ring with which it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    slot: u16,
    /// AVAIL and USED of a descriptor here: both the opposite in the next round.
    flags: u16,
}

impl Cursor {
    /// Where the driver makes descriptors available first: AVAIL is as the wrap counter, USED its
    /// opposite.
    pub(super) const NEXT: Self = Self {
        slot: 0,
        flags: AVAIL,
    };

    /// Where it looks for used ones first: both are as the wrap counter.
    pub(super) const TAKEN: Self = Self {
        slot: 0,
        flags: AVAIL | USED,
    };

    /// The descriptor.
    #[inline(always)]
    pub(super) const fn slot(self) -> u16 {
        self.slot
    }

    /// AVAIL and USED of a descriptor here.
    #[inline(always)]
    pub(super) const fn flags(self) -> u16 {
        self.flags
    }

    /// Those of a descriptor here before it is made available: as of a used one of the round
    /// before.
    #[inline(always)]
    pub(super) const fn unavailable(self) -> u16 {
        if self.flags & AVAIL != 0 {
            0
        } else {
            AVAIL | USED
        }
    }

    /// Whether flags say what is looked for.
    #[inline(always)]
    pub(super) const fn matches(self, flags: u16) -> bool {
        flags & (AVAIL | USED) == self.flags
    }

    /// The place. AVAIL is as the counter for both sides.
    #[inline(always)]
    pub(super) const fn position(self) -> Position {
        Position(self.slot | (self.flags & AVAIL) << 8)
    }

    /// Goes `count` descriptors on, in a ring of `size`; `count` is not more than that.
    #[inline(always)]
    pub(super) const fn go(&mut self, count: u16, size: u16) {
        debug_assert!(count <= size && self.slot < size);
        // OVERFLOW: Both are at most 2^15, and their sum is less than twice the size.
        self.slot = self.slot.wrapping_add(count);
        if self.slot >= size {
            self.wrap(size);
        }
    }

    /// From a place behind the end to that at the beginning. Once in a round: cold, so that a
    /// branch leads here, and the flags are not touched otherwise.
    #[cold]
    #[inline]
    const fn wrap(&mut self, size: u16) {
        self.slot = self.slot.wrapping_sub(size);
        self.flags ^= AVAIL | USED;
    }

    /// The place `count` descriptors on, as by [`Cursor::go`].
    #[inline(always)]
    #[must_use]
    pub(super) const fn advance(mut self, count: u16, size: u16) -> Self {
        self.go(count, size);
        self
    }

    /// Both in one word.
    #[inline(always)]
    pub(super) const fn into_raw(self) -> u32 {
        self.slot as u32 | (self.flags as u32) << 16
    }

    /// From what [`Cursor::into_raw`] returned.
    #[inline(always)]
    pub(super) const fn from_raw(raw: u32) -> Self {
        Self {
            // CAST: The halves.
            slot: raw as u16,
            flags: (raw >> 16) as u16,
        }
    }

    /// The place at which the driver looks for a used descriptor.
    #[inline(always)]
    pub(super) const fn taken_at(place: Position) -> Self {
        Self {
            slot: place.slot(),
            flags: if place.wrap() { AVAIL | USED } else { 0 },
        }
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
