// SPDX-License-Identifier: GPL-2.0

//! The data of a request.

use crate::bindings;
use core::marker::PhantomData;
use kernel::prelude::*;

/// A physically contiguous piece of the data of a request.
#[derive(Clone, Copy)]
pub struct Segment {
    /// The page in which the segment starts. The segment may extend over the following pages.
    pub page: *mut bindings::page,
    /// The offset of the segment in that page, in bytes.
    pub offset: u32,
    /// The length of the segment in bytes.
    pub len: u32,
}

/// An iterator over the data of a request, directly from its bios. It allocates and copies nothing.
///
/// A segment is at most as long as the largest segment of the disk. Adjacent pieces of memory are
/// joined to one segment, also across merged requests. So there are at most as many segments as the
/// block layer has counted.
pub struct Segments<'a> {
    bio: *const bindings::bio,
    /// The entry in the vector of the bio.
    index: usize,
    /// The number of bytes of that entry that are done.
    done: u32,
    /// The number of bytes of the bio that are left.
    left: u32,
    /// The largest segment in bytes.
    max: u32,
    /// The mask of the boundary that no segment crosses.
    boundary: c_ulong,
    _request: PhantomData<&'a bindings::request>,
}

impl Segments<'_> {
    /// Returns an iterator without segments.
    #[inline]
    pub(super) const fn empty() -> Self {
        Self {
            bio: core::ptr::null(),
            index: 0,
            done: 0,
            left: 0,
            max: 0,
            boundary: 0,
            _request: PhantomData,
        }
    }

    /// Returns the segments of a chain of bios.
    ///
    /// # Safety
    ///
    /// For the life of the result, `bio` is null, or it and all bios in its chain are valid, have
    /// memory, and do not change. `max` is not 0.
    #[inline]
    pub(super) unsafe fn new(bio: *const bindings::bio, max: u32, boundary: c_ulong) -> Self {
        let mut segments = Self {
            max,
            boundary,
            ..Self::empty()
        };
        // SAFETY: By the safety requirements, all bios of the chain are valid, and do not change.
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

    /// Returns the rest of the next entry, which may be in the next bio.
    #[inline(always)]
    fn rest(&mut self) -> Option<bindings::bio_vec> {
        while self.left == 0 {
            if self.bio.is_null() {
                return None;
            }
            // SAFETY: The bio is valid, see `new`, and so is the next one.
            unsafe { self.enter((*self.bio).bi_next) };
        }
        // SAFETY: The bio is valid and has data left, so `index` is within its vector.
        let bv = unsafe { &*(*self.bio).bi_io_vec.add(self.index) };
        Some(bindings::bio_vec {
            bv_page: bv.bv_page,
            bv_offset: bv.bv_offset + self.done,
            bv_len: (bv.bv_len - self.done).min(self.left),
        })
    }

    /// Takes `len` bytes of `rest`, and returns whether that is all of it.
    #[inline(always)]
    fn take(&mut self, rest: &bindings::bio_vec, len: u32) -> bool {
        self.left -= len;
        if len == rest.bv_len {
            // If the bio ends before its entry, `left` is 0 now, and `rest` goes to the next bio.
            self.index += 1;
            self.done = 0;
            true
        } else {
            self.done += len;
            false
        }
    }

    /// Whether no data is left, in this bio or the next one.
    #[inline(always)]
    fn is_done(&self) -> bool {
        // SAFETY: The bio is null or valid, see `new`.
        self.left == 0 && unsafe { self.bio.as_ref() }.is_none_or(|bio| bio.bi_next.is_null())
    }

    /// Extends a piece that ends with its entry by the pieces that follow it in memory. PERF: Out
    /// of line, because most requests have one piece, and do not call this.
    #[inline(never)]
    fn grow(&mut self, mut piece: bindings::bio_vec) -> bindings::bio_vec {
        while let Some(next) = self.rest() {
            if next.bv_len > self.max.saturating_sub(piece.bv_len) {
                break;
            }
            // SAFETY: The pieces are memory of valid bios.
            if !unsafe { bindings::bvec_mergeable(&piece, &next, self.boundary) } {
                break;
            }
            self.take(&next, next.bv_len);
            piece.bv_len += next.bv_len;
        }
        piece
    }
}

impl Iterator for Segments<'_> {
    type Item = Segment;

    #[inline(always)]
    fn next(&mut self) -> Option<Segment> {
        let rest = self.rest()?;
        let mut piece = bindings::bio_vec {
            bv_len: rest.bv_len.min(self.max),
            ..rest
        };
        if self.take(&rest, piece.bv_len) && !self.is_done() {
            piece = self.grow(piece);
        }
        Some(Segment {
            page: piece.bv_page,
            offset: piece.bv_offset,
            len: piece.bv_len,
        })
    }
}
