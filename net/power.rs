// SPDX-License-Identifier: GPL-2.0

//! Sleep and wake-up of the system, and resets of the transport.
//!
//! The device loses its queues and its settings. The driver drops the queues with their buffers.
//! The interface stays, detached, and keeps its settings and counters.

use crate::{
    features,
    nic::Nic,
    open,
    queues,
    settings, //
};
use kernel::{
    prelude::*,
    sync::atomic::Relaxed, //
};
use netdev::{
    affinity::CpusLocked,
    Device,
    NetDevice,
    Rtnl, //
};

/// Gives the device up. Process context, takes the RTNL.
pub(crate) fn suspend(net: &NetDevice<Nic<'_>>) {
    let mut rtnl = Rtnl::lock();
    net.data().recovery.leave();
    take_from_stack(net, &mut rtnl);
    queues::drop_queues(net, &mut rtnl);
}

/// Has the stack not use the interface, unless that was done before. Process context.
pub(crate) fn take_from_stack(dev: &Device<Nic<'_>>, rtnl: &mut Rtnl) {
    let nic = dev.data();
    if !nic.has_queues.load(Relaxed) {
        return;
    }
    if dev.is_running() {
        open::take_down(dev, rtnl);
    }
    dev.cancel_work();
    // A device that is reset asks anew.
    nic.announce.store(false, Relaxed);
    dev.detach(rtnl);
}

/// Takes the device into use again, and tells it what it was told before, before there is traffic.
/// Process context, takes the RTNL.
///
/// # Errors
///
/// Those of finding the queues. The interface stays detached.
pub(crate) fn resume(net: &NetDevice<Nic<'_>>) -> Result {
    let nic = net.data();
    let mut rtnl = Rtnl::lock();
    nic.recovery.woken(|| bring_back(net, &mut rtnl))
}

/// Finds the queues of a device whose features were negotiated, and has it and the interface go on,
/// with what the device was told before, before there is traffic. Process context.
///
/// # Errors
///
/// Those of finding the queues. The interface stays detached.
pub(crate) fn bring_back(dev: &Device<Nic<'_>>, rtnl: &mut Rtnl) -> Result {
    let nic = dev.data();
    queues::find_queues(dev, rtnl)?;
    queues::set_affinity(dev, &CpusLocked::lock());
    nic.vdev.ready();
    if nic.negotiated.has(features::STATUS) {
        // What has changed meanwhile was not signalled. Held back until the interface is up.
        nic.vdev.config_changed();
    }
    if let Err(e) = settings::restore(dev, rtnl) {
        dev_warn!(
            nic.vdev.as_ref(),
            "some settings could not be restored (error {})\n",
            e.to_errno()
        );
    }
    if dev.is_running() {
        open::bring_up(dev, rtnl);
    }
    dev.attach(rtnl);
    Ok(())
}
