// SPDX-License-Identifier: GPL-2.0

//! The state of the link, and announcements (virtio spec §5.1.4, §5.1.6.5.4).
//!
//! The device signals a change in interrupt context, and a work item of the interface reads the
//! configuration. The work runs only while the interface is up; the bus holds earlier signals back.

use crate::{
    config,
    features,
    health::Failure,
    nic::Nic,
    tx, //
};
use kernel::{
    prelude::*,
    sync::atomic::Relaxed, //
};
use netdev::{
    ethtool::LinkSettings,
    Device,
    Rtnl, //
};

/// Enables changes of the link when the interface goes up.
pub(crate) fn open(dev: &Device<Nic<'_>>) {
    let nic = dev.data();
    if nic.negotiated.has(features::STATUS) {
        if nic.link_up.load(Relaxed) {
            dev.carrier_on();
        }
    } else {
        nic.link_up.store(true, Relaxed);
        dev.carrier_on();
    }
    // Also without `VIRTIO_NET_F_STATUS`: the device may ask for a reset.
    nic.vdev.config_enable();
}

/// Disables changes of the link when the interface goes down. The carrier does not change after
/// this.
pub(crate) fn close(dev: &Device<Nic<'_>>) {
    dev.data().vdev.config_disable();
    dev.cancel_work();
}

/// Sets the first state of the carrier. The state of a device with `VIRTIO_NET_F_STATUS` is read
/// when the interface goes up.
pub(crate) fn init(dev: &Device<Nic<'_>>) {
    let nic = dev.data();
    dev.carrier_off();
    if nic.negotiated.has(features::STATUS) {
        nic.vdev.config_changed();
    } else {
        nic.link_up.store(true, Relaxed);
        read_settings(nic);
        dev.carrier_on();
    }
}

/// Reads the configuration after a change. Process context.
pub(crate) fn config_changed(dev: &Device<Nic<'_>>) {
    let nic = dev.data();
    if nic.vdev.needs_reset() {
        nic.health.report(dev, Failure::NeedsReset);
        return;
    }
    let Ok(Some(status)) = nic.vdev.config().read_if(features::STATUS, config::STATUS) else {
        return;
    };

    if status & config::S_ANNOUNCE != 0 && nic.ctrl.has(features::GUEST_ANNOUNCE) {
        // Announcing takes the RTNL, and the holder of the RTNL may wait for the end of this
        // function.
        nic.announce.store(true, Relaxed);
        dev.schedule_rtnl_work();
    }

    let up = status & config::S_LINK_UP != 0;
    if nic.link_up.xchg(up, Relaxed) == up {
        return;
    }
    if up {
        read_settings(nic);
        dev.carrier_on();
        for (i, pair) in nic.pairs.iter().enumerate() {
            tx::link_up(dev, i, pair);
        }
    } else {
        dev.carrier_off();
        dev.stop_all_queues();
    }
}

/// Announces the interface to its neighbours if an announcement is pending.
pub(crate) fn announce(dev: &Device<Nic<'_>>, rtnl: &mut Rtnl) {
    let nic = dev.data();
    if !nic.announce.xchg(false, Relaxed) {
        return;
    }
    dev.notify_peers(rtnl);
    if nic.ctrl.ack_announce(dev).is_err() {
        dev.dev_warn(fmt!("Failed to ack link announce.\n"));
    }
}

/// Reads speed and duplex, if the device reports them. Ignores values that are not allowed.
fn read_settings(nic: &Nic<'_>) {
    if !nic.negotiated.has(features::SPEED_DUPLEX) {
        return;
    }
    let config = nic.vdev.config();
    let speed = config
        .read(config::SPEED)
        .ok()
        .filter(|&speed| LinkSettings::is_valid_speed(speed));
    let duplex = config
        .read(config::DUPLEX)
        .ok()
        .filter(|&duplex| LinkSettings::is_valid_duplex(duplex));
    let mut link = nic.link_settings.lock();
    if let Some(speed) = speed {
        link.speed = speed;
    }
    if let Some(duplex) = duplex {
        link.duplex = duplex;
    }
}
