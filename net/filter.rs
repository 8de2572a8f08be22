// SPDX-License-Identifier: GPL-2.0

//! Filters of received packets: receive modes, addresses and VLANs (virtio spec §5.1.6.5.1 to
//! §5.1.6.5.3).

use crate::{
    config,
    ctrl::{
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
/// A temporary error ([`is_temporary`]): try again later. If the device refuses, a warning is
/// logged and no error returned.
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
            dev.dev_warn(fmt!("Failed to {}able promisc mode.\n", on_off(promisc)));
        }),
        warn_refusal(nic.ctrl.set_allmulti(dev, allmulti), || {
            dev.dev_warn(fmt!("Failed to {}able allmulti mode.\n", on_off(allmulti)));
        }),
        warn_refusal(nic.ctrl.set_mac_table(dev, unicast, multicast), || {
            dev.dev_warn(fmt!("Failed to set MAC filter table.\n"));
        }),
    ]
    .into_iter()
    .collect()
}

/// Returns a temporary error, and warns of any other.
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
    let pending = &dev.data().pending;
    send_address(dev, addr).map_err(|e| pending.failed_for_user(dev, Setting::Address, e))
}

/// Sends the address to the device. Errors are those of the control queue.
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
        // A legacy device has the address in its configuration, which is written byte by byte
        // (§5.1.4.3).
        nic.vdev.config().write(config::MAC, addr.0)?;
    }
    Ok(())
}

/// Adds a VLAN to the filter. If the device does not answer, the VLAN is sent again later.
///
/// # Errors
///
/// `ENOMEM`. If the device refuses, a warning is logged and no error returned.
pub(crate) fn vlan_add(dev: &Device<Nic<'_>>, vid: u16) -> Result {
    match dev.data().ctrl.add_vlan(dev, vid) {
        Ok(()) => Ok(()),
        Err(e) if e == ENOMEM => Err(e),
        Err(e) => {
            warn_vlan(dev, "add", vid, e);
            dev.data().pending.failed(dev, Setting::Vlans, e);
            Ok(())
        }
    }
}

/// Removes a VLAN from the filter. If the device does not hear of it, the VLAN passes until the
/// next reset.
///
/// # Errors
///
/// `ENOMEM`. If the device refuses or does not answer, a warning is logged and no error returned.
pub(crate) fn vlan_kill(dev: &Device<Nic<'_>>, vid: u16) -> Result {
    // The VLANs behind this one move up in the list.
    dev.data().pending.restart_vlans();
    match dev.data().ctrl.del_vlan(dev, vid) {
        Ok(()) => Ok(()),
        Err(e) if e == ENOMEM => Err(e),
        Err(e) => {
            warn_vlan(dev, "kill", vid, e);
            Ok(())
        }
    }
}

/// Warns that a command for a VLAN failed. A command that was not sent because the others had taken
/// too long is one of many, for which there is one warning.
fn warn_vlan(dev: &Device<Nic<'_>>, action: &str, vid: u16, e: Error) {
    if e != EAGAIN {
        dev.dev_warn(fmt!("Failed to {} VLAN ID {}.\n", action, vid));
    }
}

/// Sends the address again after a reset. Errors are those of the control queue.
pub(crate) fn restore_address(dev: &Device<Nic<'_>>, rtnl: &Rtnl) -> Result {
    send_address(dev, dev.mac_address(rtnl))
}

/// Programs the filter again after a reset, if the interface is up.
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

/// Adds the VLANs of the interface to the filter after a reset, from index `sent` on. Reads them
/// from the stack, which reports no changes to the driver while the interface is detached.
///
/// Advances `sent` to the first VLAN that needs another attempt. Goes on after a refusal or a lack
/// of memory, stops when the device does not answer.
///
/// # Errors
///
/// A temporary error ([`is_temporary`]). If the device refuses VLANs, one warning is logged for all
/// of them.
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
        dev.dev_warn(fmt!("Failed to add {} VLAN IDs.\n", refused));
    }
    ret
}
