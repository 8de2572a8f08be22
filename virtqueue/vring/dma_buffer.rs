// SPDX-License-Identifier: GPL-2.0

//! The memory of a queue that its device reads and writes.

use crate::{
    bindings::{
        self,
        dma_addr_t, //
    },
    direct,
    dma::Mapper, //
};
use core::ptr::NonNull;
use kernel::{
    page::page_align,
    prelude::*, //
};

/// A zeroed piece of memory for the device, aligned to a page at least.
///
/// # Invariants
///
/// `ptr` is `size` bytes that `mapper` allocated, or `alloc_pages_exact` if `mapper` is `None`.
pub(crate) struct DmaBuffer {
    mapper: Option<Mapper>,
    ptr: NonNull<u8>,
    addr: dma_addr_t,
    size: usize,
}

// SAFETY: A DMA buffer owns its memory, and the mapper may free it from any thread.
unsafe impl Send for DmaBuffer {}

impl DmaBuffer {
    /// Allocates `size` bytes with the flags `gfp`: through `mapper` if the queue uses the DMA API.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(mapper: Option<Mapper>, size: usize, gfp: u32) -> Result<Self> {
        let gfp = gfp | bindings::__GFP_ZERO;
        if let Some(mapper) = mapper {
            let (ptr, addr) = mapper.alloc_coherent(size, gfp).ok_or(ENOMEM)?;
            // INVARIANT: The mapper just allocated the memory.
            return Ok(Self {
                mapper: Some(mapper),
                ptr,
                addr,
                size,
            });
        }
        let size = page_align(size).ok_or(ENOMEM)?;
        // SAFETY: `alloc_pages_exact` takes any size.
        let ptr = unsafe { bindings::alloc_pages_exact_noprof(size, gfp) };
        let ptr = NonNull::new(ptr).ok_or(ENOMEM)?;
        // SAFETY: The pages are directly mapped, as all that `alloc_pages_exact` returns.
        let phys = unsafe { direct::virt_to_phys(ptr.as_ptr()) };
        // INVARIANT: `alloc_pages_exact` just allocated the memory.
        let buffer = Self {
            mapper: None,
            ptr: ptr.cast(),
            addr: phys as dma_addr_t,
            size,
        };
        // The device cannot address the memory if its addresses are shorter than the machine's.
        if buffer.addr as u64 != phys {
            return Err(ENOMEM);
        }
        Ok(buffer)
    }

    /// Returns the start of the buffer.
    #[inline]
    pub(crate) fn as_ptr(&self) -> NonNull<u8> {
        self.ptr
    }

    /// Returns the address at which the device finds the buffer.
    #[inline]
    pub(crate) fn addr(&self) -> dma_addr_t {
        self.addr
    }

    /// Returns the size in bytes.
    #[inline]
    pub(crate) fn size(&self) -> usize {
        self.size
    }
}

impl Drop for DmaBuffer {
    fn drop(&mut self) {
        match &self.mapper {
            // SAFETY: By the type invariant, the mapper allocated the memory. The owner drops the
            // buffer only after the last access of the device.
            Some(mapper) => unsafe { mapper.free_coherent(self.size, self.ptr, self.addr) },
            // SAFETY: By the type invariant, `alloc_pages_exact` allocated the `size` bytes. The
            // owner drops the buffer only after the last access of the device.
            None => unsafe { bindings::free_pages_exact(self.ptr.as_ptr().cast(), self.size) },
        }
    }
}
