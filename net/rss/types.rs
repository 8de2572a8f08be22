// SPDX-License-Identifier: GPL-2.0

//! The kinds of packets that a device hashes (virtio spec §5.1.6.4.3.1), and the header fields that
//! the hash of each kind covers.

use netdev::ethtool::rss::{
    Flow,
    HashFields, //
};

/// A set of kinds of packets, `VIRTIO_NET_RSS_HASH_TYPE_...`.
///
/// A packet belongs to the first of these kinds that is in the set: TCP or UDP, whose hash covers
/// addresses and ports; IP, whose hash covers addresses only. A packet of no kind has no hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HashTypes(u32);

impl HashTypes {
    pub(super) const NONE: Self = Self(0);
    const IPV4: Self = Self(1 << 0);
    const TCPV4: Self = Self(1 << 1);
    const UDPV4: Self = Self(1 << 2);
    const IPV6: Self = Self(1 << 3);
    const TCPV6: Self = Self(1 << 4);
    const UDPV6: Self = Self(1 << 5);

    /// All kinds that the driver uses. Those with IPv6 extension headers are not among them, as in
    /// C.
    const USED: Self = Self((1 << 6) - 1);

    /// Returns the kinds of a word of the device. Unknown ones are left out.
    pub(super) const fn from_device(word: u32) -> Self {
        Self(word & Self::USED.0)
    }

    /// Returns the word for the device, in the byte order of the CPU.
    pub(super) const fn into_word(self) -> u32 {
        self.0
    }

    const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether all kinds are among those of `other`.
    pub(super) const fn is_subset(self, other: Self) -> bool {
        self.without(other).0 == 0
    }

    /// Returns the kinds to which packets of a flow may belong: IP, and TCP or UDP.
    const fn of(flow: Flow) -> (Self, Self) {
        match flow {
            Flow::TcpV4 => (Self::IPV4, Self::TCPV4),
            Flow::UdpV4 => (Self::IPV4, Self::UDPV4),
            Flow::IpV4 => (Self::IPV4, Self::NONE),
            Flow::TcpV6 => (Self::IPV6, Self::TCPV6),
            Flow::UdpV6 => (Self::IPV6, Self::UDPV6),
            Flow::IpV6 => (Self::IPV6, Self::NONE),
        }
    }

    /// Returns the header fields that the hash of a flow covers.
    pub(super) fn fields(self, flow: Flow) -> HashFields {
        let (ip, transport) = Self::of(flow);
        if self.without(transport) != self {
            HashFields::ADDRESSES.with(HashFields::PORTS)
        } else if self.without(ip) != self {
            HashFields::ADDRESSES
        } else {
            HashFields::NONE
        }
    }

    /// Returns the kinds with which the hash of a flow covers these header fields. `None` if there
    /// are no such kinds.
    ///
    /// The kind IP belongs to several flows, so the hashes of the other flows change too. For
    /// example, without hashes of TCP over IPv4 there are no hashes of other IPv4 packets.
    pub(super) fn with_fields(self, flow: Flow, fields: HashFields) -> Option<Self> {
        let (ip, transport) = Self::of(flow);
        let others = self.without(ip).without(transport);
        if fields.has(HashFields::DISCARD) {
            Some(others)
        } else if fields == HashFields::ADDRESSES {
            Some(others.with(ip))
        } else if fields == HashFields::ADDRESSES.with(HashFields::PORTS) {
            Some(others.with(ip).with(transport))
        } else {
            None
        }
    }
}

#[cfg(CONFIG_RUST_VIRTIO_KUNIT_TEST)]
#[kernel::prelude::kunit_tests(rust_virtio_net_rss_types)]
mod tests {
    use super::*;

    const SD: HashFields = HashFields::ADDRESSES;
    const SDFN: HashFields = HashFields::ADDRESSES.with(HashFields::PORTS);
    const FLOWS: [Flow; 6] = [
        Flow::TcpV4,
        Flow::UdpV4,
        Flow::IpV4,
        Flow::TcpV6,
        Flow::UdpV6,
        Flow::IpV6,
    ];

    /// A device offers bits that are not defined, or that the driver does not use.
    #[test]
    fn unknown_types_are_left_out() {
        assert_eq!(HashTypes::from_device(!0), HashTypes::USED);
        assert_eq!(HashTypes::from_device(0x1c0), HashTypes::NONE);
        assert_eq!(HashTypes::from_device(0x1c3).into_word(), 3);
    }

    #[test]
    fn fields_of_types() {
        for flow in FLOWS {
            assert_eq!(HashTypes::NONE.fields(flow), HashFields::NONE);
            let all = HashTypes::USED.fields(flow);
            let has_ports = !matches!(flow, Flow::IpV4 | Flow::IpV6);
            assert_eq!(all, if has_ports { SDFN } else { SD });
        }
        let types = HashTypes::IPV4.with(HashTypes::TCPV4);
        assert_eq!(types.fields(Flow::TcpV4), SDFN);
        assert_eq!(types.fields(Flow::UdpV4), SD);
        assert_eq!(types.fields(Flow::IpV4), SD);
        assert_eq!(types.fields(Flow::UdpV6), HashFields::NONE);
        assert_eq!(HashTypes::UDPV6.fields(Flow::UdpV6), SDFN);
    }

    /// A flow has the fields that were set, and no type of the other version of IP changes.
    #[test]
    fn fields_are_set() {
        for before in [HashTypes::NONE, HashTypes::USED] {
            for flow in FLOWS {
                for (fields, after) in [(SD, SD), (HashFields::DISCARD, HashFields::NONE)] {
                    let types = before.with_fields(flow, fields);
                    assert_eq!(types.map(|types| types.fields(flow)), Some(after));
                }
                let types = before.with_fields(flow, SDFN).unwrap_or(HashTypes::NONE);
                assert_eq!(types.fields(flow), HashTypes::USED.fields(flow));
                let other = match flow {
                    Flow::TcpV4 | Flow::UdpV4 | Flow::IpV4 => Flow::TcpV6,
                    _ => Flow::TcpV4,
                };
                assert_eq!(types.fields(other), before.fields(other));
            }
        }
    }

    /// Without hashes of TCP, packets of UDP keep theirs.
    #[test]
    fn types_of_other_protocols_stay() {
        let types = HashTypes::USED.with_fields(Flow::TcpV4, HashFields::DISCARD);
        assert_eq!(types.map(HashTypes::into_word), Some(0x3c));
        let types = HashTypes::USED.with_fields(Flow::UdpV4, SD);
        assert_eq!(types.map(HashTypes::into_word), Some(0x3b));
        let types = HashTypes::USED.with_fields(Flow::IpV6, SD);
        assert_eq!(types, Some(HashTypes::USED));
    }

    #[test]
    fn other_fields_are_refused() {
        for fields in [HashFields::NONE, HashFields::PORTS] {
            assert_eq!(HashTypes::USED.with_fields(Flow::TcpV4, fields), None);
        }
    }

    #[test]
    fn subsets() {
        assert!(HashTypes::NONE.is_subset(HashTypes::NONE));
        assert!(HashTypes::TCPV4.is_subset(HashTypes::USED));
        assert!(!HashTypes::USED.is_subset(HashTypes::TCPV4));
    }
}
