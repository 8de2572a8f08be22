// SPDX-License-Identifier: GPL-2.0

//! Pages by their address.

use crate::bindings;
use core::ptr::NonNull;
use kernel::page::Page;

/// Returns the address of a page, unless the page is from high memory.
#[inline]
pub fn address(page: &Page) -> Option<NonNull<u8>> {
    // SAFETY: The page is valid. A page from high memory has no address while it is not mapped.
    NonNull::new(unsafe { bindings::page_address(page.as_ptr()) }.cast())
}
