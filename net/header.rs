// SPDX-License-Identifier: GPL-2.0

//! The header before every packet (virtio spec §5.1.6).
//!
//! Its length depends on the negotiated features. A poll of mergeable buffers chooses a
//! [`HeaderKind`] once: [`RawHeader`] is compiled for the usual length, and [`LongHeader`] for
//! headers with more fields. The other kinds of buffers, which few devices have, use
//! [`LongHeader`] for all lengths.

mod long;

pub(crate) use self::long::LongHeader;

use kernel::transmute::FromBytes;
use netdev::{
    skb::{
        Gso,
        GsoKind,
        HashKind,
        UdpTunnel, //
    },
    RxData,
    RxOffload,
    RxTunnel, //
};
use virtio::{
    Endian,
    Feature,
    FeatureSet, //
};

use crate::features;

/// Offsets of the fields (`struct virtio_net_hdr`).
const FLAGS: usize = 0;
const GSO_TYPE: usize = 1;
const HDR_LEN: usize = 2;
const GSO_SIZE: usize = 4;
const CSUM_START: usize = 6;
const CSUM_OFFSET: usize = 8;
const NUM_BUFFERS: usize = 10;
const OUTER_TH_OFFSET: usize = 20;
const INNER_NH_OFFSET: usize = 22;

/// `flags`: the checksum has to be completed.
pub(crate) const F_NEEDS_CSUM: u8 = 1;
/// `flags`: the checksum was checked.
pub(crate) const F_DATA_VALID: u8 = 2;
/// `flags`: also that of the packet in the UDP tunnel. Or, in a packet to segment: the datagrams of
/// the tunnel get checksums.
pub(crate) const F_UDP_TUNNEL_CSUM: u8 = 8;

/// `gso_type`: no segmentation.
pub(crate) const GSO_NONE: u8 = 0;
/// `gso_type`: TCP over IPv4.
const GSO_TCPV4: u8 = 1;
/// `gso_type`: TCP over IPv6.
const GSO_TCPV6: u8 = 4;
/// `gso_type`: UDP, cut into datagrams.
const GSO_UDP_L4: u8 = 5;
/// `gso_type`: in a UDP tunnel over IPv4.
const GSO_UDP_TUNNEL_IPV4: u8 = 0x20;
/// `gso_type`: in a UDP tunnel over IPv6.
const GSO_UDP_TUNNEL_IPV6: u8 = 0x40;
/// `gso_type`: the bits of tunnels.
pub(crate) const GSO_UDP_TUNNEL: u8 = GSO_UDP_TUNNEL_IPV4 | GSO_UDP_TUNNEL_IPV6;
/// `gso_type`: with ECN.
const GSO_ECN: u8 = 0x80;

/// Length of the header of legacy devices without mergeable buffers.
const LEN_LEGACY: usize = 10;
/// Length of the header with the number of buffers.
const LEN_NUM_BUFFERS: usize = 12;
/// Length of the header with a hash (`VIRTIO_NET_F_HASH_REPORT`).
const LEN_HASH: usize = 20;

/// Length of the header with a UDP tunnel (`VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO`,
/// `VIRTIO_NET_F_HOST_UDP_TUNNEL_GSO`).
const LEN_TUNNEL: usize = 24;

/// Longest header of all.
pub(crate) const MAX_LEN: usize = LEN_TUNNEL;

/// The layout of headers for a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Length in bytes.
    pub(crate) len: usize,
    endian: Endian,
    /// Whether the device is told the exact length of the headers of a packet to segment
    /// (`VIRTIO_NET_F_GUEST_HDRLEN`).
    pub(crate) has_exact_hdr_len: bool,
    /// Whether the headers of received packets have a hash (`VIRTIO_NET_F_HASH_REPORT`).
    has_hash: bool,
    /// The negotiated offloads of packets in UDP tunnels.
    pub(crate) tunnels: Tunnels,
}

