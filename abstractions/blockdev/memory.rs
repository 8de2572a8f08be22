// SPDX-License-Identifier: GPL-2.0

//! Allocation of memory without I/O, and encryption of the guest's memory.

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

/// Whether the memory of this guest is kept from its host by encryption or the like: by SEV, TDX, a
/// realm, protected virtualisation. Any context.
///
/// C header: [`include/linux/cc_platform.h`](srctree/include/linux/cc_platform.h)
pub fn is_encrypted() -> bool {
    // SAFETY: May be called anywhere.
    unsafe { bindings::guest_mem_encrypt() }
}
