// SPDX-License-Identifier: GPL-2.0

//! Requests and their ownership.

use super::{
    HwQueue,
    Operations,
    Segment,
    Segments, //
};
use crate::{
    bindings,
    disk::TimeoutsHeld,
    Status, //
};
use core::{
    marker::PhantomData,
    mem::ManuallyDrop,
    ops::Deref,
    ptr::NonNull, //
};
use kernel::types::Opaque;

/// The operation that a request asks for, C `enum req_op`.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Op(u32);

impl Op {
    /// Read sectors.
    pub const READ: Self = Self(bindings::req_op_REQ_OP_READ);
    /// Write sectors.
    pub const WRITE: Self = Self(bindings::req_op_REQ_OP_WRITE);
    /// Write the volatile cache back.
    pub const FLUSH: Self = Self(bindings::req_op_REQ_OP_FLUSH);
    /// Forget sectors.
    pub const DISCARD: Self = Self(bindings::req_op_REQ_OP_DISCARD);
    /// Erase sectors securely.
    pub const SECURE_ERASE: Self = Self(bindings::req_op_REQ_OP_SECURE_ERASE);
    /// Write a zone append.
    pub const ZONE_APPEND: Self = Self(bindings::req_op_REQ_OP_ZONE_APPEND);
    /// Fill sectors with zeroes.
    pub const WRITE_ZEROES: Self = Self(bindings::req_op_REQ_OP_WRITE_ZEROES);
    /// Open a zone.
    pub const ZONE_OPEN: Self = Self(bindings::req_op_REQ_OP_ZONE_OPEN);
    /// Close a zone.
    pub const ZONE_CLOSE: Self = Self(bindings::req_op_REQ_OP_ZONE_CLOSE);
    /// Make a zone full.
    pub const ZONE_FINISH: Self = Self(bindings::req_op_REQ_OP_ZONE_FINISH);
    /// Empty a zone.
    pub const ZONE_RESET: Self = Self(bindings::req_op_REQ_OP_ZONE_RESET);
    /// Empty all zones.
    pub const ZONE_RESET_ALL: Self = Self(bindings::req_op_REQ_OP_ZONE_RESET_ALL);
    /// The driver's own, with data from the device
    /// ([`Disk::execute_in`](crate::Disk::execute_in)).
    pub const DRV_IN: Self = Self(bindings::req_op_REQ_OP_DRV_IN);

    #[inline(always)]
    pub(super) const fn from_raw(op: u32) -> Self {
        Self(op)
    }

    /// The number of C.
    #[inline(always)]
    pub const fn as_raw(self) -> u32 {
        self.0
    }

    /// Whether data goes to the device, if there is any.
    #[inline(always)]
    pub const fn is_write(self) -> bool {
        self.0 & 1 != 0
    }

    /// Whether the operation's bios have memory, as far as they have a size.
    #[inline(always)]
    const fn has_memory(self) -> bool {
        // PERF: Reads and writes, which most are, are told by one test.
        self.0 <= Self::WRITE.0 || !self.is_sizes_only()
    }

    /// Whether the operation's bios have a size but no memory.
    #[inline(always)]
    const fn is_sizes_only(self) -> bool {
        matches!(
            self,
            Self::DISCARD | Self::SECURE_ERASE | Self::WRITE_ZEROES
        )
    }
}

/// The facts that there are to know of a request, C `struct request`.
///
/// # Invariants
///
/// A valid request of a queue made with `T`, with an initialised `T::RequestData`, that whoever
/// has the reference owns.
#[repr(transparent)]
pub struct RequestInfo<T: Operations>(Opaque<bindings::request>, PhantomData<T>);

impl<T: Operations> RequestInfo<T> {
    #[inline(always)]
    fn raw(&self) -> *mut bindings::request {
        self.0.get()
    }

    /// The data that the driver keeps in a request.
    #[inline(always)]
    pub(crate) fn data_ptr(rq: *mut bindings::request) -> *mut T::RequestData {
        rq.wrapping_add(1).cast()
    }

