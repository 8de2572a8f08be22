// SPDX-License-Identifier: GPL-2.0

//! Messages to KUnit and to the kernel log.

use crate::bindings;
use kernel::prelude::*;

/// Says of the test that runs that it was skipped, and why. It goes on.
pub fn skip(why: &CStr) {
    // SAFETY: The string is one, and is copied.
    unsafe { bindings::rust_virtio_fake_skip(why.as_char_ptr()) };
}

/// Returns the number of lines with `part` that the kernel has logged since this was last asked, of
/// whatever part.
pub fn logged(part: &CStr) -> u32 {
    // SAFETY: The string is one; tests run one at a time.
    unsafe { bindings::rust_virtio_fake_messages(part.as_char_ptr()) }
}
