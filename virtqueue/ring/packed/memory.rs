// SPDX-License-Identifier: GPL-2.0

//! The three areas of a packed ring (§2.8.10.1, §2.8.13, §2.8.14).

use super::super::{
    desc::Desc,
    endian::Endian,
    error::SetupError,
    platform::Platform,
    shared::{
        Descs,
        Shared, //
    },
    tables::TableMemory, //
};
use super::{
    Place,
    Position, //
};
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};

/// The largest size of a queue (§2.8.10.1).
pub(super) const MAX_SIZE: u16 = 32768;

/// `VIRTQ_DESC_F_AVAIL` (§2.8.1).
pub(super) const AVAIL: u16 = 1 << 7;
/// `VIRTQ_DESC_F_USED` (§2.8.1).
pub(super) const USED: u16 = 1 << 15;

/// `RING_EVENT_FLAGS_ENABLE` (§2.8.10).
pub(super) const ENABLE: u16 = 0;
/// `RING_EVENT_FLAGS_DISABLE` (§2.8.10).
pub(super) const DISABLE: u16 = 1;
/// `RING_EVENT_FLAGS_DESC` (§2.8.10): at one descriptor.
pub(super) const AT_DESC: u16 = 2;

/// The memory of a packed ring.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// Descriptors: any number up to 32768.
    pub size: u16,
    /// Descriptor ring: `size` descriptors, aligned to 16.
    pub desc: NonNull<Desc>,
    /// Driver event suppression: two words, aligned to 4.
    pub driver: NonNull<u32>,
    /// Device event suppression: two words, aligned to 4.
    pub device: NonNull<u32>,
    /// Memory for indirect tables, if `VIRTIO_F_INDIRECT_DESC` was negotiated.
    pub tables: Option<TableMemory>,
}

impl Memory {
    /// Checks the size and the alignment of the areas.
    pub(super) fn check(&self) -> Result<(), SetupError> {
        if self.size == 0 || self.size > MAX_SIZE {
            return Err(SetupError::Size);
        }
        if self.desc.addr().get() % 16 != 0
            || self.driver.addr().get() % 4 != 0
            || self.device.addr().get() % 4 != 0
        {
            return Err(SetupError::Alignment);
        }
        Ok(())
    }
}

/// The second half of a descriptor (§2.8.13).
#[inline(always)]
pub(super) const fn rest(len: u32, id: u16, flags: u16) -> u64 {
    Endian::Little.join(len, id, flags)
}

/// The second half of a descriptor that is available at a place, with these flags besides.
#[inline(always)]
pub(super) const fn rest_at(len: u32, id: u16, flags: u16, place: Place) -> u64 {
    // All of the upper half at once, as the flags are in a place.
    let upper = place.upper() | id as u32 | (flags as u32) << 16;
    Endian::Little.u64(len as u64 | (upper as u64) << 32)
}

/// The descriptor ring, which both sides write.
///
/// # Invariants
///
/// `descs` are `size` descriptors, at least one.
pub(super) struct Ring<P> {
    descs: Descs<P>,
    size: u16,
}

impl<P> Clone for Ring<P> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<P> Copy for Ring<P> {}

impl<P: Platform> Ring<P> {
    /// # Safety
    ///
    /// `base` is mapped as `size` descriptors, which is not 0.
    pub(super) unsafe fn new(base: NonNull<Desc>, size: u16) -> Self {
        // INVARIANT: By the safety requirements.
        Self {
            // SAFETY: By the safety requirements.
            descs: Descs::new(unsafe { Shared::new(base) }),
            size,
        }
    }

    #[inline(always)]
    pub(super) fn size(&self) -> u16 {
        self.size
    }

    /// Writes the first half of a descriptor.
    ///
    /// # Safety
    ///
    /// `slot` is below the size.
    #[inline(always)]
    pub(super) unsafe fn write_addr(&self, slot: u16, addr: u64) {
        // SAFETY: By the safety requirements.
        unsafe { self.descs.write_addr(slot, addr.to_le()) };
    }

    /// Writes the second half of a descriptor that the device does not look at yet.
    ///
    /// # Safety
    ///
    /// `slot` is below the size.
    #[inline(always)]
    pub(super) unsafe fn write_rest(&self, slot: u16, rest: u64) {
        // SAFETY: By the safety requirements.
        unsafe { self.descs.write_rest(slot, rest) };
    }

    /// Writes the second half of a descriptor, with flags that let the device look at it. All
    /// that it may look at then is written before.
    ///
    /// §2.8.21.1: The flags are the last to be written. Where eight bytes are written at once,
    /// the length and the id come with them.
    ///
    /// # Safety
    ///
    /// `slot` is below the size.
    #[inline(always)]
    pub(super) unsafe fn publish(&self, slot: u16, rest: u64, strong: bool) {
        if P::STORE64_IS_WHOLE {
            P::wmb(strong);
            // SAFETY: By the safety requirements.
            unsafe { self.descs.write_rest(slot, rest) };
        } else {
            // SAFETY: By the safety requirements.
            unsafe { self.publish_in_parts(slot, rest, strong) };
        }
    }

