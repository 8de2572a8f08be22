// SPDX-License-Identifier: GPL-2.0

//! Allocation of memory without I/O.
//!
//! A disk that is put to sleep has its requests held back, and waits for the threads that hold on
//! to its device. Such a thread must not wait for I/O, by which memory may be had.

use crate::bindings;
use kernel::types::NotThreadSafe;

/// A time in which the current thread allocates memory without I/O. A local variable: times nest.
pub(crate) struct WithoutIo {
    flags: u32,
    _thread: NotThreadSafe,
}

impl WithoutIo {
    /// Begins such a time. Any context.
    pub(crate) fn begin() -> Self {
        Self {
            // SAFETY: May be called in any context. The flags that change are this thread's.
            flags: unsafe { bindings::rust_virtio_noio_save() },
            _thread: NotThreadSafe,
        }
    }
}

impl Drop for WithoutIo {
    fn drop(&mut self) {
        // SAFETY: `begin` returned these flags in this thread, as the value does not leave it, and
        // times that began later are over.
        unsafe { bindings::rust_virtio_noio_restore(self.flags) };
    }
}
