// SPDX-License-Identifier: GPL-2.0

//! Positions in a packed ring, and wrap counters (§2.8.1).

use super::memory::{
    AVAIL,
    USED, //
};

/// An index in a packed ring with its wrap counter, as the driver and the device exchange it
/// (§2.8.14).
///
/// ```text
/// bit 15      bits 14..0
/// +------+-------------------------+
/// | wrap | index of the descriptor |
/// +------+-------------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position(u16);

impl Position {
    const WRAP: u16 = 1 << 15;

    /// The start of both sides: the first descriptor, with a wrap counter of 1.
    pub const START: Self = Self(Self::WRAP);

    /// Returns the word.
    #[inline(always)]
    pub const fn into_raw(self) -> u16 {
        self.0
    }

    /// Converts from a word, of which any value is valid.
    #[inline(always)]
    pub const fn from_raw(raw: u16) -> Self {
        Self(raw)
    }

    /// Returns the index of the descriptor.
    #[inline(always)]
    pub const fn slot(self) -> u16 {
        self.0 & !Self::WRAP
    }

    /// Returns the wrap counter.
    #[inline(always)]
    pub const fn wrap(self) -> bool {
        self.0 & Self::WRAP != 0
    }

    /// Returns this position if it is in a ring of `size`, which is not 0, and otherwise the last
    /// descriptor of that ring.
    #[inline]
    #[must_use]
    pub(super) fn clamp(self, size: u16) -> Self {
        Self(self.slot().min(size.wrapping_sub(1)) | self.0 & Self::WRAP)
    }

    /// Returns the position `count` descriptors further in a ring of `size`; `count` is at most
    /// `size`.
    #[inline(always)]
    #[must_use]
    pub const fn advance(self, count: u16, size: u16) -> Self {
        // OVERFLOW: Both summands are at most 2^15.
        let slot = (self.slot() as u32).wrapping_add(count as u32);
        if slot >= size as u32 {
            Self(slot.wrapping_sub(size as u32) as u16 | (self.0 ^ Self::WRAP) & Self::WRAP)
        } else {
            Self(slot as u16 | self.0 & Self::WRAP)
        }
    }
}

/// A position in the ring, with the values of AVAIL and USED that mark a descriptor there: as
/// available for one side, or as used for the other (§2.8.1).
///
/// The lower half is a [`Position`], and the upper half has AVAIL and USED as in the flags of a
/// descriptor:
///
/// ```text
/// bit 31  30..24  bit 23  22..16  bit 15      bits 14..0
/// +------+-------+-------+-------+------+-------------------------+
/// | USED |   0   | AVAIL |   0   | wrap | index of the descriptor |
/// +------+-------+-------+-------+------+-------------------------+
/// ```
///
/// USED, AVAIL and `wrap` are all inverted from one lap to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place(u32);

impl Place {
    /// The bits that are inverted from one lap to the next.
    const ROUND: u32 = Position::WRAP as u32 | ((AVAIL | USED) as u32) << 16;

    /// Returns the first descriptor of the first lap, marked by `flags`.
    const fn first(flags: u16) -> Self {
        Self(Position::START.into_raw() as u32 | (flags as u32) << 16)
    }

    /// Returns the index of the descriptor.
    #[inline(always)]
    pub(super) const fn slot(self) -> u16 {
        self.position().slot()
    }

    /// Returns AVAIL and USED alone, at bits 23 and 31.
    #[inline(always)]
    pub(super) const fn upper(self) -> u32 {
        self.0 & (u16::MAX as u32) << 16
    }

    /// Returns the flags of a descriptor here that is not available yet: as after its use in the
    /// lap before.
    #[inline(always)]
    pub(super) const fn unavailable(self) -> u16 {
        if self.position().wrap() {
            0
        } else {
            AVAIL | USED
        }
    }

    /// Returns whether AVAIL and USED in the upper half of `word` are those of this position.
    #[inline(always)]
    pub(super) const fn matches(self, word: u32) -> bool {
        (word ^ self.0) & ((AVAIL | USED) as u32) << 16 == 0
    }

