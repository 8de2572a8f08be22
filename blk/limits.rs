// SPDX-License-Identifier: GPL-2.0

//! Queue limits, computed from the configuration of a device.
//!
//! This file does not read the device. It takes the values as [`Raw`], unchecked, and returns
//! limits that the block layer accepts, or a [`Refusal`].

use blockdev::{
    limits::{
        Feature,
        Limits,
        DEFAULT_SEGMENT_SIZE,
        MAX_BLOCK_SIZE,
        MIN_SEGMENT_SIZE, //
    },
    SECTOR_SHIFT,
    SECTOR_SIZE, //
};
use kernel::fmt;

/// Descriptors of a request besides those of its data: header and status.
pub(crate) const EXTRA_SEGMENTS: u16 = 2;

/// Largest ring (virtio spec §2.7), and so the longest chain of descriptors.
const MAX_RING: u16 = 1 << 15;

/// Largest number of ranges of a discard, which fit one page of 4 KiB.
const MAX_DISCARD_SEGMENTS: u32 = 256;

/// The fields of the topology feature (§5.2.4).
#[derive(Clone, Copy, Default)]
pub(crate) struct Topology {
    pub(crate) physical_block_exp: u8,
    pub(crate) alignment_offset: u8,
    pub(crate) min_io_size: u16,
    pub(crate) opt_io_size: u32,
}

/// The fields of discard, or of secure erase.
#[derive(Clone, Copy, Default)]
pub(crate) struct Erase {
    pub(crate) max_sectors: u32,
    pub(crate) max_seg: u32,
    pub(crate) sector_alignment: u32,
}

/// The values that a device reports; `None` if the device does not have the feature.
#[derive(Clone, Copy, Default)]
pub(crate) struct Raw {
    pub(crate) seg_max: Option<u32>,
    pub(crate) size_max: Option<u32>,
    pub(crate) blk_size: Option<u32>,
    pub(crate) topology: Option<Topology>,
    pub(crate) discard: Option<Erase>,
    /// Largest number of sectors; 0 for no limit.
    pub(crate) write_zeroes: Option<u32>,
    pub(crate) secure_erase: Option<Erase>,
    /// The device has a write cache that is on.
    pub(crate) write_cache: bool,
}

/// The reason why a device cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The block size is not a power of two, too small or too large.
    BlockSize(u32),
    /// The largest segment is smaller than the block layer supports.
    SegmentSize(u32),
    /// A field that must not be 0 is 0.
    Zero(&'static str),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BlockSize(size) => write!(f, "block size of {size} bytes is not supported"),
            Self::SegmentSize(size) => {
                write!(f, "segments of at most {size} bytes are not supported")
            }
            Self::Zero(field) => write!(f, "virtio_blk: {field} can't be 0"),
        }
    }
}

/// Computes the limits of a disk. At most `max_dma_size` bytes can be mapped in one piece.
///
/// # Errors
///
/// The device cannot be used.
pub(crate) fn compute(raw: &Raw, max_dma_size: usize) -> Result<Limits, Refusal> {
    let mut limits = Limits::new();
    limits
        .set(Feature::ROTATIONAL, true)
        .set(Feature::WRITE_CACHE, raw.write_cache)
        // There is no limit to the sectors of a request.
        .set_max_hw_sectors(u32::MAX)
        .set_max_segments(max_segments(raw.seg_max))
        .set_max_segment_size(max_segment_size(raw.size_max, max_dma_size)?);

    let block = raw.blk_size.unwrap_or(SECTOR_SIZE);
    if !block.is_power_of_two() || !(SECTOR_SIZE..=MAX_BLOCK_SIZE).contains(&block) {
        return Err(Refusal::BlockSize(block));
    }
    limits.set_logical_block_size(block);
    if let Some(topology) = &raw.topology {
        set_topology(&mut limits, block, topology);
    }
    set_erase(&mut limits, raw)?;
    if let Some(sectors) = raw.write_zeroes {
        limits.set_max_write_zeroes_sectors(or_unlimited(sectors));
    }
    Ok(limits)
}

/// Returns the number of data segments of a request: at least one, and at most as many as fit the
/// largest ring.
pub(crate) fn max_segments(seg_max: Option<u32>) -> u16 {
    let max = MAX_RING - EXTRA_SEGMENTS;
    match seg_max {
        None | Some(0) => 1,
        Some(n) => u16::try_from(n).unwrap_or(max).min(max),
    }
}

/// Returns the number of data segments of a request on a ring without indirect descriptors. There,
/// all descriptors of a request have to fit into the ring.
pub(crate) fn fit_ring(segments: u16, ring_size: u32) -> u16 {
    let room = ring_size.saturating_sub(EXTRA_SEGMENTS.into()).max(1);
    segments.min(u16::try_from(room).unwrap_or(u16::MAX))
}

