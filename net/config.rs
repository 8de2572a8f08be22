// SPDX-License-Identifier: GPL-2.0

//! Configuration space of network devices (virtio spec §5.1.4).

use virtio::{
    endian::{
        Le16,
        Le32,
        Virtio16, //
    },
    Field, //
};

/// The address.
pub(crate) const MAC: Field<[u8; 6]> = Field::at(0);
/// State of the link.
pub(crate) const STATUS: Field<Virtio16> = Field::at(6);
/// Largest number of pairs of queues.
pub(crate) const MAX_PAIRS: Field<Virtio16> = Field::at(8);
/// Largest MTU.
pub(crate) const MTU: Field<Virtio16> = Field::at(10);
/// Speed in Mbit/s.
pub(crate) const SPEED: Field<Le32> = Field::at(12);
/// Duplex: 0 for half, 1 for full.
pub(crate) const DUPLEX: Field<u8> = Field::at(16);
/// Largest length of the hash key in bytes.
pub(crate) const RSS_KEY_LEN: Field<u8> = Field::at(17);
/// Largest number of entries of the indirection table.
pub(crate) const RSS_TABLE_LEN: Field<Le16> = Field::at(18);
/// Kinds of packets that the device can hash.
pub(crate) const HASH_TYPES: Field<Le32> = Field::at(20);

/// Status: the link is up.
pub(crate) const S_LINK_UP: u16 = 1;
/// Status: the device asks for an announcement.
pub(crate) const S_ANNOUNCE: u16 = 2;
