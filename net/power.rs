// SPDX-License-Identifier: GPL-2.0

//! Sleep and wake-up of the system, and reset of the transport. The interface stays, detached, and
//! keeps its settings and counters. The queues are dropped with their buffers, and found again.

use crate::{
    health::Failure,
    nic::Nic,
    queues,
    restart::{
        bring_up,
        detach_interface, //
    },
};
use kernel::prelude::*;
use netdev::{
    without_io,
    NetDevice, //
};

/// Detaches the interface, resets the device and drops the queues. Process context, takes the RTNL.
pub(crate) fn freeze(net: &NetDevice<Nic<'_>>) {
    without_io(|| {
        let mut rtnl = net.lock();
        net.data().health.turn_off();
        detach_interface(net, &mut rtnl);
        queues::drop_queues(net, &mut rtnl);
    });
}

/// Finds the queues, sends the settings again, and attaches the interface. Process context, takes
/// the RTNL.
///
/// # Errors
///
/// Those of [`bring_up`]. The interface stays detached until the recovery has [restarted the device
/// or given it up](not_woken).
pub(crate) fn restore(net: &NetDevice<Nic<'_>>) -> Result {
    let health = &net.data().health;
    without_io(|| {
        let mut rtnl = net.lock();
        // A failure that is recorded from here on is that of the new queues.
        health.clear();
        bring_up(net, &mut rtnl)?;
        health.restarts.clear();
        health.turn_on();
        Ok(())
    })
}

/// Has the recovery restart a device that did not wake up, or give it up. Any context.
pub(crate) fn not_woken(net: &NetDevice<Nic<'_>>) {
    let health = &net.data().health;
    health.clear();
    health.turn_on();
    health.report(net, Failure::NotWoken);
}
