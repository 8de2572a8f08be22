// SPDX-License-Identifier: GPL-2.0

//! Filters of received packets: receive modes, addresses and VLANs (virtio spec §5.1.6.5.1 to
//! §5.1.6.5.3).

use crate::{
    config,
    features,
    nic::Nic, //
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
/// `ENOMEM`: worth another try. What the device refuses is warned about.
pub(crate) fn set_rx_mode(dev: &Device<Nic<'_>>, unicast: &[u8], multicast: &[u8]) -> Result {
    let nic = dev.data();
    if !nic.ctrl.has(features::CTRL_RX) {
        return Ok(());
    }
    let on_off = |on| if on { "en" } else { "dis" };
    let promisc = dev.is_promisc();
    let allmulti = dev.is_allmulti();
    [
        retry(nic.ctrl.set_promisc(dev, promisc), || {
            dev.warn(fmt!("Failed to {}able promisc mode.\n", on_off(promisc)));
        }),
        retry(nic.ctrl.set_allmulti(dev, allmulti), || {
            dev.warn(fmt!("Failed to {}able allmulti mode.\n", on_off(allmulti)));
        }),
        retry(nic.ctrl.set_mac_table(dev, unicast, multicast), || {
            dev.warn(fmt!("Failed to set MAC filter table.\n"));
        }),
    ]
    .into_iter()
    .collect()
}

/// Passes on that memory is short, and warns of anything else.
fn retry(ret: Result, warn: impl FnOnce()) -> Result {
    match ret {
        Err(e) if e == ENOMEM => Err(e),
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
/// `EINVAL`: the device refused. `ENOMEM`.
pub(crate) fn set_mac_address(dev: &Device<Nic<'_>>, addr: MacAddr) -> Result {
    let nic = dev.data();
    if nic.ctrl.has(features::CTRL_MAC_ADDR) {
        return nic.ctrl.set_mac_address(dev, addr).map_err(|e| {
            dev_warn!(
                nic.vdev.as_ref(),
                "Failed to set mac address by vq command.\n"
            );
            if e == ENOMEM {
                e
            } else {
                EINVAL
            }
        });
    }
    if nic.facts.has(features::MAC) && !nic.facts.has(Feature::VERSION_1) {
        // Of legacy devices, the configuration is written, byte by byte (§5.1.4.3).
        nic.vdev.config().write(config::MAC, addr.0)?;
    }
    Ok(())
}

/// Lets a VLAN through.
///
/// # Errors
///
/// `ENOMEM`. What the device refuses is warned about.
pub(crate) fn vlan_add(dev: &Device<Nic<'_>>, vid: u16) -> Result {
    retry(dev.data().ctrl.add_vlan(dev, vid), || {
        dev.warn(fmt!("Failed to add VLAN ID {}.\n", vid));
    })
}

/// Lets a VLAN no more through.
///
/// # Errors
///
/// `ENOMEM`. What the device refuses is warned about.
pub(crate) fn vlan_kill(dev: &Device<Nic<'_>>, vid: u16) -> Result {
    retry(dev.data().ctrl.del_vlan(dev, vid), || {
        dev.warn(fmt!("Failed to kill VLAN ID {}.\n", vid));
    })
}

/// Tells a device that was reset its address again. Errors are those of [`set_mac_address`].
pub(crate) fn restore_address(dev: &Device<Nic<'_>>, rtnl: &Rtnl) -> Result {
    set_mac_address(dev, dev.mac_address(rtnl))
}

/// Programs the filter of a device that was reset again, if the interface is up.
///
/// # Errors
///
/// `ENOMEM`. What the device refuses is warned about.
pub(crate) fn restore_rx_mode(dev: &Device<Nic<'_>>) -> Result {
    if !dev.is_up() {
        return Ok(());
    }
    let [unicast, multicast] = dev.filter_addresses()?;
    set_rx_mode(dev, &unicast, &multicast)
}

/// Lets the VLANs through again, on a device that was reset. They are those of the stack, which
/// tells the driver of no change while the interface is detached.
///
/// # Errors
///
/// `ENOMEM`. What the device refuses is warned about, once for all.
pub(crate) fn restore_vlans(dev: &Device<Nic<'_>>, rtnl: &mut Rtnl) -> Result {
    let nic = dev.data();
    if !nic.ctrl.has(features::CTRL_VLAN) {
        return Ok(());
    }
    let mut refused = 0;
    let mut ret = Ok(());
    dev.for_each_vlan(rtnl, |vid| match nic.ctrl.add_vlan(dev, vid) {
        Ok(()) => {}
        Err(e) if e == ENOMEM => ret = Err(e),
        Err(_) => refused += 1,
    });
    if refused != 0 {
        dev.warn(fmt!("Failed to add {} VLAN IDs.\n", refused));
    }
    ret
}
