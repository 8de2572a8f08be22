// SPDX-License-Identifier: GPL-2.0

//! Filters of received packets: receive modes, addresses and VLANs (virtio spec §5.1.6.5.1 to
//! §5.1.6.5.3).

use crate::{
    config,
    ctrl::{
        self,
        is_temporary,
        is_unanswered, //
    },
    features,
    nic::Nic,
    settings::pending::Setting, //
};
use kernel::prelude::*;
use netdev::{
    Device,
    MacAddr,
    Rtnl, //
};
use virtio::Feature;

/// Programs the filter: all of it, even if the device refuses a part.
///
/// # Errors
///
/// Those that [may pass](is_temporary): worth another attempt. What the device refuses is warned about.
pub(crate) fn set_rx_mode(dev: &Device<Nic<'_>>, unicast: &[u8], multicast: &[u8]) -> Result {
    let nic = dev.data();
    if !nic.ctrl.has(features::CTRL_RX) {
        return Ok(());
    }
    let on_off = |on| if on { "en" } else { "dis" };
    let promisc = dev.is_promisc();
    let allmulti = dev.is_allmulti();
    [
        warn_refusal(nic.ctrl.set_promisc(dev, promisc), || {
            dev.warn(fmt!("Failed to {}able promisc mode.\n", on_off(promisc)));
        }),
        warn_refusal(nic.ctrl.set_allmulti(dev, allmulti), || {
            dev.warn(fmt!("Failed to {}able allmulti mode.\n", on_off(allmulti)));
        }),
        warn_refusal(nic.ctrl.set_mac_table(dev, unicast, multicast), || {
            dev.warn(fmt!("Failed to set MAC filter table.\n"));
        }),
    ]
    .into_iter()
    .collect()
}

/// Passes on an error that may pass, and warns of any other.
fn warn_refusal(ret: Result, warn: impl FnOnce()) -> Result {
    match ret {
        Err(e) if is_temporary(e) => Err(e),
        Err(_) => {
            warn();
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

/// Sets the address.
///
/// # Errors
///
/// `EINVAL`: the device refused, or did not answer. `ENOMEM`.
pub(crate) fn set_mac_address(dev: &Device<Nic<'_>>, addr: MacAddr) -> Result {
    send_address(dev, addr).map_err(|e| {
        dev.data().pending.failed(dev, Setting::Address, e);
        ctrl::for_user(e)
    })
}

/// Tells the device an address. Errors are those of the control queue.
fn send_address(dev: &Device<Nic<'_>>, addr: MacAddr) -> Result {
    let nic = dev.data();
    if nic.ctrl.has(features::CTRL_MAC_ADDR) {
        return nic.ctrl.set_mac_address(dev, addr).inspect_err(|_| {
            dev_warn!(
                nic.vdev.as_ref(),
                "Failed to set mac address by vq command.\n"
            );
        });
    }
    if nic.negotiated.has(features::MAC) && !nic.negotiated.has(Feature::VERSION_1) {
        // Of legacy devices, the configuration is written, byte by byte (§5.1.4.3).
        nic.vdev.config().write(config::MAC, addr.0)?;
    }
    Ok(())
}

/// Lets a VLAN through. If the device does not answer, it is told again later.
///
/// # Errors
///
/// `ENOMEM`. What the device refuses is warned about.
pub(crate) fn vlan_add(dev: &Device<Nic<'_>>, vid: u16) -> Result {
    match dev.data().ctrl.add_vlan(dev, vid) {
        Ok(()) => Ok(()),
        Err(e) if e == ENOMEM => Err(e),
        Err(e) => {
            dev.warn(fmt!("Failed to add VLAN ID {}.\n", vid));
            dev.data().pending.failed(dev, Setting::Vlans, e);
            Ok(())
        }
    }
}

/// Lets a VLAN no more through. One that the device was not told of is let through until the device
/// is reset.
///
/// # Errors
///
/// `ENOMEM`. What the device refuses, or does not answer to, is warned about.
pub(crate) fn vlan_kill(dev: &Device<Nic<'_>>, vid: u16) -> Result {
    // The VLANs behind it move up.
    dev.data().pending.restart_vlans();
    match dev.data().ctrl.del_vlan(dev, vid) {
        Ok(()) => Ok(()),
        Err(e) if e == ENOMEM => Err(e),
        Err(_) => {
            dev.warn(fmt!("Failed to kill VLAN ID {}.\n", vid));
            Ok(())
        }
    }
}

/// Tells its address again to a device that was reset. Errors are those of the control queue.
pub(crate) fn restore_address(dev: &Device<Nic<'_>>, rtnl: &Rtnl) -> Result {
    send_address(dev, dev.mac_address(rtnl))
}

/// Programs the filter again, of a device that was reset, if the interface is up.
///
/// # Errors
///
/// Those of [`set_rx_mode`].
pub(crate) fn restore_rx_mode(dev: &Device<Nic<'_>>) -> Result {
    if !dev.is_up() {
        return Ok(());
    }
    let [unicast, multicast] = dev.filter_addresses()?;
    set_rx_mode(dev, &unicast, &multicast)
}

/// Lets the VLANs through again, on a device that was reset, from number `told` in the stack's
/// order on. They are those of the stack, which tells the driver of no change while the interface
/// is detached.
///
/// Advances `told` by those that are done with. A device that refuses one, or for which memory is
/// short, is told the others; one that does not answer is told no more.
///
/// # Errors
///
/// Those that [may pass](is_temporary). What the device refuses is warned about, once for all.
pub(crate) fn restore_vlans(dev: &Device<Nic<'_>>, sent: &mut usize, rtnl: &mut Rtnl) -> Result {
    let nic = dev.data();
    if !nic.ctrl.has(features::CTRL_VLAN) {
        return Ok(());
    }
    let first = *sent;
    let mut number = 0;
    let mut refused = 0;
    let mut ret = Ok(());
    dev.for_each_vlan(rtnl, |vid| {
        number += 1;
        if number <= first || ret.is_err_and(is_unanswered) {
            return;
        }
        match nic.ctrl.add_vlan(dev, vid) {
            Err(e) if is_temporary(e) => ret = Err(e),
            done => refused += usize::from(done.is_err()),
        }
        if ret.is_ok() {
            *sent = number;
        }
    });
    if refused != 0 {
        dev.warn(fmt!("Failed to add {} VLAN IDs.\n", refused));
    }
    ret
}
