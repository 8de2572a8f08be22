// SPDX-License-Identifier: GPL-2.0

//! The data of a request.

use crate::bindings;
use core::marker::PhantomData;

/// A physically contiguous piece of the data of a request.
#[derive(Clone, Copy)]
pub struct Segment {
    /// The page that it starts in; it may go on in those that follow.
    pub page: *mut bindings::page,
    /// Offset in bytes into that page.
    pub offset: u32,
    /// Length in bytes.
    pub len: u32,
}

/// Walks the data of a request, straight from its bios: nothing is allocated or copied.
///
/// Segments are not longer than the disk's largest segment. There are at most as many as the
/// block layer counted.
pub struct Segments<'a> {
    bio: *const bindings::bio,
    /// Entry of the bio's vector.
    index: usize,
    /// Bytes of that entry that are done.
    done: u32,
    /// Bytes of the bio that are left.
    left: u32,
    /// Largest segment in bytes.
    max: u32,
    _request: PhantomData<&'a bindings::request>,
}

impl Segments<'_> {
    /// No segment at all.
    #[inline(always)]
    pub(super) const fn empty() -> Self {
        Self {
            bio: core::ptr::null(),
            index: 0,
            done: 0,
            left: 0,
            max: 0,
            _request: PhantomData,
        }
    }

    /// The segments of a chain of bios.
    ///
    /// # Safety
    ///
    /// For the life of the result, `bio` is null or valid with all that are chained to it; they
    /// carry data, and nothing changes them. `max` is not 0.
    #[inline(always)]
    pub(super) unsafe fn new(bio: *const bindings::bio, max: u32) -> Self {
        let mut segments = Self {
            max,
            ..Self::empty()
        };
        // SAFETY: By the safety requirements.
        unsafe { segments.enter(bio) };
        segments
    }

    /// # Safety
    ///
    /// As for `new`.
    #[inline(always)]
    unsafe fn enter(&mut self, bio: *const bindings::bio) {
        self.bio = bio;
        if bio.is_null() {
            return;
        }
        // SAFETY: By the safety requirements. The iterator is packed, so it is copied.
        let iter = unsafe { (*bio).bi_iter };
        self.index = iter.bi_idx as usize;
        self.done = iter.bi_offset;
        self.left = iter.bi_size;
    }
}

impl Iterator for Segments<'_> {
    type Item = Segment;

    #[inline(always)]
    fn next(&mut self) -> Option<Segment> {
        loop {
            if self.bio.is_null() {
                return None;
            }
            if self.left != 0 {
                break;
            }
            // SAFETY: The bio is valid, see `new`, and so is the next one.
            unsafe { self.enter((*self.bio).bi_next) };
        }
        // SAFETY: The bio is valid and has data left, so `index` is within its vector.
        let bv = unsafe { &*(*self.bio).bi_io_vec.add(self.index) };
        let rest = bv.bv_len - self.done;
        let len = rest.min(self.left).min(self.max);
        let segment = Segment {
            page: bv.bv_page,
            offset: bv.bv_offset + self.done,
            len,
        };
        self.left -= len;
        if len == rest {
            self.index += 1;
            self.done = 0;
        } else {
            self.done += len;
        }
        Some(segment)
    }
}
