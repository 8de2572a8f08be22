// SPDX-License-Identifier: GPL-2.0

//! A descriptor of the ring, which both sides write and read (§2.8.13).

use super::{
    super::{
        desc::Desc,
        platform::Platform,
        shared::Descs, //
    },
    position::Place, //
};

/// A descriptor of the ring, and its place.
///
/// # Invariants
///
/// `desc` is the descriptor at `place`, in the ring that it was made by.
#[derive(Clone, Copy)]
pub struct Spot<P> {
    desc: Descs<P>,
    place: Place,
}

impl<P: Platform> Spot<P> {
    /// A place in a ring.
    ///
    /// # Safety
    ///
    /// `place` is one in the ring of which these are the descriptors.
    #[inline(always)]
    pub(super) unsafe fn new(descs: Descs<P>, place: Place) -> Self {
        // INVARIANT: By the safety requirements.
        Self {
            // SAFETY: By the safety requirements, the place is bounded by the number of
            // descriptors.
            desc: unsafe { descs.from(place.slot()) },
            place,
        }
    }

    #[inline(always)]
    pub(super) fn place(self) -> Place {
        self.place
    }

    /// A pointer to a part of the descriptor: a `T` that is `N` of its size from the beginning.
    #[inline(always)]
    fn part<T, const N: usize>(self) -> *mut T {
        const { assert!((N + 1) * size_of::<T>() <= size_of::<Desc>()) };
        // SAFETY: By the type invariants, and as asserted, in the descriptor.
        unsafe { self.desc.at(0).cast::<T>().add(N) }
    }

    /// Writes the first half.
    #[inline(always)]
    pub(super) fn write_addr(self, addr: u64) {
        // SAFETY: By the type invariants, `desc` is a descriptor of the ring, which is mapped.
        unsafe { self.desc.write_addr(0, addr.to_le()) };
    }

    /// Writes the second half, which the device does not look at yet.
    #[inline(always)]
    pub(super) fn write_rest(self, rest: u64) {
        // SAFETY: By the type invariants, `desc` is a descriptor of the ring, which is mapped.
        unsafe { self.desc.write_rest(0, rest) };
    }

    /// Writes the second half, with flags that let the device look at it. All that it may look at
    /// then is written before.
    ///
    /// §2.8.21.1: The flags are the last to be written. Where eight bytes are written at once,
    /// the length and the id come with them.
    #[inline(always)]
    pub(super) fn publish(self, rest: u64, strong: bool) {
        if P::STORE64_IS_WHOLE {
            P::wmb(strong);
            self.write_rest(rest);
        } else {
            self.publish_in_parts(rest, strong);
        }
    }

    /// As [`Spot::publish`], on a processor that writes less than eight bytes at once.
    #[inline(never)]
    fn publish_in_parts(self, rest: u64, strong: bool) {
        let [a, b, c, d, id0, id1, flags0, flags1] = rest.to_ne_bytes();
        // SAFETY: Parts of the descriptor.
        unsafe {
            P::store32(self.part::<_, 2>(), u32::from_ne_bytes([a, b, c, d]));
            P::store16(self.part::<_, 6>(), u16::from_ne_bytes([id0, id1]));
        }
        P::wmb(strong);
        self.write_flags(u16::from_ne_bytes([flags0, flags1]));
    }

    /// Writes the flags alone, in the order of the ring.
    #[inline]
    pub(super) fn write_flags(self, flags: u16) {
        // SAFETY: A part of the descriptor.
        unsafe { P::store16(self.part::<_, 7>(), flags) };
    }

    /// Reads the flags, and says whether they are those of a used descriptor here (§2.8.1).
    ///
    /// The id is read with them, and of use if so: the device writes it before, so that no moment
    /// shows those flags without it. What else the descriptor has is to be read after a barrier.
    #[inline(always)]
    pub(super) fn look(self) -> (bool, u16) {
        // SAFETY: A part of the descriptor: its last four bytes.
        let word = u32::from_le(unsafe { P::load32(self.part::<_, 3>()) });
        // CAST: The lower half.
        (self.place.matches(word), word as u16)
    }

    /// Reads the length of a used descriptor (§2.8.22).
    #[inline(always)]
    pub(super) fn len(self) -> u32 {
        // SAFETY: A part of the descriptor.
        u32::from_le(unsafe { P::load32(self.part::<_, 2>()) })
    }
}
