// SPDX-License-Identifier: GPL-2.0

//! Fields of the device configuration (virtio spec §5.2.4).

use virtio::{
    endian::{
        Virtio16,
        Virtio32,
        Virtio64, //
    },
    Field, //
};

/// Capacity in sectors.
pub(crate) const CAPACITY: Field<Virtio64> = Field::at(0);
/// Largest segment in bytes.
pub(crate) const SIZE_MAX: Field<Virtio32> = Field::at(8);
/// Largest number of data segments of a request.
pub(crate) const SEG_MAX: Field<Virtio32> = Field::at(12);
/// Cylinders.
pub(crate) const CYLINDERS: Field<Virtio16> = Field::at(16);
/// Heads.
pub(crate) const HEADS: Field<u8> = Field::at(18);
/// Sectors per track.
pub(crate) const SECTORS: Field<u8> = Field::at(19);
/// Bytes of a logical block.
pub(crate) const BLK_SIZE: Field<Virtio32> = Field::at(20);
/// Binary logarithm of the number of logical blocks in a physical block.
pub(crate) const PHYSICAL_BLOCK_EXP: Field<u8> = Field::at(24);
/// Offset of the first aligned logical block.
pub(crate) const ALIGNMENT_OFFSET: Field<u8> = Field::at(25);
/// Smallest preferred request in logical blocks.
pub(crate) const MIN_IO_SIZE: Field<Virtio16> = Field::at(26);
/// Preferred size of sustained requests in logical blocks.
pub(crate) const OPT_IO_SIZE: Field<Virtio32> = Field::at(28);
/// Write cache enabled.
pub(crate) const WCE: Field<u8> = Field::at(32);
/// Number of queues.
pub(crate) const NUM_QUEUES: Field<Virtio16> = Field::at(34);
/// Largest discard in sectors.
pub(crate) const MAX_DISCARD_SECTORS: Field<Virtio32> = Field::at(36);
/// Largest number of ranges of a discard.
pub(crate) const MAX_DISCARD_SEG: Field<Virtio32> = Field::at(40);
/// Unit of discards in sectors.
pub(crate) const DISCARD_SECTOR_ALIGNMENT: Field<Virtio32> = Field::at(44);
/// Largest write of zeroes in sectors.
pub(crate) const MAX_WRITE_ZEROES_SECTORS: Field<Virtio32> = Field::at(48);
/// Largest secure erase in sectors.
pub(crate) const MAX_SECURE_ERASE_SECTORS: Field<Virtio32> = Field::at(60);
/// Largest number of ranges of a secure erase.
pub(crate) const MAX_SECURE_ERASE_SEG: Field<Virtio32> = Field::at(64);
/// Unit of secure erases in sectors.
pub(crate) const SECURE_ERASE_SECTOR_ALIGNMENT: Field<Virtio32> = Field::at(68);
