// SPDX-License-Identifier: GPL-2.0

//! DMA mapping for the device of a queue.
//!
//! Memory is mapped by the DMA API, or by the mapping operations of the transport (vDPA, VDUSE).

use crate::{
    bindings::{
        self,
        dma_addr_t,
        virtio_map, //
    },
    device::Virtio,
    direct,
    segment::Segment, //
};
use core::{
    ffi::c_void,
    ptr::{
        null_mut,
        NonNull, //
    },
};
use kernel::{
    page::PAGE_SIZE,
    prelude::*, //
};

/// A direction, in C's terms.
pub type Direction = bindings::dma_data_direction;
/// The device reads.
pub const TO_DEVICE: Direction = Direction::DMA_TO_DEVICE;
/// The device writes.
pub const FROM_DEVICE: Direction = Direction::DMA_FROM_DEVICE;

/// Returns the direction of memory that the device writes, or reads.
#[inline(always)]
pub(crate) fn direction(write: bool) -> Direction {
    if write {
        FROM_DEVICE
    } else {
        TO_DEVICE
    }
}

/// The value that `dma_map_*` returns on failure.
pub const MAPPING_ERROR: dma_addr_t = !0;

/// The mapping of one segment.
#[derive(Clone, Copy)]
pub(crate) struct Mapping {
    pub(crate) addr: dma_addr_t,
    pub(crate) len: u32,
    pub(crate) dir: Direction,
}

/// The DMA mapper of one queue.
///
/// # Invariants
///
/// - `map` is the token that the transport has for the queue, or for the device: the argument of
///   its operations.
/// - `dma_dev` is the device that does the DMA, or null if the transport has operations of its own.
#[derive(Clone, Copy)]
pub struct Mapper {
    vdev: Virtio,
    map: virtio_map,
    dma_dev: *mut bindings::device,
}

impl Mapper {
    /// Creates the mapper of a queue for which the transport names the token `map`.
    #[inline]
    pub fn new(vdev: Virtio, map: virtio_map) -> Self {
        let dma_dev = match vdev.map_ops() {
            Some(_) => null_mut(),
            // SAFETY: Both fields of the union are pointers. Without operations, the token is the
            // device.
            None => unsafe { map.dma_dev },
        };
        // INVARIANT: `map` is the transport's token, and `dma_dev` was chosen by whether there are
        // operations.
        Self { vdev, map, dma_dev }
    }

    /// Creates the mapper of a device whose transport names no token for a queue.
    #[inline]
    pub fn of_device(vdev: Virtio) -> Self {
        Self::new(vdev, vdev.map_token())
    }

    /// Returns the device that does the DMA. Null if the transport has operations of its own.
    #[inline(always)]
    pub fn dma_dev(&self) -> *mut bindings::device {
        self.dma_dev
    }

    /// Returns the size of the largest piece that can be mapped, in bytes.
    pub fn max_size(&self) -> usize {
        match self.vdev.map_ops() {
            Some(ops) => match ops.max_mapping_size {
                // SAFETY: The operations are those of the device, and by the type invariant they
                // take `map`.
                Some(max_mapping_size) => unsafe { max_mapping_size(self.map) },
                None => usize::MAX,
            },
            // SAFETY: Without operations, `dma_dev` is the device that does the DMA (type
            // invariant).
            None => unsafe { bindings::dma_max_mapping_size(self.dma_dev()) },
        }
    }

    /// Allocates zeroed memory that both sides see, with the flags `gfp`. Returns its address, and
    /// the address at which the device finds it, or `None` if there is no memory.
    pub fn alloc_coherent(&self, size: usize, gfp: u32) -> Option<(NonNull<u8>, dma_addr_t)> {
        let mut addr = 0;
        let ptr = match self.vdev.map_ops() {
            // SAFETY: The operations are those of the device, and by the type invariant they take
            // `map`.
            Some(ops) => unsafe { (ops.alloc?)(self.map, size, &mut addr, gfp) },
            // SAFETY: Without operations, `dma_dev` is the device that does the DMA (type
            // invariant), and is valid as long as the queue.
            None => unsafe { bindings::dma_alloc_attrs(self.dma_dev(), size, &mut addr, gfp, 0) },
        };
        NonNull::new(ptr.cast()).map(|ptr| (ptr, addr))
    }

