// SPDX-License-Identifier: GPL-2.0

//! Memory of a queue that its device reads and writes.

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

/// A piece of memory for the device.
///
/// Zeroed, and aligned to a page at least.
///
/// # Invariants
///
/// `ptr` is `size` bytes that `mapper` allocated, or, where that is `None`, `alloc_pages_exact`.
pub(crate) struct Area {
    mapper: Option<Mapper>,
    ptr: NonNull<u8>,
    addr: dma_addr_t,
    size: usize,
}

// SAFETY: It owns its memory.
unsafe impl Send for Area {}

impl Area {
    /// Allocates `size` bytes as `gfp` says: where the queue uses the DMA API, by its `mapper`.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(mapper: Option<Mapper>, size: usize, gfp: u32) -> Result<Self> {
        let gfp = gfp | bindings::__GFP_ZERO;
        if let Some(mapper) = mapper {
            let (ptr, addr) = mapper.alloc_coherent(size, gfp).ok_or(ENOMEM)?;
            // INVARIANT: The mapper just allocated it.
            return Ok(Self {
                mapper: Some(mapper),
                ptr,
                addr,
                size,
            });
        }
        let size = page_align(size).ok_or(ENOMEM)?;
        // SAFETY: May be called with any size.
        let ptr = unsafe { bindings::alloc_pages_exact_noprof(size, gfp) };
        let ptr = NonNull::new(ptr).ok_or(ENOMEM)?;
        // SAFETY: The pages are directly mapped.
        let phys = unsafe { direct::virt_to_phys(ptr.as_ptr()) };
        // INVARIANT: It was just allocated.
        let area = Self {
            mapper: None,
            ptr: ptr.cast(),
            addr: phys as dma_addr_t,
            size,
        };
        // A device whose addresses are shorter than the machine's cannot be given the memory.
        if area.addr as u64 != phys {
            return Err(ENOMEM);
        }
        Ok(area)
    }

    /// Returns the start of the area.
    #[inline]
    pub(crate) fn as_ptr(&self) -> NonNull<u8> {
        self.ptr
    }

    /// Returns the address at which the device finds the area.
    #[inline]
    pub(crate) fn addr(&self) -> dma_addr_t {
        self.addr
    }

    /// Bytes.
    #[inline]
    pub(crate) fn size(&self) -> usize {
        self.size
    }
}

impl Drop for Area {
    fn drop(&mut self) {
        match &self.mapper {
            // SAFETY: By the type invariant; whoever drops an area is done with it.
            Some(mapper) => unsafe { mapper.free_coherent(self.size, self.ptr, self.addr) },
            // SAFETY: By the type invariant, without a mapper the `size` bytes are of
            // `alloc_pages_exact`; nobody uses them any more.
            None => unsafe { bindings::free_pages_exact(self.ptr.as_ptr().cast(), self.size) },
        }
    }
}
