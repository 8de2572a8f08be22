// SPDX-License-Identifier: GPL-2.0

//! Adaptive coalescing, of a driver that uses it in all safe ways, also in wrong ones.

use super::{
    fixture::{
        until,
        Fixture, //
    },
    toy::Toy, //
};
use crate::{
    NetDevice,
    Rtnl, //
};
use kernel::{
    prelude::*,
    sync::atomic::Relaxed, //
};

/// Returns a device that was prepared for adaptive coalescing, and measures traffic.
fn fixture() -> Result<Fixture> {
    let mut unfinished = Fixture::unfinished(2, 64)?;
    unfinished.new.prepare_adaptive_rx()?;
    check_eq!(unfinished.new.prepare_adaptive_rx(), Err(EBUSY));
    let fixture = unfinished.finish();
    check!(fixture.net.adapts_rx());
    fixture.net.data().measures.store(true, Relaxed);
    Ok(fixture)
}

/// Returns how often limits were adapted.
fn adapted(net: &NetDevice<Toy>) -> i32 {
    let [count, _, _] = &net.data().adapted;
    count.load(Relaxed)
}

/// Polls the first receive queue until limits are adapted once more. Returns whether they are.
fn traffic(net: &NetDevice<Toy>) -> bool {
    let before = adapted(net);
    until(|| {
        net.rx_kick(0, &mut Rtnl::lock());
        adapted(net) > before
    })
}

#[kunit_tests(rust_net_dim)]
mod suite {
    use super::*;

    /// Traffic leads to new limits: the second of the kernel's profiles comes first. It can be
    /// cancelled while the instance is disabled, and goes on after that.
    #[test]
    fn adapts() -> Result {
        let fixture = fixture()?;
        let net = &fixture.net;
        net.rx_enable(0, &mut Rtnl::lock());
        check!(traffic(net));
        let [_, usecs, packets] = &net.data().adapted;
        check_eq!((usecs.load(Relaxed), packets.load(Relaxed)), (8, 256));
        check_eq!(net.cancel_adapt(0, &mut Rtnl::lock()), Err(EBUSY));
        net.rx_disable(0, &mut Rtnl::lock());
        check_eq!(net.cancel_adapt(0, &mut Rtnl::lock()), Ok(()));
        // There is no such queue.
        check_eq!(net.cancel_adapt(2, &mut Rtnl::lock()), Ok(()));
        net.rx_enable(0, &mut Rtnl::lock());
        check!(traffic(net));
        net.rx_disable(0, &mut Rtnl::lock());
        Ok(())
    }

    /// A device that was not prepared measures nothing.
    #[test]
    fn not_prepared() -> Result {
        let fixture = Fixture::new(1, 64)?;
        let net = &fixture.net;
        check!(!net.adapts_rx());
        net.data().measures.store(true, Relaxed);
        net.rx_enable(0, &mut Rtnl::lock());
        for _ in 0..200 {
            net.rx_kick(0, &mut Rtnl::lock());
        }
        net.rx_disable(0, &mut Rtnl::lock());
        check_eq!(net.cancel_adapt(0, &mut Rtnl::lock()), Ok(()));
        check_eq!(adapted(net), 0);
        Ok(())
    }

    /// A device can be dropped while it adapts limits: registered or not, enabled or not.
    #[test]
    fn dropped() -> Result {
        for registered in [false, true] {
            for polls in [0, 65, 130] {
                let fixture = fixture()?;
                let net = &fixture.net;
                if registered {
                    net.register(&mut Rtnl::lock())?;
                }
                net.rx_enable(0, &mut Rtnl::lock());
                for _ in 0..polls {
                    net.rx_kick(0, &mut Rtnl::lock());
                }
            }
        }
        // Also one that was never finished.
        let mut unfinished = Fixture::unfinished(2, 64)?;
        unfinished.new.prepare_adaptive_rx()
    }
}
