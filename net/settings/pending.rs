// SPDX-License-Identifier: GPL-2.0

//! The settings that a device has still to be told, and when.

use crate::ctrl::error::is_unanswered;
use kernel::{
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
};
use netdev::{
    Device,
    Operations, //
};

/// Milliseconds before each further attempt, as the stack has them for receive modes.
const DELAYS_MS: [u32; 4] = [1_000, 2_000, 4_000, 8_000];

/// A setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Setting {
    /// The number of pairs of queues in use.
    Pairs,
    /// The address.
    Address,
    /// The receive mode, and the addresses of the filter.
    RxMode,
    /// The VLANs.
    Vlans,
    /// The offloads of received packets.
    Offloads,
}

/// Some settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Settings(u32);

impl Settings {
    pub(super) const NONE: Self = Self(0);

    /// In the order in which they are told.
    pub(super) const ALL: [Setting; 5] = [
        Setting::Pairs,
        Setting::Address,
        Setting::RxMode,
        Setting::Vlans,
        Setting::Offloads,
    ];

    pub(super) fn all() -> Self {
        Self::ALL.into_iter().fold(Self::NONE, Self::with)
    }

    pub(super) fn with(self, setting: Setting) -> Self {
        Self(self.0 | 1 << setting as u32)
    }

    pub(super) fn without(self, setting: Setting) -> Self {
        Self(self.0 & !(1 << setting as u32))
    }

    pub(super) fn has(self, setting: Setting) -> bool {
        self.0 & 1 << setting as u32 != 0
    }
}

/// The settings that a device has still to be told. Changes with the RTNL held.
pub(crate) struct PendingSettings {
    /// [`Settings`].
    settings: Atomic<u32>,
    /// Number of VLANs that were told, of those of the stack in its order.
    pub(super) vlans: Atomic<usize>,
    /// Number of further attempts so far.
    attempts: Atomic<usize>,
}

impl PendingSettings {
    /// Nothing is to be told.
    pub(crate) const fn new() -> Self {
        Self {
            settings: Atomic::new(0),
            vlans: Atomic::new(0),
            attempts: Atomic::new(0),
        }
    }

    /// Has a device told a setting again later that could not be changed for the reason `e`, if
    /// that is for want of an answer: the device may have changed the setting all the same. With
    /// the RTNL held.
    pub(crate) fn failed(&self, dev: &Device<impl Operations>, setting: Setting, e: Error) {
        if !is_unanswered(e) {
            return;
        }
        if setting == Setting::Vlans {
            self.restart_vlans();
        }
        let before = self.settings();
        self.set(before.with(setting));
        if before == Settings::NONE {
            self.schedule_retry(dev);
        }
    }

    /// Has a device that is still to be told VLANs told all of them. With the RTNL held.
    pub(crate) fn restart_vlans(&self) {
        self.vlans.store(0, Relaxed);
    }

    /// Forgets what is left, for a device that is told everything.
    pub(super) fn reset_progress(&self) {
        self.restart_vlans();
        self.attempts.store(0, Relaxed);
    }

    /// The settings that are left.
    pub(super) fn settings(&self) -> Settings {
        Settings(self.settings.load(Relaxed))
    }

    fn set(&self, settings: Settings) {
        self.settings.store(settings.0, Relaxed);
    }

    /// Has the settings in `left` told later, and no others.
    pub(super) fn replace(&self, dev: &Device<impl Operations>, left: Settings) {
        self.set(left);
        if left == Settings::NONE {
            self.attempts.store(0, Relaxed);
        } else {
            self.schedule_retry(dev);
        }
    }

    /// Has what is left told later, unless that was tried often enough.
    fn schedule_retry(&self, dev: &Device<impl Operations>) {
        let attempts = self.attempts.load(Relaxed);
        match DELAYS_MS.get(attempts) {
            Some(&millis) => {
                self.attempts.store(attempts + 1, Relaxed);
                dev.schedule_later(millis);
            }
            None => {
                self.set(Settings::NONE);
                self.attempts.store(0, Relaxed);
                dev.warn(fmt!("Failed to restore settings, giving up.\n"));
            }
        }
    }
}

#[cfg(CONFIG_RUST_VIRTIO_KUNIT_TEST)]
#[kunit_tests(rust_virtio_net_settings)]
mod tests {
    use super::*;

    #[test]
    fn sets_of_settings() {
        for one in Settings::ALL {
            assert!(Settings::all().has(one));
            for other in Settings::ALL {
                assert_eq!(Settings::NONE.with(one).has(other), one == other);
                assert_eq!(Settings::all().without(one).has(other), one != other);
            }
        }
    }
}
