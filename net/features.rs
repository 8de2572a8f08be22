// SPDX-License-Identifier: GPL-2.0

//! Feature bits of network devices (virtio spec §5.1.3), and which of them go together.

use kernel::prelude::*;
use virtio::{
    Feature,
    FeatureSet, //
};

/// The device handles packets with partial checksum.
pub(crate) const CSUM: Feature = Feature::new(0);
/// The driver handles packets with partial checksum.
pub(crate) const GUEST_CSUM: Feature = Feature::new(1);
/// Offloads of received packets can be switched by command.
pub(crate) const CTRL_GUEST_OFFLOADS: Feature = Feature::new(2);
/// The device reports the largest MTU.
pub(crate) const MTU: Feature = Feature::new(3);
/// The device reports an address.
pub(crate) const MAC: Feature = Feature::new(5);
/// Legacy: the device handles any GSO packet.
pub(crate) const GSO: Feature = Feature::new(6);
/// The driver receives TSO packets, IPv4.
pub(crate) const GUEST_TSO4: Feature = Feature::new(7);
/// The driver receives TSO packets, IPv6.
pub(crate) const GUEST_TSO6: Feature = Feature::new(8);
/// The driver receives TSO packets with ECN.
pub(crate) const GUEST_ECN: Feature = Feature::new(9);
/// The driver receives UFO packets.
pub(crate) const GUEST_UFO: Feature = Feature::new(10);
/// The device handles TSO packets, IPv4.
pub(crate) const HOST_TSO4: Feature = Feature::new(11);
/// The device handles TSO packets, IPv6.
pub(crate) const HOST_TSO6: Feature = Feature::new(12);
/// The device handles TSO packets with ECN.
pub(crate) const HOST_ECN: Feature = Feature::new(13);
/// The device handles UFO packets.
pub(crate) const HOST_UFO: Feature = Feature::new(14);
/// A received packet may take several buffers.
pub(crate) const MRG_RXBUF: Feature = Feature::new(15);
/// The device reports the state of the link.
pub(crate) const STATUS: Feature = Feature::new(16);
/// There is a control queue.
pub(crate) const CTRL_VQ: Feature = Feature::new(17);
/// Receive modes can be set by command.
pub(crate) const CTRL_RX: Feature = Feature::new(18);
/// The device filters by VLAN.
pub(crate) const CTRL_VLAN: Feature = Feature::new(19);
/// The driver can announce the interface if the device asks for it.
pub(crate) const GUEST_ANNOUNCE: Feature = Feature::new(21);
/// There are several pairs of queues.
pub(crate) const MQ: Feature = Feature::new(22);
/// The address can be set by command.
pub(crate) const CTRL_MAC_ADDR: Feature = Feature::new(23);
/// The device reports statistics by command.
pub(crate) const DEVICE_STATS: Feature = Feature::new(50);
/// The limits after which a single queue notifies the driver can be set by command.
pub(crate) const VQ_NOTF_COAL: Feature = Feature::new(52);
/// The limits after which queues notify the driver can be set by command.
pub(crate) const NOTF_COAL: Feature = Feature::new(53);
/// The driver receives USO packets, IPv4.
pub(crate) const GUEST_USO4: Feature = Feature::new(54);
/// The driver receives USO packets, IPv6.
pub(crate) const GUEST_USO6: Feature = Feature::new(55);
/// The device handles USO packets.
pub(crate) const HOST_USO: Feature = Feature::new(56);
/// The device reports hashes of received packets.
pub(crate) const HASH_REPORT: Feature = Feature::new(57);
/// The driver reports the exact length of the headers of packets that the device segments.
pub(crate) const GUEST_HDRLEN: Feature = Feature::new(59);
/// The device selects the queue of a received packet by its hash (receive-side scaling).
pub(crate) const RSS: Feature = Feature::new(60);
/// The interface is the standby for another one with the same address.
pub(crate) const STANDBY: Feature = Feature::new(62);
/// The device reports speed and duplex.
pub(crate) const SPEED_DUPLEX: Feature = Feature::new(63);

/// The driver receives packets to segment in UDP tunnels.
pub(crate) const GUEST_UDP_TUNNEL_GSO: Feature = Feature::new(65);
/// The driver receives packets in UDP tunnels with partial checksum of the tunnel.
pub(crate) const GUEST_UDP_TUNNEL_GSO_CSUM: Feature = Feature::new(66);
/// The device handles packets to segment in UDP tunnels.
pub(crate) const HOST_UDP_TUNNEL_GSO: Feature = Feature::new(67);
/// The device handles packets to segment in UDP tunnels with partial checksum of the tunnel.
pub(crate) const HOST_UDP_TUNNEL_GSO_CSUM: Feature = Feature::new(68);

