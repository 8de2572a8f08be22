// SPDX-License-Identifier: GPL-2.0

//! Frames that another interface redirects to the interface of a test.

use super::nic::Nic;
use crate::bindings;
use core::ptr::NonNull;
use kernel::{
    error::to_result,
    prelude::*, //
};

/// The device is notified: `XDP_XMIT_FLUSH`.
const FLUSH: u32 = 1;

/// Frames of XDP, each in a page.
///
/// # Invariants
///
/// The pointer is to frames that `rust_virtio_fake_frames_new` returned.
pub struct RedirectedFrames(NonNull<bindings::rust_virtio_fake_frames>);

impl RedirectedFrames {
    /// Returns `count` frames.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn new(count: u32) -> Result<Self> {
        // SAFETY: May be called in process context.
        let frames = unsafe { bindings::rust_virtio_fake_frames_new(count) };
        // INVARIANT: The frames were just made.
        Ok(Self(NonNull::new(frames).ok_or(ENOMEM)?))
    }

    /// Returns the number of frames that a driver has, and has not freed.
    pub fn owned(&self) -> u32 {
        // SAFETY: The frames are valid (type invariant).
        unsafe { bindings::rust_virtio_fake_frames_owned(self.0.as_ptr()) }
    }

    /// Asks the interface to transmit the frames, each of `len` bytes: `ndo_xdp_xmit`. Frees those
    /// that the interface does not take. Returns the number of the others. No driver has frames
    /// before the call.
    ///
    /// # Errors
    ///
    /// `EBADF`: the driver has freed frames that it did not take. Any error of the driver.
    pub fn transmit(&mut self, nic: &Nic, len: u16) -> Result<u32> {
        check_len(len)?;
        // SAFETY: `nic` has a reference, and the frames are valid (type invariants). A page has
        // room for that many bytes.
        let sent = unsafe {
            bindings::rust_virtio_fake_frames_xmit(nic.0, self.0.as_ptr(), len.into(), FLUSH)
        };
        to_result(sent.min(0))?;
        Ok(sent.unsigned_abs())
    }
}

/// Checks that a page has room for a frame of `len` bytes and what is before it.
fn check_len(len: u16) -> Result {
    if len > 2048 {
        return Err(EINVAL);
    }
    Ok(())
}

impl Drop for RedirectedFrames {
    fn drop(&mut self) {
        // SAFETY: The frames are valid (type invariant), and not used again here. A driver that
        // still has one keeps its page.
        unsafe { bindings::rust_virtio_fake_frames_free(self.0.as_ptr()) };
    }
}
