// SPDX-License-Identifier: GPL-2.0

//! The memory of a ring. The memory of its indirect tables is in [`tables`](crate::tables).

use crate::{
    area::Area,
    bindings::{
        self,
        dma_addr_t, //
    },
    dma::Mapper,
    ring::{
        packed,
        split,
        Config,
        Desc, //
    },
};
use core::ptr::NonNull;
use kernel::{
    page::PAGE_SIZE,
    prelude::*, //
};

/// Areas that the two sides write stay out of each other's cache lines.
const LINE: usize = 64;

/// The negotiated properties of a queue, by which a ring of any size is made.
#[derive(Clone, Copy)]
pub struct Format {
    /// `VIRTIO_F_RING_PACKED`.
    pub packed: bool,
    /// `VIRTIO_F_IN_ORDER`.
    pub in_order: bool,
    /// Buffers may be described by indirect tables.
    pub tables: bool,
    /// Alignment of the used area of a split ring.
    pub align: usize,
    /// Whether fewer descriptors will do if memory is short.
    pub may_shrink: bool,
    /// The rest.
    pub config: Config,
}

impl Format {
    /// The name of the layout.
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
    /// Available ring, or driver event suppression.
    driver: usize,
    /// Used ring, or device event suppression.
    device: usize,
    bytes: usize,
}

impl Offsets {
    fn new(format: &Format, size: u16) -> Self {
        if format.packed {
            let driver = (usize::from(size) * size_of::<Desc>() + LINE - 1) & !(LINE - 1);
            Self {
                driver,
                device: driver + LINE,
                bytes: driver + 2 * LINE,
            }
        } else {
            let layout = split::Layout::new(size, format.align);
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
/// `base` is memory for a ring of `size` descriptors, laid out as `offsets` says; it belongs to
/// `ring`, or to the caller of `vring_new_virtqueue`.
pub struct Backing {
    ring: Option<Area>,
    base: NonNull<u8>,
    offsets: Offsets,
    size: u16,
    /// The ring as C code looks at it, of a split one.
    vring: bindings::vring,
}

impl Backing {
    /// Allocates the memory of a ring of `size` descriptors.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(
        format: &Format,
        mapper: Option<&Mapper>,
        size: u16,
        gfp: u32,
    ) -> Result<Self> {
        let offsets = Offsets::new(format, size);
        let area = Area::new(mapper.copied(), offsets.bytes, gfp)?;
        let base = area.as_ptr();
        let mut backing = Self::at(base, offsets, size);
        // INVARIANT: It was just allocated.
        backing.ring = Some(area);
        Ok(backing)
    }

    /// Allocates as [`Backing::new`], a smaller ring where there is no memory for one of `size`
    /// and [`Format::may_shrink`] allows that: of half the size, until it fits into a page.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn shrinking(format: &Format, mapper: Option<&Mapper>, size: u16) -> Result<Self> {
        let mut size = size;
        loop {
            let last =
                !format.may_shrink || Offsets::new(format, size).bytes <= PAGE_SIZE || size < 2;
            let quiet = if last { 0 } else { bindings::__GFP_NOWARN };
            match Self::new(format, mapper, size, bindings::GFP_KERNEL | quiet) {
                Err(_) if !last => size /= 2,
                done => return done,
            }
        }
    }

    /// The memory of a caller, with a ring of `size` descriptors.
    ///
    /// # Safety
    ///
    /// `pages` is as much memory as such a ring takes, as long as the result exists.
    pub(crate) unsafe fn foreign(format: &Format, pages: NonNull<u8>, size: u16) -> Self {
        Self::at(pages, Offsets::new(format, size), size)
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

    /// A part of the ring.
    fn part<E>(&self, offset: usize) -> NonNull<E> {
        // SAFETY: By the type invariants, `offset` is one of `offsets`, within the memory.
        unsafe { self.base.add(offset) }.cast()
    }

    /// The memory as a split ring takes it.
    pub(crate) fn split(&self) -> split::Memory {
        split::Memory {
            size: self.size,
            desc: self.base.cast(),
            avail: self.part(self.offsets.driver),
            used: self.part(self.offsets.device),
        }
    }

    /// The memory as a packed ring takes it.
    pub(crate) fn packed(&self) -> packed::Memory {
        packed::Memory {
            size: self.size,
            desc: self.base.cast(),
            driver: self.part(self.offsets.driver),
            device: self.part(self.offsets.device),
        }
    }

    /// Descriptors.
    #[inline]
    pub fn size(&self) -> u16 {
        self.size
    }

    /// Whether the memory belongs to the queue and not to a caller.
    #[inline]
    pub fn is_owned(&self) -> bool {
        self.ring.is_some()
    }

    /// Returns the addresses at which the device finds the parts: descriptors, driver area, device
    /// area (virtio spec §4.1.4.3). Only of a ring that is [owned](Backing::is_owned).
    pub fn addresses(&self) -> Option<[dma_addr_t; 3]> {
        let base = self.ring.as_ref()?.addr();
        let at = |offset: usize| base + offset as dma_addr_t;
        Some([base, at(self.offsets.driver), at(self.offsets.device)])
    }

    /// The ring as C code looks at it. Only of a split one.
    pub fn vring(&self) -> *const bindings::vring {
        &raw const self.vring
    }

    /// Bytes of the ring.
    pub fn bytes(&self) -> usize {
        self.offsets.bytes
    }
}