/// The negotiated offloads of packets in UDP tunnels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tunnels {
    /// The device segments packets in tunnels (`VIRTIO_NET_F_HOST_UDP_TUNNEL_GSO`).
    tx: bool,
    /// The driver takes packets to segment in tunnels (`VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO`).
    rx: bool,
    /// The driver takes [`F_UDP_TUNNEL_CSUM`] (`VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO_CSUM`).
    pub(crate) rx_csum: bool,
}

impl Tunnels {
    fn new(features: &FeatureSet) -> Self {
        Self {
            tx: features.has(features::HOST_UDP_TUNNEL_GSO),
            rx: features.has(features::GUEST_UDP_TUNNEL_GSO),
            rx_csum: features.has(features::GUEST_UDP_TUNNEL_GSO_CSUM),
        }
    }
}

/// The contents of a received header. A copy: later changes by the device do not matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RxHeader {
    /// Checksum and segmentation.
    pub(crate) offload: RxOffload,
    /// Number of buffers of the packet. 1 in headers without the field.
    pub(crate) num_buffers: u16,
}

/// A kind of received headers.
pub(crate) trait HeaderKind: Copy {
    /// The header of a packet that has none.
    const NONE: Self;

    /// Returns the length of the headers in bytes.
    fn len(layout: &Layout) -> u32;

    /// Reads the header of a received packet, or returns none if the packet is shorter.
    fn read(data: &RxData, layout: &Layout) -> Option<Self>;

    /// Returns the fields that all kinds have.
    fn raw(self) -> RawHeader;

    /// Returns the hash of the packet, if the header has one.
    fn hash(self) -> Option<RxHash>;

    /// Returns the UDP tunnel of the packet, if the header has the fields of one and the driver
    /// takes packets in tunnels. They mean nothing unless `gso_type` has [`GSO_UDP_TUNNEL`].
    fn tunnel(self) -> Option<RxTunnel>;
}

/// The hash of a packet, as the device reports it (virtio spec §5.1.6.4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RxHash {
    /// The value.
    pub(crate) value: u32,
    /// The part of the packet that the hash was calculated from.
    pub(crate) kind: HashKind,
}

/// The bytes of a received header up to the number of buffers. PERF: two words, so that they are
/// passed in registers.
#[derive(Clone, Copy)]
pub(crate) struct RawHeader(u64, u32);

impl HeaderKind for RawHeader {
    const NONE: Self = Self(0, 0);

    #[inline(always)]
    fn len(_layout: &Layout) -> u32 {
        LEN_NUM_BUFFERS as u32
    }

    #[inline(always)]
    fn read(data: &RxData, _layout: &Layout) -> Option<Self> {
        // Read the end first: if it exists, so does the beginning.
        let rest = data.read(8)?;
        Some(Self(data.read(0)?, rest))
    }

    #[inline(always)]
    fn raw(self) -> RawHeader {
        self
    }

    #[inline(always)]
    fn hash(self) -> Option<RxHash> {
        None
    }

    #[inline(always)]
    fn tunnel(self) -> Option<RxTunnel> {
        None
    }
}

impl RawHeader {
    /// Makes a header of its bytes.
    pub(crate) fn new(bytes: [u8; LEN_NUM_BUFFERS]) -> Self {
        let [a, b, c, d, e, f, g, h, rest @ ..] = bytes;
        Self(
            u64::from_ne_bytes([a, b, c, d, e, f, g, h]),
            u32::from_ne_bytes(rest),
        )
    }

    /// Returns the bytes.
    pub(crate) fn bytes(self) -> [u8; LEN_NUM_BUFFERS] {
        let [a, b, c, d, e, f, g, h] = self.0.to_ne_bytes();
        let [i, j, k, l] = self.1.to_ne_bytes();
        [a, b, c, d, e, f, g, h, i, j, k, l]
    }

