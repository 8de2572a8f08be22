// SPDX-License-Identifier: GPL-2.0

//! Received headers of any length.

use super::{
    HeaderKind,
    Layout,
    RawHeader,
    RxHash,
    LEN_HASH,
    LEN_NUM_BUFFERS,
    LEN_TUNNEL,
    MAX_LEN, //
};
use netdev::{
    skb::HashKind,
    xdp::{
        RssType,
        XdpHash, //
    },
    RxData,
    RxTunnel, //
};

/// Values of `hash_report`: the fields that the hash was calculated from.
const REPORT_IPV4: u16 = 1;
const REPORT_TCPV4: u16 = 2;
const REPORT_UDPV4: u16 = 3;
const REPORT_IPV6: u16 = 4;
const REPORT_TCPV6: u16 = 5;
const REPORT_UDPV6: u16 = 6;
const REPORT_IPV6_EX: u16 = 7;
const REPORT_TCPV6_EX: u16 = 8;
const REPORT_UDPV6_EX: u16 = 9;

/// A received header of any length. A copy: later changes by the device do not matter.
#[derive(Clone, Copy)]
pub(crate) struct LongHeader {
    raw: RawHeader,
    /// The fields of the hash, if the header has them: the value, `hash_report` and padding.
    hash: Option<[u8; 8]>,
    /// The UDP tunnel, if the driver takes tunnels.
    tunnel: Option<RxTunnel>,
}

impl LongHeader {
    /// Makes a header of its bytes. Bytes beyond its length are ignored.
    pub(crate) fn new(bytes: [u8; MAX_LEN], layout: &Layout) -> Self {
        let mut raw = [0; LEN_NUM_BUFFERS];
        let mut hash = [0; 8];
        let mut tunnel = [0; 4];
        let rest = hash.iter_mut().chain(tunnel.iter_mut());
        for (to, from) in raw.iter_mut().chain(rest).zip(bytes) {
            *to = from;
        }
        Self {
            raw: RawHeader::new(raw),
            hash: layout.has_hash.then_some(hash),
            tunnel: layout.tunnels.rx.then(|| tunnel_of(tunnel, layout)),
        }
    }
}

impl LongHeader {
    /// Returns a header that says only whether the checksum was checked, and has the hash.
    pub(crate) fn without_offload(self) -> Self {
        Self {
            raw: self.raw.without_offload(),
            ..self
        }
    }

    /// Returns the hash of the packet for XDP programs, if the header has one.
    pub(crate) fn xdp_hash(self) -> Option<XdpHash> {
        let (value, report) = self.reported_hash()?;
        Some(XdpHash {
            value,
            kind: rss_type(report),
        })
    }

    /// Returns the value of the hash and `hash_report`, if the header has them.
    fn reported_hash(self) -> Option<(u32, u16)> {
        // Only modern devices have the fields, which are little-endian.
        let [a, b, c, d, low, high, ..] = self.hash?;
        let value = u32::from_le_bytes([a, b, c, d]);
        Some((value, u16::from_le_bytes([low, high])))
    }
}

/// Returns the UDP tunnel that the last bytes of a header describe, in little-endian.
fn tunnel_of([a, b, c, d]: [u8; 4], layout: &Layout) -> RxTunnel {
    RxTunnel {
        outer_transport: u16::from_le_bytes([a, b]),
        inner_network: u16::from_le_bytes([c, d]),
        takes_csum: layout.tunnels.rx_csum,
    }
}

impl HeaderKind for LongHeader {
    const NONE: Self = Self {
        raw: RawHeader::NONE,
        hash: None,
        tunnel: None,
    };

    fn len(layout: &Layout) -> u32 {
        layout.len as u32
    }

    fn read(data: &RxData, layout: &Layout) -> Option<Self> {
        // Read the end first: if it exists, so does the beginning.
        let tunnel = if layout.len >= LEN_TUNNEL {
            Some(data.read(LEN_HASH as u32)?)
        } else {
            None
        };
        let hash = if layout.len >= LEN_HASH {
            Some(data.read(LEN_NUM_BUFFERS as u32)?)
        } else {
            None
        };
        Some(Self {
            raw: RawHeader::read(data, layout)?,
            hash: hash.filter(|_| layout.has_hash),
            tunnel: tunnel
                .filter(|_| layout.tunnels.rx)
                .map(|bytes| tunnel_of(bytes, layout)),
        })
    }

    fn raw(self) -> RawHeader {
        self.raw
    }

    fn hash(self) -> Option<RxHash> {
        let (value, report) = self.reported_hash()?;
        Some(RxHash {
            value,
            kind: hash_kind(report),
        })
    }