    /// Returns the operation that the request asks for.
    #[inline(always)]
    pub fn op(&self) -> Op {
        // SAFETY: The request is valid and owned (type invariant), so the field does not change.
        Op(unsafe { (*self.raw()).cmd_flags } & OP_MASK)
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
    #[inline(always)]
    pub fn sector(&self) -> u64 {
        // SAFETY: The request is valid and owned (type invariant), so the field does not change.
        unsafe { (*self.raw()).__sector }
    }

    /// Bytes that are read, written, discarded...
    #[inline(always)]
    pub fn bytes(&self) -> u32 {
        // SAFETY: The request is valid and owned (type invariant), so the field does not change.
        unsafe { (*self.raw()).__data_len }
    }

    /// I/O priority, class and level in one.
    #[inline(always)]
    pub fn ioprio(&self) -> u16 {
        // SAFETY: By the type invariants; a bio of the request is valid.
        unsafe { (*self.raw()).bio.as_ref().map_or(0, |bio| bio.bi_ioprio) }
    }

    /// The data. Empty for requests that have none, such as flushes and discards.
    #[inline(always)]
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
    #[inline(always)]
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
    #[inline(always)]
    pub fn data(&self) -> &T::RequestData {
        // SAFETY: The data is initialised, and belongs to the request's owner (type invariant).
        unsafe { &*Self::data_ptr(self.raw()) }
    }

    pub(super) fn queue(&self) -> *mut bindings::request_queue {
        // SAFETY: The request is valid and owned (type invariant), so the field does not change.
        unsafe { (*self.raw()).q }
    }

    /// The hardware queue that the request goes through.
    #[inline(always)]
    pub fn hw_queue(&self) -> &HwQueue<T> {
        // SAFETY: By the type invariants; an allocated request has a hardware queue, of a disk
        // made with `T`.
        unsafe { HwQueue::from_raw((*self.raw()).mq_hctx) }
    }
}

pub(super) const OP_MASK: u32 = (1 << bindings::REQ_OP_BITS) - 1;

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

macro_rules! impl_owner {
    ($type:ident) => {
        // SAFETY: A request may be owned by any thread, and its data is `Send`.
        unsafe impl<T: Operations> Send for $type<T> {}

        impl<T: Operations> $type<T> {
            /// Takes ownership of a request.
            ///
            /// # Safety
            ///
            /// `rq` fulfils the type invariants, and nothing else owns it.
            #[inline(always)]
            pub unsafe fn from_raw(rq: NonNull<bindings::request>) -> Self {
                // INVARIANT: By the safety requirements.
                Self {
                    rq,
                    _ops: PhantomData,
                }
            }

            /// Gives ownership up to a pointer.
            #[inline(always)]
            pub fn into_raw(self) -> NonNull<bindings::request> {
                ManuallyDrop::new(self).rq
            }

            /// The driver's data.
            #[inline(always)]
            pub fn data_mut(&mut self) -> &mut T::RequestData {
                // SAFETY: By the type invariants; `&mut self` is the only way to the data.
                unsafe { &mut *RequestInfo::<T>::data_ptr(self.rq.as_ptr()) }
            }

            /// Ends the request.
            ///
            /// Any context. Data that was read must be in place.
            #[inline]
            pub fn end(self, status: Status) {
                // SAFETY: By the type invariants, and ownership is given up.
                unsafe {
                    bindings::blk_mq_end_request(self.into_raw().as_ptr(), status.into_raw())
                };
            }

            /// Gives the request back to the block layer, as a result of
            /// [`Operations::queue_rq`]: to be queued again later if the status is
            /// [`Status::RESOURCE`] or [`Status::DEV_RESOURCE`], or to end with it.
            ///
            /// [`Status::OK`] would say that the driver has the request; it is taken for
            /// [`Status::IOERR`].
            #[inline]
            pub fn reject(self, status: Status) -> Rejected<T> {
                let status = match status {
                    Status::OK => Status::IOERR,
                    status => status,
                };
                // INVARIANT: Ownership goes there; `status` is not `OK`.
                Rejected {
                    rq: self.into_raw(),
                    status,
                    _ops: PhantomData,
                }
            }
        }

        impl<T: Operations> Deref for $type<T> {
            type Target = RequestInfo<T>;

            #[inline(always)]
            fn deref(&self) -> &RequestInfo<T> {
                // SAFETY: By the type invariants; `RequestInfo` is a transparent wrapper.
                unsafe { self.rq.cast().as_ref() }
            }
        }

        impl<T: Operations> Drop for $type<T> {
            fn drop(&mut self) {
                // SAFETY: By the type invariants, and ownership ends.
                unsafe { bindings::blk_mq_end_request(self.rq.as_ptr(), Status::IOERR.into_raw()) };
            }
        }
    };
}

/// A request that the block layer wants queued.
///
/// # Invariants
///
/// `rq` fulfils the invariants of [`RequestInfo`]; this owns it, and it was not started.
pub struct IdleRequest<T: Operations> {
    rq: NonNull<bindings::request>,
    _ops: PhantomData<T>,
}

/// A request that was started.
///
/// # Invariants
///
/// `rq` fulfils the invariants of [`RequestInfo`]; this owns it, and it was started.
pub struct Request<T: Operations> {
    rq: NonNull<bindings::request>,
    _ops: PhantomData<T>,
}

impl_owner!(IdleRequest);
impl_owner!(Request);

impl<T: Operations> IdleRequest<T> {
    /// Starts the request: its time runs from here. Must be done before a device gets it.
    #[inline]
    pub fn start(self) -> Request<T> {
        let rq = self.into_raw();
        // SAFETY: The request is owned, and was not started (type invariant of `IdleRequest`).
        unsafe { bindings::blk_mq_start_request(rq.as_ptr()) };
        // INVARIANT: The request was started.
        Request {
            rq,
            _ops: PhantomData,
        }
    }
}

impl<T: Operations> Request<T> {
    /// Hands the request, which the device is done with, to [`Operations::complete`]: here, or on
    /// the CPU that submitted it, or in a softirq.
    ///
    /// Any context; no lock that `complete` or the end of the request could need.
    #[inline]
    pub fn complete(self) {
        if let Some(rq) = self.complete_elsewhere() {
            T::complete(rq);
        }
    }

