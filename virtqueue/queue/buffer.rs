// SPDX-License-Identifier: GPL-2.0

//! What a queue carries.

use crate::bindings;
use core::{
    ffi::c_void,
    ptr::NonNull, //
};
use kernel::prelude::*;

/// A piece of memory of a buffer.
///
/// Making one is safe; that the device may have the memory is what [`Buffer`] promises.
#[derive(Clone, Copy)]
pub struct Segment {
    pub(crate) kind: Kind,
    pub(crate) len: u32,
}

/// Where a segment is.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// Directly mapped kernel memory.
    Virt(*const c_void),
    /// An offset in bytes into a (possibly compound) page.
    Page(*mut bindings::page, u32),
    /// An address that the driver mapped itself.
    Premapped(bindings::dma_addr_t),
}

impl Segment {
    /// `len` bytes of directly mapped kernel memory (`kmalloc`, a page; not `vmalloc`, not the
    /// stack).
    #[inline(always)]
    pub const fn virt(ptr: *const c_void, len: u32) -> Self {
        Self {
            kind: Kind::Virt(ptr),
            len,
        }
    }

    /// `len` bytes at `offset` into a page, which may have no kernel address.
    #[inline(always)]
    pub const fn page(page: *mut bindings::page, offset: u32, len: u32) -> Self {
        Self {
            kind: Kind::Page(page, offset),
            len,
        }
    }

    /// `len` bytes that the driver mapped for [`Virtqueue::dma_dev`](crate::Virtqueue::dma_dev).
    ///
    /// All segments of a buffer are premapped, or none.
    #[inline(always)]
    pub const fn premapped(addr: bindings::dma_addr_t, len: u32) -> Self {
        Self {
            kind: Kind::Premapped(addr),
            len,
        }
    }

    /// Length in bytes.
    #[inline(always)]
    pub const fn len(&self) -> u32 {
        self.len
    }

    /// Whether the segment has no byte.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// Takes the segments of a buffer, in order: all that the device reads, then all that it writes
/// (virtio spec §2.7.4.2).
pub trait SegmentSink {
    /// Memory for the device to read.
    ///
    /// # Errors
    ///
    /// `EINVAL`: memory to write came before, or there are too many segments.
    fn out(&mut self, segment: Segment) -> Result;

    /// Memory for the device to write.
    ///
    /// # Errors
    ///
    /// `EINVAL`: there are too many segments.
    fn in_(&mut self, segment: Segment) -> Result;
}

/// What stands for a buffer inside of a ring: one word, and one more for the queues that were
/// found with a per-buffer context.
#[derive(Clone, Copy)]
pub struct RawToken {
    /// Never null: this is how the ring tells a live buffer.
    pub data: NonNull<c_void>,
    /// The context. Given back by `get_buf` only: null in a buffer that was detached unused or
    /// recycled.
    pub ctx: *mut c_void,
}

impl RawToken {
    /// A token, if `data` is not null.
    #[inline(always)]
    pub fn new(data: *mut c_void, ctx: *mut c_void) -> Option<Self> {
        NonNull::new(data).map(|data| Self { data, ctx })
    }
}

/// A buffer that can be given to a device.
///
/// # Safety
///
/// - [`Buffer::describe`] gives only memory that the value owns, or that is otherwise kept alive
///   and in place as long as the value exists, in whatever form ([`Buffer::into_raw`] included).
/// - What it gives through [`SegmentSink::in_`] may be written by the device at any time until
///   the value comes back; there is no reference to it meanwhile.
/// - What it gives through [`SegmentSink::out`] does not change meanwhile.
/// - [`Buffer::from_raw`] of what [`Buffer::into_raw`] returned is the value again, also with the
///   context lost (null).
pub unsafe trait Buffer: Sized + Send + 'static {
    /// Whether buffers carry a context; the queue must have been found with one.
    const HAS_CTX: bool = false;

    /// Tells the segments of the buffer.
    ///
    /// # Errors
    ///
    /// Those of `sink`, passed on.
    fn describe<S: SegmentSink>(&self, sink: &mut S) -> Result;

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

// SAFETY:
// - The box owns its bytes, on the heap, until it is dropped.
// - It is not referred to while it is a token.
// - The token is the address and, as the context is not used, all there is.
unsafe impl<const N: usize> Buffer for KBox<[u8; N]> {
    fn describe<S: SegmentSink>(&self, sink: &mut S) -> Result {
        sink.in_(Segment::virt(self.as_ptr().cast(), N as u32))
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
        // SAFETY: By the safety requirements.
        unsafe { KBox::from_raw(raw.data.as_ptr().cast()) }
    }
}
