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
pub struct WireIndex(u16);

impl WireIndex {
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
    pub const fn index(self) -> u16 {
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
        Self(self.index().min(size.wrapping_sub(1)) | self.0 & Self::WRAP)
    }

    /// Returns the position `count` descriptors further in a ring of `size`; `count` is at most
    /// `size`.
    #[inline(always)]
    #[must_use]
    pub const fn advance(self, count: u16, size: u16) -> Self {
        // OVERFLOW: Both summands are at most 2^15.
        let index = (self.index() as u32).wrapping_add(count as u32);
        if index >= size as u32 {
            Self(index.wrapping_sub(size as u32) as u16 | (self.0 ^ Self::WRAP) & Self::WRAP)
        } else {
            Self(index as u16 | self.0 & Self::WRAP)
        }
    }
}

/// A position in the ring, with the values of AVAIL and USED that mark a descriptor there: as
/// available for one side, or as used for the other (§2.8.1).
///
/// The lower half is a [`WireIndex`], and the upper half has AVAIL and USED as in the flags of a
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
pub struct RingPos(u32);

impl RingPos {
    /// The bits that are inverted from one lap to the next.
    const LAP: u32 = WireIndex::WRAP as u32 | ((AVAIL | USED) as u32) << 16;

    /// Returns the first descriptor of the first lap, marked by `flags`.
    const fn first(flags: u16) -> Self {
        Self(WireIndex::START.into_raw() as u32 | (flags as u32) << 16)
    }

    /// Returns the index of the descriptor.
    #[inline(always)]
    pub(super) const fn index(self) -> u16 {
        self.wire_index().index()
    }

    /// Returns AVAIL and USED alone, at bits 23 and 31.
    #[inline(always)]
    pub(super) const fn flag_bits(self) -> u32 {
        self.0 & (u16::MAX as u32) << 16
    }

    /// Returns the flags of a descriptor here that is not available yet: as after its use in the
    /// lap before.
    #[inline(always)]
    pub(super) const fn unavailable_flags(self) -> u16 {
        if self.wire_index().wrap() {
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
    pub(super) const fn wire_index(self) -> WireIndex {
        WireIndex(self.0 as u16)
    }

    /// Returns the word.
    #[inline(always)]
    pub(super) const fn into_raw(self) -> u32 {
        self.0
    }

    /// Converts back from the result of [`RingPos::into_raw`].
    #[inline(always)]
    pub(super) const fn from_raw(raw: u32) -> Self {
        Self(raw)
    }

    /// Returns the position at which the driver looks for a used descriptor.
    #[inline(always)]
    pub(super) const fn used_at(index: WireIndex) -> Self {
        let flags = if index.wrap() { AVAIL | USED } else { 0 };
        Self(index.into_raw() as u32 | (flags as u32) << 16)
    }
}

/// The position of one side, with the end of its lap.
///
/// # Invariants
///
/// - The descriptor of `pos` is one of the ring for which the cursor was made.
/// - `end` is the word one past the last descriptor of the current lap: `pos` plus the number of
///   descriptors that are left in the lap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RingCursor {
    pos: RingPos,
    end: u32,
}

impl RingCursor {
    /// Returns the position at which the driver makes descriptors available first in a ring of
    /// `size`: AVAIL is equal to the wrap counter, and USED is its inverse.
    pub(super) const fn first_avail(size: u16) -> Self {
        Self::at_lap_start(RingPos::first(AVAIL), size)
    }

    /// Returns the position at which the driver looks for used descriptors first: both flags are
    /// equal to the wrap counter.
    pub(super) const fn first_used(size: u16) -> Self {
        Self::at_lap_start(RingPos::first(AVAIL | USED), size)
    }

    /// Returns a cursor at `pos`, the beginning of a lap.
    const fn at_lap_start(pos: RingPos, size: u16) -> Self {
        // OVERFLOW: Bits 16 to 22 of the word are 0.
        let end = pos.0.wrapping_add(size as u32);
        Self { pos, end }
    }

