// SPDX-License-Identifier: GPL-2.0

//! The types of statistics that a device may have (virtio spec §5.1.6.5.10).

use netdev::stats::{
    RxQueueStats,
    TxQueueStats, //
};

/// A kind of queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum QueueKind {
    Receive,
    Transmit,
    Control,
}

impl QueueKind {
    /// All kinds, in order.
    pub(super) const ALL: [Self; 3] = [Self::Receive, Self::Transmit, Self::Control];
}

/// Sets a value of `netdev` statistics.
pub(super) type Set<T> = fn(&mut T, u64);

/// A type of statistics.
pub(super) struct Type {
    /// The number of the type, which is also its bit in a set of types.
    pub(super) number: u8,
    /// The kind of queue that the type belongs to.
    pub(super) kind: QueueKind,
    /// Number of values.
    pub(super) values: usize,
    /// The names in `ethtool -S`, in order, each with the index of its value.
    pub(super) names: &'static [(&'static str, usize)],
    /// The values in the `netdev` statistics of a receive queue.
    pub(super) rx: &'static [(Set<RxQueueStats>, usize)],
    /// The values in the `netdev` statistics of a transmit queue.
    pub(super) tx: &'static [(Set<TxQueueStats>, usize)],
}

impl Type {
    /// Returns the bit of the type in a set of types.
    pub(super) const fn bit(&self) -> u64 {
        1 << self.number
    }

    /// Returns the length of the type in a reply, with its header.
    pub(super) const fn len(&self) -> usize {
        HEADER_LEN + VALUE_LEN * self.values
    }
}

/// Bytes of the header of a type in a reply.
pub(super) const HEADER_LEN: usize = 8;
/// Bytes of a value.
pub(super) const VALUE_LEN: usize = 8;

/// A type without names.
const BARE: Type = Type {
    number: 0,
    kind: QueueKind::Control,
    values: 0,
    names: &[],
    rx: &[],
    tx: &[],
};

/// All types, in the order in which `ethtool -S` shows those of a queue.
pub(super) static TYPES: [Type; 9] = [
    // Commands, commands that succeeded.
    Type {
        number: 32,
        kind: QueueKind::Control,
        values: 2,
        names: &[("command_num", 0), ("ok_num", 1)],
        ..BARE
    },
    // Notifications, packets, bytes, interrupts, drops, drops for want of buffers.
    Type {
        number: 0,
        kind: QueueKind::Receive,
        values: 6,
        names: BASIC_NAMES,
        rx: &[
            (RxQueueStats::hw_drops, 4),
            (RxQueueStats::hw_drop_overruns, 5),
        ],
        ..BARE
    },
    // Packets by checksum: valid, partial, none, bad.
    Type {
        number: 1,
        kind: QueueKind::Receive,
        values: 4,
        names: &[("needs_csum", 1)],
        rx: &[
            (RxQueueStats::csum_unnecessary, 0),
            (RxQueueStats::csum_none, 2),
            (RxQueueStats::csum_bad, 3),
        ],
        ..BARE
    },
    // Packets and bytes of large packets, packets and bytes that these were made of.
    Type {
        number: 2,
        kind: QueueKind::Receive,
        values: 4,
        rx: &[
            (RxQueueStats::hw_gro_packets, 0),
            (RxQueueStats::hw_gro_bytes, 1),
            (RxQueueStats::hw_gro_wire_packets, 2),
            (RxQueueStats::hw_gro_wire_bytes, 3),
        ],
        ..BARE
    },
    // Packets and bytes beyond the allowed rate.
    Type {
        number: 3,
        kind: QueueKind::Receive,
        values: 2,
        names: SPEED_NAMES,
        rx: &[(RxQueueStats::hw_drop_ratelimits, 0)],
        ..BARE
    },
    // Notifications, packets, bytes, interrupts, drops, drops of malformed packets.
    Type {
        number: 16,
        kind: QueueKind::Transmit,
        values: 6,
        names: BASIC_NAMES,
        tx: &[
            (TxQueueStats::hw_drops, 4),
            (TxQueueStats::hw_drop_errors, 5),
        ],
        ..BARE
    },
    // Packets by checksum: none, partial.
    Type {
        number: 17,
        kind: QueueKind::Transmit,
        values: 2,
        tx: &[(TxQueueStats::csum_none, 0), (TxQueueStats::needs_csum, 1)],
        ..BARE
    },
    // Packets and bytes of large packets, packets and bytes that were made of them, packets and
    // bytes that were not segmented.
    Type {
        number: 18,
        kind: QueueKind::Transmit,
        values: 6,
        names: &[("gso_packets_noseg", 4), ("gso_bytes_noseg", 5)],
        tx: &[
            (TxQueueStats::hw_gso_packets, 0),
            (TxQueueStats::hw_gso_bytes, 1),
            (TxQueueStats::hw_gso_wire_packets, 2),
            (TxQueueStats::hw_gso_wire_bytes, 3),
        ],
        ..BARE
    },
    // Packets and bytes beyond the allowed rate.
    Type {
        number: 19,
        kind: QueueKind::Transmit,
        values: 2,
        names: SPEED_NAMES,
        tx: &[(TxQueueStats::hw_drop_ratelimits, 0)],
        ..BARE
    },
];

