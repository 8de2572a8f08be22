// SPDX-License-Identifier: GPL-2.0

//! The evidence for the queues of a device that has a lock of its own.

use super::fixture::Fixture;
use crate::Rtnl;
use kernel::prelude::*;

/// Creates a device with a lock of its own.
fn with_lock() -> Result<Fixture> {
    let mut unfinished = Fixture::unfinished(2, 64)?;
    unfinished.new.set_rx_restarts();
    // Without an address it cannot be brought up.
    unfinished.new.set_random_address();
    Ok(unfinished.finish())
}

#[kunit_tests(rust_net_wrappers_lock)]
mod suite {
    use super::*;

    /// The RTNL alone gives no access to the queues of such a device.
    #[test]
    fn rtnl_alone() -> Result {
        let fixture = with_lock()?;
        let net = &fixture.net;
        let mut rtnl = Rtnl::lock();
        check!(net.rx_stopped(0, &mut rtnl).is_none());
        check_eq!(
            net.set_page_pool(0, Some((16, None)), &mut rtnl),
            Err(EINVAL)
        );
        check_eq!(net.set_sources([], &mut rtnl), Err(EBUSY));
        check_eq!(net.set_real_queues(1, 1, &mut rtnl), Err(EBUSY));
        check_eq!(net.cancel_adapt(0, &mut rtnl), Err(EBUSY));
        net.rx_enable(0, &mut rtnl);
        net.with_lock(&mut rtnl, |rtnl| {
            check!(net.rx_stopped(0, rtnl).is_some());
            check_eq!(net.set_page_pool(0, Some((16, None)), rtnl), Ok(()));
            check_eq!(net.set_real_queues(1, 1, rtnl), Ok(()));
            Ok(())
        })?;
        check!(net.rx_stopped(0, &mut rtnl).is_none());
        Ok(())
    }

    /// The lock of one such device gives no access to the queues of another one.
    #[test]
    fn of_another_device() -> Result {
        let (first, second, plain) = (with_lock()?, with_lock()?, Fixture::new(1, 64)?);
        let mut rtnl = first.net.lock();
        check!(first.net.rx_stopped(0, &mut rtnl).is_some());
        check!(second.net.rx_stopped(0, &mut rtnl).is_none());
        // The RTNL protects the queues of a device without a lock of its own.
        check!(plain.net.rx_stopped(0, &mut rtnl).is_some());
        second.net.rx_enable(0, &mut rtnl);
        second.net.with_lock(&mut rtnl, |rtnl| {
            check!(second.net.rx_stopped(0, rtnl).is_some());
            check!(first.net.rx_stopped(0, rtnl).is_none());
            second.net.rx_enable(0, rtnl);
            check!(second.net.rx_stopped(0, rtnl).is_none());
            second.net.rx_disable(0, rtnl);
            check!(second.net.rx_stopped(0, rtnl).is_some());
            Ok(())
        })?;
        first.net.rx_enable(0, &mut rtnl);
        check!(first.net.rx_stopped(0, &mut rtnl).is_none());
        first.net.rx_disable(0, &mut rtnl);
        check!(first.net.rx_stopped(0, &mut rtnl).is_some());
        Ok(())
    }

    /// The registration takes the lock of the device itself.
    #[test]
    fn registration() -> Result {
        let fixture = with_lock()?;
        let net = &fixture.net;
        check_eq!(net.register(&mut net.lock()), Err(EBUSY));
        check_eq!(net.register(&mut Rtnl::lock()), Ok(()));
        fixture.set_up(true)?;
        check!(net.is_in_use(&net.lock()));
        net.detach(&mut net.lock());
        check!(!net.is_in_use(&net.lock()));
        net.attach(&mut net.lock());
        Ok(())
    }
}
