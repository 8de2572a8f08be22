// SPDX-License-Identifier: GPL-2.0

//! Running on a certain CPU.

use crate::bindings;
use kernel::{
    error::to_result,
    prelude::*, //
};

/// Binds this thread, and the [tasks](crate::Task) that it starts, to one CPU until this is
/// dropped.
pub struct OnCpu(kernel::types::NotThreadSafe);

impl OnCpu {
    /// Moves this thread to a CPU.
    ///
    /// # Errors
    ///
    /// `EINVAL`: there is no such CPU, or it is offline.
    pub fn new(cpu: u32) -> Result<Self> {
        // SAFETY: The function checks the number.
        to_result(unsafe { bindings::rust_virtio_fake_move_to(cpu) })?;
        Ok(Self(kernel::types::NotThreadSafe))
    }
}

impl Drop for OnCpu {
    fn drop(&mut self) {
        // SAFETY: May be called in process context.
        unsafe { bindings::rust_virtio_fake_move_anywhere() };
    }
}
