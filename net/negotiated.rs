// SPDX-License-Identifier: GPL-2.0

//! The negotiated features, in the form that the data path needs.

use crate::{
    features,
    header::Layout, //
};
use kernel::page::PAGE_SIZE;
use netdev::skb::{
    ETH_HLEN,
    MAX_SKB_FRAGS, //
};
use virtio::{
    Endian,
    Feature,
    FeatureSet, //
};

/// Bytes of a VLAN tag.
const VLAN_HLEN: u32 = 4;
/// MTU of Ethernet.
const ETH_DATA_LEN: u32 = 1500;
/// Largest IP packet.
const IP_MAX_MTU: u32 = 65535;
/// Largest MTU.
pub(crate) const MAX_MTU: u32 = 65535;

/// Largest packet without segmentation offload and with the MTU of Ethernet (C: `GOOD_PACKET_LEN`).
pub(crate) const GOOD_PACKET_LEN: u32 = ETH_HLEN as u32 + VLAN_HLEN + ETH_DATA_LEN;

/// The kind of receive buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RxMode {
    /// One buffer per packet, of [`GOOD_PACKET_LEN`].
    Small,
    /// As many buffers as a packet needs (`VIRTIO_NET_F_MRG_RXBUF`).
    Mergeable,
    /// One buffer of `pages` pages per packet.
    Big {
        /// The number of pages. The first one begins with the header.
        pages: usize,
    },
}

impl RxMode {
    /// Returns the kind for the negotiated features, and for the MTU if the device reports one.
    fn new(features: &FeatureSet, mtu: Option<u16>) -> Self {
        if features.has(features::MRG_RXBUF) {
            Self::Mergeable
        } else if features::has_guest_gso(features) {
            Self::Big {
                pages: MAX_SKB_FRAGS + 1,
            }
        } else {
            match mtu {
                Some(mtu) if u32::from(mtu) > ETH_DATA_LEN => Self::Big {
                    pages: usize::from(mtu).div_ceil(PAGE_SIZE) + 1,
                },
                _ => Self::Small,
            }
        }
    }
}

/// The negotiated features, in the form that the data path needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Negotiated {
    /// All negotiated features.
    pub(crate) features: FeatureSet,
    /// Byte order of the fields of the device.
    pub(crate) endian: Endian,
    /// Layout of the header of a packet.
    pub(crate) header: Layout,
    /// The device sees only memory that is mapped for it.
    pub(crate) dma: bool,
    /// A header may be in one descriptor with its packet.
    pub(crate) any_layout: bool,
    /// The kind of receive buffers.
    pub(crate) rx_mode: RxMode,
    /// Largest packet that the device may pass to the driver, Ethernet header included.
    pub(crate) largest_packet: u32,
    /// Number of pairs of queues.
    pub(crate) max_pairs: usize,
}

impl Negotiated {
    /// Returns the negotiated state. `mtu` and `max_pairs` are from the configuration of the
    /// device, if it has these fields.
    pub(crate) fn new(features: FeatureSet, mtu: Option<u16>, max_pairs: Option<u16>) -> Self {
        let modern = features.has(Feature::VERSION_1);
        let large = features::has_guest_gso(&features)
            || mtu.is_some_and(|mtu| u32::from(mtu) > ETH_DATA_LEN);
        let payload = if large {
            IP_MAX_MTU
        } else {
            mtu.map_or(MAX_MTU, u32::from)
        };
        Self {
            features,
            endian: if modern {
                Endian::Little
            } else {
                Endian::Native
            },
            header: Layout::new(&features),
            dma: features.has(Feature::ACCESS_PLATFORM),
            any_layout: modern || features.has(Feature::ANY_LAYOUT),
            rx_mode: RxMode::new(&features, mtu),
            largest_packet: ETH_HLEN as u32 + VLAN_HLEN + payload,
            max_pairs: pairs(&features, max_pairs),
        }
    }

    /// Whether a feature was negotiated.
    pub(crate) fn has(&self, feature: Feature) -> bool {
        self.features.has(feature)
    }
}

/// Largest number of pairs that a device may have (virtio spec §5.1.4.1).
const MAX_PAIRS: u16 = 0x8000;

/// Returns the number of pairs of queues to use: one, if the number that the device reports is not
/// allowed.
fn pairs(features: &FeatureSet, max_pairs: Option<u16>) -> usize {
    if !features::has_pairs(features) || !features.has(features::CTRL_VQ) {
        return 1;
    }
    match max_pairs {
        Some(n @ 1..=MAX_PAIRS) => n.into(),
        _ => 1,
    }
}

#[cfg(CONFIG_RUST_VIRTIO_KUNIT_TEST)]
#[kernel::prelude::kunit_tests(rust_virtio_net_negotiated)]
mod tests {
    use super::*;

    fn with(list: &[Feature]) -> FeatureSet {
        FeatureSet::from_table(list)
    }

    #[test]
    fn bogus_pairs_are_one() {
        let mq = with(&[features::MQ, features::CTRL_VQ]);
        assert_eq!(pairs(&mq, Some(0)), 1);
        assert_eq!(pairs(&mq, Some(0x8000)), 0x8000);
        assert_eq!(pairs(&mq, Some(0x8001)), 1);
        assert_eq!(pairs(&mq, Some(0xffff)), 1);
        assert_eq!(pairs(&mq, None), 1);
        assert_eq!(pairs(&with(&[features::MQ]), Some(4)), 1);
        assert_eq!(pairs(&mq, Some(4)), 4);
        let rss = with(&[features::RSS, features::CTRL_VQ]);
        assert_eq!(pairs(&rss, Some(4)), 4);
        assert_eq!(pairs(&rss, Some(0x8001)), 1);
    }

    #[test]
    fn receive_modes() {
        assert_eq!(RxMode::new(&with(&[]), None), RxMode::Small);
        assert_eq!(RxMode::new(&with(&[]), Some(1500)), RxMode::Small);
        assert_eq!(
            RxMode::new(&with(&[]), Some(9000)),
            RxMode::Big {
                pages: 9000usize.div_ceil(PAGE_SIZE) + 1
            }
        );
        assert_eq!(
            RxMode::new(&with(&[features::GUEST_TSO4]), None),
            RxMode::Big {
                pages: MAX_SKB_FRAGS + 1
            }
        );
        assert_eq!(
            RxMode::new(&with(&[features::GUEST_TSO4, features::MRG_RXBUF]), None),
            RxMode::Mergeable
        );
    }

    #[test]
    fn layout_of_legacy_devices() {
        let legacy = Negotiated::new(with(&[]), None, None);
        assert!(!legacy.any_layout);
        assert_eq!(legacy.endian, Endian::Native);
        let modern = Negotiated::new(with(&[Feature::VERSION_1]), None, None);
        assert!(modern.any_layout);
        assert_eq!(modern.endian, Endian::Little);
    }
}
