// SPDX-License-Identifier: GPL-2.0

//! Running on a certain CPU.

use crate::bindings;
use kernel::{
    error::to_result,
    prelude::*, //
};

/// This thread runs on one CPU, and with it what it [starts](crate::Task), until this is dropped.
pub struct OnCpu(kernel::types::NotThreadSafe);

impl OnCpu {
    /// Moves this thread.
    ///
    /// # Errors
    ///
    /// `EINVAL`: there is no such CPU, or it is off.
    pub fn new(cpu: u32) -> Result<Self> {
        // SAFETY: Takes any number.
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
