// SPDX-License-Identifier: GPL-2.0

//! Segments of a buffer, and the token of an outstanding buffer.

use crate::{
    bindings, direct,
    ring::{
        Piece,
        SegmentWriter,
        Segments,
        Translate, //
    },
};
use core::{
    ffi::c_void,
    ptr::NonNull, //
};
use kernel::prelude::*;

/// A piece of memory of a buffer.
///
/// Creating a segment is safe. The code that adds it to a queue promises that the device may access
/// the memory.
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
    /// Returns a segment of `len` bytes of directly mapped kernel memory (`kmalloc`, a page; not
    /// `vmalloc`, not the stack, not a static).
    #[inline(always)]
    pub const fn virt(ptr: *const c_void, len: u32) -> Self {
        Self {
            kind: Kind::Virt(ptr),
            len,
        }
    }

    /// Returns a segment of `len` bytes at `offset` into a page, which may have no kernel address.
    #[inline(always)]
    pub const fn page(page: *mut bindings::page, offset: u32, len: u32) -> Self {
        Self {
            kind: Kind::Page(page, offset),
            len,
        }
    }

    /// Returns a segment of `len` bytes that the driver mapped for the device that does the queue's
    /// DMA.
    ///
    /// All segments of a buffer are premapped, or none.
    #[inline(always)]
    pub const fn premapped(addr: bindings::dma_addr_t, len: u32) -> Self {
        Self {
            kind: Kind::Premapped(addr),
            len,
        }
    }

    /// Returns the length in bytes.
    #[inline(always)]
    pub const fn len(&self) -> u32 {
        self.len
    }

    /// Returns whether the segment is empty.
    #[inline(always)]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the physical address of the segment. `write` says whether the device writes it (for
    /// KMSAN).
    ///
    /// # Safety
    ///
    /// The memory of the segment is valid, and directly mapped or a page.
    #[inline(always)]
    pub unsafe fn phys(&self, write: bool) -> u64 {
        let phys = self.address();
        #[cfg(CONFIG_KMSAN)]
        if !matches!(self.kind, Kind::Premapped(_)) {
            let dir = crate::dma::direction(write);
            // SAFETY: Code that adds a segment to a queue promises that its memory is valid, and
            // has that length.
            unsafe { bindings::rust_virtio_handle_dma(phys, self.len as usize, dir) };
        }
        #[cfg(not(CONFIG_KMSAN))]
        let _ = write;
        phys
    }

    /// Returns the physical address, or the DMA address of a premapped segment.
    #[inline(always)]
    pub(crate) fn address(&self) -> u64 {
        // SAFETY: Code that adds a segment to a queue promises that its memory is directly mapped,
        // or a page.
        unsafe {
            match self.kind {
                Kind::Virt(ptr) => direct::virt_to_phys(ptr),
                // OVERFLOW: The page exists, and the address is in it.
                Kind::Page(page, offset) => direct::page_to_phys(page).wrapping_add(offset.into()),
                Kind::Premapped(addr) => addr,
            }
        }
    }
}

impl Piece for Segment {
    type Error = Error;

    #[inline(always)]
    fn byte_len(self) -> u32 {
        self.len
    }
}

/// The translation of segments for a device that uses physical addresses.
pub(crate) struct Physical;

impl Translate<Segment> for Physical {
    const MAPS: bool = false;

    #[inline(always)]
    fn address(&mut self, segment: Segment, write: bool) -> Result<u64> {
        // SAFETY: Code that adds a segment to a queue promises this.
        Ok(unsafe { segment.phys(write) })
    }
}

/// A box of bytes is a segment that the device writes.
impl<const N: usize> Segments<Segment> for KBox<[u8; N]> {
    fn write_segments<W: SegmentWriter<Segment>>(&self, writer: &mut W) -> Result {
        // A box of no bytes has no memory.
        const { assert!(N != 0 && N <= u32::MAX as usize) };
        writer.in_(Segment::virt(self.as_ptr().cast(), N as u32))
    }
}

/// A token, which stands for a buffer in a ring: one word, and another one for queues that were
/// found with contexts.
#[derive(Clone, Copy)]
pub struct RawToken {
    /// The token. Never null: an id without a token has no outstanding buffer.
    pub data: NonNull<c_void>,
    /// The context. Only `get_buf` returns it; it is null for a buffer that was detached or
    /// recycled.
    pub ctx: *mut c_void,
}

// SAFETY: A token is two words. The code that turns it into a buffer is responsible for the buffer.
unsafe impl Send for RawToken {}

impl RawToken {
    /// Returns a token, or `None` if `data` is null.
    #[inline(always)]
    pub fn new(data: *mut c_void, ctx: *mut c_void) -> Option<Self> {
        NonNull::new(data).map(|data| Self { data, ctx })
    }
}