    /// As [`Ring::publish`], on a processor that writes less than eight bytes at once.
    ///
    /// # Safety
    ///
    /// As there.
    #[inline(never)]
    unsafe fn publish_in_parts(&self, slot: u16, rest: u64, strong: bool) {
        let [a, b, c, d, id0, id1, flags0, flags1] = rest.to_ne_bytes();
        // SAFETY: By the safety requirements, this is a descriptor, which has four such words and
        // eight halves of one.
        unsafe {
            let at = self.descs.at(slot).cast::<u32>();
            P::store32(at.add(2), u32::from_ne_bytes([a, b, c, d]));
            P::store16(at.cast::<u16>().add(6), u16::from_ne_bytes([id0, id1]));
        }
        P::wmb(strong);
        // SAFETY: As above.
        unsafe { self.write_flags(slot, u16::from_ne_bytes([flags0, flags1])) };
    }

    /// Writes the flags of a descriptor alone, in the order of the ring.
    ///
    /// # Safety
    ///
    /// `slot` is below the size.
    #[inline]
    pub(super) unsafe fn write_flags(&self, slot: u16, flags: u16) {
        // SAFETY: By the safety requirements, this is a descriptor; its last two bytes.
        unsafe { P::store16(self.descs.at(slot).cast::<u16>().add(7), flags) };
    }

    /// The descriptors.
    #[inline(always)]
    pub(super) fn descs(&self) -> Descs<P> {
        self.descs
    }

    /// Zeroes all descriptors.
    pub(super) fn clear(&self) {
        for slot in 0..self.size {
            // SAFETY: Below the size.
            unsafe { self.descs.write(slot, 0, 0) };
        }
    }
}

/// Whether the descriptor at a place has the flags of a used one there (§2.8.1). The rest of it may
/// be read after that: nothing of it was.
///
/// # Safety
///
/// `place` is in the ring of which these are the descriptors.
#[inline(always)]
pub(super) unsafe fn is_used<P: Platform>(descs: Descs<P>, place: Place) -> bool {
    // SAFETY: By the safety requirements, this is a descriptor; its last two bytes.
    let flags = unsafe { P::load16(descs.at(place.slot()).cast::<u16>().add(7)) };
    place.matches(u32::from(u16::from_le(flags)) << 16)
}

/// As [`is_used`], for who only wants to know that: the flags are read as they are in a place, in
/// one word with the id.
///
/// # Safety
///
/// As there.
#[inline(always)]
pub(super) unsafe fn shows_used<P: Platform>(descs: Descs<P>, place: Place) -> bool {
    // SAFETY: By the safety requirements, this is a descriptor; its last four bytes.
    let word = unsafe { P::load32(descs.at(place.slot()).cast::<u32>().add(3)) };
    place.matches(u32::from_le(word))
}

/// Reads the id and the length of a used descriptor (§2.8.22).
///
/// # Safety
///
/// `place` is in the ring of which these are the descriptors.
#[inline(always)]
pub(super) unsafe fn used<P: Platform>(descs: Descs<P>, place: Place) -> (u16, u32) {
    // SAFETY: By the safety requirements, this is a descriptor; the length is at 8, the id at 12.
    let (len, id) = unsafe {
        let at = descs.at(place.slot());
        (
            P::load32(at.cast::<u32>().add(2)),
            P::load16(at.cast::<u16>().add(6)),
        )
    };
    (u16::from_le(id), u32::from_le(len))
}

/// An event suppression area (§2.8.14): a position and flags.
///
/// # Invariants
///
/// `base` is mapped as two words of 16 bits.
pub(super) struct Event<P> {
    base: Shared<u32>,
    _platform: PhantomData<fn() -> P>,
}

impl<P> Clone for Event<P> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<P> Copy for Event<P> {}

impl<P: Platform> Event<P> {
    /// # Safety
    ///
    /// `base` is mapped as two words of 16 bits.
    pub(super) unsafe fn new(base: NonNull<u32>) -> Self {
        // INVARIANT: By the safety requirements.
        Self {
            // SAFETY: By the safety requirements.
            base: unsafe { Shared::new(base) },
            _platform: PhantomData,
        }
    }

    #[inline(always)]
    pub(super) fn set_position(&self, position: u16) {
        // SAFETY: By the type invariant.
        unsafe { P::store16(self.base.as_ptr().cast(), position.to_le()) };
    }

    #[inline(always)]
    pub(super) fn set_flags(&self, flags: u16) {
        // SAFETY: By the type invariant.
        unsafe { P::store16(self.base.as_ptr().cast::<u16>().add(1), flags.to_le()) };
    }

    /// Reads the position and the flags, in one access.
    #[inline(always)]
    pub(super) fn read(&self) -> Asked {
        // SAFETY: By the type invariant.
        Asked(u32::from_le(unsafe { P::load32(self.base.as_ptr()) }))
    }

    pub(super) fn clear(&self) {
        self.set_position(0);
        self.set_flags(ENABLE);
    }
}

/// What the other side asks for in its event suppression area.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Asked(u32);

impl Asked {
    /// To be told when it comes to the descriptor at `position`.
    #[inline(always)]
    pub(super) const fn at(position: Position) -> Self {
        Self(position.into_raw() as u32 | (AT_DESC as u32) << 16)
    }

    /// The position, where the flags refer to it.
    #[inline(always)]
    pub(super) const fn position(self) -> Position {
        // CAST: The lower half.
        Position::from_raw(self.0 as u16)
    }

    /// The flags; what else is there is reserved.
    #[inline(always)]
    pub(super) const fn flags(self) -> u16 {
        // CAST: The upper half.
        (self.0 >> 16) as u16 & 3
    }
}
