// SPDX-License-Identifier: GPL-2.0

//! Reading a device's configuration.

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
use blockdev::{
    mq,
    Limits, //
};
use kernel::{
    device::Bound,
    prelude::*, //
};
use virtio::Device;

/// The way in which the queues of a device are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct QueueSplit {
    /// Queues with an interrupt, which come first.
    pub(crate) default: u16,
    /// Queues that are polled.
    pub(crate) poll: u16,
}

impl QueueSplit {
    /// All queues.
    pub(crate) fn total(self) -> u16 {
        self.default.saturating_add(self.poll)
    }

    /// Splits `total` queues, of which at least one has an interrupt.
    fn new(total: u16, poll: u32) -> Self {
        let most = total.saturating_sub(1);
        let poll = u16::try_from(poll).unwrap_or(u16::MAX).min(most);
        Self {
            default: total.saturating_sub(poll),
            poll,
        }
    }
}

/// Decides how many queues to use: what the device has, at most `limit` unless that is 0, and at
/// most one per CPU; `poll` of them are to be polled.
///
/// # Errors
///
/// - `EINVAL`: the device says that it has none.
/// - Those of [`virtio::Config::read`].
pub(crate) fn queues(dev: &Device<Bound>, limit: u32, poll: u32) -> Result<QueueSplit> {
    let offered = match dev.config().read_if(features::MQ, config::NUM_QUEUES)? {
        Some(0) => {
            dev_err!(dev.as_ref(), "MQ advertised but zero queues reported\n");
            return Err(EINVAL);
        }
        Some(n) => n,
        None => 1,
    };
    let total = mq::num_possible_queues(limits::min_not_zero(limit, offered.into()));
    Ok(QueueSplit::new(
        u16::try_from(total).unwrap_or(offered).clamp(1, offered),
        poll,
    ))
}

/// Computes the limits of the disk from what the device said.
///
/// The queues were found before: a transport may know how memory is mapped for its device only once
/// there is a queue (virtio-vdpa).
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

/// Reads everything that the limits are made from, without a change in between.
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

#[cfg(CONFIG_RUST_VIRTIO_KUNIT_TEST)]
#[kernel::prelude::kunit_tests(rust_virtio_blk_setup)]
mod tests {
    use super::*;

    #[test]
    fn one_queue_keeps_its_interrupt() {
        for (total, poll, default, polled) in [
            (1, 0, 1, 0),
            (1, 5, 1, 0),
            (4, 0, 4, 0),
            (4, 2, 2, 2),
            (4, 4, 1, 3),
            (4, u32::MAX, 1, 3),
        ] {
            let split = QueueSplit::new(total, poll);
            assert_eq!((split.default, split.poll), (default, polled));
            assert_eq!(split.total(), total);
        }
    }
}
