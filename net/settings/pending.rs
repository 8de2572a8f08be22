// SPDX-License-Identifier: GPL-2.0

//! Pending settings: those that are still to be sent to the device.

use crate::ctrl::error::{
    for_user,
    is_unanswered, //
};
use kernel::{
    fmt,
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

/// Delays between attempts in milliseconds, the same as those of the core for receive modes.
const DELAYS_MS: [u32; 4] = [1_000, 2_000, 4_000, 8_000];

/// A setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Setting {
    /// The number of pairs of queues in use.
    Pairs,
    /// The configuration of RSS and hash reports.
    Hash,
    /// The address.
    Address,
    /// The receive mode, and the addresses of the filter.
    RxMode,
    /// The VLANs.
    Vlans,
    /// The offloads of received packets.
    Offloads,
    /// The limits of notifications.
    Coalescing,
}

impl Setting {
    /// Returns the name for messages.
    const fn name(self) -> &'static str {
        match self {
            Self::Pairs => "number of queue pairs",
            Self::Hash => "RSS",
            Self::Address => "address",
            Self::RxMode => "receive mode",
            Self::Vlans => "VLANs",
            Self::Offloads => "offloads",
            Self::Coalescing => "coalescing",
        }
    }
}

/// A set of settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settings(u32);

impl Settings {
    pub(super) const NONE: Self = Self(0);

    /// All settings, in the order in which they are sent.
    pub(super) const ALL: [Setting; 7] = [
        Setting::Pairs,
        Setting::Hash,
        Setting::Address,
        Setting::RxMode,
        Setting::Vlans,
        Setting::Offloads,
        Setting::Coalescing,
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

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for one in Self::ALL {
            if self.has(one) {
                f.write_str(separator)?;
                f.write_str(one.name())?;
                separator = ", ";
            }
        }
        Ok(())
    }
}

/// The settings that are still to be sent to a device.
///
/// They are sent, and replaced by those that failed, with the RTNL and the lock of the device held.
/// A setting is recorded with one of the two locks held, so two threads may do that at a time.
pub(crate) struct PendingSettings {
    /// [`Settings`].
    settings: Atomic<u32>,
    /// Number of VLANs that were sent, in the order of the stack: the newest VLAN is the first.
    vlans: Atomic<usize>,
    /// Number of further attempts so far, or since VLANs were sent last.
    attempts: Atomic<usize>,
}

impl PendingSettings {
    /// Returns the state without a pending setting.
    pub(crate) const fn new() -> Self {
        Self {
            settings: Atomic::new(0),
            vlans: Atomic::new(0),
            attempts: Atomic::new(0),
        }
    }

    /// Records that `setting` failed with `e`. If the device did not answer, the setting is sent
    /// again later, because the device may have changed it. With the RTNL or the lock of the device
    /// held.
    pub(crate) fn failed(&self, dev: &Device<impl Operations>, setting: Setting, e: Error) {
        if !is_unanswered(e) {
            return;
        }
        if setting == Setting::Vlans {
            // Also if the command was not sent: a new VLAN is the first of the list.
            self.restart_vlans();
        }
        // The thread that records the first setting schedules the attempt.
        if self.add(setting) == Settings::NONE {
            self.schedule_retry(dev);
        }
    }

    /// As [`PendingSettings::failed`], for a change that a user asked for. Returns the error for
    /// the user.
    pub(crate) fn failed_for_user(
        &self,
        dev: &Device<impl Operations>,
        setting: Setting,
        e: Error,
    ) -> Error {
        self.failed(dev, setting, e);
        for_user(e)
    }

    /// Returns how many VLANs were sent, in the order of the stack.
    pub(super) fn vlans(&self) -> usize {
        self.vlans.load(Relaxed)
    }

    /// Records how many VLANs were sent. If there are more than before, counts attempts anew: a
    /// slow device gets all VLANs, however many attempts that takes. With the RTNL and the lock of
    /// the device held.
    pub(super) fn set_vlans(&self, sent: usize) {
        if sent > self.vlans() {
            self.attempts.store(0, Relaxed);
        }
        self.vlans.store(sent, Relaxed);
    }

    /// Restarts the list of VLANs from its beginning. With the RTNL held.
    pub(crate) fn restart_vlans(&self) {
        self.vlans.store(0, Relaxed);
    }

    /// Resets the progress, before all settings are sent again.
    pub(super) fn reset_progress(&self) {
        self.restart_vlans();
        self.attempts.store(0, Relaxed);
    }

    /// Returns the pending settings.
    pub(super) fn settings(&self) -> Settings {
        Settings(self.settings.load(Relaxed))
    }

    /// Adds a setting, and returns the settings that were there before.
    fn add(&self, setting: Setting) -> Settings {
        let mut before = self.settings();
        loop {
            let with = before.with(setting);
            match self.settings.cmpxchg(before.0, with.0, Relaxed) {
                Ok(_) => return before,
                Err(now) => before = Settings(now),
            }
        }
    }

    /// Replaces the pending settings by `left`, and schedules an attempt if there are any.
    pub(super) fn replace(&self, dev: &Device<impl Operations>, left: Settings) {
        self.settings.store(left.0, Relaxed);
        if left == Settings::NONE {
            self.attempts.store(0, Relaxed);
        } else {
            self.schedule_retry(dev);
        }
    }

    /// Schedules the next attempt, or gives up after the last one.
    fn schedule_retry(&self, dev: &Device<impl Operations>) {
        let attempts = self.attempts.load(Relaxed);
        match DELAYS_MS.get(attempts) {
            Some(&millis) => {
                self.attempts.store(attempts + 1, Relaxed);
                dev.schedule_later(millis);
            }
            None => {
                let left = Settings(self.settings.xchg(Settings::NONE.0, Relaxed));
                self.attempts.store(0, Relaxed);
                dev.netdev_warn(fmt!(
                    "gave up sending settings to the device: {}; the next reset sends them again\n",
                    left
                ));
            }
        }
    }
}

#[cfg(CONFIG_RUST_VIRTIO_KUNIT_TEST)]
#[kunit_tests(rust_virtio_net_settings)]
mod tests {
    use super::*;
    use kernel::str::CString;

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

    #[test]
    fn settings_are_added() {
        let pending = PendingSettings::new();
        let one = Settings::NONE.with(Setting::Vlans);
        assert_eq!(pending.add(Setting::Vlans), Settings::NONE);
        assert_eq!(pending.add(Setting::Coalescing), one);
        assert_eq!(pending.add(Setting::Vlans), one.with(Setting::Coalescing));
        assert_eq!(pending.settings(), one.with(Setting::Coalescing));
    }

    #[test]
    fn settings_have_names() -> Result {
        let set = Settings::NONE.with(Setting::Vlans).with(Setting::Address);
        let text = CString::try_from_fmt(fmt!("{}", set))?;
        assert_eq!(text.to_bytes(), b"address, VLANs");
        Ok(())
    }
}
