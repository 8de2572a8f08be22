// SPDX-License-Identifier: GPL-2.0

//! Feature bits of a block device (virtio spec §5.2.3).

use virtio::Feature;

/// The largest segment is in `size_max`.
pub(crate) const SIZE_MAX: Feature = Feature::new(1);
/// The most segments are in `seg_max`.
pub(crate) const SEG_MAX: Feature = Feature::new(2);
/// There is a disk geometry in `geometry`.
pub(crate) const GEOMETRY: Feature = Feature::new(4);
/// The device is read-only.
pub(crate) const RO: Feature = Feature::new(5);
/// The block size is in `blk_size`.
pub(crate) const BLK_SIZE: Feature = Feature::new(6);
/// Flush is a command.
pub(crate) const FLUSH: Feature = Feature::new(9);
/// There is information on optimal alignment in `topology`.
pub(crate) const TOPOLOGY: Feature = Feature::new(10);
/// The cache can be switched in `writeback`.
pub(crate) const CONFIG_WCE: Feature = Feature::new(11);
/// There are several queues.
pub(crate) const MQ: Feature = Feature::new(12);
/// Discard is a command.
pub(crate) const DISCARD: Feature = Feature::new(13);
/// Write zeroes is a command.
pub(crate) const WRITE_ZEROES: Feature = Feature::new(14);
/// Secure erase is a command.
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
