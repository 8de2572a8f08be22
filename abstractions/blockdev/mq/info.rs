// SPDX-License-Identifier: GPL-2.0

//! Facts of a request.

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

/// The facts that there are to know of a request, C `struct request`.
///
/// # Invariants
///
/// A valid request of a queue made with `T`, with an initialised `T::RequestData`, that whoever
/// has the reference owns.
#[repr(transparent)]
pub struct RequestInfo<T: Operations>(Opaque<bindings::request>, PhantomData<T>);

impl<T: Operations> RequestInfo<T> {
    #[inline]
    fn raw(&self) -> *mut bindings::request {
        self.0.get()
    }

    /// The data that the driver keeps in a request.
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

    /// Whether sectors that are filled with zeroes must stay allocated.
    #[inline]
    pub fn is_no_unmap(&self) -> bool {
        // SAFETY: The request is valid and owned (type invariant), so the field does not change.
        unsafe { (*self.raw()).cmd_flags & bindings::REQ_NOUNMAP != 0 }
    }

    /// Whether the request is data of a flush sequence: of a bio that is to be on the medium when
    /// it ends, or after all that ended before it (`REQ_FUA`, `REQ_PREFLUSH`).
    #[inline]
    pub fn is_of_flush_sequence(&self) -> bool {
        // SAFETY: The request is valid (type invariant). A timeout may change other bits of the
        // word, also where the request is owned, but not this one.
        let flags = unsafe { (&raw const (*self.raw()).rq_flags).read_volatile() };
        flags & bindings::RQF_FLUSH_SEQ != 0
    }

    /// First sector.
    #[inline]
    pub fn sector(&self) -> u64 {
        // SAFETY: The request is valid and owned (type invariant), so the field does not change.
        unsafe { (*self.raw()).__sector }
    }

    /// Bytes that are read, written, discarded...
    #[inline]
    pub fn bytes(&self) -> u32 {
        // SAFETY: The request is valid and owned (type invariant), so the field does not change.
        unsafe { (*self.raw()).__data_len }
    }

    /// I/O priority, class and level in one.
    #[inline]
    pub fn ioprio(&self) -> u16 {
        // SAFETY: By the type invariants; a bio of the request is valid.
        unsafe { (*self.raw()).bio.as_ref().map_or(0, |bio| bio.bi_ioprio) }
    }

    /// The data. Empty for requests that have none, such as flushes and discards.
    #[inline]
    pub fn segments(&self) -> Segments<'_> {
        if !self.op().has_memory() {
            return Segments::empty();
        }
        // SAFETY: The request and its queue are valid (type invariant). The limits may change
        // meanwhile (`Disk::try_update_limits`): the block layer reads them without a lock, too.
        let (bio, max, boundary) = unsafe {
            let rq = self.raw();
            let limits = &raw const (*(*rq).q).limits;
            (
                (*rq).bio,
                (&raw const (*limits).max_segment_size).read_volatile(),
                (&raw const (*limits).seg_boundary_mask).read_volatile(),
            )
        };
        // SAFETY: By the type invariants, the bios are valid and stay as they are while the
        // request is owned; operations that only have sizes were excluded above. The block layer
        // takes no limits with a largest segment of 0.
        unsafe { Segments::new(bio, max, boundary) }
    }

    /// The data, if it is one segment. `None` also for requests that have none, such as discards,
    /// whose range counts as a segment.
    #[inline(always)]
    pub fn only_segment(&self) -> Option<Segment> {
        if self.phys_segments() != 1 || !self.op().has_memory() {
            return None;
        }
        // SAFETY: By the type invariants, a request with a segment has a bio. As that has memory,
        // it is at an entry of its vector. The iterator is packed, so it is copied.
        let (entry, done) = unsafe {
            let bio = (*self.raw()).bio;
            let iter = (*bio).bi_iter;
            (&*(*bio).bi_io_vec.add(iter.bi_idx as usize), iter.bi_offset)
        };
        Some(Segment {
            page: entry.bv_page,
            // OVERFLOW: It is within the entry.
            offset: entry.bv_offset.wrapping_add(done),
            len: self.bytes(),
        })
    }

    /// Returns the largest number of segments that [`Request::segments`] gives.
    #[inline]
    pub fn phys_segments(&self) -> usize {
        // SAFETY: The request is valid and owned (type invariant), so the field does not change.
        unsafe { (*self.raw()).nr_phys_segments }.into()
    }

    /// The ranges of a discard, each a first sector and a number of sectors.
    ///
    /// Returns the ranges of a discard. If the disk takes only one range, the bios are contiguous
    /// and make one.
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

    /// The driver's data.
    #[inline]
    pub fn data(&self) -> &T::RequestData {
        // SAFETY: The data is initialised, and belongs to the request's owner (type invariant).
        unsafe { &*Self::data_ptr(self.raw()) }
    }

    pub(super) fn queue(&self) -> *mut bindings::request_queue {
        // SAFETY: The request is valid and owned (type invariant), so the field does not change.
        unsafe { (*self.raw()).q }
    }

    /// The hardware queue that the request goes through.
    #[inline]
    pub fn hw_queue(&self) -> &HwQueue<T> {
        // SAFETY: By the type invariants; an allocated request has a hardware queue, of a disk
        // made with `T`.
        unsafe { HwQueue::from_raw((*self.raw()).mq_hctx) }
    }
}

/// Walks the ranges of a discard; see [`RequestInfo::ranges`].
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
        // SAFETY: The bios of an owned request are valid and stay as they are.
        let bio = unsafe { self.bio.as_ref() }?;
        self.bio = bio.bi_next;
        let iter = bio.bi_iter;
        Some((iter.bi_sector, iter.bi_size >> crate::SECTOR_SHIFT))
    }
}
