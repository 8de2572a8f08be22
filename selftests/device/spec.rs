// SPDX-License-Identifier: GPL-2.0

//! The offer of a fake device, and its faults.

use crate::{
    maps::Addresses,
    scripted::{
        Scenario,
        SCRIPTED_ID, //
    }, //
};
use kernel::{
    alloc::KVec,
    prelude::*,
    sync::Arc, //
};

/// Feature bit: indirect descriptors.
pub const INDIRECT_DESC: u32 = 28;
/// Feature bit: event suppression by index.
pub const EVENT_IDX: u32 = 29;
/// Feature bit: the device is not legacy.
pub const VERSION_1: u32 = 32;
/// Feature bit: memory is mapped for the device.
pub const ACCESS_PLATFORM: u32 = 33;
/// Feature bit: packed rings.
pub const RING_PACKED: u32 = 34;
/// Feature bit: buffers are used in the order in which they were made available.
pub const IN_ORDER: u32 = 35;
/// Feature bit: a queue can be reset by itself.
pub const RING_RESET: u32 = 40;

/// The offer of a device.
pub struct Spec {
    pub(crate) device: u32,
    pub(crate) vendor: u32,
    pub(crate) features: [u64; 2],
    pub(crate) config: KVec<u8>,
    pub(crate) queues: KVec<u16>,
    pub(crate) has_config: bool,
    pub(crate) scenario: Option<Arc<dyn Scenario>>,
    pub(crate) mapping: Option<Addresses>,
}

impl Spec {
    /// A modern device of a type, without configuration, queues or further features.
    pub fn new(device: u32) -> Self {
        Self {
            device,
            vendor: 0,
            features: [1 << VERSION_1, 0],
            config: KVec::new(),
            queues: KVec::new(),
            has_config: true,
            scenario: None,
            mapping: None,
        }
    }

    /// A device that the scripted driver binds to and plays `scenario` with.
    pub fn scripted(scenario: Arc<dyn Scenario>) -> Self {
        let mut spec = Self::new(SCRIPTED_ID);
        spec.scenario = Some(scenario);
        spec
    }

    /// Of a vendor.
    #[must_use]
    pub fn vendor(mut self, vendor: u32) -> Self {
        self.vendor = vendor;
        self
    }

    /// Its transport maps memory for it, so that it has such addresses.
    #[must_use]
    pub fn mapping(mut self, addresses: Addresses) -> Self {
        self.mapping = Some(addresses);
        self.features(&[ACCESS_PLATFORM])
    }

    /// Whether its transport has mapping operations of its own.
    pub(crate) fn has_operations(&self) -> bool {
        !matches!(self.mapping, None | Some(Addresses::Dma))
    }

    /// Offers feature bits; out of range (128 and more) they are ignored.
    #[must_use]
    pub fn features(mut self, bits: &[u32]) -> Self {
        for &bit in bits {
            if let Some(word) = self.features.get_mut(bit as usize / 64) {
                *word |= 1 << (bit % 64);
            }
        }
        self
    }

    /// Does not offer a feature bit.
    #[must_use]
    pub fn without_feature(mut self, bit: u32) -> Self {
        if let Some(word) = self.features.get_mut(bit as usize / 64) {
            *word &= !(1 << (bit % 64));
        }
        self
    }

    /// Does not offer `VIRTIO_F_VERSION_1`.
    #[must_use]
    pub fn legacy(self) -> Self {
        self.without_feature(VERSION_1)
    }

    /// Has this configuration.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn config(mut self, bytes: &[u8]) -> Result<Self> {
        self.config.clear();
        self.config.extend_from_slice(bytes, GFP_KERNEL)?;
        Ok(self)
    }

    /// Its transport cannot read a configuration.
    #[must_use]
    pub fn without_config(mut self) -> Self {
        self.has_config = false;
        self
    }

    /// Has `count` more queues of up to `size` descriptors each.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn queues(mut self, count: usize, size: u16) -> Result<Self> {
        for _ in 0..count {
            self.queues.push(size, GFP_KERNEL)?;
        }
        Ok(self)
    }
}

/// The faults of a device from now on. All of them can be switched at any time.
#[derive(Clone, Copy, Default)]
pub struct Faults {
    /// `FEATURES_OK` does not stick.
    pub refuse_features: bool,
    /// The next so many reads of the configuration generation find it changed.
    pub restless_config: u32,
    /// Writes to the configuration have no effect.
    pub config_stays: bool,
    /// The device ignores a reset: its status stays, and it goes on.
    pub reset_ignored: bool,
    /// The device looks at no queue: what it is given it does not answer.
    pub mute: bool,
    /// The device does not look at the queue of this index.
    pub mute_queue: Option<usize>,
    /// The device is not there any more: everything reads as ones, and it does nothing.
    pub gone: bool,
    /// `find_vqs` fails with this `errno`.
    pub find_vqs: i32,
    /// `find_vqs` fails with this `errno` once.
    pub find_vqs_once: i32,
    /// A queue raises an interrupt, with an entry in its used ring, as soon as it exists.
    pub early_interrupt: bool,
    /// Notifications fail: the transport finds the device gone.
    pub notify_fails: bool,
    /// A queue cannot be reset alone.
    pub queue_reset_fails: bool,
    /// The reset of a queue takes until this is false.
    pub queue_reset_waits: bool,
    /// A queue that was reset cannot be enabled again.
    pub enable_fails: bool,
    /// The next so many interrupts get lost.
    pub swallow_interrupts: u32,
    /// Queues are said to have so many descriptors, unless this is 0.
    pub queue_size: u32,
}
