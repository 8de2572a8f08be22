// SPDX-License-Identifier: GPL-2.0

//! The error of a buffer that was not added.

use kernel::prelude::*;

/// The error of [`Virtqueue::add_buf`](super::Virtqueue::add_buf), with the buffer, which the queue
/// did not take.
///
/// The operator `?` keeps the error and drops the buffer.
pub struct AddError<T> {
    /// The reason.
    pub error: Error,
    /// The buffer.
    pub buffer: T,
}

impl<T> From<AddError<T>> for Error {
    #[inline(always)]
    fn from(refused: AddError<T>) -> Self {
        refused.error
    }
}