    /// Whether the checksum has to be completed, or the packet is to be segmented.
    pub(crate) fn is_offloaded(self) -> bool {
        let bytes = self.bytes();
        bytes[FLAGS] & F_NEEDS_CSUM != 0 || bytes[GSO_TYPE] != GSO_NONE
    }

    /// Returns a header that says only whether the checksum was checked.
    pub(crate) fn without_offload(self) -> Self {
        let mut bytes = [0; LEN_NUM_BUFFERS];
        bytes[FLAGS] = self.bytes()[FLAGS] & F_DATA_VALID;
        Self::new(bytes)
    }

    /// Whether the header has no flag and no segmentation.
    pub(crate) fn is_plain(self) -> bool {
        is_plain(&self.bytes())
    }
}

/// Whether a received header has no flag and no segmentation.
fn is_plain(bytes: &[u8; LEN_NUM_BUFFERS]) -> bool {
    bytes[FLAGS] == 0 && bytes[GSO_TYPE] == GSO_NONE
}

impl Layout {
    /// Returns the negotiated layout.
    pub(crate) fn new(features: &FeatureSet) -> Self {
        let modern = features.has(Feature::VERSION_1);
        let tunnels = Tunnels::new(features);
        Self {
            len: if tunnels.tx || tunnels.rx {
                LEN_TUNNEL
            } else if features.has(features::HASH_REPORT) {
                LEN_HASH
            } else if modern || features.has(features::MRG_RXBUF) {
                LEN_NUM_BUFFERS
            } else {
                LEN_LEGACY
            },
            endian: if modern {
                Endian::Little
            } else {
                Endian::Native
            },
            has_exact_hdr_len: features.has(features::GUEST_HDRLEN),
            has_hash: features.has(features::HASH_REPORT),
            tunnels,
        }
    }

    /// Whether headers have fields after the number of buffers.
    pub(crate) fn is_long(&self) -> bool {
        self.len > LEN_NUM_BUFFERS
    }

    fn u16_at(&self, bytes: &[u8; LEN_NUM_BUFFERS], at: usize) -> u16 {
        let field = bytes.get(at..at + 2).and_then(u16::from_bytes_copy);
        self.endian.u16(field.unwrap_or(0))
    }

    fn put_u16(&self, bytes: &mut [u8], at: usize, value: u16) {
        if let Some(to) = bytes.get_mut(at..at + 2) {
            to.copy_from_slice(&self.endian.u16(value).to_ne_bytes());
        }
    }

    /// Reads the number of buffers from a received header with that field.
    #[inline(always)]
    pub(crate) fn num_buffers(&self, bytes: &[u8; LEN_NUM_BUFFERS]) -> u16 {
        self.u16_at(bytes, NUM_BUFFERS)
    }

    /// Reads the first fields of a received header. Bytes beyond its length are ignored.
    pub(crate) fn decode(&self, bytes: &[u8; LEN_NUM_BUFFERS]) -> RxHeader {
        RxHeader {
            offload: RxOffload {
                flags: bytes[FLAGS],
                gso_type: bytes[GSO_TYPE],
                hdr_len: self.u16_at(bytes, HDR_LEN),
                gso_size: self.u16_at(bytes, GSO_SIZE),
                csum_start: self.u16_at(bytes, CSUM_START),
                csum_offset: self.u16_at(bytes, CSUM_OFFSET),
            },
            num_buffers: if self.len >= LEN_NUM_BUFFERS {
                self.num_buffers(bytes)
            } else {
                1
            },
        }
    }

