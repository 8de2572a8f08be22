// SPDX-License-Identifier: GPL-2.0

//! Receive-side scaling (RSS): a hash of each received packet selects its queue.
//!
//! The hash function is Toeplitz. A key parametrises it, and the indirection table has the index of
//! a receive queue for each value of the low bits of the hash.

use crate::{
    bindings,
    device::{
        Device,
        Operations, //
    },
    features::Features,
    rtnl::Rtnl, //
};

/// Largest length of a hash key in bytes.
pub const KEY_LEN: usize = bindings::NETDEV_RSS_KEY_LEN as usize;

/// The kinds of packets for which `ethtool -n ... rx-flow-hash` shows the hashed header fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// TCP over IPv4.
    TcpV4,
    /// UDP over IPv4.
    UdpV4,
    /// Any other IPv4.
    IpV4,
    /// TCP over IPv6.
    TcpV6,
    /// UDP over IPv6.
    UdpV6,
    /// Any other IPv6.
    IpV6,
}

impl Flow {
    /// Returns the kind for the kernel's `flow_type`, if it is one of these.
    pub(super) const fn from_raw(flow_type: u32) -> Option<Self> {
        Some(match flow_type {
            bindings::TCP_V4_FLOW => Self::TcpV4,
            bindings::UDP_V4_FLOW => Self::UdpV4,
            bindings::IPV4_FLOW => Self::IpV4,
            bindings::TCP_V6_FLOW => Self::TcpV6,
            bindings::UDP_V6_FLOW => Self::UdpV6,
            bindings::IPV6_FLOW => Self::IpV6,
            _ => return None,
        })
    }
}

/// A set of header fields that the hash covers, `RXH_...`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashFields(u32);

impl HashFields {
    /// No field: such packets have no hash.
    pub const NONE: Self = Self(0);
    /// The addresses of the sender and of the receiver: `sd`.
    pub const ADDRESSES: Self = Self(bindings::RXH_IP_SRC | bindings::RXH_IP_DST);
    /// The ports of the sender and of the receiver: `fn`.
    pub const PORTS: Self = Self(bindings::RXH_L4_B_0_1 | bindings::RXH_L4_B_2_3);
    /// `RXH_DISCARD`: such packets are to have no hash. Only in a request of the user: `r`.
    pub const DISCARD: Self = Self(bindings::RXH_DISCARD);

    /// Returns the fields of both sets.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether the set has one of the fields of `other`.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(super) const fn from_raw(data: u32) -> Self {
        Self(data)
    }

    pub(super) const fn into_raw(self) -> u32 {
        self.0
    }
}

/// Fills `key` with the hash key that all interfaces have by default: random, and the same until
/// the next boot. Bytes beyond [`KEY_LEN`] stay as they are. Process context.
pub fn default_key(key: &mut [u8]) {
    let len = key.len().min(KEY_LEN);
    // SAFETY: `key` has at least `len` bytes, and the kernel has as many.
    unsafe { bindings::netdev_rss_key_fill(key.as_mut_ptr().cast(), len) };
}

/// Returns the queue of an entry of the default indirection table (C:
/// `ethtool_rxfh_indir_default`): the entries name `queues` queues in turn.
pub const fn default_queue(entry: usize, queues: u16) -> u16 {
    match queues {
        0 => 0,
        // The remainder is less than `queues`.
        n => (entry % n as usize) as u16,
    }
}

impl<T: Operations> Device<T> {
    /// Whether the user has chosen the indirection table (C: `netif_is_rxfh_configured`).
    pub fn is_rxfh_configured(&self, _rtnl: &Rtnl) -> bool {
        // SAFETY: The device is valid (type invariant), and the RTNL is held.
        unsafe { bindings::netif_is_rxfh_configured(self.as_raw()) }
    }

    /// Removes features from those that the user may switch.
    pub fn remove_switchable(&self, features: Features, _rtnl: &mut Rtnl) {
        // SAFETY: The device is valid (type invariant). The core reads and writes the features that
        // can be switched with the RTNL held, and it is held.
        unsafe { bindings::netdev_remove_hw_features(self.as_raw(), features.into_raw()) };
    }
}
