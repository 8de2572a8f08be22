// SPDX-License-Identifier: GPL-2.0

//! The three areas of a split ring (§2.7).

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
use core::ptr::NonNull;

/// The largest size of a queue (§2.7).
pub(super) const MAX_SIZE: u16 = 32768;

/// `VRING_AVAIL_F_NO_INTERRUPT` (§2.7.6).
pub(super) const NO_INTERRUPT: u16 = 1;
/// `VRING_USED_F_NO_NOTIFY` (§2.7.8).
pub(super) const NO_NOTIFY: u16 = 1;

/// The location of a split ring in memory.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// The number of descriptors: a power of two up to 32768.
    pub size: u16,
    /// Descriptor table: `size` descriptors, aligned to 16 (§2.7.5).
    pub desc: NonNull<Desc>,
    /// Available ring: `size` + 3 words, aligned to 2 (§2.7.6).
    pub avail: NonNull<u16>,
    /// Used ring: 6 + 8 * `size` bytes, aligned to 4 (§2.7.8).
    pub used: NonNull<u32>,
}

/// The offsets of the areas in one piece of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Offset of the available ring. The descriptor table is at 0.
    pub avail: usize,
    /// Offset of the used ring.
    pub used: usize,
    /// The size in bytes.
    pub bytes: usize,
}

impl Layout {
    /// Returns the layout that legacy devices need (§2.7.2) and modern ones accept: the used ring
    /// starts at the next multiple of `align`, a power of two.
    #[inline]
    pub const fn new(size: u16, align: usize) -> Self {
        let size = size as usize;
        let avail = 16 * size;
        let used = (avail + 2 * (size + 3) + (align - 1)) & !(align - 1);
        Self {
            avail,
            used,
            bytes: used + 6 + 8 * size,
        }
    }
}

impl Memory {
    /// Checks the size and the alignment of the areas.
    pub(super) fn check(&self) -> Result<(), SetupError> {
        if !self.size.is_power_of_two() || self.size > MAX_SIZE {
            return Err(SetupError::Size);
        }
        if self.desc.addr().get() % 16 != 0
            || self.avail.addr().get() % 2 != 0
            || self.used.addr().get() % 4 != 0
        {
            return Err(SetupError::Alignment);
        }
        Ok(())
    }
}

/// The three areas.
///
/// # Invariants
///
/// `desc`, `avail` and `used` are those of a ring of `mask` + 1 descriptors, a power of two.
#[derive(Clone, Copy)]
pub(super) struct Areas<P> {
    desc: Descs<P>,
    avail: SharedPtr<u16>,
    used: SharedPtr<u32>,
    mask: u16,
    endian: Endian,
}

impl<P: Platform> Areas<P> {
    /// Creates the areas in memory that [`Memory::check`] accepted.
    ///
    /// # Safety
    ///
    /// `memory` is mapped as its type says.
    pub(super) unsafe fn new(memory: &Memory, endian: Endian) -> Self {
        // SAFETY: By the safety requirements, the three areas are mapped.
        let (desc, avail, used) = unsafe {
            (
                SharedPtr::new(memory.desc),
                SharedPtr::new(memory.avail),
                SharedPtr::new(memory.used),
            )
        };
        // INVARIANT: By the safety requirements, the areas are those of a ring of `memory.size`
        // descriptors, which `Memory::check` found to be a power of two.
        Self {
            desc: Descs::new(desc),
            avail,
            used,
            mask: memory.size.wrapping_sub(1),
            endian,
        }
    }

    /// Returns the number of descriptors less one.
    #[inline(always)]
    pub(super) fn mask(&self) -> u16 {
        self.mask
    }

    /// Returns the byte order of the areas.
    #[inline(always)]
    pub(super) fn endian(&self) -> Endian {
        self.endian
    }

    /// Returns the descriptor table, of `mask` + 1 descriptors.
    #[inline(always)]
    pub(super) fn desc(&self) -> Descs<P> {
        self.desc
    }

