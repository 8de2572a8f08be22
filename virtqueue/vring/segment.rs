// SPDX-License-Identifier: GPL-2.0

//! Segments of a buffer, and the token that stands for a buffer in flight.

use crate::{
    bindings,
    direct, //
};
use core::{
    ffi::c_void,
    mem::ManuallyDrop,
    ptr::NonNull, //
};
use kernel::prelude::*;

/// A piece of memory of a buffer.
///
/// Making one is safe; that the device may have the memory is what gives it to the queue promises.
#[derive(Clone, Copy)]
pub struct Segment {
    /// The place of the segment.
    pub kind: Kind,
    /// Length in bytes.
    len: u32,
}

/// The place of a segment.
#[derive(Clone, Copy)]
pub enum Kind {
    /// Directly mapped kernel memory.
    Virt(*const c_void),
    /// An offset in bytes into a (possibly compound) page.
    Page(*mut bindings::page, u32),
    /// An address that was mapped for the device already.
    Premapped(bindings::dma_addr_t),
}

impl Segment {
    /// `len` bytes of directly mapped kernel memory (`kmalloc`, a page; not `vmalloc`, not the
    /// stack, not a static).
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

    /// `len` bytes that the driver mapped for the device that does the queue's DMA.
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
    #[inline(always)]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The address of the segment where the device uses physical addresses, which is to write to
    /// it if `write` says so.
    #[inline(always)]
    pub fn phys(&self, write: bool) -> u64 {
        let phys = self.address();
        #[cfg(CONFIG_KMSAN)]
        if !matches!(self.kind, Kind::Premapped(_)) {
            let dir = crate::dma::direction(write);
            // SAFETY: It is memory of that length, as below.
            unsafe { bindings::rust_virtio_handle_dma(phys, self.len as usize, dir) };
        }
        #[cfg(not(CONFIG_KMSAN))]
        let _ = write;
        phys
    }

    /// The address of the segment for the processor, or that which the driver mapped it to.
    #[inline(always)]
    pub(crate) fn address(&self) -> u64 {
        // SAFETY: Code that gives memory to a queue promises that it is directly mapped, or a page.
        unsafe {
            match self.kind {
                Kind::Virt(ptr) => direct::virt_to_phys(ptr),
                // OVERFLOW: The end of a page that there is.
                Kind::Page(page, offset) => direct::page_to_phys(page).wrapping_add(offset.into()),
                Kind::Premapped(addr) => addr,
            }
        }
    }
}

/// Takes the segments of a buffer, in order: all that the device reads, then all that it writes
/// (virtio spec §2.7.4.2).
pub trait SegmentSink {
    /// Memory for the device to read.
    ///
    /// # Errors
    ///
    /// `EINVAL`: memory to write came before, or there are too many segments. `ENOMEM`: it could
    /// not be mapped for now.
    fn out(&mut self, segment: Segment) -> Result;

    /// Memory for the device to write.
    ///
    /// # Errors
    ///
    /// `EINVAL`: there are too many segments. `ENOMEM`: as [`SegmentSink::out`].
    fn in_(&mut self, segment: Segment) -> Result;

    /// Hands the sink to `f`, for what is compiled out of line: to the rest it is as if its state
    /// stayed in registers.
    #[inline(always)]
    fn apart<R>(&mut self, f: impl FnOnce(&mut Self) -> R) -> R
    where
        Self: Sized,
    {
        // SAFETY: The value is moved out and back in, and nobody sees the place meanwhile: the
        // kernel does not unwind.
        unsafe {
            let mut moved = ManuallyDrop::new(core::ptr::read(self));
            let result = f(&mut moved);
            core::ptr::write(self, ManuallyDrop::into_inner(moved));
            result
        }
    }
}

/// A buffer that can tell its segments.
pub trait Segments {
    /// The number of segments, if all buffers of the type have the same number; 0 otherwise.
    const COUNT: u16 = 0;

    /// Tells the segments. Called at most once for each time the buffer is added.
    ///
    /// # Errors
    ///
    /// Those of `sink`, passed on.
    fn describe<S: SegmentSink>(&self, sink: &mut S) -> Result;
}

/// A token, which stands for a buffer inside of a ring: one word, and one more for the queues that
/// were found with a per-buffer context.
#[derive(Clone, Copy)]
pub struct RawToken {
    /// Never null: this is how the ring tells a live buffer.
    pub data: NonNull<c_void>,
    /// The context. Given back by `get_buf` only: null in a buffer that was detached unused or
    /// recycled.
    pub ctx: *mut c_void,
}

// SAFETY: A token is two words; what they stand for is up to whom they are given back.
unsafe impl Send for RawToken {}

impl RawToken {
    /// A token, if `data` is not null.
    #[inline(always)]
    pub fn new(data: *mut c_void, ctx: *mut c_void) -> Option<Self> {
        NonNull::new(data).map(|data| Self { data, ctx })
    }
}
