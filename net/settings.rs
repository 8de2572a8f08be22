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
    coalesce,
    ctrl::is_temporary,
    features,
    filter,
    nic::Nic,
    queues,
    rss, //
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
    // After a reset all offloads are on.
    let all = features::guest_offloads(&dev.data().negotiated.features, true);
    if wanted_offloads(dev.data(), dev.features()) == all {
        settings = settings.without(Setting::Offloads);
    }
    send(dev, settings, queues::init_pairs, rtnl)
}

/// Sends the number of pairs and the configuration of RSS to a new device. If the device refuses
/// the number, one pair is in use. If the device refuses the configuration, RSS is not used.
pub(crate) fn init(dev: &Device<Nic<'_>>, rtnl: &mut Rtnl) {
    let settings = Settings::NONE.with(Setting::Pairs).with(Setting::Hash);
    if let Err(not_sent) = send(dev, settings, queues::init_pairs, rtnl) {
        let is_pending = dev.data().pending.settings().has(Setting::Hash);
        if not_sent.settings.has(Setting::Hash) && !is_pending {
            rss::disable(dev, rtnl);
        }
    }
}

/// Sends the pending settings, if the device has queues. Process context.
pub(crate) fn send_pending(dev: &Device<Nic<'_>>, rtnl: &mut Rtnl) {
    let mut settings = dev.data().pending.settings();
    // A device without queues gets all settings once it is back.
    if settings == Settings::NONE || !dev.data().has_queues.load(Relaxed) {
        return;
    }
    if settings.has(Setting::Pairs) {
        // With the number of pairs, the device may drop the configuration.
        settings = settings.with(Setting::Hash);
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
        Setting::Hash => rss::restore(dev, rtnl),
        Setting::Address => filter::restore_address(dev, rtnl),
        Setting::RxMode => filter::restore_rx_mode(dev),
        Setting::Vlans => {
            let pending = &dev.data().pending;
            let mut sent = pending.vlans();
            let ret = filter::restore_vlans(dev, &mut sent, rtnl);
            pending.set_vlans(sent);
            ret
        }
        Setting::Offloads => send_offloads(dev, dev.features()),
        Setting::Coalescing => coalesce::restore(dev),
    }
}

/// Returns the offloads of received packets that a device should have, as a control command takes
/// them. `on` are the features of the interface. There are none while there is an XDP program.
fn wanted_offloads(nic: &Nic<'_>, on: Features) -> u64 {
    if nic.has_xdp.load(Relaxed) {
        0
    } else {
        features::guest_offloads(&nic.negotiated.features, on.has(Features::GRO_HW))
    }
}

/// Sends the offloads of received packets to the device, for the features `on` of the interface.
/// Does nothing if the device cannot switch offloads. Errors are those of the control queue.
pub(crate) fn send_offloads(dev: &Device<Nic<'_>>, on: Features) -> Result {
    let nic = dev.data();
    if !features::can_switch_offloads(&nic.negotiated.features) {
        return Ok(());
    }
    nic.ctrl
        .set_guest_offloads(dev, wanted_offloads(nic, on))
        .inspect_err(|_| dev.dev_warn(fmt!("Fail to set guest offload.\n")))
}