/// The features of devices of every version that the driver understands.
const COMMON: &[Feature] = &[
    CSUM,
    GUEST_CSUM,
    CTRL_GUEST_OFFLOADS,
    MTU,
    MAC,
    GUEST_TSO4,
    GUEST_TSO6,
    GUEST_ECN,
    GUEST_UFO,
    HOST_TSO4,
    HOST_TSO6,
    HOST_ECN,
    HOST_UFO,
    MRG_RXBUF,
    STATUS,
    CTRL_VQ,
    CTRL_RX,
    CTRL_VLAN,
    GUEST_ANNOUNCE,
    MQ,
    CTRL_MAC_ADDR,
    DEVICE_STATS,
    VQ_NOTF_COAL,
    NOTF_COAL,
    GUEST_USO4,
    GUEST_USO6,
    HOST_USO,
    HASH_REPORT,
    GUEST_HDRLEN,
    RSS,
    STANDBY,
    SPEED_DUPLEX,
];

/// The features that only modern devices have.
const MODERN: &[Feature] = &[
    GUEST_UDP_TUNNEL_GSO,
    GUEST_UDP_TUNNEL_GSO_CSUM,
    HOST_UDP_TUNNEL_GSO,
    HOST_UDP_TUNNEL_GSO_CSUM,
];

/// The features that only legacy devices have.
const LEGACY: &[Feature] = &[GSO, Feature::ANY_LAYOUT];

/// Returns the features of [`COMMON`] and these.
const fn common_and<const N: usize>(more: &[Feature]) -> [Feature; N] {
    let mut table = [GSO; N];
    let mut i = 0;
    while i < N {
        table[i] = if i < COMMON.len() {
            COMMON[i]
        } else {
            more[i - COMMON.len()]
        };
        i += 1;
    }
    table
}

/// The features of modern devices that the driver understands.
pub(crate) const TABLE: &[Feature] = &common_and::<{ COMMON.len() + MODERN.len() }>(MODERN);

/// The features of legacy devices that the driver understands.
pub(crate) const TABLE_LEGACY: &[Feature] = &common_and::<{ COMMON.len() + LEGACY.len() }>(LEGACY);

/// Features that a device must not offer without a control queue, with their names. The first one
/// that a device offers is the one in the message, in the order of C.
const NEED_CTRL_VQ: &[(Feature, &str)] = &[
    (CTRL_RX, "VIRTIO_NET_F_CTRL_RX"),
    (CTRL_VLAN, "VIRTIO_NET_F_CTRL_VLAN"),
    (GUEST_ANNOUNCE, "VIRTIO_NET_F_GUEST_ANNOUNCE"),
    (MQ, "VIRTIO_NET_F_MQ"),
    (CTRL_MAC_ADDR, "VIRTIO_NET_F_CTRL_MAC_ADDR"),
    (RSS, "VIRTIO_NET_F_RSS"),
    (HASH_REPORT, "VIRTIO_NET_F_HASH_REPORT"),
    (NOTF_COAL, "VIRTIO_NET_F_NOTF_COAL"),
    (VQ_NOTF_COAL, "VIRTIO_NET_F_VQ_NOTF_COAL"),
];

/// A negotiated feature without another one that it requires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Missing {
    /// Name of the feature.
    pub(crate) feature: &'static str,
    /// Name of the required feature.
    pub(crate) needs: &'static str,
}

/// Clears features that cannot be used, and refuses combinations that no device may have.
///
/// `mtu` is the MTU that the device reports, if it has `VIRTIO_NET_F_MTU`. `table` is the largest
/// length of an indirection table, if it has `VIRTIO_NET_F_RSS`.
///
/// # Errors
///
/// The combination is one that no device may offer (virtio spec §5.1.3.1).
pub(crate) fn validate(
    features: &mut FeatureSet,
    mtu: Option<u16>,
    table: Option<u16>,
) -> Result<(), Missing> {
    if !features.has(CTRL_VQ) {
        for &(feature, name) in NEED_CTRL_VQ {
            if features.has(feature) {
                return Err(Missing {
                    feature: name,
                    needs: "VIRTIO_NET_F_CTRL_VQ",
                });
            }
        }
        // Without a control queue no offload can be switched, and no statistics are reported. The
        // features do no harm, so the device is not refused.
        *features = features.without(CTRL_GUEST_OFFLOADS).without(DEVICE_STATS);
    }
    if mtu.is_some_and(|mtu| mtu < MIN_MTU) {
        *features = features.without(MTU);
    }
    if table == Some(0) {
        *features = features.without(RSS);
    }
    Ok(())
}

