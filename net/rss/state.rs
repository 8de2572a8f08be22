// SPDX-License-Identifier: GPL-2.0

//! The state of RSS and hash reports of a device.

use super::{
    config::HashConfig,
    limits::Limits, //
};
use crate::features;
use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Mutex, //
    },
};
use virtio::FeatureSet;

/// The state of RSS and hash reports of a device. Changes with the RTNL held.
#[pin_data]
pub(crate) struct Rss {
    pub(super) limits: Limits,
    /// Whether the device has RSS.
    has_rss: Atomic<bool>,
    /// Whether the device reports hashes.
    has_reports: Atomic<bool>,
    /// Whether the device has taken a configuration since it was reset.
    is_accepted: Atomic<bool>,
    /// The configuration that the device has. A device without queues gets this configuration
    /// later. The mutex of the control queue nests inside of this one.
    #[pin]
    pub(super) config: Mutex<HashConfig>,
}

impl Rss {
    /// Returns the default configuration for `pairs` pairs in use.
    pub(crate) fn new(
        features: FeatureSet,
        limits: Limits,
        pairs: usize,
    ) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            limits,
            has_rss: Atomic::new(features.has(features::RSS)),
            has_reports: Atomic::new(features.has(features::HASH_REPORT)),
            is_accepted: Atomic::new(false),
            config <- new_mutex!(HashConfig::new(limits, u16::try_from(pairs)?)?),
        }? Error)
    }

    pub(super) fn has_rss(&self) -> bool {
        self.has_rss.load(Relaxed)
    }

    /// Whether the device computes hashes.
    pub(super) fn has_hash(&self) -> bool {
        self.has_rss() || self.has_reports.load(Relaxed)
    }

    /// Records that the device computes no hashes.
    pub(super) fn disable(&self) {
        self.has_rss.store(false, Relaxed);
        self.has_reports.store(false, Relaxed);
    }

    pub(super) fn is_accepted(&self) -> bool {
        self.is_accepted.load(Relaxed)
    }

    /// Records that the device has taken a configuration.
    pub(super) fn accept(&self) {
        self.is_accepted.store(true, Relaxed);
    }

    /// Records that the device was reset, and has no configuration.
    pub(crate) fn forget(&self) {
        self.is_accepted.store(false, Relaxed);
    }
}
