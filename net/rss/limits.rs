// SPDX-License-Identifier: GPL-2.0

//! The limits of RSS and hash reports that a device has in its configuration (virtio spec §5.1.4).

use super::types::HashTypes;
use crate::{
    config,
    features, //
};
use kernel::{
    device::Bound,
    prelude::*, //
};
use netdev::ethtool::rss::KEY_LEN;
use virtio::FeatureSet;

/// Largest number of entries of an indirection table.
///
/// A larger table would not fit an attribute of netlink, so that `ethtool -x` could not show it.
const MAX_TABLE: u16 = 8192;

/// The limits of a device. All are zero without RSS and without hash reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Number of entries of the indirection table: a power of two, or 0 without RSS.
    pub(crate) table: u16,
    /// Length of the hash key in bytes, at most 255 and at most [`KEY_LEN`].
    pub(crate) key: u16,
    /// The kinds of packets that the device can hash.
    pub(super) types: HashTypes,
}

impl Limits {
    const NONE: Self = Self {
        table: 0,
        key: 0,
        types: HashTypes::NONE,
    };

    /// Reads the limits for the negotiated features. Process context.
    ///
    /// # Errors
    ///
    /// `EINVAL`: the device has RSS, but no indirection table. Those of [`virtio::Config::read`].
    pub(crate) fn read(vdev: &virtio::Device<Bound>, features: &FeatureSet) -> Result<Self> {
        let config = vdev.config();
        if !features::has_hash(features) {
            return Ok(Self::NONE);
        }
        let mut table = 0;
        if features.has(features::RSS) {
            table = table_len(config.read(config::RSS_TABLE_LEN)?);
            if table == 0 {
                // `features::validate` does not let such a device have RSS.
                dev_err!(
                    vdev.as_ref(),
                    "device indirection table appears to have changed it is now empty\n"
                );
                return Err(EINVAL);
            }
        }
        let reported = usize::from(config.read(config::RSS_KEY_LEN)?);
        let key = reported.min(KEY_LEN);
        if key < reported {
            dev_warn!(
                vdev.as_ref(),
                "rss_max_key_size={} exceeds driver limit {}, clamping\n",
                reported,
                key
            );
        }
        Ok(Self {
            table,
            key: key as u16,
            types: HashTypes::from_device(config.read(config::HASH_TYPES)?),
        })
    }
}

/// Returns the number of entries of the indirection table for the largest number that a device
/// reports: the next lower power of two (virtio spec §5.1.6.5.7), and not more than
/// [`MAX_TABLE`]. 0, if that number is 0.
fn table_len(largest: u16) -> u16 {
    largest
        .min(MAX_TABLE)
        .checked_ilog2()
        .map_or(0, |log| 1 << log)
}

#[cfg(CONFIG_RUST_VIRTIO_KUNIT_TEST)]
#[kunit_tests(rust_virtio_net_rss_limits)]
mod tests {
    use super::*;

    /// The length is a power of two, and bounded, whatever the device reports.
    #[test]
    fn table_lengths() {
        for (largest, len) in [
            (0, 0),
            (1, 1),
            (2, 2),
            (3, 2),
            (127, 64),
            (128, 128),
            (129, 128),
            (8191, 4096),
            (8192, 8192),
            (8193, 8192),
            (0x8000, 8192),
            (u16::MAX, 8192),
        ] {
            assert_eq!(table_len(largest), len);
        }
    }
}
