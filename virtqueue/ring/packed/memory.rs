// SPDX-License-Identifier: GPL-2.0

//! The three areas of a packed ring (§2.8.10.1, §2.8.13, §2.8.14).

use super::super::{
    desc::Desc,
    endian::Endian,
    error::SetupError,
    platform::Platform,
    shared::{
        Descs,
        SharedPtr, //
    },
};
use super::{
    DescRef,
    RingPos,
    WireIndex, //
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

/// The location of a packed ring in memory.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// The number of descriptors: any up to 32768.
    pub size: u16,
    /// Descriptor ring: `size` descriptors, aligned to 16.
    pub desc: NonNull<Desc>,
    /// Driver event suppression: two words of 16 bits, aligned to 4.
    pub driver: NonNull<u32>,
    /// Device event suppression: two words of 16 bits, aligned to 4.
    pub device: NonNull<u32>,
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

/// Returns the second half of a descriptor (§2.8.13).
#[inline(always)]
pub(super) const fn rest(len: u32, id: u16, flags: u16) -> u64 {
    Endian::Little.join(len, id, flags)
}

/// Returns the second half of a descriptor that is available at `pos`, with `flags` besides AVAIL
/// and USED.
#[inline(always)]
pub(super) const fn rest_at(len: u32, id: u16, flags: u16, pos: RingPos) -> u64 {
    // The AVAIL and USED bits of a position are at the same bits as here, so that one operation
    // sets all flags.
    let upper = pos.flag_bits() | id as u32 | (flags as u32) << 16;
    Endian::Little.u64(len as u64 | (upper as u64) << 32)
}

/// The descriptor ring, which both sides write.
///
/// # Invariants
///
/// `descs` are `size` mapped descriptors, at least one.
#[derive(Clone, Copy)]
pub(super) struct DescRing<P> {
    descs: Descs<P>,
    size: u16,
}

impl<P: Platform> DescRing<P> {
    /// # Safety
    ///
    /// `base` is mapped as `size` descriptors, which is not 0.
    pub(super) unsafe fn new(base: NonNull<Desc>, size: u16) -> Self {
        // INVARIANT: By the safety requirements, these are `size` mapped descriptors.
        Self {
            // SAFETY: By the safety requirements, the descriptors are mapped.
            descs: Descs::new(unsafe { SharedPtr::new(base) }),
            size,
        }
    }

    #[inline(always)]
    pub(super) fn size(&self) -> u16 {
        self.size
    }

    /// Returns the descriptor at a position.
    ///
    /// # Safety
    ///
    /// `pos` is a position in the ring.
    #[inline(always)]
    pub(super) unsafe fn desc_at(&self, pos: RingPos) -> DescRef<P> {
        // SAFETY: By the safety requirements, `pos` is a position in the ring; by the type
        // invariant, `descs` are its descriptors.
        unsafe { DescRef::new(self.descs, pos) }
    }

    /// Zeroes all descriptors.
    pub(super) fn clear(&self) {
        for index in 0..self.size {
            // SAFETY: `index` is bounded by the size.
            unsafe { self.descs.write(index, 0, 0) };
        }
    }
}

/// An event suppression structure (§2.8.14): `desc_event_off` and `desc_event_wrap` in one word,
/// and flags.
///
/// # Invariants
///
/// `base` is mapped as two words of 16 bits.
#[derive(Clone, Copy)]
pub(super) struct EventSuppression<P> {
    base: SharedPtr<u32>,
    _platform: PhantomData<fn() -> P>,
}

impl<P: Platform> EventSuppression<P> {
    /// # Safety
    ///
    /// `base` is mapped as two words of 16 bits.
    pub(super) unsafe fn new(base: NonNull<u32>) -> Self {
        // INVARIANT: By the safety requirements, the two words are mapped.
        Self {
            // SAFETY: By the safety requirements, the two words are mapped.
            base: unsafe { SharedPtr::new(base) },
            _platform: PhantomData,
        }
    }

    #[inline(always)]
    pub(super) fn set_off_wrap(&self, off_wrap: u16) {
        // SAFETY: By the type invariant, the first of the two words is mapped.
        unsafe { P::store16(self.base.as_ptr().cast(), off_wrap.to_le()) };
    }

    #[inline(always)]
    pub(super) fn set_flags(&self, flags: u16) {
        // SAFETY: By the type invariant, the second of the two words is mapped.
        unsafe { P::store16(self.base.as_ptr().cast::<u16>().add(1), flags.to_le()) };
    }

    /// Reads the position and the flags in one access.
    #[inline(always)]
    pub(super) fn read(&self) -> EventRequest {
        // SAFETY: By the type invariant, both words are mapped.
        EventRequest(u32::from_le(unsafe { P::load32(self.base.as_ptr()) }))
    }

    pub(super) fn clear(&self) {
        self.set_off_wrap(0);
        self.set_flags(ENABLE);
    }
}

/// The request of the other side, read from its event suppression structure.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct EventRequest(u32);

impl EventRequest {
    /// Returns the request for a notification at the descriptor `index`.
    #[inline(always)]
    pub(super) const fn at(index: WireIndex) -> Self {
        Self(index.into_raw() as u32 | (AT_DESC as u32) << 16)
    }

    /// Returns the position, which is valid if the flags have [`AT_DESC`].
    #[inline(always)]
    pub(super) const fn wire_index(self) -> WireIndex {
        // CAST: The lower half.
        WireIndex::from_raw(self.0 as u16)
    }

    /// Returns whether a flag is set: [`DISABLE`], or [`AT_DESC`]. With neither, the request is
    /// [`ENABLE`].
    #[inline(always)]
    pub(super) const fn has(self, flag: u16) -> bool {
        self.0 & (flag as u32) << 16 != 0
    }
}
