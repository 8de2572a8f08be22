// SPDX-License-Identifier: GPL-2.0

//! The memory of a ring. The memory of its indirect tables is in [`tables`](crate::tables).

use crate::{
    bindings::{
        self,
        dma_addr_t, //
    },
    dma::Mapper,
    dma_buffer::DmaBuffer,
    ring::{
        packed,
        split,
        Desc,
        RingConfig, //
    },
};
use core::ptr::NonNull;
use kernel::{
    page::PAGE_SIZE,
    prelude::*, //
};

/// The alignment that keeps areas written by different sides in different cache lines.
const LINE: usize = 64;

/// The negotiated properties of a queue, from which a ring of any size can be made.
#[derive(Clone, Copy)]
pub struct RingParams {
    /// `VIRTIO_F_RING_PACKED`.
    pub packed: bool,
    /// `VIRTIO_F_IN_ORDER`.
    pub in_order: bool,
    /// Buffers may be described by indirect tables.
    pub tables: bool,
    /// The alignment of the used area of a split ring.
    pub align: usize,
    /// A smaller ring is acceptable if memory is short.
    pub may_shrink: bool,
    /// The configuration of the ring core.
    pub config: RingConfig,
}

impl RingParams {
    /// Returns the name of the layout.
    pub(crate) fn name(&self) -> &'static str {
        match (self.packed, self.in_order) {
            (false, false) => "split",
            (false, true) => "split, in order",
            (true, false) => "packed",
            (true, true) => "packed, in order",
        }
    }
}

/// The offsets of the parts of a ring in its memory.
#[derive(Clone, Copy)]
struct Offsets {
    /// The available ring, or the driver event suppression.
    driver: usize,
    /// The used ring, or the device event suppression.
    device: usize,
    bytes: usize,
}

impl Offsets {
    fn new(params: &RingParams, size: u16) -> Self {
        if params.packed {
            let driver = (usize::from(size) * size_of::<Desc>() + LINE - 1) & !(LINE - 1);
            Self {
                driver,
                device: driver + LINE,
                bytes: driver + 2 * LINE,
            }
        } else {
            let layout = split::Layout::new(size, params.align);
            Self {
                driver: layout.avail,
                device: layout.used,
                bytes: layout.bytes,
            }
        }
    }
}

/// The memory of a ring.
///
/// # Invariants
///
/// `base` is memory for a ring of `size` descriptors, laid out as `offsets` says. The memory
/// belongs to `ring`, or to the caller of `vring_new_virtqueue` if `ring` is `None`.
pub struct RingMemory {
    ring: Option<DmaBuffer>,
    base: NonNull<u8>,
    offsets: Offsets,
    size: u16,
    /// The ring in C's terms, valid for a split ring.
    vring: bindings::vring,
}

impl RingMemory {
    /// Allocates the memory of a ring of `size` descriptors.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(
        params: &RingParams,
        mapper: Option<&Mapper>,
        size: u16,
        gfp: u32,
    ) -> Result<Self> {
        let offsets = Offsets::new(params, size);
        let buffer = DmaBuffer::new(mapper.copied(), offsets.bytes, gfp)?;
        let base = buffer.as_ptr();
        let mut ring_memory = Self::at(base, offsets, size);
        // INVARIANT: The memory at `base` belongs to `buffer`, and is as large as `offsets` says.
        ring_memory.ring = Some(buffer);
        Ok(ring_memory)
    }

    /// Allocates as [`RingMemory::new`]. If there is no memory for a ring of `size`, and
    /// [`RingParams::may_shrink`] is set, halves the size until the memory suffices, or the ring
    /// fits into a page.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new_or_smaller(
        params: &RingParams,
        mapper: Option<&Mapper>,
        size: u16,
    ) -> Result<Self> {
        let mut size = size;
        loop {
            let last =
                !params.may_shrink || Offsets::new(params, size).bytes <= PAGE_SIZE || size < 2;
            let quiet = if last { 0 } else { bindings::__GFP_NOWARN };
            match Self::new(params, mapper, size, bindings::GFP_KERNEL | quiet) {
                Err(_) if !last => size /= 2,
                done => return done,
            }
        }
    }

    /// Creates a ring of `size` descriptors in the memory of a caller.
    ///
    /// # Safety
    ///
    /// `pages` is valid memory, as large as such a ring takes, as long as the result exists.
    pub(crate) unsafe fn of_caller(params: &RingParams, pages: NonNull<u8>, size: u16) -> Self {
        Self::at(pages, Offsets::new(params, size), size)
    }

    fn at(base: NonNull<u8>, offsets: Offsets, size: u16) -> Self {
        let at = |offset| base.as_ptr().wrapping_add(offset);
        Self {
            ring: None,
            base,
            offsets,
            size,
            vring: bindings::vring {
                num: size.into(),
                desc: base.as_ptr().cast(),
                avail: at(offsets.driver).cast(),
                used: at(offsets.device).cast(),
            },
        }
    }

    /// Returns a pointer to the part of the ring at `offset`.
    fn part<E>(&self, offset: usize) -> NonNull<E> {
        // SAFETY: Every caller passes one of `offsets`, which is within the memory at `base` (type
        // invariant).
        unsafe { self.base.add(offset) }.cast()
    }

    /// Returns the location of the areas of a split ring.
    pub(crate) fn split(&self) -> split::Memory {
        split::Memory {
            size: self.size,
            desc: self.base.cast(),
            avail: self.part(self.offsets.driver),
            used: self.part(self.offsets.device),
        }
    }

    /// Returns the location of the areas of a packed ring.
    pub(crate) fn packed(&self) -> packed::Memory {
        packed::Memory {
            size: self.size,
            desc: self.base.cast(),
            driver: self.part(self.offsets.driver),
            device: self.part(self.offsets.device),
        }
    }

    /// Returns the number of descriptors.
    #[inline]
    pub fn size(&self) -> u16 {
        self.size
    }

    /// Returns whether the memory belongs to the queue and not to a caller.
    #[inline]
    pub fn is_owned(&self) -> bool {
        self.ring.is_some()
    }

    /// Returns the addresses at which the device finds the parts: descriptors, driver area, device
    /// area (virtio spec §4.1.4.3). `None` if the memory is not [owned](RingMemory::is_owned).
    pub fn addresses(&self) -> Option<[dma_addr_t; 3]> {
        let base = self.ring.as_ref()?.addr();
        let at = |offset: usize| base + offset as dma_addr_t;
        Some([base, at(self.offsets.driver), at(self.offsets.device)])
    }

    /// Returns the ring in C's terms. Only for a split ring.
    pub fn vring(&self) -> *const bindings::vring {
        &raw const self.vring
    }

    /// Returns the size of the ring in bytes.
    pub fn bytes(&self) -> usize {
        self.offsets.bytes
    }
}
