// SPDX-License-Identifier: GPL-2.0

//! Frames: packets that XDP transmits.

use crate::{
    bindings, context,
    skb::{
        Fragment,
        MAX_SKB_FRAGS, //
    },
};
use core::{
    cell::Cell,
    mem::ManuallyDrop,
    ptr::NonNull, //
};

/// A packet that XDP transmits, in one or several buffers, of any driver.
///
/// Dropping it returns the buffers to their driver. Any context but that of hard interrupts, in
/// which they are leaked.
///
/// # Invariants
///
/// The pointer is to a valid `struct xdp_frame`, and this owns it and its buffers. Between the
/// structure and the data there are `headroom` bytes.
#[repr(transparent)]
pub struct XdpFrame(NonNull<bindings::xdp_frame>);

// SAFETY: A frame may be used and freed from any thread.
unsafe impl Send for XdpFrame {}

impl XdpFrame {
    /// Takes over a frame.
    ///
    /// # Safety
    ///
    /// `frame` is valid, and the caller passes its ownership.
    #[inline]
    pub unsafe fn from_raw(frame: NonNull<bindings::xdp_frame>) -> Self {
        // INVARIANT: By the safety requirements.
        Self(frame)
    }

    /// Releases the ownership without freeing the frame.
    #[inline]
    pub fn into_raw(self) -> NonNull<bindings::xdp_frame> {
        ManuallyDrop::new(self).0
    }

    /// Returns the C structure, which is valid as long as the frame.
    #[inline]
    pub fn as_raw(&self) -> *mut bindings::xdp_frame {
        self.0.as_ptr()
    }

    /// Returns the start of the data in the first buffer.
    #[inline]
    pub fn data(&self) -> *mut u8 {
        // SAFETY: The frame is valid (type invariant).
        unsafe { (*self.0.as_ptr()).data.cast() }
    }

    /// Returns the number of bytes before the data that may be written.
    #[inline]
    pub fn headroom(&self) -> u32 {
        // SAFETY: The frame is valid (type invariant).
        unsafe { (*self.0.as_ptr()).headroom }
    }

    /// Returns the number of bytes in the first buffer.
    #[inline]
    pub fn head_len(&self) -> u32 {
        // SAFETY: The frame is valid (type invariant).
        unsafe { (*self.0.as_ptr()).len }
    }

    /// Returns the number of bytes of the frame.
    #[inline]
    pub fn len(&self) -> u32 {
        // SAFETY: The frame is valid (type invariant).
        unsafe { bindings::xdp_frame_len(self.0.as_ptr()) }
    }

    /// Whether the frame has no byte.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds `len` zeroes before the data. Returns whether the headroom has so many bytes; otherwise
    /// nothing changes.
    #[inline]
    #[must_use]
    pub fn push_zeroes(&mut self, len: u32) -> bool {
        let frame = self.0.as_ptr();
        if self.headroom() < len {
            return false;
        }
        // SAFETY: The frame is valid, and there are `headroom` bytes between it and the data (type
        // invariant), which no other code uses.
        unsafe {
            (*frame).headroom -= len;
            (*frame).data = (*frame).data.byte_sub(len as usize);
            (*frame).len += len;
            (*frame).data.cast::<u8>().write_bytes(0, len as usize);
        }
        true
    }

    /// Returns the list of fragments, if there is one.
    #[inline]
    fn shared_info(&self) -> Option<NonNull<bindings::skb_shared_info>> {
        // SAFETY: The frame is valid (type invariant).
        NonNull::new(unsafe { bindings::xdp_frame_shared_info(self.0.as_ptr()) })
    }

    /// Returns the number of fragments after the first buffer.
    #[inline]
    pub fn fragment_count(&self) -> usize {
        self.shared_info().map_or(0, |info| {
            // SAFETY: The list belongs to the frame.
            usize::from(unsafe { (*info.as_ptr()).nr_frags }).min(MAX_SKB_FRAGS)
        })
    }

    /// Returns the fragments after the first buffer.
    #[inline]
    pub fn fragments(&self) -> impl Iterator<Item = Fragment> + '_ {
        let info = self.shared_info();
        (0..self.fragment_count()).filter_map(move |i| {
            let info = info?.as_ptr();
            // SAFETY: The list belongs to the frame, and has `fragment_count()` entries.
            Some(unsafe { Fragment::read((&raw const (*info).frags).cast(), i) })
        })
    }
}

impl Drop for XdpFrame {
    #[inline]
    fn drop(&mut self) {
        if context::must_leak() {
            return;
        }
        // SAFETY: This owns the frame (type invariant), which is not used again. This is no hard
        // interrupt.
        unsafe { bindings::xdp_return_frame(self.0.as_ptr()) };
    }
}

/// The frames that the core asks a driver to transmit: `ndo_xdp_xmit`. BHs are disabled.
///
/// # Invariants
///
/// `frames` is an array of `len` valid frames. This owns those that it counts in `sent`, which come
/// first.
pub struct XdpFrames<'a> {
    frames: *mut *mut bindings::xdp_frame,
    len: usize,
    flush: bool,
    /// The number of frames that were sent, for the caller of the driver.
    sent: &'a Cell<usize>,
}

impl<'a> XdpFrames<'a> {
    /// Borrows the frames of a call. `sent` gets the number of frames that [`XdpFrames::send`] has
    /// sent.
    ///
    /// # Safety
    ///
    /// `frames` is an array of `len` valid frames, for the life of the result. The caller passes
    /// the ownership of the first `sent` frames. `sent` is zero.
    pub(crate) unsafe fn from_raw(
        frames: *mut *mut bindings::xdp_frame,
        len: usize,
        flush: bool,
        sent: &'a Cell<usize>,
    ) -> Self {
        // INVARIANT: By the safety requirements.
        Self {
            frames,
            len,
            flush,
            sent,
        }
    }

    /// Returns the number of frames.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no frame.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether the device has to be notified now (`XDP_XMIT_FLUSH`).
    pub fn flush(&self) -> bool {
        self.flush
    }

    /// Calls `send` with one frame after the other, until it returns a frame that it cannot send.
    /// Returns the number of frames before that one. The core drops the others.
    ///
    /// If `send` returns another frame than it was given, it has kept the one that it was given. So
    /// that one counts as sent, and the other one is dropped.
    #[inline]
    pub fn send(self, send: impl FnMut(XdpFrame) -> Result<(), XdpFrame>) -> usize {
        let sent = self.send_until_refused(send);
        // INVARIANT: `send` got the first `sent` frames and kept them. `self` is consumed, so the
        // number does not change again.
        self.sent.set(sent);
        sent
    }

    /// Passes on the frames, up to the first one that `send` returns. Returns the number of frames
    /// that `send` kept.
    #[inline]
    fn send_until_refused(&self, mut send: impl FnMut(XdpFrame) -> Result<(), XdpFrame>) -> usize {
        for i in 0..self.len {
            // SAFETY: The array has more than `i` frames (type invariant).
            let place = unsafe { self.frames.add(i) };
            // SAFETY: The frames are valid, and this one was not passed on before.
            let frame = unsafe { XdpFrame::from_raw(NonNull::new_unchecked(*place)) };
            let given = frame.as_raw();
            if let Err(frame) = send(frame) {
                if frame.as_raw() != given {
                    return i.saturating_add(1);
                }
                // The core gets the frame back, and may free it to the cache of this poll.
                core::mem::forget(frame);
                return i;
            }
        }
        self.len
    }
}
