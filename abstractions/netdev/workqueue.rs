// SPDX-License-Identifier: GPL-2.0

//! The workqueue of a network device, and allocation of memory without I/O.
//!
//! Memory may be freed by I/O over a network device, if swap space or a file system is behind it.
//! While such a device does not work, code that has it work again must not wait for memory.

use crate::{
    bindings,
    device::raw_device, //
};
use core::ptr::NonNull;
use kernel::{
    device,
    prelude::*, //
};

/// A workqueue. Its work does not run while the system sleeps. Dropping it drains and destroys the
/// queue; process context, sleeps.
///
/// # Invariants
///
/// The pointer is a valid workqueue that this owns.
pub(crate) struct Workqueue(NonNull<bindings::workqueue_struct>);

// SAFETY: A workqueue may be used and destroyed from any thread.
unsafe impl Send for Workqueue {}

// SAFETY: A workqueue may be used from any thread.
unsafe impl Sync for Workqueue {}

impl Workqueue {
    /// Creates a workqueue with the name of `dev`. With `rescuer`, work runs also if there is no
    /// memory for a new thread (`WQ_MEM_RECLAIM`), and must not wait for work on queues without a
    /// rescuer. Process context, sleeps.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(dev: &device::Device, rescuer: bool) -> Result<Self> {
        // SAFETY: The device is valid, and has a name.
        let queue = unsafe { bindings::rust_alloc_workqueue(raw_device(dev), rescuer) };
        // INVARIANT: The queue was allocated just now.
        NonNull::new(queue).map(Self).ok_or(ENOMEM)
    }

    /// Returns the C structure, which is valid as long as this exists.
    pub(crate) fn as_raw(&self) -> *mut bindings::workqueue_struct {
        self.0.as_ptr()
    }
}

impl Drop for Workqueue {
    fn drop(&mut self) {
        // SAFETY: The queue is valid and owned (type invariant). To queue work takes a reference to
        // it, so no work is queued from here on.
        unsafe { bindings::destroy_workqueue(self.0.as_ptr()) };
    }
}

/// Runs `f` with `memalloc_noio`: an allocation does not wait for I/O, which might wait for the
/// device that `f` has work again. Process context.
pub fn without_io<R>(f: impl FnOnce() -> R) -> R {
    // SAFETY: May be called in process context. Changes flags of this thread only.
    let flags = unsafe { bindings::rust_noio_save() };
    let result = f();
    // SAFETY: `flags` came from the call above, and calls in `f` are balanced.
    unsafe { bindings::rust_noio_restore(flags) };
    result
}