    /// Frees memory of [`Mapper::alloc_coherent`].
    ///
    /// # Safety
    ///
    /// [`Mapper::alloc_coherent`] returned `ptr` and `addr` for that size, and the memory is not
    /// used after this.
    pub unsafe fn free_coherent(&self, size: usize, ptr: NonNull<u8>, addr: dma_addr_t) {
        match self.vdev.map_ops() {
            Some(ops) => {
                if let Some(free) = ops.free {
                    // SAFETY: By the safety requirements, the transport's `alloc` returned the
                    // memory, with this size.
                    unsafe { free(self.map, size, ptr.as_ptr().cast(), addr, 0) };
                }
            }
            // SAFETY: By the safety requirements, `dma_alloc_attrs` returned the memory, with this
            // size.
            None => unsafe {
                bindings::dma_free_attrs(self.dma_dev(), size, ptr.as_ptr().cast(), addr, 0)
            },
        }
    }

    /// Maps a piece of a page. The result may be an [error](Mapper::is_error).
    ///
    /// # Safety
    ///
    /// `page` is a valid page, and stays so until it is unmapped.
    #[inline]
    pub unsafe fn map_page(
        &self,
        page: *mut bindings::page,
        offset: usize,
        size: usize,
        dir: Direction,
        attrs: usize,
    ) -> dma_addr_t {
        match self.vdev.map_ops() {
            Some(ops) => match ops.map_page {
                // SAFETY: By the safety requirements, the page stays until it is unmapped. By the
                // type invariant, the operations take `map`.
                Some(map_page) => unsafe { map_page(self.map, page, offset, size, dir, attrs) },
                None => MAPPING_ERROR,
            },
            // SAFETY: By the safety requirements, the page stays until it is unmapped.
            None => unsafe {
                bindings::rust_virtio_dma_map_page(self.dma_dev(), page, offset, size, dir, attrs)
            },
        }
    }

    /// Maps directly mapped kernel memory, or memory of the kernel's image, as
    /// [`Mapper::map_page`].
    ///
    /// # Safety
    ///
    /// `ptr` is to such memory, which stays valid until it is unmapped.
    #[inline]
    pub unsafe fn map_virt(
        &self,
        ptr: *const c_void,
        size: usize,
        dir: Direction,
        attrs: usize,
    ) -> dma_addr_t {
        let offset = ptr.addr() & (PAGE_SIZE - 1);
        // SAFETY: By the safety requirements, the memory is directly mapped or of the image, so it
        // has a page, and the page stays until it is unmapped.
        unsafe {
            let page = direct::any_virt_to_page(ptr);
            self.map_page(page, offset, size, dir, attrs)
        }
    }

    /// Maps a segment that the driver did not map.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: the segment cannot be mapped for now.
    ///
    /// # Safety
    ///
    /// As [`Mapper::map_page`] and [`Mapper::map_virt`], for the memory of `segment`.
    #[inline(always)]
    pub(crate) unsafe fn map(
        &self,
        segment: Segment,
        dir: Direction,
        attrs: usize,
    ) -> Result<dma_addr_t> {
        let (phys, len) = (segment.address(), segment.len() as usize);
        if self.dma_dev.is_null() {
            // SAFETY: By the safety requirements, the memory stays until it is unmapped.
            return unsafe { self.map_by_transport(phys, len, dir, attrs) };
        }
        // SAFETY: By the safety requirements, the memory stays until it is unmapped; by the type
        // invariant, `dma_dev` does the DMA.
        let (addr, error) = unsafe {
            let addr = bindings::rust_virtio_dma_map_phys(self.dma_dev, phys, len, dir, attrs);
            let error = bindings::rust_virtio_dma_mapping_error(self.dma_dev, addr);
            (addr, error)
        };
        if error != 0 {
            return Err(ENOMEM);
        }
        Ok(addr)
    }

    /// As [`Mapper::map`], of memory at a physical address, by the operations of the transport.
    ///
    /// # Safety
    ///
    /// As [`Mapper::map`].
    #[cold]
    #[inline(never)]
    unsafe fn map_by_transport(
        &self,
        phys: u64,
        len: usize,
        dir: Direction,
        attrs: usize,
    ) -> Result<dma_addr_t> {
        let offset = phys as usize & (PAGE_SIZE - 1);
        // SAFETY: By the safety requirements, the memory, and so its page, stays until it is
        // unmapped.
        let addr = unsafe {
            let page = bindings::rust_virtio_phys_to_page(phys);
            self.map_page(page, offset, len, dir, attrs)
        };
        if self.is_error(addr) {
            return Err(ENOMEM);
        }
        Ok(addr)
    }

    /// Unmaps mappings.
    ///
    /// # Safety
    ///
    /// [`Mapper::map`] made the mappings, with that size and direction, and the device is done with
    /// them.
    #[inline(always)]
    pub(crate) unsafe fn unmap(&self, mappings: &[Mapping]) {
        let dev = self.dma_dev;
        if dev.is_null() {
            // SAFETY: By the safety requirements, the mappings are of this mapper, and the device
            // is done with them.
            return unsafe { self.unmap_by_transport(mappings) };
        }
        for mapping in mappings {
            let len = mapping.len as usize;
            // SAFETY: By the safety requirements, the mapping has that size and direction; by the
            // type invariant, `dma_dev` does the DMA.
            unsafe {
                bindings::rust_virtio_dma_unmap_phys(dev, mapping.addr, len, mapping.dir, 0);
            }
        }
    }

