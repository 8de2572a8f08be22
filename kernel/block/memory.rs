// SPDX-License-Identifier: GPL-2.0

//! Memory for those who bring disks to work.

use crate::bindings;

/// Runs `f`, with memory allocated without I/O meanwhile: for what I/O may have to wait for, which
/// would wait for itself where memory is freed by writing to the disk. Process context.
pub fn without_io<R>(f: impl FnOnce() -> R) -> R {
    // SAFETY: May be called in process context; what it changes is this thread's.
    let flags = unsafe { bindings::memalloc_noio_save() };
    let result = f();
    // SAFETY: These are what the call above returned, and all that came in between has ended.
    unsafe { bindings::memalloc_noio_restore(flags) };
    result
}
