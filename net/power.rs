// SPDX-License-Identifier: GPL-2.0

//! Sleep and wake-up of the system, and resets of the transport.
//!
//! The device loses all it was told. The queues go, with the buffers in them; the interface stays,
//! detached, with its settings and its counters.

use crate::{
    features, filter,
    nic::{
        self,
        Nic, //
    },
    queues,
};
use kernel::{
    prelude::*,
    sync::atomic::Relaxed, //
};
use net::{
    affinity::CpusLocked,
    Features,
    NetDevice,
    Rtnl, //
};

/// Gives the device up. Process context, takes the RTNL.
pub(crate) fn suspend(net: &NetDevice<Nic<'_>>) {
    let mut rtnl = Rtnl::lock();
    net.unwatch_cpus(&mut rtnl);
    if net.is_running() {
        nic::take_down(net, &mut rtnl);
    }
    net.cancel_work();
    // A device that is reset asks anew.
    net.data().announce.store(false, Relaxed);
    net.detach(&mut rtnl);
    queues::clear_affinity(net);
    queues::detach(net, &mut rtnl);
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
    queues::attach(net, &mut rtnl)?;
    queues::set_affinity(net, &CpusLocked::lock());
    nic.vdev.ready();
    if let Err(e) = restore(net, &mut rtnl) {
        dev_warn!(
            nic.vdev.as_ref(),
            "not all settings could be restored: {}\n",
            e.to_errno()
        );
    }
    if net.is_running() {
        nic::bring_up(net, &mut rtnl);
    }
    net.attach(&mut rtnl);

    if let Err(e) = net.watch_cpus(&mut rtnl) {
        dev_warn!(
            nic.vdev.as_ref(),
            "interrupts do not follow the CPUs that come and go: {}\n",
            e.to_errno()
        );
    }
    Ok(())
}

/// Tells the device what it was told before.
///
/// # Errors
///
/// Those of the first setting that failed. All were tried.
fn restore(net: &NetDevice<Nic<'_>>, rtnl: &mut Rtnl) -> Result {
    [
        queues::init_pairs(net, rtnl),
        filter::restore_address(net, rtnl),
        filter::restore_rx_mode(net),
        filter::restore_vlans(net),
        restore_offloads(net),
    ]
    .into_iter()
    .collect()
}

/// Tells the device which offloads of received packets are off.
fn restore_offloads(net: &NetDevice<Nic<'_>>) -> Result {
    let nic = net.data();
    let on = net.features();
    if features::can_switch_gro_hw(&nic.facts.features) && !on.has(Features::GRO_HW) {
        nic::set_guest_offloads(net, on)?;
    }
    Ok(())
}
