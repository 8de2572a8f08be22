// SPDX-License-Identifier: GPL-2.0

//! Settings that the driver tells the device again after a reset (virtio spec §5.1.6.5).
//!
//! If memory is short, or the device does not answer in time, the driver repeats the command later,
//! a few times: see [`pending::DELAYS_MS`]. It also repeats a setting that a user changed without an
//! answer, because the device may have taken the change or not. A setting that the device refuses
//! is not repeated.

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

/// Tells a device that was reset all that it was told before.
///
/// # Errors
///
/// Those of the first setting that failed. The others were tried, unless the device did not answer.
pub(crate) fn restore(dev: &Device<Nic<'_>>, rtnl: &mut Rtnl) -> Result {
    dev.data().pending.reset_progress();
    let mut settings = Settings::all();
    if dev.features().has(Features::GRO_HW) {
        // They are on after a reset.
        settings = settings.without(Setting::Offloads);
    }
    send(dev, settings, queues::init_pairs, rtnl)
}

/// Tells a device that was not told anything yet how many pairs of queues are in use. One is, if
/// the device refuses.
pub(crate) fn init_pairs(dev: &Device<Nic<'_>>, rtnl: &mut Rtnl) {
    let pairs = Settings::NONE.with(Setting::Pairs);
    let _ = send(dev, pairs, queues::init_pairs, rtnl);
}

/// Tells a device what it was not told before, if it is there. Process context.
pub(crate) fn send_pending(dev: &Device<Nic<'_>>, rtnl: &mut Rtnl) {
    let settings = dev.data().pending.settings();
    // A device that is away is told everything once it is back.
    if settings == Settings::NONE || !dev.data().has_queues.load(Relaxed) {
        return;
    }
    // The device serves as many pairs as before, unless it is told otherwise.
    if send(dev, settings, queues::send_pairs, rtnl).is_ok() {
        dev_info!(dev.data().vdev.as_ref(), "all settings are restored\n");
    }
}

/// A function that tells a device the number of pairs.
type SendPairs = fn(&Device<Nic<'_>>, &mut Rtnl) -> Result;

/// Tells a device some settings, and no other ones later: the number of pairs by `send_pairs`.
///
/// # Errors
///
/// Those of the first setting that failed.
fn send(
    dev: &Device<Nic<'_>>,
    settings: Settings,
    send_pairs: SendPairs,
    rtnl: &mut Rtnl,
) -> Result {
    let mut left = Settings::NONE;
    let mut ret = Ok(());
    dev.data().ctrl.batch(rtnl, |rtnl| {
        for setting in Settings::ALL {
            if !settings.has(setting) {
                continue;
            }
            if let Err(e) = send_one(dev, setting, send_pairs, rtnl) {
                if is_temporary(e) {
                    left = left.with(setting);
                }
                ret = ret.and(Err(e));
            }
        }
    });
    dev.data().pending.replace(dev, left);
    ret
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

/// Tells the device which offloads of received packets are on. Errors are those of the control
/// queue.
pub(crate) fn send_offloads(dev: &Device<Nic<'_>>, on: Features) -> Result {
    let nic = dev.data();
    let offloads = features::guest_offloads(&nic.negotiated.features, on.has(Features::GRO_HW));
    nic.ctrl
        .set_guest_offloads(dev, offloads)
        .inspect_err(|_| dev.warn(fmt!("Fail to set guest offload.\n")))
}
