// SPDX-License-Identifier: GPL-2.0

//! The header before every packet (virtio spec §5.1.6).

use kernel::transmute::FromBytes;
use netdev::{
    skb::{
        Gso,
        GsoKind, //
    },
    RxData,
    RxOffload, //
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

/// `flags`: the checksum has to be completed.
pub(crate) const F_NEEDS_CSUM: u8 = 1;
/// `flags`: the checksum was checked.
pub(crate) const F_DATA_VALID: u8 = 2;

/// `gso_type`: no segmentation.
pub(crate) const GSO_NONE: u8 = 0;
/// `gso_type`: TCP over IPv4.
const GSO_TCPV4: u8 = 1;
/// `gso_type`: TCP over IPv6.
const GSO_TCPV6: u8 = 4;
/// `gso_type`: UDP, cut into datagrams.
const GSO_UDP_L4: u8 = 5;
/// `gso_type`: with ECN.
const GSO_ECN: u8 = 0x80;

/// Length of the header of legacy devices without mergeable buffers.
const LEN_LEGACY: usize = 10;
/// Length of the header with the number of buffers.
const LEN_NUM_BUFFERS: usize = 12;

/// Longest header of all.
pub(crate) const MAX_LEN: usize = LEN_NUM_BUFFERS;

/// The layout of headers for a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Length in bytes.
    pub(crate) len: usize,
    endian: Endian,
}

/// The contents of a received header. A copy: later changes by the device do not matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RxHeader {
    /// Checksum and segmentation.
    pub(crate) offload: RxOffload,
    /// Number of buffers of the packet. 1 in headers without the field.
    pub(crate) num_buffers: u16,
}

/// The bytes of a received header. PERF: two words, so that they are passed in registers.
#[derive(Clone, Copy)]
pub(crate) struct RawHeader(u64, u32);

impl RawHeader {
    /// Reads the header of a received packet with all fields, or returns none if the packet is
    /// shorter.
    pub(crate) fn read(data: &RxData) -> Option<Self> {
        // Read the end first: if it exists, so does the beginning.
        let rest = data.read(8)?;
        Some(Self(data.read(0)?, rest))
    }

    /// Makes a header of its bytes.
    pub(crate) fn new(bytes: [u8; MAX_LEN]) -> Self {
        let [a, b, c, d, e, f, g, h, rest @ ..] = bytes;
        Self(
            u64::from_ne_bytes([a, b, c, d, e, f, g, h]),
            u32::from_ne_bytes(rest),
        )
    }

    /// Returns the bytes.
    pub(crate) fn bytes(self) -> [u8; MAX_LEN] {
        let [a, b, c, d, e, f, g, h] = self.0.to_ne_bytes();
        let [i, j, k, l] = self.1.to_ne_bytes();
        [a, b, c, d, e, f, g, h, i, j, k, l]
    }

    /// Whether the header has no flag and no segmentation.
    pub(crate) fn is_plain(self) -> bool {
        is_plain(&self.bytes())
    }
}

/// Whether a received header has no flag and no segmentation.
fn is_plain(bytes: &[u8; MAX_LEN]) -> bool {
    bytes[FLAGS] == 0 && bytes[GSO_TYPE] == GSO_NONE
}

impl Layout {
    /// Returns the negotiated layout.
    pub(crate) fn new(features: &FeatureSet) -> Self {
        let modern = features.has(Feature::VERSION_1);
        Self {
            len: if modern || features.has(features::MRG_RXBUF) {
                LEN_NUM_BUFFERS
            } else {
                LEN_LEGACY
            },
            endian: if modern {
                Endian::Little
            } else {
                Endian::Native
            },
        }
    }

    fn u16_at(&self, bytes: &[u8; MAX_LEN], at: usize) -> u16 {
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
    pub(crate) fn num_buffers(&self, bytes: &[u8; MAX_LEN]) -> u16 {
        self.u16_at(bytes, NUM_BUFFERS)
    }

    /// Reads a received header. Bytes beyond its length are ignored.
    pub(crate) fn decode(&self, bytes: &[u8; MAX_LEN]) -> RxHeader {
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
    /// `head_len` is the length of the linear part of a large packet, a hint at the length of its
    /// headers.
    ///
    /// Returns whether the header can express the offload of the packet.
    #[inline(never)]
    #[must_use]
    pub(crate) fn encode(
        &self,
        to: &mut [u8],
        csum: Option<(u16, u16)>,
        gso: Option<Gso>,
        head_len: u32,
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
            self.put_u16(to, HDR_LEN, head_len.min(u16::MAX.into()) as u16);
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
        let hdr = legacy().decode(&[0xff; MAX_LEN]);
        assert_eq!(hdr.num_buffers, 1);
        assert!(is_plain(&[0; MAX_LEN]));
        assert_eq!(modern().decode(&[0; MAX_LEN]).num_buffers, 0);
    }

    #[test]
    fn encode_leaves_plain_packets_zero() {
        let mut bytes = [0; MAX_LEN];
        assert!(modern().encode(&mut bytes, None, None, 60));
        assert_eq!(bytes, [0; MAX_LEN]);
    }

    #[test]
    fn encode_tso_with_csum() {
        let mut bytes = [0; MAX_LEN];
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
            let mut bytes = [0; MAX_LEN];
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
        assert!(!modern().encode(&mut [0; MAX_LEN], None, Some(gso), 0));
    }
}
