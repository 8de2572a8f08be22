// SPDX-License-Identifier: GPL-2.0

//! Features of network devices, as `ethtool -k` shows them.

use crate::bindings;
use core::ops::{
    BitAnd,
    BitOr,
    BitOrAssign, //
};

/// A set of features, C `netdev_features_t`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Features(u64);

impl Features {
    /// No feature.
    pub const NONE: Self = Self(0);
    /// A packet may have several segments.
    pub const SG: Self = Self::bit(bindings::NETIF_F_SG_BIT);
    /// The device fills in checksums anywhere in a packet.
    pub const HW_CSUM: Self = Self::bit(bindings::NETIF_F_HW_CSUM_BIT);
    /// Any kind of transmit checksum offload.
    pub const CSUM_MASK: Self = Self(
        Self::HW_CSUM.0
            | Self::bit(bindings::NETIF_F_IP_CSUM_BIT).0
            | Self::bit(bindings::NETIF_F_IPV6_CSUM_BIT).0,
    );
    /// DMA to high memory.
    pub const HIGHDMA: Self = Self::bit(bindings::NETIF_F_HIGHDMA_BIT);
    /// TCP segmentation, IPv4.
    pub const TSO: Self = Self::bit(bindings::NETIF_F_TSO_BIT);
    /// TCP segmentation, IPv6.
    pub const TSO6: Self = Self::bit(bindings::NETIF_F_TSO6_BIT);
    /// TCP segmentation with ECN.
    pub const TSO_ECN: Self = Self::bit(bindings::NETIF_F_TSO_ECN_BIT);
    /// Segmentation of packets whose headers were not checked.
    pub const GSO_ROBUST: Self = Self::bit(bindings::NETIF_F_GSO_ROBUST_BIT);
    /// UDP segmentation.
    pub const GSO_UDP_L4: Self = Self::bit(bindings::NETIF_F_GSO_UDP_L4_BIT);
    /// Segmentation of packets in a UDP tunnel.
    pub const GSO_UDP_TUNNEL: Self = Self::bit(bindings::NETIF_F_GSO_UDP_TUNNEL_BIT);
    /// Segmentation of packets in a UDP tunnel with checksums.
    pub const GSO_UDP_TUNNEL_CSUM: Self = Self::bit(bindings::NETIF_F_GSO_UDP_TUNNEL_CSUM_BIT);
    /// The device checks the checksums of received packets.
    pub const RXCSUM: Self = Self::bit(bindings::NETIF_F_RXCSUM_BIT);
    /// The device merges received packets, reversibly.
    pub const GRO_HW: Self = Self::bit(bindings::NETIF_F_GRO_HW_BIT);
    /// The device reports the hashes of received packets.
    pub const RXHASH: Self = Self::bit(bindings::NETIF_F_RXHASH_BIT);
    /// The device filters by VLAN.
    pub const VLAN_CTAG_FILTER: Self = Self::bit(bindings::NETIF_F_HW_VLAN_CTAG_FILTER_BIT);

    const fn bit(n: u32) -> Self {
        Self(1 << n)
    }

    /// Wraps the kernel's representation.
    #[inline]
    pub(crate) const fn from_raw(bits: u64) -> Self {
        Self(bits)
    }

    /// Returns the kernel's representation.
    #[inline]
    pub(crate) const fn into_raw(self) -> u64 {
        self.0
    }

    /// Whether the set has one of the features of `other`.
    #[inline]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Returns the features that are not in `other`.
    #[inline]
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Returns the features that are in exactly one of the two sets.
    #[must_use]
    pub const fn changed(self, other: Self) -> Self {
        Self(self.0 ^ other.0)
    }
}

impl BitOr for Features {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Features {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

impl BitAnd for Features {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}
