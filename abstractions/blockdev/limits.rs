// SPDX-License-Identifier: GPL-2.0

//! Queue limits: what requests a disk takes.

use crate::bindings;

/// The limits of a disk, C `struct queue_limits`.
///
/// The block layer checks them against each other when a disk is made or updated with them, and
/// fills in what was not set.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub struct Limits(pub(crate) bindings::queue_limits);

/// Properties that a disk has or has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feature(bindings::blk_features_t);

impl Feature {
    /// There is a volatile write cache: flushes are needed.
    pub const WRITE_CACHE: Self = Self(bindings::BLK_FEAT_WRITE_CACHE);
    /// Seeks are dear.
    pub const ROTATIONAL: Self = Self(bindings::BLK_FEAT_ROTATIONAL);
    /// The disk is host-managed zoned.
    pub const ZONED: Self = Self(bindings::BLK_FEAT_ZONED);

    pub(crate) const fn as_raw(self) -> bindings::blk_features_t {
        self.0
    }
}

/// The smallest [`Limits::max_segment_size`] that the block layer takes, in bytes.
pub const MIN_SEGMENT_SIZE: u32 = 4096;

/// The size that the block layer takes 0 for as the largest segment, `BLK_MAX_SEGMENT_SIZE`.
pub const DEFAULT_SEGMENT_SIZE: u32 = 65536;

/// The largest logical block in bytes that the block layer takes.
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
    /// Bytes of the smallest unit that can be addressed.
    logical_block_size, set_logical_block_size: u32;
    /// Bytes of the smallest unit that can be written without reading.
    physical_block_size, set_physical_block_size: u32;
    /// Offset in bytes of the first physical block boundary.
    alignment_offset, set_alignment_offset: u32;
    /// Smallest preferred size of a request in bytes.
    io_min, set_io_min: u32;
    /// Preferred size of sustained requests in bytes.
    io_opt, set_io_opt: u32;
    /// Largest request in sectors.
    max_hw_sectors, set_max_hw_sectors: u32;
    /// Most data segments of a request.
    max_segments, set_max_segments: u16;
    /// Largest data segment in bytes.
    max_segment_size, set_max_segment_size: u32;
    /// Largest discard in sectors; 0 if there is none.
    max_hw_discard_sectors, set_max_hw_discard_sectors: u32;
    /// Most ranges of a discard.
    max_discard_segments, set_max_discard_segments: u16;
    /// Unit of discards in bytes.
    discard_granularity, set_discard_granularity: u32;
    /// Largest secure erase in sectors; 0 if there is none.
    max_secure_erase_sectors, set_max_secure_erase_sectors: u32;
    /// Largest write of zeroes in sectors; 0 if there is none.
    max_write_zeroes_sectors, set_max_write_zeroes_sectors: u32;
    /// Sectors of a zone.
    chunk_sectors, set_chunk_sectors: u32;
    /// Unit of writes to a sequential zone in bytes.
    zone_write_granularity, set_zone_write_granularity: u32;
    /// Largest zone append in sectors.
    max_hw_zone_append_sectors, set_max_hw_zone_append_sectors: u32;
    /// Most zones that may be open; 0 for no limit.
    max_open_zones, set_max_open_zones: u32;
    /// Most zones that may be active; 0 for no limit.
    max_active_zones, set_max_active_zones: u32;
}

impl Default for Limits {
    fn default() -> Self {
        Self::new()
    }
}

impl Limits {
    /// Limits of which none was set.
    pub fn new() -> Self {
        Self(pin_init::zeroed())
    }

    /// Whether the disk has a property.
    pub fn has(&self, feature: Feature) -> bool {
        self.0.features & feature.0 != 0
    }

    /// Gives a property to the disk, or takes it away.
    pub fn set(&mut self, feature: Feature, value: bool) -> &mut Self {
        if value {
            self.0.features |= feature.0;
        } else {
            self.0.features &= !feature.0;
        }
        self
    }
}
