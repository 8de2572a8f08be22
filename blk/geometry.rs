// SPDX-License-Identifier: GPL-2.0

//! Disk geometry, for old boot loaders and partitioning tools.

use crate::{
    config,
    features, //
};
use blockdev::Geometry;
use kernel::{
    device::Bound,
    prelude::*, //
};
use virtio::Device;

/// Returns the geometry that the device reports, or a default one for a capacity in sectors.
///
/// # Errors
///
/// Those of [`virtio::Config::read`].
pub(crate) fn read(dev: &Device<Bound>, capacity: u64) -> Result<Geometry> {
    if !dev.has_feature(features::GEOMETRY) {
        return Ok(default(capacity));
    }
    let config = dev.config();
    Ok(Geometry {
        cylinders: config.read(config::CYLINDERS)?,
        heads: config.read(config::HEADS)?,
        sectors: config.read(config::SECTORS)?,
    })
}

/// Returns a geometry of 64 heads and 32 sectors, so that a cylinder is a mebibyte. The number of
/// cylinders is cut to 16 bits, as in C.
fn default(capacity: u64) -> Geometry {
    Geometry {
        cylinders: (capacity >> 11) as u16,
        heads: 1 << 6,
        sectors: 1 << 5,
    }
}

#[cfg(CONFIG_RUST_VIRTIO_KUNIT_TEST)]
#[kernel::prelude::kunit_tests(rust_virtio_blk_geometry)]
mod tests {
    use super::*;

    #[test]
    fn cylinder_is_a_mebibyte() {
        let geometry = default(100 << 11);
        assert_eq!(
            geometry,
            Geometry {
                cylinders: 100,
                heads: 64,
                sectors: 32
            }
        );
        assert_eq!(default(0).cylinders, 0);
        assert_eq!(default((1 << 11) - 1).cylinders, 0);
    }
}
