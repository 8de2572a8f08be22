// SPDX-License-Identifier: GPL-2.0

//! The data of a request.

use crate::bindings;
use core::marker::PhantomData;
use kernel::prelude::*;

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
/// Segments are not longer than the disk's largest segment. Pieces of memory that follow each
/// other make one segment, as where requests were merged, so there are at most as many as the
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
    /// Mask of what no pieces are joined across.
    boundary: c_ulong,
    _request: PhantomData<&'a bindings::request>,
}

impl Segments<'_> {
    /// No segment at all.
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

    /// The segments of a chain of bios.
    ///
    /// # Safety
    ///
    /// For the life of the result, `bio` is null or valid with all that are chained to it; they
    /// carry data, and nothing changes them. `max` is not 0.
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

    /// Returns the rest of the entry that is next, which may be in the next bio.
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
            // Where the bio ends before its entry does, it is left with `left`.
            self.index += 1;
            self.done = 0;
            true
        } else {
            self.done += len;
            false
        }
    }

    /// Whether nothing is left, not even in a next bio.
    #[inline(always)]
    fn is_done(&self) -> bool {
        // SAFETY: The bio is null or valid, see `new`.
        self.left == 0 && unsafe { self.bio.as_ref() }.is_none_or(|bio| bio.bi_next.is_null())
    }

    /// Joins what follows in memory to a piece that is done with its entry. Out of line: a request
    /// of one piece, which is most of them, does not come here.
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