/// Returns the smaller of the limits of the device and the DMA layer. QEMU's storage daemon reports
/// 0. The C driver passes the 0 on, and the block layer uses its default then. So does this
/// function.
fn max_segment_size(size_max: Option<u32>, max_dma_size: usize) -> Result<u32, Refusal> {
    let dma = u32::try_from(max_dma_size).unwrap_or(u32::MAX);
    let device = match size_max {
        None => u32::MAX,
        Some(0) => DEFAULT_SEGMENT_SIZE,
        Some(size) => size,
    };
    let size = device.min(dma);
    if size < MIN_SEGMENT_SIZE {
        return Err(Refusal::SegmentSize(size));
    }
    Ok(size)
}

/// Sets the topology. Ignores a value that does not fit the limits: it is only advice.
fn set_topology(limits: &mut Limits, block: u32, topology: &Topology) {
    let exp = u32::from(topology.physical_block_exp);
    if exp != 0 && exp <= block.leading_zeros() {
        limits.set_physical_block_size(block << exp);
    }
    let set =
        |field: fn(&mut Limits, u32) -> &mut Limits, limits: &mut Limits, blocks: u32| match block
            .checked_mul(blocks)
        {
            Some(bytes) if blocks != 0 => {
                field(limits, bytes);
            }
            _ => {}
        };
    set(
        Limits::set_alignment_offset,
        limits,
        topology.alignment_offset.into(),
    );
    set(Limits::set_io_min, limits, topology.min_io_size.into());
    set(Limits::set_io_opt, limits, topology.opt_io_size);
}

/// Sets the limits of discard and secure erase. The block layer has one number of ranges and one
/// unit for both: the smaller ones.
fn set_erase(limits: &mut Limits, raw: &Raw) -> Result<(), Refusal> {
    let mut segments = 0;
    let mut alignment = 0;

    if let Some(discard) = &raw.discard {
        limits.set_max_hw_discard_sectors(or_unlimited(discard.max_sectors));
        segments = discard.max_seg;
        alignment = discard.sector_alignment;
    }
    if let Some(erase) = &raw.secure_erase {
        for (field, value) in [
            ("secure_erase_sector_alignment", erase.sector_alignment),
            ("max_secure_erase_sectors", erase.max_sectors),
            ("max_secure_erase_seg", erase.max_seg),
        ] {
            if value == 0 {
                return Err(Refusal::Zero(field));
            }
        }
        limits.set_max_secure_erase_sectors(erase.max_sectors);
        segments = min_not_zero(segments, erase.max_seg);
        alignment = min_not_zero(alignment, erase.sector_alignment);
    }
    if raw.discard.is_none() && raw.secure_erase.is_none() {
        return Ok(());
    }

    if segments == 0 {
        segments = limits.max_segments().into();
    }
    limits.set_max_discard_segments(segments.min(MAX_DISCARD_SEGMENTS) as u16);
    let granularity = match alignment {
        0 => limits.logical_block_size(),
        sectors => sectors.min(u32::MAX >> SECTOR_SHIFT) << SECTOR_SHIFT,
    };
    limits.set_discard_granularity(granularity);
    Ok(())
}

/// Returns a number of sectors, of which 0 means no limit, with `u32::MAX` for no limit.
fn or_unlimited(sectors: u32) -> u32 {
    match sectors {
        0 => u32::MAX,
        n => n,
    }
}

/// Returns the smaller of two limits. 0 means no limit.
pub(crate) fn min_not_zero(a: u32, b: u32) -> u32 {
    match (a, b) {
        (0, n) | (n, 0) => n,
        (a, b) => a.min(b),
    }
}

#[cfg(CONFIG_RUST_VIRTIO_KUNIT_TEST)]
#[kernel::prelude::kunit_tests(rust_virtio_blk_limits)]
mod tests {
    use super::*;

    /// Returns the values of a device without any feature.
    fn plain() -> Raw {
        Raw::default()
    }

    fn limits(raw: Raw) -> Limits {
        compute(&raw, usize::MAX).unwrap_or_default()
    }

    #[test]
    fn without_features() {
        let limits = limits(plain());
        assert_eq!(limits.logical_block_size(), 512);
        assert_eq!(limits.max_segments(), 1);
        assert_eq!(limits.max_segment_size(), u32::MAX);
        assert_eq!(limits.max_hw_sectors(), u32::MAX);
        assert_eq!(limits.max_hw_discard_sectors(), 0);
        assert_eq!(limits.max_write_zeroes_sectors(), 0);
        assert!(limits.has(Feature::ROTATIONAL));
        assert!(!limits.has(Feature::WRITE_CACHE));
    }

    #[test]
    fn segments_are_clamped() {
        for (seg_max, segments) in [(0, 1), (1, 1), (254, 254), (32766, 32766)] {
            assert_eq!(max_segments(Some(seg_max)), segments);
        }
        for seg_max in [32767, 65535, 65536, u32::MAX] {
            assert_eq!(max_segments(Some(seg_max)), 32766);
        }
    }

