// SPDX-License-Identifier: GPL-2.0

//! Bringing the interface up, and taking it down.

use crate::{
    link,
    nic::{
        Nic,
        Pair, //
    },
    tx, //
};
use netdev::{
    Device,
    Gfp,
    Rtnl, //
};
use virtio::Once;

/// Brings the interface up. There are queues.
pub(crate) fn enable_interface(dev: &Device<Nic<'_>>, rtnl: &mut Rtnl) {
    enable_queues(dev, rtnl);
    link::open(dev);
}

/// Takes the interface down.
pub(crate) fn disable_interface(dev: &Device<Nic<'_>>, rtnl: &mut Rtnl) {
    link::close(dev);
    disable_queues(dev, rtnl);
    dev.carrier_off();
}

/// Fills the queues of the pairs in use and enables those of all pairs, as they may be taken into
/// use without the interface going down.
fn enable_queues(dev: &Device<Nic<'_>>, rtnl: &mut Rtnl) {
    let nic = dev.data();
    for (i, pair) in nic.pairs.iter().enumerate() {
        if i < nic.current_pairs() {
            if let Some((state, mut pool)) = dev.rx_stopped(i, rtnl) {
                // A ring that is not full is filled by the first poll.
                let _ = state.fill(nic, pair, &mut pool, Gfp::Kernel);
            }
        }
        dev.rx_enable(i, rtnl);
        if !enable_tx_napi(dev, i, pair, rtnl) {
            pair.tx_napi.write_once(false);
            // It may have been stopped when the interface went down.
            tx::wake_stopped(dev, i);
        }
    }
}

/// Has the transmitted packets of a pair reaped by NAPI, if they are to be: an interrupt for that
/// is worth it only where packets are sent. The interface is up, or about to be. Returns whether
/// they are from now on.
pub(crate) fn enable_tx_napi(
    dev: &Device<Nic<'_>>,
    i: usize,
    pair: &Pair,
    rtnl: &mut Rtnl,
) -> bool {
    let on = pair.tx_napi_wanted.read_once() && dev.data().affinity_set.read_once();
    if on {
        // First: once a packet is left to NAPI, there has to be NAPI.
        dev.tx_enable(i, rtnl);
        pair.tx_napi.write_once(true);
    }
    on
}

/// Disables the queues of all pairs.
fn disable_queues(dev: &Device<Nic<'_>>, rtnl: &mut Rtnl) {
    for i in 0..dev.queues() {
        dev.tx_disable(i, rtnl);
        dev.rx_disable(i, rtnl);
    }
}
