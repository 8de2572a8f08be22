// SPDX-License-Identifier: GPL-2.0

//! A device is taken for one whose data and states borrow for less.

#[path = "common/nic.rs"]
mod nic;

use netdev::{
    Device,
    NetDevice,
    Rtnl, //
};
use nic::Nic;

/// By reference.
pub fn device<'a, 'bound: 'a>(dev: &'a Device<Nic<'bound>>) -> &'a Device<Nic<'a>> {
    dev //~ lifetime may not live long enough
}

/// The owner.
pub fn owner<'a, 'bound: 'a>(net: NetDevice<Nic<'bound>>) -> NetDevice<Nic<'a>> {
    net //~ lifetime may not live long enough
}

/// A borrow from this function is put into the state of a queue.
pub fn state(dev: &Device<Nic<'_>>, rtnl: &mut Rtnl) {
    let value = 1;
    if let Some((state, _)) = dev.rx_stopped(0, rtnl) {
        state.value = &value; //~ E0597
    }
}
