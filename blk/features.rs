// SPDX-License-Identifier: GPL-2.0

//! Feature bits of a block device (virtio spec §5.2.3).

use virtio::Feature;

/// `size_max` has the size of the largest segment.
pub(crate) const SIZE_MAX: Feature = Feature::new(1);
/// `seg_max` has the largest number of segments.
pub(crate) const SEG_MAX: Feature = Feature::new(2);
/// `geometry` has a disk geometry.
pub(crate) const GEOMETRY: Feature = Feature::new(4);
/// The device is read-only.
pub(crate) const RO: Feature = Feature::new(5);
/// `blk_size` has the block size.
pub(crate) const BLK_SIZE: Feature = Feature::new(6);
/// The device has the flush command.
pub(crate) const FLUSH: Feature = Feature::new(9);
/// `topology` has the optimal alignment.
pub(crate) const TOPOLOGY: Feature = Feature::new(10);
/// The driver can switch the cache by `writeback`.
pub(crate) const CONFIG_WCE: Feature = Feature::new(11);
/// The device has several queues.
pub(crate) const MQ: Feature = Feature::new(12);
/// The device has the discard command.
pub(crate) const DISCARD: Feature = Feature::new(13);
/// The device has the command to write zeroes.
pub(crate) const WRITE_ZEROES: Feature = Feature::new(14);
/// The device has the command for a secure erase.
pub(crate) const SECURE_ERASE: Feature = Feature::new(16);

/// The features that the driver understands, of modern devices and legacy ones.
pub(crate) const ALL: &[Feature] = &[
    SEG_MAX,
    SIZE_MAX,
    GEOMETRY,
    RO,
    BLK_SIZE,
    FLUSH,
    TOPOLOGY,
    CONFIG_WCE,
    MQ,
    DISCARD,
    WRITE_ZEROES,
    SECURE_ERASE,
];
