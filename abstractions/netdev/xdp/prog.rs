// SPDX-License-Identifier: GPL-2.0

//! Programs.

use crate::{
    bindings,
    device::Operations,
    napi::Napi, //
};
use core::ptr::NonNull;

/// A reference to an XDP program.
///
/// # Invariants
///
/// The pointer is to a valid `struct bpf_prog` for XDP, and this owns a reference to it.
pub struct XdpProg(NonNull<bindings::bpf_prog>);

// SAFETY: A program may be used, and a reference to it dropped, from any thread.
unsafe impl Send for XdpProg {}

// SAFETY: A program does not change.
unsafe impl Sync for XdpProg {}

impl XdpProg {
    /// Takes over a reference.
    ///
    /// # Safety
    ///
    /// `prog` is a valid XDP program, and the caller passes a reference to it.
    pub(crate) unsafe fn from_raw(prog: NonNull<bindings::bpf_prog>) -> Self {
        // INVARIANT: By the safety requirements.
        Self(prog)
    }

    #[inline]
    pub(crate) fn as_raw(&self) -> *mut bindings::bpf_prog {
        self.0.as_ptr()
    }

    /// Whether the program takes packets in several buffers (`xdp.frags`).
    #[inline]
    pub fn has_frags(&self) -> bool {
        // SAFETY: The program is valid (type invariant).
        unsafe { bindings::bpf_prog_has_frags(self.as_raw()) }
    }

    /// Reports a decision that failed, or has no meaning, as C does.
    #[cold]
    pub(crate) fn report_exception<T: Operations>(&self, napi: Napi<'_, T>, action: u32) {
        let dev = napi.dev().as_raw();
        // SAFETY: The device and the program are valid (type invariants).
        unsafe {
            if action > bindings::xdp_action_XDP_REDIRECT {
                bindings::bpf_warn_invalid_xdp_action(dev, self.as_raw(), action);
            }
            bindings::trace_xdp_exception(dev, self.as_raw(), action);
        }
    }
}

impl Clone for XdpProg {
    fn clone(&self) -> Self {
        // SAFETY: The program is valid (type invariant).
        unsafe { bindings::bpf_prog_inc(self.as_raw()) };
        // INVARIANT: The reference was taken just now.
        Self(self.0)
    }
}

impl Drop for XdpProg {
    fn drop(&mut self) {
        // SAFETY: This owns a reference (type invariant), which is not used again.
        unsafe { bindings::bpf_prog_put(self.as_raw()) };
    }
}