/// Smallest MTU, that of IPv4.
pub(crate) const MIN_MTU: u16 = 68;

/// Whether the device may pass packets to the driver that are larger than the MTU.
pub(crate) fn has_guest_gso(features: &FeatureSet) -> bool {
    features.has_any(&[GUEST_TSO4, GUEST_TSO6, GUEST_ECN, GUEST_UFO])
        || (features.has(GUEST_USO4) && features.has(GUEST_USO6))
}

/// Whether the device reports the largest number of pairs of queues.
pub(crate) fn has_pairs(features: &FeatureSet) -> bool {
    features.has_any(&[MQ, RSS])
}

/// Whether the device computes hashes of received packets.
pub(crate) fn has_hash(features: &FeatureSet) -> bool {
    features.has_any(&[RSS, HASH_REPORT])
}

/// Offloads of received packets that `rx-gro-hw` switches.
const GRO_HW: &[Feature] = &[
    GUEST_TSO4,
    GUEST_TSO6,
    GUEST_ECN,
    GUEST_UFO,
    GUEST_USO4,
    GUEST_USO6,
    GUEST_UDP_TUNNEL_GSO,
    GUEST_UDP_TUNNEL_GSO_CSUM,
];

/// Returns the bit of an offload in a control command: that of its feature, or, for those beyond
/// 63, one that no feature of a network device has (virtio spec §5.1.6.5.8).
const fn offload_bit(feature: Feature) -> u32 {
    match feature.bit() {
        bit @ 65.. => bit - (65 - 46),
        bit => bit,
    }
}

/// Returns the negotiated offloads of received packets, as a control command takes them (virtio
/// spec §5.1.6.5.8). `gro_hw` says whether those of `rx-gro-hw` are among them.
pub(crate) fn guest_offloads(features: &FeatureSet, gro_hw: bool) -> u64 {
    let mut offloads = 0;
    for &f in GRO_HW {
        if gro_hw && features.has(f) {
            offloads |= 1 << offload_bit(f);
        }
    }
    if features.has(GUEST_CSUM) {
        offloads |= 1 << offload_bit(GUEST_CSUM);
    }
    offloads
}

/// Whether the offloads of received packets can be switched.
pub(crate) fn can_switch_offloads(features: &FeatureSet) -> bool {
    features.has(CTRL_GUEST_OFFLOADS) && guest_offloads(features, true) != 0
}

/// Whether `rx-gro-hw` can be switched.
pub(crate) fn can_switch_gro_hw(features: &FeatureSet) -> bool {
    features.has(CTRL_GUEST_OFFLOADS) && features.has_any(GRO_HW)
}

#[cfg(CONFIG_RUST_VIRTIO_KUNIT_TEST)]
#[kunit_tests(rust_virtio_net_features)]
mod tests {
    use super::*;

    fn set(features: &[Feature]) -> FeatureSet {
        FeatureSet::from_table(features)
    }

    #[test]
    fn dependents_of_ctrl_vq_are_refused() {
        for &(feature, name) in NEED_CTRL_VQ {
            let missing = validate(&mut set(&[feature]), None, None);
            assert_eq!(
                missing,
                Err(Missing {
                    feature: name,
                    needs: "VIRTIO_NET_F_CTRL_VQ"
                })
            );
            let mut with = set(&[feature, CTRL_VQ]);
            assert_eq!(validate(&mut with, None, None), Ok(()));
            assert!(with.has(feature));
        }
    }

    #[test]
    fn guest_offloads_need_ctrl_vq() {
        let mut features = set(&[CTRL_GUEST_OFFLOADS, GUEST_TSO4]);
        assert_eq!(validate(&mut features, None, None), Ok(()));
        assert!(!features.has(CTRL_GUEST_OFFLOADS));
        assert!(features.has(GUEST_TSO4));
        assert!(!can_switch_gro_hw(&features));
    }

