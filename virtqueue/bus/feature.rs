// SPDX-License-Identifier: GPL-2.0

//! Feature bits and their negotiation (virtio spec §2.2, §6).

use crate::bindings;

/// A feature bit, 0 to 127.
///
/// The bits of a device type are constants of its driver. The bits of the transport and the ring
/// (§6) are constants of this type.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feature(u32);

impl Feature {
    /// The number of feature bits that the core can hold.
    pub const COUNT: u32 = 128;

    /// Legacy: the device notifies when the ring runs empty, even if notifications are suppressed
    /// (§6.3).
    pub const NOTIFY_ON_EMPTY: Self = Self::new(24);
    /// Legacy: the driver chooses the layout of the descriptors of a message (§6.3).
    pub const ANY_LAYOUT: Self = Self::new(27);
    /// Indirect descriptors (§2.7.5.3, §2.8.7).
    pub const INDIRECT_DESC: Self = Self::new(28);
    /// Event suppression by index (§2.7.7, §2.7.10).
    pub const EVENT_IDX: Self = Self::new(29);
    /// The device conforms to version 1 or later: not legacy.
    pub const VERSION_1: Self = Self::new(bindings::VIRTIO_F_VERSION_1);
    /// The device's access to memory is limited or translated: use the DMA API.
    pub const ACCESS_PLATFORM: Self = Self::new(bindings::VIRTIO_F_ACCESS_PLATFORM);
    /// Packed virtqueue layout (§2.8).
    pub const RING_PACKED: Self = Self::new(bindings::VIRTIO_F_RING_PACKED);
    /// The device uses buffers in the order in which they were made available.
    pub const IN_ORDER: Self = Self::new(bindings::VIRTIO_F_IN_ORDER);
    /// The platform orders memory accesses, so the driver needs barriers for devices.
    pub const ORDER_PLATFORM: Self = Self::new(bindings::VIRTIO_F_ORDER_PLATFORM);
    /// Single-root I/O virtualization.
    pub const SR_IOV: Self = Self::new(bindings::VIRTIO_F_SR_IOV);
    /// Notifications carry data (§4.1.5.2).
    pub const NOTIFICATION_DATA: Self = Self::new(bindings::VIRTIO_F_NOTIFICATION_DATA);
    /// Notifications carry a value from the device's configuration.
    pub const NOTIF_CONFIG_DATA: Self = Self::new(bindings::VIRTIO_F_NOTIF_CONFIG_DATA);
    /// A queue can be reset by itself (§2.6.1).
    pub const RING_RESET: Self = Self::new(bindings::VIRTIO_F_RING_RESET);
    /// The device has an administration virtqueue (§2.13).
    pub const ADMIN_VQ: Self = Self::new(bindings::VIRTIO_F_ADMIN_VQ);

    /// Returns the feature with a bit number.
    ///
    /// In a constant, a number that is out of range fails the build.
    pub const fn new(bit: u32) -> Self {
        assert!(bit < Self::COUNT, "feature bit out of range");
        Self(bit)
    }

    /// Returns the bit number.
    #[inline]
    pub const fn bit(self) -> u32 {
        self.0
    }

    /// Returns whether the bit belongs to the transport or the ring, and not to the device type.
    pub const fn is_transport(self) -> bool {
        self.0 >= bindings::VIRTIO_TRANSPORT_F_START && self.0 < bindings::VIRTIO_TRANSPORT_F_END
    }
}

/// A set of feature bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FeatureSet {
    words: [u64; 2],
}

impl FeatureSet {
    /// The set without features.
    pub const EMPTY: Self = Self { words: [0; 2] };

    /// Converts from the two words in which the core keeps the features, low bits first.
    pub const fn from_words(words: [u64; 2]) -> Self {
        Self { words }
    }

    /// Returns the two words, low bits first.
    pub const fn words(&self) -> [u64; 2] {
        self.words
    }

    /// Returns the features of a table.
    pub const fn from_table(table: &[Feature]) -> Self {
        let mut set = Self::EMPTY;
        let mut i = 0;
        while i < table.len() {
            set = set.with(table[i]);
            i += 1;
        }
        set
    }

    /// Returns whether the set has a feature.
    #[inline]
    pub const fn has(&self, feature: Feature) -> bool {
        (self.words[(feature.bit() >> 6) as usize & 1] >> (feature.bit() & 63)) & 1 != 0
    }

    /// Returns whether the set has at least one of the features.
    pub fn has_any(&self, features: &[Feature]) -> bool {
        features.iter().any(|&f| self.has(f))
    }

    /// Returns the set with one more feature.
    #[must_use]
    pub const fn with(mut self, feature: Feature) -> Self {
        self.words[(feature.bit() >> 6) as usize & 1] |= 1 << (feature.bit() & 63);
        self
    }

    /// Returns the set without a feature.
    #[must_use]
    pub const fn without(mut self, feature: Feature) -> Self {
        self.words[(feature.bit() >> 6) as usize & 1] &= !(1 << (feature.bit() & 63));
        self
    }

    /// Returns the features that are in both sets.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self {
            words: [
                self.words[0] & other.words[0],
                self.words[1] & other.words[1],
            ],
        }
    }
}

#[cfg(CONFIG_RUST_VIRTIO_KUNIT_TEST)]
#[kernel::prelude::kunit_tests(rust_virtio_feature)]
mod tests {
    use super::*;

    #[test]
    fn bits_of_both_words() {
        for bit in [0, 1, 31, 32, 63, 64, 65, 127] {
            let feature = Feature::new(bit);
            let set = FeatureSet::EMPTY.with(feature);
            assert!(set.has(feature));
            assert_eq!(feature.bit(), bit);
            let [low, high] = set.words();
            assert_eq!(u128::from(low) | u128::from(high) << 64, 1 << bit);
            for other in (0..Feature::COUNT).filter(|&b| b != bit) {
                assert!(!set.has(Feature::new(other)));
            }
            assert_eq!(set.without(feature), FeatureSet::EMPTY);
        }
    }

    #[test]
    fn sets() {
        const TABLE: &[Feature] = &[Feature::new(3), Feature::VERSION_1, Feature::new(99)];
        const SET: FeatureSet = FeatureSet::from_table(TABLE);
        assert!(TABLE.iter().all(|&f| SET.has(f)));
        assert_eq!(SET.words(), [1 << 3 | 1 << 32, 1 << (99 - 64)]);
        assert_eq!(FeatureSet::from_words(SET.words()), SET);
        let other = FeatureSet::from_table(&[Feature::new(99), Feature::new(100)]);
        let both = SET.intersection(other);
        assert_eq!(both, FeatureSet::EMPTY.with(Feature::new(99)));
        assert!(SET.has_any(&[Feature::new(100), Feature::new(99)]));
        assert!(!SET.has_any(&[Feature::new(100), Feature::new(101)]));
        assert!(!SET.has_any(&[]));
    }

    #[test]
    fn transport_range() {
        assert!(!Feature::new(27).is_transport());
        assert!(Feature::INDIRECT_DESC.is_transport());
        assert!(Feature::ADMIN_VQ.is_transport());
        assert!(!Feature::new(42).is_transport());
        assert!(!Feature::new(28 + 64).is_transport());
    }
}