    #[inline(always)]
    fn write_avail(&self, word: usize, value: u16) {
        // SAFETY: The available ring is mapped (type invariant) and has `mask` + 4 words. `word` is
        // bounded: every caller passes one below that.
        unsafe { P::store16(self.avail.as_ptr().add(word), self.endian.u16(value)) };
    }

    /// Writes the available entry for `index`.
    #[inline(always)]
    pub(super) fn set_avail_entry(&self, index: u16, head: u16) {
        self.write_avail(usize::from(index & self.mask).wrapping_add(2), head);
    }

    #[inline(always)]
    pub(super) fn set_avail_flags(&self, flags: u16) {
        self.write_avail(0, flags);
    }

    #[inline(always)]
    pub(super) fn set_avail_index(&self, index: u16) {
        self.write_avail(1, index);
    }

    /// Writes `used_event`, the word behind the available entries: the used index at which to
    /// interrupt.
    #[inline(always)]
    pub(super) fn set_used_event(&self, index: u16) {
        self.write_avail(usize::from(self.mask).wrapping_add(3), index);
    }

    #[inline(always)]
    fn used_word(&self, word: usize) -> *mut u16 {
        // SAFETY: The used ring is mapped (type invariant) and has 4 * (`mask` + 1) + 3 words of
        // two bytes. `word` is bounded: every caller passes one below that.
        unsafe { self.used.as_ptr().cast::<u16>().add(word) }
    }

    #[inline(always)]
    pub(super) fn used_flags(&self) -> u16 {
        // SAFETY: `used_word` returns a mapped word.
        self.endian.u16(unsafe { P::load16(self.used_word(0)) })
    }

    #[inline(always)]
    pub(super) fn used_index(&self) -> u16 {
        // SAFETY: `used_word` returns a mapped word.
        self.endian.u16(unsafe { P::load16(self.used_word(1)) })
    }

    /// Reads the used entry for `index`: the id and the length.
    #[inline(always)]
    pub(super) fn used_entry(&self, index: u16) -> (u32, u32) {
        let at = usize::from(index & self.mask)
            .wrapping_mul(2)
            .wrapping_add(1);
        // SAFETY: The used ring is mapped (type invariant), and the mask bounds `at`: `mask` + 1
        // entries of two words follow the first four bytes.
        let entry = unsafe { self.used.as_ptr().add(at) };
        // SAFETY: `entry` is a mapped used entry, of two words. Each of them is read once.
        let (id, len) = unsafe { (P::load32(entry), P::load32(entry.add(1))) };
        (self.endian.u32(id), self.endian.u32(len))
    }

    /// Reads `avail_event`, the word behind the used entries: the available index at which to
    /// notify.
    #[inline(always)]
    pub(super) fn avail_event(&self) -> u16 {
        let word = self.used_word(usize::from(self.mask).wrapping_mul(4).wrapping_add(6));
        // SAFETY: `used_word` returns a mapped word.
        self.endian.u16(unsafe { P::load16(word) })
    }

    /// Zeroes all three areas.
    pub(super) fn clear(&self) {
        for index in 0..=self.mask {
            // SAFETY: `index` is bounded by `mask`.
            unsafe { self.desc.write(index, 0, 0) };
        }
        for word in 0..usize::from(self.mask) + 4 {
            self.write_avail(word, 0);
        }
        for word in 0..4 * (usize::from(self.mask) + 1) + 3 {
            // SAFETY: `used_word` returns a mapped word.
            unsafe { P::store16(self.used_word(word), 0) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts() {
        // The example of §2.7.2, with a page as alignment.
        let layout = Layout::new(256, 4096);
        assert_eq!((layout.avail, layout.used), (4096, 8192));
        assert_eq!(layout.bytes, 8192 + 6 + 8 * 256);
        assert_eq!(
            Layout::new(1, 4),
            Layout {
                avail: 16,
                used: 24,
                bytes: 38
            }
        );
    }
}
