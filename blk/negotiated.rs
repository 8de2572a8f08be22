// SPDX-License-Identifier: GPL-2.0

//! The configuration of a device. A field is read only if its feature was negotiated.

use crate::{
    cache,
    config,
    features,
    limits::{
        self,
        Erase,
        Raw,
        Topology, //
    }, //
};
use blockdev::Limits;
use kernel::{
    device::Bound,
    prelude::*, //
};
use virtio::Device;

/// Computes the limits of the disk from the values that the device reported.
///
/// Called after the queues were found: some transports (virtio-vdpa) know only then how memory is
/// mapped for the device.
///
/// # Errors
///
/// `EINVAL`: the device cannot be used, and a message says why.
pub(crate) fn limits(dev: &Device<Bound>, raw: &Raw) -> Result<Limits> {
    limits::compute(raw, dev.max_dma_size()).map_err(|refusal| {
        dev_err!(dev.as_ref(), "{}\n", refusal);
        EINVAL
    })
}

/// Reads the values for [`limits`], without a change of the configuration between the reads.
///
/// # Errors
///
/// Those of [`virtio::Config::read`].
pub(crate) fn raw(dev: &Device<Bound>) -> Result<Raw> {
    let write_cache = cache::is_on(dev)?;
    let has = |feature| dev.has_feature(feature);
    dev.config().stable(|c| {
        Ok(Raw {
            seg_max: c.read_if(features::SEG_MAX, config::SEG_MAX)?,
            size_max: c.read_if(features::SIZE_MAX, config::SIZE_MAX)?,
            blk_size: c.read_if(features::BLK_SIZE, config::BLK_SIZE)?,
            topology: if has(features::TOPOLOGY) {
                Some(Topology {
                    physical_block_exp: c.read(config::PHYSICAL_BLOCK_EXP)?,
                    alignment_offset: c.read(config::ALIGNMENT_OFFSET)?,
                    min_io_size: c.read(config::MIN_IO_SIZE)?,
                    opt_io_size: c.read(config::OPT_IO_SIZE)?,
                })
            } else {
                None
            },
            discard: if has(features::DISCARD) {
                Some(Erase {
                    max_sectors: c.read(config::MAX_DISCARD_SECTORS)?,
                    max_seg: c.read(config::MAX_DISCARD_SEG)?,
                    sector_alignment: c.read(config::DISCARD_SECTOR_ALIGNMENT)?,
                })
            } else {
                None
            },
            write_zeroes: c.read_if(features::WRITE_ZEROES, config::MAX_WRITE_ZEROES_SECTORS)?,
            secure_erase: if has(features::SECURE_ERASE) {
                Some(Erase {
                    max_sectors: c.read(config::MAX_SECURE_ERASE_SECTORS)?,
                    max_seg: c.read(config::MAX_SECURE_ERASE_SEG)?,
                    sector_alignment: c.read(config::SECURE_ERASE_SECTOR_ALIGNMENT)?,
                })
            } else {
                None
            },
            write_cache,
        })
    })
}
