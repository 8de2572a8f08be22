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

            /// Gives ownership up to a pointer.
            #[inline]
            pub fn into_raw(self) -> NonNull<bindings::request> {
                ManuallyDrop::new(self).rq
            }

            /// The driver's data.
            #[inline]
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

            #[inline]
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
    #[inline]
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
