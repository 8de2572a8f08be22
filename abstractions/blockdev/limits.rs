// SPDX-License-Identifier: GPL-2.0

//! Queue limits: the sizes of the requests that a disk accepts.

use crate::bindings;

/// The limits of a disk, C `struct queue_limits`.
///
/// When a disk is created or updated with limits, the block layer checks them against each other,
/// and sets those that are 0 to defaults.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub struct Limits(pub(crate) bindings::queue_limits);

/// A property that a disk may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feature(bindings::blk_features_t);

impl Feature {
    /// The disk has a volatile write cache, and needs flushes.
    pub const WRITE_CACHE: Self = Self(bindings::BLK_FEAT_WRITE_CACHE);
    /// Seeks are slow.
    pub const ROTATIONAL: Self = Self(bindings::BLK_FEAT_ROTATIONAL);
    /// The disk counts its requests.
    pub(crate) const IO_STAT: Self = Self(bindings::BLK_FEAT_IO_STAT);
    /// The disk is host-managed zoned.
    pub const ZONED: Self = Self(bindings::BLK_FEAT_ZONED);

    /// Whether the limits of a queue have the property. Takes no lock: during a change, the result
    /// may be old or new.
    ///
    /// # Safety
    ///
    /// `queue` is valid.
    pub(crate) unsafe fn is_in(self, queue: *mut bindings::request_queue) -> bool {
        // SAFETY: By the safety requirements. The block layer reads the features without a lock,
        // too.
        let features = unsafe { (&raw const (*queue).limits.features).read_volatile() };
        features & self.0 != 0
    }
}

/// The smallest [`Limits::max_segment_size`] that the block layer accepts, in bytes.
pub const MIN_SEGMENT_SIZE: u32 = 4096;

/// The size in bytes of the largest segment if the limit is 0 (C: `BLK_MAX_SEGMENT_SIZE`).
pub const DEFAULT_SEGMENT_SIZE: u32 = 65536;

/// The largest logical block that the block layer accepts, in bytes.
pub const MAX_BLOCK_SIZE: u32 = bindings::BLK_MAX_BLOCK_SIZE;

macro_rules! fields {
    ($($(#[$doc:meta])* $name:ident, $set:ident: $type:ty;)*) => {
        impl Limits {
            $(
                $(#[$doc])*
                pub fn $name(&self) -> $type {
                    self.0.$name
                }

                #[doc = concat!("Sets [`Limits::", stringify!($name), "`].")]
                pub fn $set(&mut self, value: $type) -> &mut Self {
                    self.0.$name = value;
                    self
                }
            )*
        }
    };
}

fields! {
    /// Returns the smallest unit that can be addressed, in bytes.
    logical_block_size, set_logical_block_size: u32;
    /// Returns the smallest unit that can be written without reading, in bytes.
    physical_block_size, set_physical_block_size: u32;
    /// Returns the offset of the first physical block boundary, in bytes.
    alignment_offset, set_alignment_offset: u32;
    /// Returns the smallest preferred size of a request, in bytes.
    io_min, set_io_min: u32;
    /// Returns the preferred size of sustained requests, in bytes.
    io_opt, set_io_opt: u32;
    /// Returns the largest request, in sectors.
    max_hw_sectors, set_max_hw_sectors: u32;
    /// Returns the largest number of data segments of a request.
    max_segments, set_max_segments: u16;
    /// Returns the largest data segment, in bytes.
    max_segment_size, set_max_segment_size: u32;
    /// Returns the largest discard, in sectors; 0 if the disk has no discard.
    max_hw_discard_sectors, set_max_hw_discard_sectors: u32;
    /// Returns the largest number of ranges of a discard.
    max_discard_segments, set_max_discard_segments: u16;
    /// Returns the unit of discards, in bytes.
    discard_granularity, set_discard_granularity: u32;
    /// Returns the largest secure erase, in sectors; 0 if the disk has none.
    max_secure_erase_sectors, set_max_secure_erase_sectors: u32;
    /// Returns the largest write of zeroes, in sectors; 0 if the disk has none.
    max_write_zeroes_sectors, set_max_write_zeroes_sectors: u32;
    /// Returns the size of a zone, in sectors.
    chunk_sectors, set_chunk_sectors: u32;
    /// Returns the unit of writes to a sequential zone, in bytes.
    zone_write_granularity, set_zone_write_granularity: u32;
    /// Returns the largest zone append, in sectors.
    max_hw_zone_append_sectors, set_max_hw_zone_append_sectors: u32;
    /// Returns the largest number of open zones; 0 for no limit.
    max_open_zones, set_max_open_zones: u32;
    /// Returns the largest number of active zones; 0 for no limit.
    max_active_zones, set_max_active_zones: u32;
}

impl Default for Limits {
    fn default() -> Self {
        Self::new()
    }
}

impl Limits {
    /// Returns limits of which none is set.
    pub fn new() -> Self {
        Self(pin_init::zeroed())
    }

    /// Whether the disk has a property.
    pub fn has(&self, feature: Feature) -> bool {
        self.0.features & feature.0 != 0
    }

    /// Sets or clears a property.
    pub fn set(&mut self, feature: Feature, value: bool) -> &mut Self {
        if value {
            self.0.features |= feature.0;
        } else {
            self.0.features &= !feature.0;
        }
        self
    }
}
