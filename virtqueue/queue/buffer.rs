// SPDX-License-Identifier: GPL-2.0

//! Buffers: the values that a queue carries.

use core::ptr::NonNull;
use kernel::prelude::*;

pub use vring::{
    RawToken,
    Segment,
    SegmentWriter,
    Segments, //
};

/// A buffer that can be given to a device.
///
/// # Safety
///
/// - [`Segments::write_segments`] and [`Segments::write_common`] give only memory that the value
///   owns, or that is otherwise kept alive and in place as long as the value exists, in whatever
///   form ([`Buffer::into_raw`] included). Each [`Segment`] is of the kind that it says it is:
///   [`Segment::virt`] is in the direct mapping, not in the kernel's or a module's image, and not
///   on a stack. [`Segment::premapped`] stays mapped for a device.
/// - The memory given through [`SegmentWriter::in_`] may be written by the device at any time until
///   the value comes back; there is no reference to it meanwhile.
/// - The memory given through [`SegmentWriter::out`] does not change meanwhile.
/// - [`Buffer::into_raw`] moves none of it.
/// - [`Buffer::from_raw`] of what [`Buffer::into_raw`] returned is the value again, also with the
///   context lost (null).
pub unsafe trait Buffer: Segments<Segment> + Sized + Send + 'static {
    /// Whether buffers carry a context; the queue must have been found with one.
    const HAS_CTX: bool = false;

    /// The most frequent value of [`Buffer::segment_count`]: buffers with that many segments are
    /// added by code that is made for the number. 0: there is no such number.
    const COMMON_COUNT: u16 = 0;

    /// Returns the number of segments: as many as [`Segments::write_segments`] writes, or somewhat
    /// more.
    ///
    /// The ring decides by it how the buffer is described and whether there is room for it. A
    /// buffer that writes more is refused with `EINVAL`.
    fn segment_count(&self) -> usize;

    /// Whether the buffer has the shape of [`Segments::write_common`]: not if
    /// [`Buffer::segment_count`] is not [`Buffer::COMMON_COUNT`].
    #[inline(always)]
    fn is_common(&self) -> bool {
        Self::COMMON_COUNT != 0 && self.segment_count() == usize::from(Self::COMMON_COUNT)
    }

    /// Bytes that the device may write in all.
    fn writable_len(&self) -> u32;

    /// Turns the value into a token.
    fn into_raw(self) -> RawToken;

    /// Turns a token into the value.
    ///
    /// # Safety
    ///
    /// `raw` came from [`Buffer::into_raw`] of this type, which is used up here; its context may
    /// be null instead.
    unsafe fn from_raw(raw: RawToken) -> Self;
}

/// A [`Buffer`] that any queue takes: what has to be mapped of it is mapped by the queue.
///
/// # Safety
///
/// [`Segments::write_segments`] and [`Segments::write_common`] give no [`Segment::premapped`].
pub unsafe trait Unmapped: Buffer {}

// SAFETY:
// - The box owns its bytes, on the heap, until it is dropped.
// - It is not referred to while it is a token.
// - The token is the address and, as the context is not used, all there is.
unsafe impl<const N: usize> Buffer for KBox<[u8; N]> {
    fn segment_count(&self) -> usize {
        1
    }

    fn writable_len(&self) -> u32 {
        N as u32
    }

    fn into_raw(self) -> RawToken {
        RawToken {
            // SAFETY: A box is never null.
            data: unsafe { NonNull::new_unchecked(KBox::into_raw(self).cast()) },
            ctx: core::ptr::null_mut(),
        }
    }

    unsafe fn from_raw(raw: RawToken) -> Self {
        // SAFETY: By the safety requirements, the token came from `into_raw`, which made it from a
        // box.
        unsafe { KBox::from_raw(raw.data.as_ptr().cast()) }
    }
}

// SAFETY: Its one segment is directly mapped memory.
unsafe impl<const N: usize> Unmapped for KBox<[u8; N]> {}
