// SPDX-License-Identifier: GPL-2.0

//! Allocation of memory without I/O, and encryption of the guest's memory.

use crate::bindings;

/// Runs `f` with `memalloc_noio`: if an allocation wrote to the disk to free memory, it could wait
/// for itself. Process context.
pub fn without_io<R>(f: impl FnOnce() -> R) -> R {
    // SAFETY: May be called in process context. Changes flags of this thread only.
    let flags = unsafe { bindings::memalloc_noio_save() };
    let result = f();
    // SAFETY: `flags` came from the call above, and calls in `f` are balanced.
    unsafe { bindings::memalloc_noio_restore(flags) };
    result
}

/// Whether the memory of this guest is protected from its host (SEV, TDX, a realm, protected
/// virtualisation). Any context.
///
/// C header: [`include/linux/cc_platform.h`](srctree/include/linux/cc_platform.h)
pub fn is_encrypted() -> bool {
    // SAFETY: May be called in any context.
    unsafe { bindings::guest_mem_encrypt() }
}
