// SPDX-License-Identifier: GPL-2.0

//! The state of a receive queue is used while the queue is polled.

#[path = "common/nic.rs"]
mod nic;

use netdev::{
    Device,
    Rtnl, //
};
use nic::Nic;

/// The queue is enabled.
pub fn enable<'a>(dev: &Device<Nic<'a>>, rtnl: &mut Rtnl, value: &'a u32) {
    if let Some((state, _)) = dev.rx_stopped(0, rtnl) {
        dev.rx_enable(0, rtnl); //~ E0499
        state.value = value;
    }
}

fn elsewhere<T: Send>(_value: T) {}

/// Another thread does.
pub fn send(rtnl: &'static mut Rtnl) {
    elsewhere(rtnl); //~ E0277
}
