// SPDX-License-Identifier: GPL-2.0

//! Settings that the driver sends again after a reset (virtio spec §5.1.6.5).
//!
//! If memory is short, or the device does not answer in time, the driver repeats the command later,
//! a few times: see [`pending::DELAYS_MS`]. It also repeats a setting that a user changed without
//! an answer, because the device may have changed the setting or not. A setting that the device
//! refuses is not repeated.

pub(crate) mod pending;

use self::pending::{
    Setting,
    Settings, //
};
use crate::{
    ctrl::is_temporary,
    features,
    filter,
    nic::Nic,
    queues, //
};
use kernel::{
    prelude::*,
    sync::atomic::Relaxed, //
};
use netdev::{
    Device,
    Features,
    Rtnl, //
};

/// Sends all settings to a device after a reset.
///
/// # Errors
///
/// The settings that failed. The other settings were sent too, unless the device did not answer.
pub(crate) fn restore(dev: &Device<Nic<'_>>, rtnl: &mut Rtnl) -> Result<(), NotSent> {
    dev.data().pending.reset_progress();
    let mut settings = Settings::all();
    if dev.features().has(Features::GRO_HW) {
        // After a reset all offloads are on.
        settings = settings.without(Setting::Offloads);
    }
    send(dev, settings, queues::init_pairs, rtnl)
}

/// Sends the number of pairs to a new device. If the device refuses, one pair is in use.
pub(crate) fn init_pairs(dev: &Device<Nic<'_>>, rtnl: &mut Rtnl) {
    let pairs = Settings::NONE.with(Setting::Pairs);
    let _ = send(dev, pairs, queues::init_pairs, rtnl);
}

/// Sends the pending settings, if the device has queues. Process context.
pub(crate) fn send_pending(dev: &Device<Nic<'_>>, rtnl: &mut Rtnl) {
    let settings = dev.data().pending.settings();
    // A device without queues gets all settings once it is back.
    if settings == Settings::NONE || !dev.data().has_queues.load(Relaxed) {
        return;
    }
    // Until the number is sent, the device serves as many pairs as before.
    if send(dev, settings, queues::send_pairs, rtnl).is_ok() {
        dev.netdev_info(fmt!("all settings are restored\n"));
    }
}

/// A function that sends the number of pairs.
type SendPairs = fn(&Device<Nic<'_>>, &mut Rtnl) -> Result;

/// Settings that failed.
pub(crate) struct NotSent {
    pub(crate) settings: Settings,
    /// The error of the first one.
    pub(crate) error: Error,
}

/// Sends `settings`, and replaces the pending settings by those that failed with a temporary error.
/// `send_pairs` sends the number of pairs.
///
/// # Errors
///
/// The settings that failed.
fn send(
    dev: &Device<Nic<'_>>,
    settings: Settings,
    send_pairs: SendPairs,
    rtnl: &mut Rtnl,
) -> Result<(), NotSent> {
    let mut left = Settings::NONE;
    let mut not_sent: Option<NotSent> = None;
    dev.data().ctrl.batch(rtnl, |rtnl| {
        for setting in Settings::ALL {
            if !settings.has(setting) {
                continue;
            }
            if let Err(e) = send_one(dev, setting, send_pairs, rtnl) {
                if is_temporary(e) {
                    left = left.with(setting);
                }
                let failed = not_sent.get_or_insert(NotSent {
                    settings: Settings::NONE,
                    error: e,
                });
                failed.settings = failed.settings.with(setting);
            }
        }
    });
    dev.data().pending.replace(dev, left);
    not_sent.map_or(Ok(()), Err)
}

fn send_one(
    dev: &Device<Nic<'_>>,
    setting: Setting,
    send_pairs: SendPairs,
    rtnl: &mut Rtnl,
) -> Result {
    match setting {
        Setting::Pairs => send_pairs(dev, rtnl),
        Setting::Address => filter::restore_address(dev, rtnl),
        Setting::RxMode => filter::restore_rx_mode(dev),
        Setting::Vlans => {
            let vlans = &dev.data().pending.vlans;
            let mut sent = vlans.load(Relaxed);
            let ret = filter::restore_vlans(dev, &mut sent, rtnl);
            vlans.store(sent, Relaxed);
            ret
        }
        Setting::Offloads if features::can_switch_gro_hw(&dev.data().negotiated.features) => {
            send_offloads(dev, dev.features())
        }
        Setting::Offloads => Ok(()),
    }
}

/// Sends the offloads of received packets to the device. Errors are those of the control queue.
pub(crate) fn send_offloads(dev: &Device<Nic<'_>>, on: Features) -> Result {
    let nic = dev.data();
    let offloads = features::guest_offloads(&nic.negotiated.features, on.has(Features::GRO_HW));
    nic.ctrl
        .set_guest_offloads(dev, offloads)
        .inspect_err(|_| dev.dev_warn(fmt!("Fail to set guest offload.\n")))
}
