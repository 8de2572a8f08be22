// SPDX-License-Identifier: GPL-2.0

//! Requests that a driver rejects.

use super::Operations;
#[cfg(doc)]
use super::{
    Request,
    RequestInfo, //
};
use crate::{
    bindings,
    Status, //
};
use core::{
    marker::PhantomData,
    mem::ManuallyDrop,
    ptr::NonNull, //
};

/// A rejected request; see [`Request::reject`]. Dropping it ends the request with the status.
///
/// # Invariants
///
/// `rq` fulfils the invariants of [`RequestInfo`], and this owns it. `status` is not
/// [`Status::OK`].
#[must_use = "the block layer has to know the status"]
pub struct Rejected<T: Operations> {
    pub(super) rq: NonNull<bindings::request>,
    pub(super) status: Status,
    pub(super) _ops: PhantomData<T>,
}

// SAFETY: A request may be owned by any thread, and its data is `Send`.
unsafe impl<T: Operations> Send for Rejected<T> {}

impl<T: Operations> Rejected<T> {
    /// Returns the status that `queue_rq` of C returns for `rq`.
    pub(super) fn into_status(self, rq: *mut bindings::request) -> Status {
        if self.rq.as_ptr() == rq {
            return ManuallyDrop::new(self).status;
        }
        // This is another request than `rq`. Dropping `self` ends it, and the driver has taken
        // `rq`.
        Status::OK
    }
}

impl<T: Operations> Drop for Rejected<T> {
    fn drop(&mut self) {
        // SAFETY: This owns the request (type invariant), and its ownership ends here.
        unsafe { bindings::blk_mq_end_request(self.rq.as_ptr(), self.status.into_raw()) };
    }
}
