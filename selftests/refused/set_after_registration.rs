// SPDX-License-Identifier: GPL-2.0

//! The first settings of an interface are made when it can be registered already, or its statistics
//! are set without the RTNL.

#[path = "common/nic.rs"]
mod nic;

use netdev::{
    Features,
    MacAddr,
    NetDevice, //
};
use nic::Nic;

/// Features, address, limits, statistics and adaptive coalescing.
pub fn set(net: &mut NetDevice<Nic<'_>>) {
    net.set_features(Features::SG, Features::SG); //~ E0599
    net.set_address(MacAddr([2; 6])); //~ E0599
    net.set_mtu(1500, 68, 9000); //~ E0599
    net.set_stats(1, 1000); //~ E0061
    let _ = net.prepare_adaptive_rx(); //~ E0599
}