    fn tunnel(self) -> Option<RxTunnel> {
        self.tunnel
    }
}

/// Returns the part of the packet that a hash was calculated from, by `hash_report`. A value that
/// is not defined is as none.
fn hash_kind(report: u16) -> HashKind {
    match report {
        REPORT_TCPV4 | REPORT_UDPV4 | REPORT_TCPV6 | REPORT_UDPV6 | REPORT_TCPV6_EX
        | REPORT_UDPV6_EX => HashKind::L4,
        REPORT_IPV4 | REPORT_IPV6 | REPORT_IPV6_EX => HashKind::L3,
        _ => HashKind::None,
    }
}

/// As [`hash_kind`], for XDP programs.
fn rss_type(report: u16) -> RssType {
    match report {
        REPORT_IPV4 => RssType::IPV4,
        REPORT_TCPV4 => RssType::IPV4_TCP,
        REPORT_UDPV4 => RssType::IPV4_UDP,
        REPORT_IPV6 => RssType::IPV6,
        REPORT_TCPV6 => RssType::IPV6_TCP,
        REPORT_UDPV6 => RssType::IPV6_UDP,
        REPORT_IPV6_EX => RssType::IPV6_EX,
        REPORT_TCPV6_EX => RssType::IPV6_TCP_EX,
        REPORT_UDPV6_EX => RssType::IPV6_UDP_EX,
        _ => RssType::NONE,
    }
}

#[cfg(CONFIG_RUST_VIRTIO_KUNIT_TEST)]
#[kernel::prelude::kunit_tests(rust_virtio_net_header_long)]
mod tests {
    use super::*;
    use crate::features;
    use virtio::{
        Feature,
        FeatureSet, //
    };

    const BYTES: [u8; MAX_LEN] = [
        1, 4, 0x36, 0, 0xb4, 5, 0x22, 0, 0x10, 0, 3, 0, 0x11, 0x22, 0x33, 0x44, 2, 0, 0xff, 0xff,
        0x22, 0, 0x40, 1,
    ];

    #[test]
    fn fields_of_the_hash() {
        let modern = FeatureSet::EMPTY.with(Feature::VERSION_1);
        let layout = Layout::new(&modern.with(features::HASH_REPORT));
        let header = LongHeader::new(BYTES, &layout);
        assert_eq!(LongHeader::len(&layout), 20);
        let hash = header.hash();
        assert_eq!(
            hash,
            Some(RxHash {
                value: 0x4433_2211,
                kind: HashKind::L4
            })
        );
        assert_eq!(layout.decode(&header.raw().bytes()).num_buffers, 3);
        let short = LongHeader::new(BYTES, &Layout::new(&modern));
        assert_eq!(short.hash(), None);
        assert_eq!(LongHeader::len(&Layout::new(&modern)), 12);
        assert_eq!(LongHeader::len(&Layout::new(&FeatureSet::EMPTY)), 10);
    }

    #[test]
    fn fields_of_the_tunnel() {
        let modern = FeatureSet::EMPTY.with(Feature::VERSION_1);
        let layout = Layout::new(&modern.with(features::GUEST_UDP_TUNNEL_GSO));
        let header = LongHeader::new(BYTES, &layout);
        assert_eq!(LongHeader::len(&layout), 24);
        assert_eq!(
            header.tunnel(),
            Some(RxTunnel {
                outer_transport: 0x22,
                inner_network: 0x140,
                takes_csum: false,
            })
        );
        // The header has the fields of the hash, but no hash.
        assert_eq!(header.hash(), None);
        let sends = modern
            .with(features::HOST_UDP_TUNNEL_GSO)
            .with(features::HASH_REPORT);
        let header = LongHeader::new(BYTES, &Layout::new(&sends));
        assert_eq!(header.tunnel(), None);
        assert!(header.hash().is_some());
        let both = Layout::new(&modern.with(features::HASH_REPORT));
        assert_eq!(LongHeader::new(BYTES, &both).tunnel(), None);
    }

    #[test]
    fn kinds_of_hashes() {
        let kinds = [
            HashKind::None,
            HashKind::L3,
            HashKind::L4,
            HashKind::L4,
            HashKind::L3,
            HashKind::L4,
            HashKind::L4,
            HashKind::L3,
            HashKind::L4,
            HashKind::L4,
        ];
        for (report, kind) in (0..).zip(kinds) {
            assert_eq!(hash_kind(report), kind);
        }
        for report in [10, 0x100, 0x102, u16::MAX] {
            assert_eq!(hash_kind(report), HashKind::None);
        }
    }
}
