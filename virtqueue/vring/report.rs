// SPDX-License-Identifier: GPL-2.0

//! The error codes for the errors of the ring core, and the messages about a device that
//! misbehaves.

use crate::{
    bindings,
    device::Virtio,
    ring::{
        AddError,
        BrokenReport,
        SetupError, //
    },
};
use kernel::prelude::*;

impl From<AddError> for Error {
    #[inline(always)]
    fn from(error: AddError) -> Self {
        match error {
            AddError::Full => ENOSPC,
            AddError::NoMemory => ENOMEM,
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

/// Logs why a queue was broken by its device. Called once for each queue.
#[cold]
#[inline(never)]
pub(crate) fn log_broken(vdev: Virtio, queue: u32, report: BrokenReport) {
    dev_err!(
        vdev.dev(),
        "queue {}: {} ({}, limit {}), the queue is broken\n",
        queue,
        report.reason.as_str(),
        report.value,
        report.limit
    );
}

/// Returns whether a reported length above the `writable_len` of a buffer is worth a message.
/// Legacy devices, and buffers with nothing to write, are known to have wrong lengths that do no
/// harm (virtio spec §2.7.8.1).
pub fn is_wrong_length(vdev: Virtio, writable_len: u32) -> bool {
    writable_len != 0 && vdev.has(bindings::VIRTIO_F_VERSION_1)
}

/// Logs that a device reports more bytes as written than a buffer has room for. Called once for
/// each queue.
#[cold]
#[inline(never)]
pub fn log_length(vdev: Virtio, queue: u32, claimed: u32, writable_len: u32) {
    dev_warn!(
        vdev.dev(),
        "queue {}: device reports {} bytes written to a buffer of {}; such lengths are cut (reported once)\n",
        queue,
        claimed,
        writable_len
    );
}
