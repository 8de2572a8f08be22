// SPDX-License-Identifier: GPL-2.0

//! Messages to KUnit and to the kernel log.

use crate::bindings;
use kernel::prelude::*;

/// Marks the running test as skipped, with a reason. The test goes on.
pub fn skip(why: &CStr) {
    // SAFETY: `why` is a string, which the function copies.
    unsafe { bindings::rust_virtio_fake_skip(why.as_char_ptr()) };
}

/// Returns the number of lines with `part` in the kernel log since the last call, for any part.
pub fn logged(part: &CStr) -> u32 {
    // SAFETY: `part` is a string, and tests run one at a time.
    unsafe { bindings::rust_virtio_fake_messages(part.as_char_ptr()) }
}