    /// Returns the position of the cursor.
    #[inline(always)]
    pub(super) const fn pos(self) -> RingPos {
        self.pos
    }

    /// Advances by `count` descriptors in a ring of `size`, for which the cursor was made; `count`
    /// is at most `size`.
    ///
    /// PERF: `pos` is the position of the cursor, passed by a caller that has it in a register,
    /// so that it is not read again.
    #[inline(always)]
    pub(super) const fn advance(&mut self, pos: RingPos, count: u16, size: u16) {
        debug_assert!(count <= size && pos.index() < size && pos.0 == self.pos.0);
        // OVERFLOW: `next` is less than twice the size, at most 2^16, from the beginning of the
        // lap, where the index is 0. Bits 16 to 22 of a position are 0, so no carry reaches AVAIL.
        let next = pos.0.wrapping_add(count as u32);
        if next < self.end {
            // INVARIANT: The position is still before the end of the lap.
            self.pos = RingPos(next);
        } else {
            let pos = Self::in_next_lap(next, size);
            // INVARIANT: A cursor advances by not more than a lap, so this position is in the next
            // one.
            *self = Self {
                pos,
                end: Self::at_lap_start(RingPos(pos.0 & !(pos.index() as u32)), size).end,
            };
        }
    }

    /// Returns the position `count` descriptors further, under the conditions of
    /// [`RingCursor::advance`].
    #[inline(always)]
    #[must_use]
    pub(super) const fn pos_ahead(&self, count: u32, size: u16) -> RingPos {
        // OVERFLOW: No carry reaches AVAIL, as in `advance`.
        let next = self.pos.0.wrapping_add(count);
        if next < self.end {
            RingPos(next)
        } else {
            Self::in_next_lap(next, size)
        }
    }

    /// Returns the position in the next lap for a word that is at the end of its lap or behind.
    ///
    /// PERF: Needed once in a lap, and cold, so that a branch leads here.
    #[cold]
    #[inline]
    const fn in_next_lap(next: u32, size: u16) -> RingPos {
        // OVERFLOW: `next` is at least `size` from the beginning of the lap. The difference is an
        // index below 2^15, and the bits of the lap are as at its beginning.
        RingPos(next.wrapping_sub(size as u32) ^ RingPos::LAP)
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
                let mut at = WireIndex::START;
                let (mut next, mut taken) =
                    (RingCursor::first_avail(size), RingCursor::first_used(size));
                let mut total = 0u64;
                for _ in 0..1000 {
                    let round = total / u64::from(size);
                    assert_eq!(u64::from(at.index()), total % u64::from(size));
                    assert_eq!(at.wrap(), round % 2 == 0);
                    let (here, there) = (next.pos(), taken.pos());
                    assert_eq!((here.wire_index(), there.wire_index()), (at, at));
                    let flags = match at.wrap() {
                        true => [0x0080, 0x8080],
                        false => [0x8000, 0],
                    };
                    assert_eq!(
                        [here.flag_bits(), there.flag_bits()],
                        flags.map(|f| f << 16)
                    );
                    let matches = |flags: u16| there.matches(u32::from(flags) << 16 | 0x7f7f);
                    assert!(matches(flags[1] as u16 | !0x8080));
                    assert_eq!(RingPos::used_at(at), there);
                    assert_eq!(RingPos::from_raw(here.into_raw()), here);
                    assert!(!matches(flags[0] as u16) && !matches(here.unavailable_flags()));
                    assert_eq!(WireIndex::from_raw(at.into_raw()), at);
                    at = at.advance(count, size);
                    let there = at.into_raw();
                    assert_eq!(
                        next.pos_ahead(count.into(), size).wire_index().into_raw(),
                        there
                    );
                    next.advance(next.pos(), count, size);
                    taken.advance(taken.pos(), count, size);
                    total += u64::from(count);
                }
            }
        }
    }
}