    #[test]
    fn segments_fit_a_ring_without_indirect_descriptors() {
        assert_eq!(fit_ring(254, 256), 254);
        assert_eq!(fit_ring(254, 16), 14);
        assert_eq!(fit_ring(254, 2), 1);
        assert_eq!(fit_ring(1, 65536), 1);
    }

    #[test]
    fn segment_size_is_the_smallest_limit() {
        let mut raw = plain();
        raw.size_max = Some(1 << 20);
        assert_eq!(limits(raw).max_segment_size(), 1 << 20);
        assert_eq!(max_segment_size(raw.size_max, 1 << 18), Ok(1 << 18));
        raw.size_max = Some(512);
        let refused = compute(&raw, usize::MAX);
        assert!(matches!(refused, Err(Refusal::SegmentSize(512))));
        let refused = compute(&plain(), 0);
        assert!(matches!(refused, Err(Refusal::SegmentSize(0))));
    }

    #[test]
    fn segment_size_of_zero_is_the_default() {
        let mut raw = plain();
        raw.size_max = Some(0);
        assert_eq!(limits(raw).max_segment_size(), 65536);
        assert_eq!(max_segment_size(raw.size_max, 1 << 14), Ok(1 << 14));
    }

    #[test]
    fn bad_block_sizes_are_refused() {
        for size in [0, 1, 3, 256, 513, 1 << 31, u32::MAX] {
            let mut raw = plain();
            raw.blk_size = Some(size);
            let refused = compute(&raw, usize::MAX);
            assert!(matches!(refused, Err(Refusal::BlockSize(n)) if n == size));
        }
    }

    #[test]
    fn topology_is_in_blocks() {
        let mut raw = plain();
        raw.blk_size = Some(4096);
        raw.topology = Some(Topology {
            physical_block_exp: 3,
            alignment_offset: 2,
            min_io_size: 16,
            opt_io_size: 256,
        });
        let limits = limits(raw);
        assert_eq!(limits.physical_block_size(), 32768);
        assert_eq!(limits.alignment_offset(), 8192);
        assert_eq!(limits.io_min(), 65536);
        assert_eq!(limits.io_opt(), 1 << 20);
    }

    #[test]
    fn topology_that_overflows_is_left_out() {
        for exp in [23, 31, 32, 63, 64, 255] {
            let mut raw = plain();
            raw.topology = Some(Topology {
                physical_block_exp: exp,
                opt_io_size: u32::MAX,
                ..Default::default()
            });
            let limits = limits(raw);
            assert_eq!(limits.physical_block_size(), 0);
            assert_eq!(limits.io_opt(), 0);
        }
    }

    #[test]
    fn discard() {
        let mut raw = plain();
        raw.seg_max = Some(100);
        raw.discard = Some(Erase::default());
        let unlimited = limits(raw);
        assert_eq!(unlimited.max_hw_discard_sectors(), u32::MAX);
        assert_eq!(unlimited.max_discard_segments(), 100);
        assert_eq!(unlimited.discard_granularity(), 512);

        raw.discard = Some(Erase {
            max_sectors: 1000,
            max_seg: 1000,
            sector_alignment: 8,
        });
        let limited = limits(raw);
        assert_eq!(limited.max_hw_discard_sectors(), 1000);
        assert_eq!(limited.max_discard_segments(), 256);
        assert_eq!(limited.discard_granularity(), 4096);
    }

    #[test]
    fn discard_alignment_saturates() {
        let mut raw = plain();
        raw.discard = Some(Erase {
            sector_alignment: 1 << 23,
            ..Default::default()
        });
        assert_eq!(limits(raw).discard_granularity(), !511);
    }

    #[test]
    fn secure_erase_has_no_zeroes() {
        let full = Erase {
            max_sectors: 100,
            max_seg: 4,
            sector_alignment: 2,
        };
        let mut raw = plain();
        raw.discard = Some(Erase {
            max_sectors: 1000,
            max_seg: 8,
            sector_alignment: 1,
        });
        raw.secure_erase = Some(full);
        let both = limits(raw);
        assert_eq!(both.max_secure_erase_sectors(), 100);
        assert_eq!(both.max_discard_segments(), 4);
        assert_eq!(both.discard_granularity(), 512);

        for erase in [
            Erase {
                max_sectors: 0,
                ..full
            },
            Erase { max_seg: 0, ..full },
            Erase {
                sector_alignment: 0,
                ..full
            },
        ] {
            raw.secure_erase = Some(erase);
            assert!(matches!(compute(&raw, usize::MAX), Err(Refusal::Zero(_))));
        }
    }

    #[test]
    fn write_zeroes() {
        let mut raw = plain();
        raw.write_zeroes = Some(0);
        assert_eq!(limits(raw).max_write_zeroes_sectors(), u32::MAX);
        raw.write_zeroes = Some(7);
        assert_eq!(limits(raw).max_write_zeroes_sectors(), 7);
    }
}