    /// Returns the index and the wrap counter.
    #[inline(always)]
    pub(super) const fn position(self) -> Position {
        Position(self.0 as u16)
    }

    /// Returns the word.
    #[inline(always)]
    pub(super) const fn into_raw(self) -> u32 {
        self.0
    }

    /// Converts back from the result of [`Place::into_raw`].
    #[inline(always)]
    pub(super) const fn from_raw(raw: u32) -> Self {
        Self(raw)
    }

    /// Returns the position at which the driver looks for a used descriptor.
    #[inline(always)]
    pub(super) const fn taken_at(position: Position) -> Self {
        let flags = if position.wrap() { AVAIL | USED } else { 0 };
        Self(position.into_raw() as u32 | (flags as u32) << 16)
    }
}

/// The position of one side, with the end of its lap.
///
/// # Invariants
///
/// - The descriptor of `place` is one of the ring for which the cursor was made.
/// - `end` is the word one past the last descriptor of the current lap: `place` plus the number of
///   descriptors that are left in the lap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    place: Place,
    end: u32,
}

impl Cursor {
    /// Returns the position at which the driver makes descriptors available first in a ring of
    /// `size`: AVAIL is equal to the wrap counter, and USED is its inverse.
    pub(super) const fn next(size: u16) -> Self {
        Self::start(Place::first(AVAIL), size)
    }

    /// Returns the position at which the driver looks for used descriptors first: both flags are
    /// equal to the wrap counter.
    pub(super) const fn taken(size: u16) -> Self {
        Self::start(Place::first(AVAIL | USED), size)
    }

    /// Returns a cursor at `place`, the beginning of a lap.
    const fn start(place: Place, size: u16) -> Self {
        // OVERFLOW: Bits 16 to 22 of the word are 0.
        let end = place.0.wrapping_add(size as u32);
        Self { place, end }
    }

    /// Returns the position of the cursor.
    #[inline(always)]
    pub(super) const fn place(self) -> Place {
        self.place
    }

    /// Advances by `count` descriptors in a ring of `size`, for which the cursor was made; `count`
    /// is at most `size`.
    ///
    /// PERF: `place` is the position of the cursor, passed by a caller that has it in a register,
    /// so that it is not read again.
    #[inline(always)]
    pub(super) const fn go(&mut self, place: Place, count: u16, size: u16) {
        debug_assert!(count <= size && place.slot() < size && place.0 == self.place.0);
        // OVERFLOW: `next` is less than twice the size, at most 2^16, from the beginning of the
        // lap, where the index is 0. Bits 16 to 22 of a position are 0, so no carry reaches AVAIL.
        let next = place.0.wrapping_add(count as u32);
        if next < self.end {
            // INVARIANT: The position is still before the end of the lap.
            self.place = Place(next);
        } else {
            let place = Self::wrapped(next, size);
            // INVARIANT: A cursor advances by not more than a lap, so this position is in the next
            // one.
            *self = Self {
                place,
                end: Self::start(Place(place.0 & !(place.slot() as u32)), size).end,
            };
        }
    }

    /// Returns the position `count` descriptors further, under the conditions of [`Cursor::go`].
    #[inline(always)]
    #[must_use]
    pub(super) const fn ahead(&self, count: u32, size: u16) -> Place {
        // OVERFLOW: No carry reaches AVAIL, as in `go`.
        let next = self.place.0.wrapping_add(count);
        if next < self.end {
            Place(next)
        } else {
            Self::wrapped(next, size)
        }
    }

    /// Returns the position in the next lap for a word that is at the end of its lap or behind.
    ///
    /// PERF: Needed once in a lap, and cold, so that a branch leads here.
    #[cold]
    #[inline]
    const fn wrapped(next: u32, size: u16) -> Place {
        // OVERFLOW: `next` is at least `size` from the beginning of the lap. The difference is an
        // index below 2^15, and the bits of the lap are as at its beginning.
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
