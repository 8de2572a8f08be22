// SPDX-License-Identifier: GPL-2.0

//! A descriptor of a packed ring, which both sides write and read (§2.8.13).

use super::{
    super::{
        desc::Desc,
        platform::Platform,
        shared::Descs, //
    },
    position::RingPos, //
};

/// A descriptor of the ring, and its position.
///
/// # Invariants
///
/// `desc` is the mapped descriptor at `pos`, in the ring that it was made by.
#[derive(Clone, Copy)]
pub struct DescRef<P> {
    desc: Descs<P>,
    pos: RingPos,
}

impl<P: Platform> DescRef<P> {
    /// Creates a reference to the descriptor at `pos`.
    ///
    /// # Safety
    ///
    /// `pos` is a position in the ring of which `descs` are the descriptors.
    #[inline(always)]
    pub(super) unsafe fn new(descs: Descs<P>, pos: RingPos) -> Self {
        // INVARIANT: By the safety requirements, `descs` has a descriptor at `pos`.
        Self {
            // SAFETY: By the safety requirements, the index of `pos` is bounded by the number of
            // descriptors.
            desc: unsafe { descs.from(pos.index()) },
            pos,
        }
    }

    #[inline(always)]
    pub(super) fn pos(self) -> RingPos {
        self.pos
    }

    /// Returns a pointer to a part of the descriptor: the `T` that is `N` times its size from the
    /// beginning.
    #[inline(always)]
    fn part<T, const N: usize>(self) -> *mut T {
        const { assert!((N + 1) * size_of::<T>() <= size_of::<Desc>()) };
        // SAFETY: By the type invariants, `desc` is a mapped descriptor. The part is within it, as
        // asserted.
        unsafe { self.desc.at(0).cast::<T>().add(N) }
    }

    /// Writes the first half: the address.
    #[inline(always)]
    pub(super) fn write_addr(self, addr: u64) {
        // SAFETY: By the type invariants, `desc` is a descriptor of the ring, which is mapped.
        unsafe { self.desc.write_addr(0, addr.to_le()) };
    }

    /// Writes the second half of a descriptor that the device does not look at yet.
    #[inline(always)]
    pub(super) fn write_rest(self, rest: u64) {
        // SAFETY: By the type invariants, `desc` is a descriptor of the ring, which is mapped.
        unsafe { self.desc.write_rest(0, rest) };
    }

    /// Writes the second half of a descriptor, with flags that make it available. A barrier orders
    /// every earlier write before the flags.
    ///
    /// §2.8.21.1: The flags are written last. If eight bytes are written at once, the length and
    /// the id come with them.
    #[inline(always)]
    pub(super) fn publish(self, rest: u64, strong: bool) {
        if P::STORE64_IS_WHOLE {
            P::wmb(strong);
            self.write_rest(rest);
        } else {
            self.publish_in_parts(rest, strong);
        }
    }

    /// As [`DescRef::publish`], on a processor that cannot write eight bytes at once.
    #[inline(never)]
    fn publish_in_parts(self, rest: u64, strong: bool) {
        let [a, b, c, d, id0, id1, flags0, flags1] = rest.to_ne_bytes();
        // SAFETY: `part` returns pointers into the mapped descriptor, here to its length and its
        // id.
        unsafe {
            P::store32(self.part::<_, 2>(), u32::from_ne_bytes([a, b, c, d]));
            P::store16(self.part::<_, 6>(), u16::from_ne_bytes([id0, id1]));
        }
        P::wmb(strong);
        self.write_flags(u16::from_ne_bytes([flags0, flags1]));
    }

    /// Writes the flags alone; `flags` are in the byte order of the ring.
    #[inline]
    pub(super) fn write_flags(self, flags: u16) {
        // SAFETY: `part` returns a pointer into the mapped descriptor, here to its flags.
        unsafe { P::store16(self.part::<_, 7>(), flags) };
    }

    /// Reads the flags and the id. Returns whether the flags are those of a used descriptor at this
    /// position (§2.8.1), and the id.
    ///
    /// The id is valid if the descriptor is used. Both are read by one access, and the device
    /// writes the id before the flags, so that the new flags never come with an old id. The rest of
    /// the descriptor may be read only after a barrier.
    #[inline(always)]
    pub(super) fn read_used(self) -> (bool, u16) {
        // SAFETY: `part` returns a pointer into the mapped descriptor, here to its last four bytes.
        let word = u32::from_le(unsafe { P::load32(self.part::<_, 3>()) });
        // CAST: The id is the lower half.
        (self.pos.matches(word), word as u16)
    }

    /// Reads the length of a used descriptor (§2.8.22).
    #[inline(always)]
    pub(super) fn len(self) -> u32 {
        // SAFETY: `part` returns a pointer into the mapped descriptor, here to its length.
        u32::from_le(unsafe { P::load32(self.part::<_, 2>()) })
    }
}
