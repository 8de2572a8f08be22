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
/// The driver receives USO packets, IPv4.
pub(crate) const GUEST_USO4: Feature = Feature::new(54);
/// The driver receives USO packets, IPv6.
pub(crate) const GUEST_USO6: Feature = Feature::new(55);
/// The device handles USO packets.
pub(crate) const HOST_USO: Feature = Feature::new(56);
/// The device reports speed and duplex.
pub(crate) const SPEED_DUPLEX: Feature = Feature::new(63);

/// The features that the driver understands.
pub(crate) const TABLE: &[Feature] = &[
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
    GUEST_USO4,
    GUEST_USO6,
    HOST_USO,
    SPEED_DUPLEX,
];

/// The features of legacy devices that the driver understands.
pub(crate) const TABLE_LEGACY: &[Feature] = &{
    let mut table = [GSO; TABLE.len() + 2];
    let mut i = 0;
    while i < TABLE.len() {
        table[i] = TABLE[i];
        i += 1;
    }
    table[TABLE.len() + 1] = Feature::ANY_LAYOUT;
    table
};

/// Features that a device must not offer without a control queue, with their names.
const NEED_CTRL_VQ: &[(Feature, &str)] = &[
    (CTRL_RX, "VIRTIO_NET_F_CTRL_RX"),
    (CTRL_VLAN, "VIRTIO_NET_F_CTRL_VLAN"),
    (GUEST_ANNOUNCE, "VIRTIO_NET_F_GUEST_ANNOUNCE"),
    (MQ, "VIRTIO_NET_F_MQ"),
    (CTRL_MAC_ADDR, "VIRTIO_NET_F_CTRL_MAC_ADDR"),
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
/// `mtu` is the MTU that the device reports, if it has `VIRTIO_NET_F_MTU`.
///
/// # Errors
///
/// The combination is one that no device may offer (virtio spec §5.1.3.1).
pub(crate) fn validate(features: &mut FeatureSet, mtu: Option<u16>) -> Result<(), Missing> {
    if !features.has(CTRL_VQ) {
        for &(feature, name) in NEED_CTRL_VQ {
            if features.has(feature) {
                return Err(Missing {
                    feature: name,
                    needs: "VIRTIO_NET_F_CTRL_VQ",
                });
            }
        }
        // Without a control queue no offload can be switched. The feature does no harm, so the
        // device is not refused.
        *features = features.without(CTRL_GUEST_OFFLOADS);
    }
    if mtu.is_some_and(|mtu| mtu < MIN_MTU) {
        *features = features.without(MTU);
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

/// Offloads of received packets that `rx-gro-hw` switches.
const GRO_HW: &[Feature] = &[
    GUEST_TSO4, GUEST_TSO6, GUEST_ECN, GUEST_UFO, GUEST_USO4, GUEST_USO6,
];

/// Returns the negotiated offloads of received packets, as a control command takes them (virtio
/// spec §5.1.6.5.8). `gro_hw` says whether those of `rx-gro-hw` are among them.
pub(crate) fn guest_offloads(features: &FeatureSet, gro_hw: bool) -> u64 {
    let mut offloads = 0;
    for &f in GRO_HW {
        if gro_hw && features.has(f) {
            offloads |= 1 << f.bit();
        }
    }
    if features.has(GUEST_CSUM) {
        offloads |= 1 << GUEST_CSUM.bit();
    }
    offloads
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
            let missing = validate(&mut set(&[feature]), None);
            assert_eq!(
                missing,
                Err(Missing {
                    feature: name,
                    needs: "VIRTIO_NET_F_CTRL_VQ"
                })
            );
            let mut with = set(&[feature, CTRL_VQ]);
            assert_eq!(validate(&mut with, None), Ok(()));
            assert!(with.has(feature));
        }
    }

    #[test]
    fn guest_offloads_need_ctrl_vq() {
        let mut features = set(&[CTRL_GUEST_OFFLOADS, GUEST_TSO4]);
        assert_eq!(validate(&mut features, None), Ok(()));
        assert!(!features.has(CTRL_GUEST_OFFLOADS));
        assert!(features.has(GUEST_TSO4));
        assert!(!can_switch_gro_hw(&features));
    }

    #[test]
    fn small_mtu_is_taken_back() {
        let mut features = set(&[MTU, MAC]);
        assert_eq!(validate(&mut features, Some(68)), Ok(()));
        assert!(features.has(MTU));
        assert_eq!(validate(&mut features, Some(67)), Ok(()));
        assert!(!features.has(MTU));
        assert!(features.has(MAC));
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

    #[test]
    fn legacy_table() {
        let legacy = FeatureSet::from_table(TABLE_LEGACY);
        assert!(TABLE.iter().all(|&f| legacy.has(f)));
        assert!(legacy.has(GSO) && legacy.has(Feature::ANY_LAYOUT));
        assert!(!FeatureSet::from_table(TABLE).has(GSO));
    }
}
