// SPDX-License-Identifier: GPL-2.0

//! The properties of a fake device, and its faults.

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
/// Feature bit: the device is modern.
pub const VERSION_1: u32 = 32;
/// Feature bit: memory is mapped for the device.
pub const ACCESS_PLATFORM: u32 = 33;
/// Feature bit: packed rings.
pub const RING_PACKED: u32 = 34;
/// Feature bit: buffers are used in the order in which they were made available.
pub const IN_ORDER: u32 = 35;
/// Feature bit: a single queue can be reset.
pub const RING_RESET: u32 = 40;

/// The properties of a device.
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
    /// Returns a modern device of a type, without configuration, queues or further features.
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

    /// Returns a device for the scripted driver, which runs `scenario`.
    pub fn scripted(scenario: Arc<dyn Scenario>) -> Self {
        let mut spec = Self::new(SCRIPTED_ID);
        spec.scenario = Some(scenario);
        spec
    }

    /// Sets the vendor.
    #[must_use]
    pub fn vendor(mut self, vendor: u32) -> Self {
        self.vendor = vendor;
        self
    }

    /// Gives the transport mapping operations, with addresses of this kind.
    #[must_use]
    pub fn mapping(mut self, addresses: Addresses) -> Self {
        self.mapping = Some(addresses);
        self.features(&[ACCESS_PLATFORM])
    }

    /// Whether the transport has its own mapping operations.
    pub(crate) fn has_operations(&self) -> bool {
        !matches!(self.mapping, None | Some(Addresses::Dma))
    }

    /// Offers feature bits. Ignores bits out of range (128 and more).
    #[must_use]
    pub fn features(mut self, bits: &[u32]) -> Self {
        for &bit in bits {
            if let Some(word) = self.features.get_mut(bit as usize / 64) {
                *word |= 1 << (bit % 64);
            }
        }
        self
    }

    /// Withdraws a feature bit.
    #[must_use]
    pub fn without_feature(mut self, bit: u32) -> Self {
        if let Some(word) = self.features.get_mut(bit as usize / 64) {
            *word &= !(1 << (bit % 64));
        }
        self
    }

    /// Withdraws `VIRTIO_F_VERSION_1`.
    #[must_use]
    pub fn legacy(self) -> Self {
        self.without_feature(VERSION_1)
    }

    /// Sets the configuration.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn config(mut self, bytes: &[u8]) -> Result<Self> {
        self.config.clear();
        self.config.extend_from_slice(bytes, GFP_KERNEL)?;
        Ok(self)
    }

    /// Removes the access of the transport to the configuration.
    #[must_use]
    pub fn without_config(mut self) -> Self {
        self.has_config = false;
        self
    }

    /// Adds `count` queues of up to `size` descriptors each.
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

/// The faults of a device. Each can be switched at any time.
#[derive(Clone, Copy, Default)]
pub struct Faults {
    /// `FEATURES_OK` does not stick.
    pub refuse_features: bool,
    /// The number of next reads of the configuration generation that find it changed.
    pub restless_config: u32,
    /// Writes to the configuration have no effect.
    pub config_stays: bool,
    /// The device ignores a reset: it keeps its status, and goes on.
    pub reset_ignored: bool,
    /// The device cannot be reset, and says so: it sets FAILED, and goes on.
    pub reset_refused: bool,
    /// The device is reset when its queues are deleted, as legacy devices of QEMU are.
    pub deletion_resets: bool,
    /// The device handles no queue.
    pub mute: bool,
    /// The device does not handle the queue with this index.
    pub mute_queue: Option<usize>,
    /// The device was removed by surprise: all registers read as ones, and it does nothing.
    pub gone: bool,
    /// `find_vqs` fails with this `errno`.
    pub find_vqs: i32,
    /// `find_vqs` fails with this `errno` once.
    pub find_vqs_once: i32,
    /// A queue raises an interrupt, with an entry in its used ring, when it is made.
    pub early_interrupt: bool,
    /// Notifications fail: the transport finds the device gone.
    pub notify_fails: bool,
    /// A queue cannot be reset alone.
    pub queue_reset_fails: bool,
    /// The register for the reset of a queue reads as ones, as if there were no device.
    pub queue_reset_ones: bool,
    /// The reset of a queue takes as long as this is set.
    pub queue_reset_waits: bool,
    /// The milliseconds that the reset of a queue takes.
    pub queue_reset_millis: u32,
    /// A queue that was reset cannot be enabled again.
    pub enable_fails: bool,
    /// The number of next interrupts that are lost.
    pub swallow_interrupts: u32,
    /// The number of descriptors that the transport reports for each queue, unless this is 0.
    pub queue_size: u32,
}