    /// As [`Mapper::unmap`], by the operations of the transport.
    ///
    /// # Safety
    ///
    /// As [`Mapper::unmap`].
    #[cold]
    #[inline(never)]
    unsafe fn unmap_by_transport(&self, mappings: &[Mapping]) {
        for mapping in mappings {
            let len = mapping.len as usize;
            // SAFETY: By the safety requirements, the mapping has that size and direction.
            unsafe { self.unmap_page(mapping.addr, len, mapping.dir, 0) };
        }
    }

    /// Unmaps a mapping.
    ///
    /// # Safety
    ///
    /// This mapper made the mapping, with that size and direction, and the device is done with it.
    #[inline]
    pub unsafe fn unmap_page(&self, addr: dma_addr_t, size: usize, dir: Direction, attrs: usize) {
        match self.vdev.map_ops() {
            Some(ops) => {
                if let Some(unmap_page) = ops.unmap_page {
                    // SAFETY: By the safety requirements, the mapping has that size and direction;
                    // by the type invariant, the operation takes `map`.
                    unsafe { unmap_page(self.map, addr, size, dir, attrs) };
                }
            }
            // SAFETY: By the safety requirements, the mapping has that size and direction.
            None => unsafe {
                bindings::rust_virtio_dma_unmap_page(self.dma_dev(), addr, size, dir, attrs)
            },
        }
    }

    /// Returns whether `addr` is the result of a failed mapping.
    #[inline]
    pub fn is_error(&self, addr: dma_addr_t) -> bool {
        match self.vdev.map_ops() {
            Some(ops) => match ops.mapping_error {
                // SAFETY: The operations are those of the device, and by the type invariant they
                // take `map`.
                Some(mapping_error) => unsafe { mapping_error(self.map, addr) != 0 },
                None => addr == MAPPING_ERROR,
            },
            // SAFETY: Without operations, `dma_dev` is the device that does the DMA (type
            // invariant), and is valid as long as the queue.
            None => unsafe { bindings::rust_virtio_dma_mapping_error(self.dma_dev(), addr) != 0 },
        }
    }

    /// Returns whether a mapping has to be synchronised, so that one side sees the writes of the
    /// other side.
    #[inline]
    pub fn needs_sync(&self, addr: dma_addr_t) -> bool {
        match self.vdev.map_ops() {
            Some(ops) => ops.need_sync.is_some_and(|need_sync| {
                // SAFETY: The operations are those of the device, and by the type invariant they
                // take `map`.
                unsafe { need_sync(self.map, addr) }
            }),
            // SAFETY: Without operations, `dma_dev` is the device that does the DMA (type
            // invariant), and is valid as long as the queue.
            None => unsafe { bindings::rust_virtio_dma_need_sync(self.dma_dev(), addr) },
        }
    }

    /// Makes the writes of the device visible to the processor.
    ///
    /// # Safety
    ///
    /// `addr` is in a mapping of this mapper, with `size` bytes behind it.
    pub unsafe fn sync_for_cpu(&self, addr: dma_addr_t, size: usize, dir: Direction) {
        match self.vdev.map_ops() {
            Some(ops) => {
                if let Some(sync) = ops.sync_single_for_cpu {
                    // SAFETY: By the safety requirements, the range is in a mapping; by the type
                    // invariant, the operation takes `map`.
                    unsafe { sync(self.map, addr, size, dir) };
                }
            }
            // SAFETY: By the safety requirements, the range is in a mapping of `dma_dev`.
            None => unsafe {
                bindings::rust_virtio_dma_sync_for_cpu(self.dma_dev(), addr, size, dir)
            },
        }
    }

    /// Makes the writes of the processor visible to the device.
    ///
    /// # Safety
    ///
    /// As [`Mapper::sync_for_cpu`].
    pub unsafe fn sync_for_device(&self, addr: dma_addr_t, size: usize, dir: Direction) {
        match self.vdev.map_ops() {
            Some(ops) => {
                if let Some(sync) = ops.sync_single_for_device {
                    // SAFETY: By the safety requirements, the range is in a mapping; by the type
                    // invariant, the operation takes `map`.
                    unsafe { sync(self.map, addr, size, dir) };
                }
            }
            // SAFETY: By the safety requirements, the range is in a mapping of `dma_dev`.
            None => unsafe {
                bindings::rust_virtio_dma_sync_for_device(self.dma_dev(), addr, size, dir)
            },
        }
    }
}
