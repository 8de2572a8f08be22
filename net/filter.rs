// SPDX-License-Identifier: GPL-2.0

//! Which packets the device hands on: receive modes, addresses and VLANs (virtio spec
//! §5.1.6.5.1 to §5.1.6.5.3).

use crate::{
    config,
    features,
    nic::Nic, //
};
use kernel::prelude::*;
use net::{
    AddrList,
    Device,
    MacAddr, //
};
use virtio::Feature;

/// Programs the filter.
///
/// # Errors
///
/// `ENOMEM`: worth another try. What the device refuses is warned about.
pub(crate) fn set_rx_mode(
    dev: &Device<Nic<'_>>,
    unicast: &AddrList<'_>,
    multicast: &AddrList<'_>,
) -> Result {
    let nic = dev.data();
    if !nic.ctrl.has(features::CTRL_RX) {
        return Ok(());
    }
    let on_off = |on| if on { "en" } else { "dis" };

    let promisc = dev.is_promisc();
    retry(nic.ctrl.set_promisc(promisc), || {
        dev_warn!(
            nic.vdev.as_ref(),
            "Failed to {}able promisc mode.\n",
            on_off(promisc)
        );
    })?;
    let allmulti = dev.is_allmulti();
    retry(nic.ctrl.set_allmulti(allmulti), || {
        dev_warn!(
            nic.vdev.as_ref(),
            "Failed to {}able allmulti mode.\n",
            on_off(allmulti)
        );
    })?;
    retry(nic.ctrl.set_mac_table(unicast, multicast), || {
        dev_warn!(nic.vdev.as_ref(), "Failed to set MAC filter table.\n");
    })
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
pub(crate) fn set_mac_address(nic: &Nic<'_>, addr: MacAddr) -> Result {
    if nic.ctrl.has(features::CTRL_MAC_ADDR) {
        return nic.ctrl.set_mac_address(addr).map_err(|e| {
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
    let nic = dev.data();
    retry(nic.ctrl.add_vlan(vid), || {
        dev_warn!(nic.vdev.as_ref(), "Failed to add VLAN ID {}.\n", vid);
    })
}

/// Lets a VLAN no more through.
///
/// # Errors
///
/// `ENOMEM`. What the device refuses is warned about.
pub(crate) fn vlan_kill(dev: &Device<Nic<'_>>, vid: u16) -> Result {
    let nic = dev.data();
    retry(nic.ctrl.del_vlan(vid), || {
        dev_warn!(nic.vdev.as_ref(), "Failed to kill VLAN ID {}.\n", vid);
    })
}