    #[test]
    fn device_stats_need_ctrl_vq() {
        let mut features = set(&[DEVICE_STATS, MAC]);
        assert_eq!(validate(&mut features, None, None), Ok(()));
        assert!(!features.has(DEVICE_STATS) && features.has(MAC));
        let mut features = set(&[DEVICE_STATS, CTRL_VQ]);
        assert_eq!(validate(&mut features, None, None), Ok(()));
        assert!(features.has(DEVICE_STATS));
    }

    #[test]
    fn small_mtu_is_taken_back() {
        let mut features = set(&[MTU, MAC]);
        assert_eq!(validate(&mut features, Some(68), None), Ok(()));
        assert!(features.has(MTU));
        assert_eq!(validate(&mut features, Some(67), None), Ok(()));
        assert!(!features.has(MTU));
        assert!(features.has(MAC));
    }

    /// RSS without an indirection table is taken back.
    #[test]
    fn empty_table_is_taken_back() {
        let mut features = set(&[RSS, MQ, CTRL_VQ]);
        assert_eq!(validate(&mut features, None, Some(1)), Ok(()));
        assert!(features.has(RSS));
        assert_eq!(validate(&mut features, None, Some(0)), Ok(()));
        assert!(!features.has(RSS));
        assert!(features.has(MQ));
    }

    #[test]
    fn uso_needs_both_versions() {
        assert!(!has_guest_gso(&set(&[GUEST_USO4])));
        assert!(has_guest_gso(&set(&[GUEST_USO4, GUEST_USO6])));
        assert!(has_guest_gso(&set(&[GUEST_UFO])));
        assert!(!has_guest_gso(&set(&[GUEST_CSUM])));
    }

    #[test]
    fn offload_words() {
        let features = set(&[GUEST_CSUM, GUEST_TSO4, GUEST_TSO6, GUEST_USO6]);
        assert_eq!(
            guest_offloads(&features, true),
            1 << 1 | 1 << 7 | 1 << 8 | 1 << 55
        );
        assert_eq!(guest_offloads(&features, false), 1 << 1);
    }

    /// Each table has all features of the C driver, each once, and no other.
    #[test]
    fn complete_tables() {
        for (table, count, other) in [(TABLE, 36, MODERN), (TABLE_LEGACY, 34, LEGACY)] {
            assert_eq!(table.len(), count);
            let more = set(other).words();
            let words = [0xdbf4_0000_00ef_ffaf | more[0], more[1]];
            assert_eq!(set(table).words(), words);
            let features = words.iter().map(|word| word.count_ones()).sum::<u32>();
            assert_eq!(features, count as u32);
        }
        assert_eq!(set(MODERN).words(), [0, 0x1e]);
        assert_eq!(set(LEGACY).words(), [1 << 6 | 1 << 27, 0]);
    }

    /// Without a control queue, the message names the feature that the message of C names.
    #[test]
    fn order_of_dependents() {
        let bits = [18, 19, 21, 22, 23, 60, 57, 53, 52];
        assert!(NEED_CTRL_VQ
            .iter()
            .map(|(feature, _)| feature.bit())
            .eq(bits));
    }

    #[test]
    fn legacy_table() {
        let legacy = FeatureSet::from_table(TABLE_LEGACY);
        let modern = FeatureSet::from_table(TABLE);
        assert!(COMMON.iter().all(|&f| legacy.has(f) && modern.has(f)));
        assert!(legacy.has(GSO) && legacy.has(Feature::ANY_LAYOUT));
        assert!(!modern.has(GSO) && !modern.has(Feature::ANY_LAYOUT));
        // A legacy device has 32 bits of features.
        assert!(MODERN.iter().all(|&f| modern.has(f) && !legacy.has(f)));
    }

    #[test]
    fn offloads_of_tunnels_have_bits_of_their_own() {
        let tunnels = [GUEST_UDP_TUNNEL_GSO, GUEST_UDP_TUNNEL_GSO_CSUM];
        let features = set(&tunnels);
        assert_eq!(guest_offloads(&features, true), 1 << 46 | 1 << 47);
        assert_eq!(guest_offloads(&features, false), 0);
        assert!(!can_switch_gro_hw(&features));
        for feature in tunnels {
            let features = set(&[CTRL_GUEST_OFFLOADS, feature]);
            assert!(can_switch_gro_hw(&features));
        }
        assert!(!has_guest_gso(&features));
    }
}
