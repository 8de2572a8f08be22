// SPDX-License-Identifier: GPL-2.0

//! Errors of the ring core in the kernel's terms, and the message of a broken queue.

use crate::{
    device::Virtio,
    ring::{
        AddError,
        Report,
        SetupError, //
    },
};
use kernel::prelude::*;

impl From<AddError> for Error {
    #[inline(always)]
    fn from(error: AddError) -> Self {
        match error {
            AddError::Full => ENOSPC,
            AddError::Broken => EIO,
            AddError::TooMany | AddError::Empty | AddError::Misordered | AddError::TooLong => {
                EINVAL
            }
        }
    }
}

impl From<SetupError> for Error {
    fn from(_: SetupError) -> Self {
        EINVAL
    }
}

/// Tells, once, what a device did to break its queue.
#[cold]
#[inline(never)]
pub(crate) fn tell(vdev: Virtio, queue: u32, report: Report) {
    dev_err!(
        vdev.dev(),
        "queue {}: {} ({}, limit {}), queue disabled\n",
        queue,
        report.reason.as_str(),
        report.value,
        report.limit
    );
}