    /// Writes the header of a packet to transmit to `to`, which is zero.
    ///
    /// `hdr_len` is the length of the headers of a packet that the device segments, if
    /// [`Layout::has_exact_hdr_len`] says so. Otherwise it is a hint at that.
    ///
    /// Returns whether the header can express the offload of the packet.
    #[must_use]
    pub(crate) fn encode(
        &self,
        to: &mut [u8],
        csum: Option<(u16, u16)>,
        gso: Option<Gso>,
        hdr_len: u32,
    ) -> bool {
        if let Some(gso) = gso {
            let kind = match gso.kind {
                Some(GsoKind::TcpV4) => GSO_TCPV4,
                Some(GsoKind::TcpV6) => GSO_TCPV6,
                Some(GsoKind::UdpL4) => GSO_UDP_L4,
                None => return false,
            };
            if let Some(gso_type) = to.get_mut(GSO_TYPE) {
                *gso_type = kind | if gso.ecn { GSO_ECN } else { 0 };
            }
            self.put_u16(to, HDR_LEN, hdr_len.min(u16::MAX.into()) as u16);
            self.put_u16(to, GSO_SIZE, gso.size);
        }
        if let Some((start, offset)) = csum {
            if let Some(flags) = to.get_mut(FLAGS) {
                *flags = F_NEEDS_CSUM;
            }
            self.put_u16(to, CSUM_START, start);
            self.put_u16(to, CSUM_OFFSET, offset);
        }
        true
    }

    /// Adds the UDP tunnel of a packet to segment to its header.
    ///
    /// Returns whether the header can express it.
    #[cold]
    #[must_use]
    pub(crate) fn encode_tunnel(&self, to: &mut [u8], tunnel: UdpTunnel) -> bool {
        if !self.tunnels.tx {
            return false;
        }
        if let Some(gso_type) = to.get_mut(GSO_TYPE) {
            *gso_type |= if tunnel.over_v6 {
                GSO_UDP_TUNNEL_IPV6
            } else {
                GSO_UDP_TUNNEL_IPV4
            };
        }
        if let Some(flags) = to.get_mut(FLAGS) {
            *flags |= if tunnel.csum { F_UDP_TUNNEL_CSUM } else { 0 };
        }
        self.put_u16(to, OUTER_TH_OFFSET, tunnel.outer_transport);
        self.put_u16(to, INNER_NH_OFFSET, tunnel.inner_network);
        true
    }
}

#[cfg(CONFIG_RUST_VIRTIO_KUNIT_TEST)]
#[kernel::prelude::kunit_tests(rust_virtio_net_header)]
mod tests {
    use super::*;

    fn modern() -> Layout {
        Layout::new(&FeatureSet::EMPTY.with(Feature::VERSION_1))
    }

    fn legacy() -> Layout {
        Layout::new(&FeatureSet::EMPTY)
    }

    #[test]
    fn lengths() {
        assert_eq!(modern().len, 12);
        assert_eq!(legacy().len, 10);
        assert_eq!(
            Layout::new(&FeatureSet::EMPTY.with(features::MRG_RXBUF)).len,
            12
        );
        let hashes = FeatureSet::EMPTY
            .with(Feature::VERSION_1)
            .with(features::HASH_REPORT);
        assert_eq!(Layout::new(&hashes).len, 20);
        for feature in [
            features::HOST_UDP_TUNNEL_GSO,
            features::GUEST_UDP_TUNNEL_GSO,
        ] {
            assert_eq!(Layout::new(&hashes.with(feature)).len, 24);
        }
        let checksums = hashes
            .with(features::HOST_UDP_TUNNEL_GSO_CSUM)
            .with(features::GUEST_UDP_TUNNEL_GSO_CSUM);
        assert_eq!(Layout::new(&checksums).len, 20);
        assert!(Layout::new(&hashes).is_long() && !modern().is_long() && !legacy().is_long());
    }

    #[test]
    fn decode_reads_every_field_once() {
        let bytes = [1, 4, 0x36, 0, 0xb4, 5, 0x22, 0, 0x10, 0, 3, 0];
        let hdr = modern().decode(&bytes);
        assert_eq!(
            hdr,
            RxHeader {
                offload: RxOffload {
                    flags: F_NEEDS_CSUM,
                    gso_type: GSO_TCPV6,
                    hdr_len: 0x36,
                    gso_size: 1460,
                    csum_start: 0x22,
                    csum_offset: 0x10,
                },
                num_buffers: 3,
            }
        );
        assert!(!is_plain(&bytes));
    }

