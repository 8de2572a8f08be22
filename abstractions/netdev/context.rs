// SPDX-License-Identifier: GPL-2.0

//! The context in which memory of page pools is returned.

use crate::bindings;
use kernel::sync::atomic::{
    Atomic,
    Relaxed, //
};

/// The number of buffers that were leaked because they were dropped in hard interrupts.
static LEAKED: Atomic<u32> = Atomic::new(0);

/// Whether a buffer has to be leaked, because the calling code is a hard interrupt. Counts it then.
///
/// In an interrupt of a poll, the page pool takes the calling code for the poll, and would use the
/// cache that the poll is using. The locked ring of the pool is no way out: the interrupted code
/// may hold the lock.
#[inline]
pub(crate) fn must_leak() -> bool {
    // SAFETY: May be called in any context.
    let leaks = unsafe { bindings::rust_in_hardirq() };
    if leaks {
        count_leaked();
    }
    leaks
}

/// Counts a leaked buffer, and reports the first one.
#[cold]
fn count_leaked() {
    if LEAKED.fetch_add(1, Relaxed) == 0 {
        // SAFETY: May be called in any context.
        unsafe { bindings::rust_report_leak() };
    }
}

/// Returns the number of buffers that were leaked.
#[cfg(CONFIG_RUST_VIRTIO_KUNIT_TEST)]
pub(crate) fn leaked() -> u32 {
    LEAKED.load(Relaxed)
}
