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
///   owns, or that another owner keeps alive and in place as long as the value exists, also as a
///   token ([`Buffer::into_raw`]). Each [`Segment`] is of its kind: [`Segment::virt`] is in the
///   direct mapping, not in the image of the kernel or of a module, and not on a stack.
///   [`Segment::premapped`] stays mapped for a device.
/// - The memory given through [`SegmentWriter::in_`] may be written by the device at any time until
///   the value comes back. Until the device has used the buffer, there is no reference to it.
/// - The memory given through [`SegmentWriter::out`] does not change until the value comes back.
/// - [`Buffer::into_raw`] does not move the memory.
/// - The segments and the token do not change while there are only shared references to the value.
/// - [`Buffer::from_raw`] returns the value that [`Buffer::into_raw`] took, also if the context was
///   lost (null).
pub unsafe trait Buffer: Segments<Segment> + Sized + Send + 'static {
    /// Whether buffers carry a context; the queue must have been found with one.
    const HAS_CTX: bool = false;

    /// The most frequent value of [`Buffer::segment_count`]. The path for this number is compiled
    /// separately. 0: there is no such number.
    const COMMON_COUNT: u16 = 0;

    /// Returns the number of segments that [`Segments::write_segments`] writes, or a slightly
    /// larger number.
    ///
    /// The ring uses the number to decide how to describe the buffer, and whether there is room for
    /// it. A buffer that writes more segments is refused with `EINVAL`.
    fn segment_count(&self) -> usize;

    /// Returns whether [`Segments::write_common`] can describe the buffer. False if
    /// [`Buffer::segment_count`] is not [`Buffer::COMMON_COUNT`].
    #[inline(always)]
    fn is_common(&self) -> bool {
        Self::COMMON_COUNT != 0 && self.segment_count() == usize::from(Self::COMMON_COUNT)
    }

    /// Returns the number of bytes that the device may write.
    fn writable_len(&self) -> u32;

    /// Turns the value into a token.
    fn into_raw(self) -> RawToken;

    /// Turns a token into the value.
    ///
    /// # Safety
    ///
    /// `raw` came from [`Buffer::into_raw`] of this type, and is used once. A value that is
    /// forgotten before the next use does not count: the function has no effect but its result. The
    /// context of `raw` may be null instead.
    unsafe fn from_raw(raw: RawToken) -> Self;
}

/// A [`Buffer`] that the driver has not mapped: any queue accepts it, and maps it if necessary.
///
/// # Safety
///
/// [`Segments::write_segments`] and [`Segments::write_common`] give no [`Segment::premapped`].
pub unsafe trait Unmapped: Buffer {}

// SAFETY:
// - The box owns its bytes, on the heap, until it is dropped.
// - There is no reference to the box while it is a token.
// - The token is the address, which is all of the value. The context is not used.
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

// SAFETY: The only segment is directly mapped memory.
unsafe impl<const N: usize> Unmapped for KBox<[u8; N]> {}