    /// As [`Request::complete`], but returns the request if it is to be completed right here.
    #[inline]
    pub fn complete_elsewhere(self) -> Option<Self> {
        let rq = self.into_raw();
        // SAFETY: By the type invariants; if this returns true, ownership went to the block
        // layer, which passes it to `Operations::complete`.
        if unsafe { bindings::blk_mq_complete_request_remote(rq.as_ptr()) } {
            return None;
        }
        // SAFETY: Ownership was given up above and did not go anywhere.
        Some(unsafe { Self::from_raw(rq) })
    }

    /// Whether the answer to the request is to be lost, as fault injection (`fail_io_timeout`) has
    /// it for disks whose `/sys/block/*/io-timeout-fail` says so: asked once for each answer.
    ///
    /// The driver keeps such a request as one that its device has not answered. Any context.
    #[inline(always)]
    pub fn is_answer_lost(&self) -> bool {
        cfg!(CONFIG_FAIL_IO_TIMEOUT)
            // SAFETY: By the type invariants, the request and its queue are valid.
            && unsafe { bindings::blk_should_fake_timeout((*self.rq.as_ptr()).q) }
    }

    /// Gives a request that was not rejected, but could not be queued, back to the block layer,
    /// to be queued again later. Any context.
    pub fn requeue(self) {
        // SAFETY: By the type invariants, and ownership is given up.
        unsafe { bindings::blk_mq_requeue_request(self.into_raw().as_ptr(), true) };
    }

    /// Gives a request back to the block layer that a device had, to be queued again, with new
    /// time, once that is [asked for](crate::Disk::queue_again). Its time was over, or may be: no
    /// timeout is looked at meanwhile. With those of another disk held, it gets no new time.
    pub fn requeue_later(self, held: &TimeoutsHeld<'_, T>) {
        let rq = self.into_raw().as_ptr();
        // SAFETY: By the type invariants, and ownership is given up. Nobody else looks at the time
        // of the request where timeouts of its queue are held.
        unsafe {
            if held.is_of((*rq).q) {
                (*rq).timeout = 0;
            }
            bindings::blk_mq_requeue_request(rq, false);
        }
    }

    /// Sets where the device appended the data of an [`Op::ZONE_APPEND`].
    pub fn set_sector(&mut self, sector: u64) {
        // SAFETY: The request is owned (type invariant), and `&mut self` keeps others out.
        unsafe { (*self.rq.as_ptr()).__sector = sector };
    }
}

/// A request on its way back to the block layer; see [`Request::reject`]. If it is dropped, the
/// request ends with the status.
///
/// # Invariants
///
/// `rq` fulfils the invariants of [`RequestInfo`], and this owns it. `status` is not
/// [`Status::OK`].
#[must_use = "the block layer has to know the status"]
pub struct Rejected<T: Operations> {
    rq: NonNull<bindings::request>,
    status: Status,
    _ops: PhantomData<T>,
}

// SAFETY: A request may be owned by any thread, and its data is `Send`.
unsafe impl<T: Operations> Send for Rejected<T> {}

impl<T: Operations> Rejected<T> {
    /// Returns the status to return from the `queue_rq` of C that was called with `rq`.
    pub(super) fn into_status(self, rq: *mut bindings::request) -> Status {
        if self.rq.as_ptr() == rq {
            return ManuallyDrop::new(self).status;
        }
        // Some other request: it ends, and of `rq` somebody took care.
        Status::OK
    }
}

impl<T: Operations> Drop for Rejected<T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants, and ownership ends.
        unsafe { bindings::blk_mq_end_request(self.rq.as_ptr(), self.status.into_raw()) };
    }
}
