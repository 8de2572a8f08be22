// SPDX-License-Identifier: GPL-2.0

//! Settings that the driver tells the device again after a reset (virtio spec §5.1.6.5).
//!
//! If memory is short, or the device does not answer in time, the driver repeats the command later,
//! a few times: see [`DELAYS_MS`]. It also repeats a setting that a user changed without an answer,
//! because the device may have taken the change or not. A setting that the device refuses is not
//! repeated.

use crate::{
    ctrl::{
        is_silence,
        may_pass, //
    },
    features,
    filter,
    nic::Nic,
    queues, //
};
use kernel::{
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
};
use netdev::{
    Device,
    Features,
    Rtnl, //
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
struct Settings(u32);

impl Settings {
    const NONE: Self = Self(0);

    /// In the order in which they are told.
    const ALL: [Setting; 5] = [
        Setting::Pairs,
        Setting::Address,
        Setting::RxMode,
        Setting::Vlans,
        Setting::Offloads,
    ];

    fn all() -> Self {
        Self::ALL.into_iter().fold(Self::NONE, Self::with)
    }

    fn with(self, setting: Setting) -> Self {
        Self(self.0 | 1 << setting as u32)
    }

    fn without(self, setting: Setting) -> Self {
        Self(self.0 & !(1 << setting as u32))
    }

    fn has(self, setting: Setting) -> bool {
        self.0 & 1 << setting as u32 != 0
    }
}

/// The settings that a device has still to be told. Changes with the RTNL held.
pub(crate) struct Untold {
    /// [`Settings`].
    settings: Atomic<u32>,
    /// Number of VLANs that were told, of those of the stack in its order.
    vlans: Atomic<usize>,
    /// Number of further attempts so far.
    attempts: Atomic<usize>,
}

impl Untold {
    /// Nothing is to be told.
    pub(crate) const fn new() -> Self {
        Self {
            settings: Atomic::new(0),
            vlans: Atomic::new(0),
            attempts: Atomic::new(0),
        }
    }
}

/// Tells a device that was reset all that it was told before.
///
/// # Errors
///
/// Those of the first setting that failed. The others were tried, unless the device did not answer.
pub(crate) fn restore(dev: &Device<Nic<'_>>, rtnl: &mut Rtnl) -> Result {
    let untold = &dev.data().untold;
    untold.vlans.store(0, Relaxed);
    untold.attempts.store(0, Relaxed);
    let mut settings = Settings::all();
    if dev.features().has(Features::GRO_HW) {
        // They are on after a reset.
        settings = settings.without(Setting::Offloads);
    }
    tell(dev, settings, queues::init_pairs, rtnl)
}

/// Tells a device that was not told anything yet how many pairs of queues are in use. One is, if
/// the device refuses.
pub(crate) fn init_pairs(dev: &Device<Nic<'_>>, rtnl: &mut Rtnl) {
    let pairs = Settings::NONE.with(Setting::Pairs);
    let _ = tell(dev, pairs, queues::init_pairs, rtnl);
}

/// Tells a device what it was not told before, if it is there. Process context.
pub(crate) fn later(dev: &Device<Nic<'_>>, rtnl: &mut Rtnl) {
    let untold = &dev.data().untold;
    let settings = Settings(untold.settings.load(Relaxed));
    // A device that is away is told everything once it is back.
    if settings == Settings::NONE || !dev.data().attached.load(Relaxed) {
        return;
    }
    // The device serves as many pairs as before, unless it is told otherwise.
    if tell(dev, settings, queues::tell_pairs, rtnl).is_ok() {
        dev_info!(dev.data().vdev.as_ref(), "all settings are restored\n");
    }
}

/// Has a device told a setting again later that could not be changed for the reason `e`, if that is
/// for want of an answer: the device may have changed the setting all the same. With the RTNL held.
pub(crate) fn failed(dev: &Device<Nic<'_>>, setting: Setting, e: Error) {
    if !is_silence(e) {
        return;
    }
    if setting == Setting::Vlans {
        start_vlans_over(dev);
    }
    let untold = &dev.data().untold;
    let before = Settings(untold.settings.load(Relaxed));
    untold.settings.store(before.with(setting).0, Relaxed);
    if before == Settings::NONE {
        put_off(dev);
    }
}

/// Has a device that is still to be told VLANs told all of them. With the RTNL held.
pub(crate) fn start_vlans_over(dev: &Device<Nic<'_>>) {
    dev.data().untold.vlans.store(0, Relaxed);
}

/// A function that tells a device the number of pairs.
type TellPairs = fn(&Device<Nic<'_>>, &mut Rtnl) -> Result;

/// Tells a device some settings, and no other ones later: the number of pairs by `tell_pairs`.
///
/// # Errors
///
/// Those of the first setting that failed.
fn tell(
    dev: &Device<Nic<'_>>,
    settings: Settings,
    tell_pairs: TellPairs,
    rtnl: &mut Rtnl,
) -> Result {
    let untold = &dev.data().untold;
    let mut left = Settings::NONE;
    let mut ret = Ok(());
    dev.data().ctrl.batch(rtnl, |rtnl| {
        for setting in Settings::ALL {
            if !settings.has(setting) {
                continue;
            }
            if let Err(e) = tell_one(dev, setting, tell_pairs, rtnl) {
                if may_pass(e) {
                    left = left.with(setting);
                }
                ret = ret.and(Err(e));
            }
        }
    });
    untold.settings.store(left.0, Relaxed);
    if left == Settings::NONE {
        untold.attempts.store(0, Relaxed);
    } else {
        put_off(dev);
    }
    ret
}

/// Has what is left told later, unless that was tried often enough.
fn put_off(dev: &Device<Nic<'_>>) {
    let untold = &dev.data().untold;
    let attempts = untold.attempts.load(Relaxed);
    match DELAYS_MS.get(attempts) {
        Some(&millis) => {
            untold.attempts.store(attempts + 1, Relaxed);
            dev.schedule_later(millis);
        }
        None => {
            untold.settings.store(0, Relaxed);
            untold.attempts.store(0, Relaxed);
            dev.warn(fmt!("Failed to restore settings, giving up.\n"));
        }
    }
}

fn tell_one(
    dev: &Device<Nic<'_>>,
    setting: Setting,
    tell_pairs: TellPairs,
    rtnl: &mut Rtnl,
) -> Result {
    match setting {
        Setting::Pairs => tell_pairs(dev, rtnl),
        Setting::Address => filter::restore_address(dev, rtnl),
        Setting::RxMode => filter::restore_rx_mode(dev),
        Setting::Vlans => {
            let vlans = &dev.data().untold.vlans;
            let mut told = vlans.load(Relaxed);
            let ret = filter::restore_vlans(dev, &mut told, rtnl);
            vlans.store(told, Relaxed);
            ret
        }
        Setting::Offloads if features::can_switch_gro_hw(&dev.data().negotiated.features) => {
            tell_offloads(dev, dev.features())
        }
        Setting::Offloads => Ok(()),
    }
}

/// Tells the device which offloads of received packets are on. Errors are those of the control
/// queue.
pub(crate) fn tell_offloads(dev: &Device<Nic<'_>>, on: Features) -> Result {
    let nic = dev.data();
    let offloads = features::guest_offloads(&nic.negotiated.features, on.has(Features::GRO_HW));
    nic.ctrl
        .set_guest_offloads(dev, offloads)
        .inspect_err(|_| dev.warn(fmt!("Fail to set guest offload.\n")))
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
