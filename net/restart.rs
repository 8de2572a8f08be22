// SPDX-License-Identifier: GPL-2.0

//! Restart of a device, or the end of its use.
//!
//! The device is reset and gets its settings again, as after sleep of the system. The interface
//! stays, and keeps its settings and counters. Packets that the device had are lost.
//!
//! The interface of a device that was given up has no carrier, until the device is bound again,
//! sleeps and wakes up, or its function is reset.

use crate::{
    features,
    health::Failure,
    nic::Nic,
    open,
    queues,
    resize,
    settings, //
};
use kernel::{
    prelude::*,
    sync::atomic::Relaxed, //
};
use netdev::{
    affinity::CpusLocked,
    Device,
    Rtnl, //
};
use virtio::Exclusive;

/// Restarts a device.
///
/// # Errors
///
/// The interface stays detached.
///
/// - `ENODEV`: the device is not there, or does not complete a reset.
/// - `EINVAL`: its features have changed.
/// - Those of [`queues::find_queues`].
pub(crate) fn restart(dev: &Device<Nic<'_>>, vdev: &Exclusive<'_>, rtnl: &mut Rtnl) -> Result {
    detach_interface(dev, rtnl);
    let reset = vdev.try_reset();
    queues::drop_queues(dev, rtnl);
    dev.data().health.clear();
    reset?;
    vdev.negotiate()?;
    bring_up(dev, rtnl)
}

/// Gives a device up: resets it, and drops its queues. The failure stays recorded, so that no
/// further restart is tried.
pub(crate) fn fail_device(dev: &Device<Nic<'_>>, failure: Failure, rtnl: &mut Rtnl) {
    detach_interface(dev, rtnl);
    dev.data().vdev.reset();
    queues::drop_queues(dev, rtnl);
    dev.netdev_err(fmt!(
        "{}: given up, no traffic until it is bound again, wakes up or its function is reset\n",
        failure
    ));
}

/// Detaches the interface from the stack, if it is attached. Process context.
pub(crate) fn detach_interface(dev: &Device<Nic<'_>>, rtnl: &mut Rtnl) {
    let nic = dev.data();
    if !nic.has_queues.load(Relaxed) {
        return;
    }
    if dev.is_running() {
        open::disable_interface(dev, rtnl);
    }
    dev.cancel_work();
    // After a reset the device asks for an announcement again.
    nic.announce.store(false, Relaxed);
    dev.detach(rtnl);
}

/// Brings up a device whose features were negotiated: finds the queues, sets `DRIVER_OK`, sends the
/// settings again, and attaches the interface. Process context.
///
/// # Errors
///
/// Those of [`queues::find_queues`]. The interface stays detached.
pub(crate) fn bring_up(dev: &Device<Nic<'_>>, rtnl: &mut Rtnl) -> Result {
    let nic = dev.data();
    queues::find_queues(dev, rtnl)?;
    queues::set_affinity(dev, &CpusLocked::lock());
    nic.vdev.ready();
    if nic.negotiated.has(features::STATUS) {
        // The device did not signal changes during the reset. The call is held back until the
        // interface is up.
        nic.vdev.config_changed();
    }
    // Before there is traffic.
    resize::restore(dev, rtnl);
    if let Err(e) = settings::restore(dev, rtnl) {
        dev.netdev_warn(fmt!(
            "settings not restored: {} ({:?})\n",
            e.settings,
            e.error
        ));
    }
    if dev.is_running() {
        open::enable_interface(dev, rtnl);
    }
    dev.attach(rtnl);
    Ok(())
}
