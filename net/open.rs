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
    DevLock,
    Device,
    Gfp,
    Rtnl, //
};
use virtio::Once;

/// Enables the queues and the link of an interface that is brought up. The device has queues.
pub(crate) fn enable_interface(dev: &Device<Nic<'_>>, rtnl: &mut Rtnl) {
    enable_queues(dev, rtnl);
    link::open(dev);
}

/// Disables the link and the queues of an interface that is taken down.
pub(crate) fn disable_interface(dev: &Device<Nic<'_>>, rtnl: &mut Rtnl) {
    link::close(dev);
    disable_queues(dev, rtnl);
    dev.carrier_off();
}

/// Fills the receive queues of the pairs in use, and enables the queues of all pairs: a pair may be
/// taken into use while the interface is up.
fn enable_queues(dev: &Device<Nic<'_>>, rtnl: &mut Rtnl) {
    let nic = dev.data();
    for (i, pair) in nic.pairs.iter().enumerate() {
        enable_rx(dev, i, pair, rtnl);
        if !enable_tx_napi(dev, i, pair, rtnl) {
            pair.set_tx_napi(false);
            // The queue may have been stopped when the interface went down.
            tx::wake_stopped(dev, i);
        }
    }
}

/// Enables a receive queue. Fills it before, if its pair is in use. The interface is up or coming
/// up.
pub(crate) fn enable_rx(dev: &Device<Nic<'_>>, i: usize, pair: &Pair, lock: &mut DevLock) {
    let nic = dev.data();
    if i < nic.current_pairs() {
        if let Some((state, mut pool)) = dev.rx_stopped(i, lock) {
            // The first poll fills a ring that is not full.
            let _ = state.fill(nic, pair, &mut pool, Gfp::Kernel);
        }
    }
    dev.rx_enable(i, lock);
}

/// Enables transmit NAPI of a pair if it is configured. An interrupt for it is worth its cost only
/// on a CPU that sends. The interface is up or coming up. Returns whether NAPI is enabled.
pub(crate) fn enable_tx_napi(
    dev: &Device<Nic<'_>>,
    i: usize,
    pair: &Pair,
    rtnl: &mut Rtnl,
) -> bool {
    let nic = dev.data();
    // The frames of XDP are reaped when the next one is sent.
    let wanted =
        pair.tx_napi_wanted.read_once() && nic.affinity_set.read_once() && !nic.is_xdp_pair(i);
    // The packets of an AF_XDP socket are transmitted by NAPI only.
    let on = wanted || pair.has_xsk.read_once();
    if on {
        // Enable NAPI before `tx_napi` is set: packets that are left to NAPI need an enabled
        // instance.
        dev.tx_enable(i, rtnl);
        pair.set_tx_napi(true);
    }
    on
}

/// Enables or disables transmit NAPI of all pairs, after the pairs for XDP or the affinity of the
/// interrupts have changed. The interface is up.
pub(crate) fn update_tx_napi(dev: &Device<Nic<'_>>, rtnl: &mut Rtnl) {
    for (i, pair) in dev.data().pairs.iter().enumerate() {
        if !enable_tx_napi(dev, i, pair, rtnl) && dev.data().is_xdp_pair(i) {
            pair.set_tx_napi(false);
            dev.tx_disable(i, rtnl);
        }
    }
}

/// Disables the queues of all pairs.
fn disable_queues(dev: &Device<Nic<'_>>, rtnl: &mut Rtnl) {
    for i in 0..dev.queues() {
        dev.tx_disable(i, rtnl);
        dev.rx_disable(i, rtnl);
        // The instance is disabled.
        let _ = dev.cancel_adapt(i, rtnl);
    }
}
