// SPDX-License-Identifier: GPL-2.0

//! Numbers for disks.

use crate::bindings;
use kernel::{
    prelude::*,
    types::Opaque, //
};

/// An allocator of the smallest free numbers, C `struct ida`.
#[pin_data(PinnedDrop)]
pub struct IndexAllocator {
    #[pin]
    ida: Opaque<bindings::ida>,
}

// SAFETY: An `ida` has its own lock.
unsafe impl Send for IndexAllocator {}

// SAFETY: An `ida` has its own lock.
unsafe impl Sync for IndexAllocator {}

impl IndexAllocator {
    /// Returns an initialiser for an allocator with all numbers free.
    pub fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            // SAFETY: The slot is valid and pinned.
            ida <- Opaque::ffi_init(|slot| unsafe { bindings::ida_init(slot) }),
        })
    }

    /// Allocates the smallest free number from `min` to `max`. Process context.
    ///
    /// # Errors
    ///
    /// - `ENOSPC`: no number is free.
    /// - `ENOMEM`.
    pub fn take(&self, min: u32, max: u32) -> Result<u32> {
        // SAFETY: The `ida` was initialised.
        let ret =
            unsafe { bindings::ida_alloc_range(self.ida.get(), min, max, bindings::GFP_KERNEL) };
        u32::try_from(ret).map_err(|_| Error::from_errno(ret))
    }

    /// Frees a number that [`IndexAllocator::take`] returned. Any context.
    pub fn give_back(&self, index: u32) {
        // SAFETY: The `ida` was initialised. It warns of a number that is not allocated.
        unsafe { bindings::ida_free(self.ida.get(), index) };
    }
}

#[pinned_drop]
impl PinnedDrop for IndexAllocator {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: The `ida` was initialised, and nothing else uses it.
        unsafe { bindings::ida_destroy(self.ida.get()) };
    }
}
