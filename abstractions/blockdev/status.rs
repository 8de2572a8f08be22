// SPDX-License-Identifier: GPL-2.0

//! The status of a request that ended.

use crate::bindings;
use kernel::{
    error::to_result,
    prelude::*, //
};

/// Status of a request, C `blk_status_t`.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(bindings::blk_status_t);

impl Status {
    /// The request was carried out.
    pub const OK: Self = Self(bindings::BLK_STS_OK as bindings::blk_status_t);
    /// The device does not support this operation.
    pub const NOTSUPP: Self = Self(bindings::BLK_STS_NOTSUPP);
    /// The device did not answer in time.
    pub const TIMEOUT: Self = Self(bindings::BLK_STS_TIMEOUT);
    /// The request failed.
    pub const IOERR: Self = Self(bindings::BLK_STS_IOERR);
    /// From `queue_rq`: a resource of the system is missing. The block layer tries again later.
    pub const RESOURCE: Self = Self(bindings::BLK_STS_RESOURCE);
    /// From `queue_rq`: a resource of the device is missing. A completion of the device frees it.
    pub const DEV_RESOURCE: Self = Self(bindings::BLK_STS_DEV_RESOURCE);
    /// Too many zones are open.
    pub const ZONE_OPEN_RESOURCE: Self = Self(bindings::BLK_STS_ZONE_OPEN_RESOURCE);
    /// Too many zones are active.
    pub const ZONE_ACTIVE_RESOURCE: Self = Self(bindings::BLK_STS_ZONE_ACTIVE_RESOURCE);

    #[inline]
    pub(crate) const fn from_raw(raw: bindings::blk_status_t) -> Self {
        Self(raw)
    }

    #[inline]
    pub(crate) const fn into_raw(self) -> bindings::blk_status_t {
        self.0
    }

    /// Returns the status as a result.
    ///
    /// # Errors
    ///
    /// The error number that user space sees for the status, such as `EIO` for
    /// [`Status::IOERR`] and `EOPNOTSUPP` for [`Status::NOTSUPP`].
    pub fn to_result(self) -> Result {
        // SAFETY: The function accepts any status.
        to_result(unsafe { bindings::blk_status_to_errno(self.0) })
    }
}
