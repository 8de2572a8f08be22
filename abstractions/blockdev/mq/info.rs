// SPDX-License-Identifier: GPL-2.0

//! Read access to a request.

use super::{
    op::OP_MASK,
    HwQueue,
    Op,
    Operations,
    Segment,
    Segments, //
};
use crate::bindings;
use core::marker::PhantomData;
use kernel::types::Opaque;

/// Read access to a request, C `struct request`.
///
/// # Invariants
///
/// A valid request of a queue made with `T`, with an initialised `T::RequestData`. The holder of
/// the reference owns the request.
#[repr(transparent)]
pub struct RequestInfo<T: Operations>(Opaque<bindings::request>, PhantomData<T>);

impl<T: Operations> RequestInfo<T> {
    #[inline]
    fn raw(&self) -> *mut bindings::request {
        self.0.get()
    }

    /// Returns the address of the data that the driver keeps in a request.
    #[inline]
    pub(crate) fn data_ptr(rq: *mut bindings::request) -> *mut T::RequestData {
        rq.wrapping_add(1).cast()
    }

    /// Returns the operation that the request asks for.
    #[inline]
    pub fn op(&self) -> Op {
        // SAFETY: The request is valid and owned (type invariant), so the field does not change.
        Op::from_raw(unsafe { (*self.raw()).cmd_flags } & OP_MASK)
    }

    /// Whether a write of zeroes must leave the sectors allocated.
    #[inline]
    pub fn is_no_unmap(&self) -> bool {
        // SAFETY: The request is valid and owned (type invariant), so the field does not change.
        unsafe { (*self.raw()).cmd_flags & bindings::REQ_NOUNMAP != 0 }
    }

    /// Whether the request is data of a flush sequence: of a bio with `REQ_FUA` or `REQ_PREFLUSH`.
    #[inline]
    pub fn is_of_flush_sequence(&self) -> bool {
        // SAFETY: The request is valid (type invariant). A timeout may change other bits of the
        // word also while the request is owned, but not this one.
        let flags = unsafe { (&raw const (*self.raw()).rq_flags).read_volatile() };
        flags & bindings::RQF_FLUSH_SEQ != 0
    }

    /// Returns the first sector.
    #[inline]
    pub fn sector(&self) -> u64 {
        // SAFETY: The request is valid and owned (type invariant), so the field does not change.
        unsafe { (*self.raw()).__sector }
    }

    /// Returns the number of bytes to read, write, discard, and so on.
    #[inline]
    pub fn bytes(&self) -> u32 {
        // SAFETY: The request is valid and owned (type invariant), so the field does not change.
        unsafe { (*self.raw()).__data_len }
    }

    /// Returns the I/O priority: class and level in one number.
    #[inline]
    pub fn ioprio(&self) -> u16 {
        // SAFETY: The request is owned (type invariant), so its first bio is valid, or null.
        unsafe { (*self.raw()).bio.as_ref().map_or(0, |bio| bio.bi_ioprio) }
    }

    /// Returns the segments of the data: none for flushes, discards, and the like.
    #[inline]
    pub fn segments(&self) -> Segments<'_> {
        if !self.op().has_memory() {
            return Segments::empty();
        }
        // SAFETY: The request and its queue are valid (type invariant). The limits may change at
        // the same time (`Disk::try_update_limits`). The block layer reads them without a lock,
        // too.
        let (bio, max, boundary) = unsafe {
            let rq = self.raw();
            let limits = &raw const (*(*rq).q).limits;
            (
                (*rq).bio,
                (&raw const (*limits).max_segment_size).read_volatile(),
                (&raw const (*limits).seg_boundary_mask).read_volatile(),
            )
        };
        // SAFETY: The bios are valid, and do not change while the request is owned (type
        // invariant). They have memory, as checked above. The block layer accepts no limits with a
        // largest segment of 0.
        unsafe { Segments::new(bio, max, boundary) }
    }

    /// Returns the data if it is exactly one segment. `None` also for requests without data, such
    /// as discards, whose range counts as a segment.
    #[inline(always)]
    pub fn only_segment(&self) -> Option<Segment> {
        if self.phys_segments() != 1 || !self.op().has_memory() {
            return None;
        }
        // SAFETY: The request is owned (type invariant). A request with a segment has a bio, and
        // the bio has memory, so its iterator points to an entry of its vector. The iterator is
        // packed, so it is copied.
        let (entry, done) = unsafe {
            let bio = (*self.raw()).bio;
            let iter = (*bio).bi_iter;
            (&*(*bio).bi_io_vec.add(iter.bi_idx as usize), iter.bi_offset)
        };
        Some(Segment {
            page: entry.bv_page,
            // OVERFLOW: The sum is within the entry.
            offset: entry.bv_offset.wrapping_add(done),
            len: self.bytes(),
        })
    }

    /// Returns the largest number of segments that [`Request::segments`] yields.
    #[inline]
    pub fn phys_segments(&self) -> usize {
        // SAFETY: The request is valid and owned (type invariant), so the field does not change.
        unsafe { (*self.raw()).nr_phys_segments }.into()
    }

    /// Returns the ranges of a discard, each a first sector and a number of sectors.
    ///
    /// If the disk accepts only one range, the bios are contiguous, and the result is one range.
    pub fn ranges(&self) -> Ranges<'_> {
        let mut ranges = Ranges {
            bio: core::ptr::null(),
            one: None,
            _request: PhantomData,
        };
        // SAFETY: The request and its queue are valid (type invariant). The block layer reads the
        // limits without a lock, too.
        let (bio, max) = unsafe {
            let rq = self.raw();
            let max = &raw const (*(*rq).q).limits.max_discard_segments;
            ((*rq).bio, max.read_volatile())
        };
        if max <= 1 {
            ranges.one = Some((self.sector(), self.bytes() >> crate::SECTOR_SHIFT));
        } else {
            ranges.bio = bio;
        }
        ranges
    }

    /// Returns the driver's data.
    #[inline]
    pub fn data(&self) -> &T::RequestData {
        // SAFETY: The data is initialised, and belongs to the request's owner (type invariant).
        unsafe { &*Self::data_ptr(self.raw()) }
    }

    pub(super) fn queue(&self) -> *mut bindings::request_queue {
        // SAFETY: The request is valid and owned (type invariant), so the field does not change.
        unsafe { (*self.raw()).q }
    }

    /// Returns the hardware queue of the request.
    #[inline]
    pub fn hw_queue(&self) -> &HwQueue<T> {
        // SAFETY: The request is owned (type invariant), so it has a hardware queue, of a disk made
        // with `T`.
        unsafe { HwQueue::from_raw((*self.raw()).mq_hctx) }
    }
}

/// An iterator over the ranges of a discard; see [`RequestInfo::ranges`].
#[derive(Clone)]
pub struct Ranges<'a> {
    bio: *const bindings::bio,
    one: Option<(u64, u32)>,
    _request: PhantomData<&'a bindings::request>,
}

impl Iterator for Ranges<'_> {
    type Item = (u64, u32);

    fn next(&mut self) -> Option<(u64, u32)> {
        if let Some(one) = self.one.take() {
            return Some(one);
        }
        // SAFETY: The bios of an owned request are valid, and do not change.
        let bio = unsafe { self.bio.as_ref() }?;
        self.bio = bio.bi_next;
        let iter = bio.bi_iter;
        Some((iter.bi_sector, iter.bi_size >> crate::SECTOR_SHIFT))
    }
}