    #[test]
    fn short_headers_have_one_buffer() {
        let hdr = legacy().decode(&[0xff; LEN_NUM_BUFFERS]);
        assert_eq!(hdr.num_buffers, 1);
        assert!(is_plain(&[0; LEN_NUM_BUFFERS]));
        assert_eq!(modern().decode(&[0; LEN_NUM_BUFFERS]).num_buffers, 0);
    }

    #[test]
    fn encode_leaves_plain_packets_zero() {
        let mut bytes = [0; LEN_NUM_BUFFERS];
        assert!(modern().encode(&mut bytes, None, None, 60));
        assert_eq!(bytes, [0; LEN_NUM_BUFFERS]);
    }

    #[test]
    fn encode_tso_with_csum() {
        let mut bytes = [0; LEN_NUM_BUFFERS];
        let gso = Gso {
            kind: Some(GsoKind::TcpV4),
            ecn: true,
            size: 1448,
        };
        assert!(modern().encode(&mut bytes, Some((34, 16)), Some(gso), 66));
        assert_eq!(bytes, [1, 0x81, 66, 0, 0xa8, 5, 34, 0, 16, 0, 0, 0]);
    }

    #[test]
    fn encode_and_decode_agree() {
        for layout in [modern(), legacy()] {
            let mut bytes = [0; LEN_NUM_BUFFERS];
            let gso = Gso {
                kind: Some(GsoKind::UdpL4),
                ecn: false,
                size: 0x1234,
            };
            assert!(layout.encode(&mut bytes, Some((0x102, 0x304)), Some(gso), 70_000));
            let offload = layout.decode(&bytes).offload;
            assert_eq!(offload.gso_type, GSO_UDP_L4);
            assert_eq!(offload.gso_size, 0x1234);
            assert_eq!(offload.csum_start, 0x102);
            assert_eq!(offload.csum_offset, 0x304);
            assert_eq!(offload.hdr_len, u16::MAX);
        }
    }

    #[test]
    fn unknown_gso_is_refused() {
        let gso = Gso {
            kind: None,
            ecn: false,
            size: 100,
        };
        assert!(!modern().encode(&mut [0; LEN_NUM_BUFFERS], None, Some(gso), 0));
    }
    #[test]
    fn encode_tunnels() {
        let modern = FeatureSet::EMPTY.with(Feature::VERSION_1);
        let layout = Layout::new(&modern.with(features::HOST_UDP_TUNNEL_GSO));
        let gso = Gso {
            kind: Some(GsoKind::TcpV4),
            ecn: false,
            size: 1448,
        };
        for (over_v6, csum, kind, flags) in [(false, false, 0x21, 1), (true, true, 0x41, 9)] {
            let tunnel = UdpTunnel {
                over_v6,
                csum,
                outer_transport: 0x102,
                inner_network: 0x304,
            };
            let mut bytes = [0; LEN_TUNNEL];
            assert!(layout.encode(&mut bytes, Some((84, 16)), Some(gso), 104));
            assert!(layout.encode_tunnel(&mut bytes, tunnel));
            assert_eq!(
                bytes[..12],
                [flags, kind, 104, 0, 0xa8, 5, 84, 0, 16, 0, 0, 0]
            );
            assert_eq!(bytes[12..], [0, 0, 0, 0, 0, 0, 0, 0, 2, 1, 4, 3]);
            // The device does not take tunnels, although the header has the fields.
            for features in [modern, modern.with(features::GUEST_UDP_TUNNEL_GSO)] {
                assert!(!Layout::new(&features).encode_tunnel(&mut bytes, tunnel));
            }
        }
    }
}
