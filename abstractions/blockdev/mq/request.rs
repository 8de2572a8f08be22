// SPDX-License-Identifier: GPL-2.0

//! Requests and their ownership.

use super::{
    Operations,
    Rejected,
    RequestInfo, //
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
            #[inline]
            pub unsafe fn from_raw(rq: NonNull<bindings::request>) -> Self {
                // INVARIANT: By the safety requirements.
                Self {
                    rq,
                    _ops: PhantomData,
                }
            }

            /// Releases the ownership to a pointer.
            #[inline]
            pub fn into_raw(self) -> NonNull<bindings::request> {
                ManuallyDrop::new(self).rq
            }

            /// Returns the driver's data.
            #[inline]
            pub fn data_mut(&mut self) -> &mut T::RequestData {
                // SAFETY: By the type invariants; `&mut self` is the only way to the data.
                unsafe { &mut *RequestInfo::<T>::data_ptr(self.rq.as_ptr()) }
            }

            /// Ends the request.
            ///
            /// Any context. A read has its data before this is called.
            #[inline]
            pub fn end(self, status: Status) {
                // SAFETY: This owns the request (type invariant), and passes the ownership.
                unsafe {
                    bindings::blk_mq_end_request(self.into_raw().as_ptr(), status.into_raw())
                };
            }

            /// Rejects the request, as a result of [`Operations::queue_rq`]. With the status
            /// [`Status::RESOURCE`] or [`Status::DEV_RESOURCE`], the block layer queues the request
            /// again later. With another status, the request ends.
            ///
            /// [`Status::OK`] is replaced by [`Status::IOERR`], because it would mean that the
            /// driver has taken the request.
            #[inline]
            pub fn reject(self, status: Status) -> Rejected<T> {
                let status = match status {
                    Status::OK => Status::IOERR,
                    status => status,
                };
                // INVARIANT: The result owns the request, and `status` is not `OK`.
                Rejected {
                    rq: self.into_raw(),
                    status,
                    _ops: PhantomData,
                }
            }
        }

        impl<T: Operations> Deref for $type<T> {
            type Target = RequestInfo<T>;

            #[inline]
            fn deref(&self) -> &RequestInfo<T> {
                // SAFETY: By the type invariants; `RequestInfo` is a transparent wrapper.
                unsafe { self.rq.cast().as_ref() }
            }
        }

        impl<T: Operations> Drop for $type<T> {
            fn drop(&mut self) {
                // SAFETY: This owns the request (type invariant), and the ownership ends.
                unsafe { bindings::blk_mq_end_request(self.rq.as_ptr(), Status::IOERR.into_raw()) };
            }
        }
    };
}

/// A request that the block layer passes to the driver.
///
/// # Invariants
///
/// `rq` fulfils the invariants of [`RequestInfo`]. This owns it, and it was not started.
pub struct IdleRequest<T: Operations> {
    rq: NonNull<bindings::request>,
    _ops: PhantomData<T>,
}

/// A request that was started.
///
/// # Invariants
///
/// `rq` fulfils the invariants of [`RequestInfo`]. This owns it, and it was started.
pub struct Request<T: Operations> {
    rq: NonNull<bindings::request>,
    _ops: PhantomData<T>,
}

impl_owner!(IdleRequest);
impl_owner!(Request);

impl<T: Operations> IdleRequest<T> {
    /// Starts the request, and its timeout. Called before a device gets the request.
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
    /// Passes a request that the device has answered to [`Operations::complete`]: at once, or on
    /// the CPU that submitted it, or in a softirq.
    ///
    /// Any context. The caller holds no lock that `complete` or the end of the request may need.
    #[inline]
    pub fn complete(self) {
        if let Some(rq) = self.complete_elsewhere() {
            T::complete(rq);
        }
    }

    /// As [`Request::complete`], but returns the request if this CPU has to complete it.
    #[inline]
    pub fn complete_elsewhere(self) -> Option<Self> {
        let rq = self.into_raw();
        // SAFETY: This owned the request (type invariant). If the function returns true, the
        // ownership went to the block layer, which passes it to `Operations::complete`.
        if unsafe { bindings::blk_mq_complete_request_remote(rq.as_ptr()) } {
            return None;
        }
        // SAFETY: `into_raw` released the ownership above, and the block layer did not take it.
        Some(unsafe { Self::from_raw(rq) })
    }

    /// Whether fault injection (`fail_io_timeout`) drops the answer to the request, on disks with
    /// `/sys/block/*/io-timeout-fail` set. Called once for each answer.
    ///
    /// The driver treats such a request as one that the device has not answered. Any context.
    #[inline]
    pub fn is_answer_lost(&self) -> bool {
        cfg!(CONFIG_FAIL_IO_TIMEOUT)
            // SAFETY: By the type invariants, the request and its queue are valid.
            && unsafe { bindings::blk_should_fake_timeout((*self.rq.as_ptr()).q) }
    }

    /// Returns a request that could not be queued to the block layer, which queues it again later.
    /// Any context.
    pub fn requeue(self) {
        // SAFETY: This owns the request (type invariant), and passes the ownership.
        unsafe { bindings::blk_mq_requeue_request(self.into_raw().as_ptr(), true) };
    }

    /// Returns a request that a device had to the block layer, with a new timeout.
    /// [`Disk::queue_again`](crate::Disk::queue_again) queues it. Timeouts are held back, because
    /// the request may have timed out. If `held` is of another disk, the request gets no new
    /// timeout.
    pub fn requeue_later(self, held: &TimeoutsHeld<'_, T>) {
        let rq = self.into_raw().as_ptr();
        // SAFETY: This owns the request (type invariant), and passes it to the block layer. While
        // the timeouts of its queue are held back, no other thread uses the timeout of the request.
        unsafe {
            if held.is_of((*rq).q) {
                (*rq).timeout = 0;
            }
            bindings::blk_mq_requeue_request(rq, false);
        }
    }

    /// Sets the sector to which the device has appended the data of an [`Op::ZONE_APPEND`].
    pub fn set_sector(&mut self, sector: u64) {
        // SAFETY: The request is owned (type invariant), and `&mut self` is exclusive.
        unsafe { (*self.rq.as_ptr()).__sector = sector };
    }
}
