// SPDX-License-Identifier: GPL-2.0

//! The end of the use of a pool, which waits for the driver.

use super::Binding;
use core::ptr::NonNull;
use kernel::{
    prelude::*,
    sync::atomic::Relaxed,
    time::{
        delay::fsleep,
        Delta, //
    },
};

/// Milliseconds between two looks at the buffers that are still to come back.
const PAUSE_MS: i64 = 10;
/// The number of looks between two messages.
const LOOKS: u32 = 1000;

/// The owner of a [`Binding`].
///
/// Dropping the owner waits until the driver has dropped both halves, all buffers and all frames,
/// and drops the binding then. Process context, sleeps.
///
/// # Invariants
///
/// The pointer is to a binding that came from a box, which this owns. References to the binding are
/// shared ones, because until the end of the wait other threads change its atomic fields.
pub(crate) struct OwnedBinding(NonNull<Binding>);

// SAFETY: A binding may be used and dropped by any thread.
unsafe impl Send for OwnedBinding {}
// SAFETY: A shared owner gives only the address of the binding.
unsafe impl Sync for OwnedBinding {}

impl OwnedBinding {
    /// Takes over a binding.
    pub(super) fn new(binding: KBox<Binding>) -> Self {
        // INVARIANT: The box is given up here.
        Self(NonNull::from(KBox::leak(binding)))
    }

    /// Returns the place of the binding.
    pub(super) fn place(&self) -> NonNull<Binding> {
        self.0
    }
}

impl Drop for OwnedBinding {
    fn drop(&mut self) {
        // SAFETY: By the type invariants, the binding is valid, and there is no exclusive reference
        // to it.
        let binding = unsafe { self.0.as_ref() };
        let mut looks = 0u32;
        // SAFETY: This is the drop of the owner.
        while !unsafe { binding.is_unused() } {
            looks = looks.wrapping_add(1);
            if looks % LOOKS == 0 {
                dev_warn!(
                    &*binding.dma_dev,
                    "still waiting for packets of an AF_XDP socket, {} of them received\n",
                    binding.out.load(Relaxed)
                );
            }
            fsleep(Delta::from_millis(PAUSE_MS));
        }
        // SAFETY: By the type invariants, the pointer came from a box. The driver has nothing left
        // that refers to the binding, so this is its only user.
        drop(unsafe { KBox::from_raw(self.0.as_ptr()) });
    }
}
