// SPDX-License-Identifier: GPL-2.0

//! Values about a packet that a program asks the driver for.
//!
//! C header: [`include/net/xdp.h`](srctree/include/net/xdp.h)

use crate::bindings;
use core::{
    ffi::c_int,
    mem::offset_of, //
};
use kernel::prelude::*;

/// The part of a packet that a hash was calculated from, C `enum xdp_rss_hash_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RssType(bindings::xdp_rss_hash_type);

impl RssType {
    /// Not known.
    pub const NONE: Self = Self(bindings::xdp_rss_hash_type_XDP_RSS_TYPE_NONE);
    /// The addresses of IPv4.
    pub const IPV4: Self = Self(bindings::xdp_rss_hash_type_XDP_RSS_TYPE_L3_IPV4);
    /// The addresses and ports of TCP over IPv4.
    pub const IPV4_TCP: Self = Self(bindings::xdp_rss_hash_type_XDP_RSS_TYPE_L4_IPV4_TCP);
    /// The addresses and ports of UDP over IPv4.
    pub const IPV4_UDP: Self = Self(bindings::xdp_rss_hash_type_XDP_RSS_TYPE_L4_IPV4_UDP);
    /// The addresses of IPv6.
    pub const IPV6: Self = Self(bindings::xdp_rss_hash_type_XDP_RSS_TYPE_L3_IPV6);
    /// The addresses and ports of TCP over IPv6.
    pub const IPV6_TCP: Self = Self(bindings::xdp_rss_hash_type_XDP_RSS_TYPE_L4_IPV6_TCP);
    /// The addresses and ports of UDP over IPv6.
    pub const IPV6_UDP: Self = Self(bindings::xdp_rss_hash_type_XDP_RSS_TYPE_L4_IPV6_UDP);
    /// As [`RssType::IPV6`], with the addresses of extension headers.
    pub const IPV6_EX: Self = Self(bindings::xdp_rss_hash_type_XDP_RSS_TYPE_L3_IPV6_EX);
    /// As [`RssType::IPV6_TCP`], with the addresses of extension headers.
    pub const IPV6_TCP_EX: Self = Self(bindings::xdp_rss_hash_type_XDP_RSS_TYPE_L4_IPV6_TCP_EX);
    /// As [`RssType::IPV6_UDP`], with the addresses of extension headers.
    pub const IPV6_UDP_EX: Self = Self(bindings::xdp_rss_hash_type_XDP_RSS_TYPE_L4_IPV6_UDP_EX);
}

/// The hash of a packet, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct XdpHash {
    /// The value.
    pub value: u32,
    /// The part of the packet that the hash was calculated from.
    pub kind: RssType,
}

/// The values of a packet. They are directly behind the `struct xdp_buff` that a program gets.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Metadata {
    value: u32,
    /// The type of the hash, or [`Metadata::NO_HASH`].
    kind: bindings::xdp_rss_hash_type,
}

impl Metadata {
    /// Marks a packet without a hash. No bit of a type is so high.
    const NO_HASH: bindings::xdp_rss_hash_type = !0;

    /// The values of a packet without a hash.
    pub(crate) const NONE: Self = Self {
        value: 0,
        kind: Self::NO_HASH,
    };

    /// Returns the values of a packet.
    pub(crate) fn new(hash: Option<XdpHash>) -> Self {
        hash.map_or(Self::NONE, |hash| Self {
            value: hash.value,
            kind: hash.kind.0,
        })
    }

    fn hash(self) -> Option<(u32, bindings::xdp_rss_hash_type)> {
        (self.kind != Self::NO_HASH).then_some((self.value, self.kind))
    }
}

/// The start of each packet that this crate passes to a program.
#[repr(C)]
struct Packet {
    buff: bindings::xdp_buff,
    metadata: Metadata,
}

const _: () = assert!(offset_of!(Packet, metadata) == size_of::<bindings::xdp_buff>());

/// The functions that the core binds to the calls of a program.
pub(crate) static OPS: bindings::xdp_metadata_ops = bindings::xdp_metadata_ops {
    xmo_rx_timestamp: None,
    xmo_rx_hash: Some(rx_hash),
    xmo_rx_vlan_tag: None,
};

/// Returns the hash of a packet: `bpf_xdp_metadata_rx_hash`.
///
/// # Safety
///
/// `ctx` is the packet that this crate passed to a program, which runs. The other two are valid for
/// writes.
unsafe extern "C" fn rx_hash(
    ctx: *const bindings::xdp_md,
    value: *mut u32,
    kind: *mut bindings::xdp_rss_hash_type,
) -> c_int {
    // SAFETY: By the safety requirements, the packet is one of this crate, which has its values
    // directly behind the `struct xdp_buff`.
    let metadata = unsafe { (&raw const (*ctx.cast::<Packet>()).metadata).read() };
    let Some(hash) = metadata.hash() else {
        return ENODATA.to_errno();
    };
    // SAFETY: By the safety requirements, both are valid for writes.
    unsafe { (*value, *kind) = hash };
    0
}