const BASIC_NAMES: &[(&str, usize)] = &[
    ("packets", 1),
    ("bytes", 2),
    ("notifications", 0),
    ("interrupts", 3),
];

const SPEED_NAMES: &[(&str, usize)] = &[("ratelimit_bytes", 1)];

/// A set of types that a device has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Types(u64);

impl Types {
    /// The set without types.
    pub(crate) const NONE: Self = Self(0);

    /// Returns the set with these bits. Ignores types that the driver does not know.
    pub(super) fn from_bits(bits: u64) -> Self {
        Self(TYPES.iter().fold(0, |set, one| set | one.bit() & bits))
    }

    /// Returns the bits of the set.
    pub(crate) fn bits(self) -> u64 {
        self.0
    }

    /// Returns the types of the set for a kind of queue, in order.
    pub(super) fn of(self, kind: QueueKind) -> impl Iterator<Item = &'static Type> + Clone {
        TYPES
            .iter()
            .filter(move |one| one.kind == kind && self.0 & one.bit() != 0)
    }

    /// Returns the names of the values that a kind of queue has in `ethtool -S`, in order.
    pub(crate) fn names(self, kind: QueueKind) -> impl Iterator<Item = &'static str> {
        self.of(kind)
            .flat_map(|one| one.names.iter().map(|&(name, _)| name))
    }

    /// Returns the types of the set that a kind of queue has in `ethtool -S`.
    pub(super) fn with_names(self, kind: QueueKind) -> Self {
        self.select(kind, |one| !one.names.is_empty())
    }

    /// Returns the types of the set that a kind of queue has in the `netdev` statistics.
    pub(super) fn with_setters(self, kind: QueueKind) -> Self {
        self.select(kind, |one| !one.rx.is_empty() || !one.tx.is_empty())
    }

    fn select(self, kind: QueueKind, wanted: fn(&Type) -> bool) -> Self {
        let wanted = self.of(kind).filter(|one| wanted(one));
        Self(wanted.fold(0, |set, one| set | one.bit()))
    }

    /// Returns the type with a number, if it is in the set.
    pub(super) fn find(self, number: u8) -> Option<&'static Type> {
        TYPES
            .iter()
            .find(|one| one.number == number && self.0 & one.bit() != 0)
    }

    /// Returns the length of a reply with all types of the set.
    pub(super) fn reply_len(self) -> usize {
        let types = TYPES.iter().filter(|one| self.0 & one.bit() != 0);
        types.map(Type::len).sum()
    }
}

#[cfg(CONFIG_RUST_VIRTIO_KUNIT_TEST)]
#[kernel::prelude::kunit_tests(rust_virtio_net_device_stats_kinds)]
mod tests {
    use super::*;

    /// Each value that has a place is one of its type.
    #[test]
    fn values_are_in_their_type() {
        for one in &TYPES {
            let names = one.names.iter().map(|&(_, value)| value);
            let rx = one.rx.iter().map(|&(_, value)| value);
            let tx = one.tx.iter().map(|&(_, value)| value);
            for value in names.chain(rx).chain(tx) {
                assert!(value < one.values);
            }
            assert!(one.rx.is_empty() || one.kind == QueueKind::Receive);
            assert!(one.tx.is_empty() || one.kind == QueueKind::Transmit);
        }
    }

    /// Types that the driver does not know are left out.
    #[test]
    fn unknown_types() {
        assert_eq!(Types::from_bits(u64::MAX).bits(), 0x1_000f_000f);
        assert_eq!(Types::from_bits(1 << 33 | 1 << 4 | 1 << 1).bits(), 1 << 1);
        assert!(Types::from_bits(1 << 1).find(2).is_none());
        assert!(Types::from_bits(1 << 1).find(1).is_some());
        assert!(Types::from_bits(1 << 1).find(200).is_none());
    }

    #[test]
    fn lengths_of_replies() {
        assert_eq!(Types::NONE.reply_len(), 0);
        assert_eq!(Types::from_bits(1).reply_len(), 56);
        assert_eq!(Types::from_bits(1 << 32).reply_len(), 24);
        // A receive queue with all types.
        let receive = Types::from_bits(0xf).with_setters(QueueKind::Receive);
        assert_eq!(receive.reply_len(), 56 + 40 + 40 + 24);
        // Large packets have no name.
        let receive = Types::from_bits(0xf).with_names(QueueKind::Receive);
        assert_eq!(receive.bits(), 0b1011);
        let transmit = Types::from_bits(u64::MAX).with_names(QueueKind::Transmit);
        assert_eq!(transmit.bits(), 0xd_0000);
    }
}
