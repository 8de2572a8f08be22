// SPDX-License-Identifier: GPL-2.0

//! Tests of the wrappers with a driver that uses them in all safe ways, also in wrong ones.
//!
//! Uses that the compiler refuses are in `selftests/refused`.

#[macro_use]
mod check;
mod dim;
mod fixture;
mod hardirq;
mod lock;
mod rss;
mod toy;
mod xdp;

use self::{
    fixture::{
        until,
        Fixture, //
    },
    toy::Toy, //
};
use crate::{
    bindings,
    ethtool,
    frag::{
        ip_padding,
        CACHE_LINE,
        MAX_HEADROOM,
        SKB_SHARED_INFO, //
    },
    napi::RxSlot,
    skb::ETH_HLEN,
    Gfp,
    MacAddr,
    NetDevice,
    PoolSlot,
    Rtnl,
    RxKind, //
};
use kernel::{
    alloc::KVec,
    page::PAGE_SIZE,
    prelude::*,
    sync::atomic::Relaxed, //
};

/// Reads names and values of `ethtool -S` as the core does. Returns their number, and whether no
/// byte behind the buffers was written.
fn stats_of(net: &NetDevice<Toy>) -> Result<(usize, bool)> {
    const SET: u32 = bindings::ethtool_stringset_ETH_SS_STATS;
    const NAME: usize = bindings::ETH_GSTRING_LEN as usize;
    let ops = ethtool::Vtable::<toy::ToyEthtool>::ops();
    let count = ops.get_sset_count.ok_or(EINVAL)?;
    let names = ops.get_strings.ok_or(EINVAL)?;
    let values = ops.get_ethtool_stats.ok_or(EINVAL)?;
    let rtnl = Rtnl::lock();
    // SAFETY: The device is one of the toy's, and the RTNL is held.
    let n = unsafe { count(net.as_raw(), SET as i32) } as usize;
    let mut text = KVec::from_elem(0xaau8, (n + 1) * NAME, GFP_KERNEL)?;
    let mut numbers = KVec::from_elem(0x5555u64, n + 1, GFP_KERNEL)?;
    let (text_at, numbers_at) = if n == 0 {
        // The pointer that an allocation of 0 bytes returns.
        (core::ptr::null_mut(), core::ptr::null_mut())
    } else {
        (text.as_mut_ptr(), numbers.as_mut_ptr())
    };
    let mut about = bindings::ethtool_stats {
        n_stats: n as u32,
        ..Default::default()
    };
    // SAFETY: The device is one of the toy's, and the RTNL is held. There is room for the number of
    // values that the device returned.
    unsafe {
        names(net.as_raw(), SET, text_at);
        values(net.as_raw(), &mut about, numbers_at);
    }
    drop(rtnl);
    let kept = text.iter().skip(n * NAME).all(|&byte| byte == 0xaa)
        && numbers.iter().skip(n).all(|&number| number == 0x5555);
    Ok((n, kept))
}

#[kunit_tests(rust_net_wrappers)]
mod suite {
    use super::*;

    /// A poll that completes with its whole budget stays scheduled. A poll that received less
    /// completes.
    #[test]
    fn complete_with_all_of_the_budget() -> Result {
        let fixture = Fixture::new(2, 64)?;
        fixture.net.data().greedy.store(5, Relaxed);
        fixture.net.rx_enable(0, &mut Rtnl::lock());
        check!(until(|| fixture.net.data().rx_polls.load(Relaxed) >= 6));
        fixture.net.rx_disable(0, &mut Rtnl::lock());
        check_eq!(fixture.net.data().rx_polls.load(Relaxed), 6);
        Ok(())
    }

    /// A weight of less than one counts as one.
    #[test]
    fn weights() -> Result {
        for weight in [0, -1, i32::MIN] {
            let fixture = Fixture::new(1, weight)?;
            fixture.net.rx_enable(0, &mut Rtnl::lock());
            fixture.net.tx_enable(0, &mut Rtnl::lock());
            let toy = fixture.net.data();
            check!(until(
                || toy.rx_polls.load(Relaxed) > 0 && toy.tx_polls.load(Relaxed) > 0
            ));
            fixture.net.rx_disable(0, &mut Rtnl::lock());
            fixture.net.tx_disable(0, &mut Rtnl::lock());
            check_eq!(toy.rx_polls.load(Relaxed), 1);
            check_eq!(toy.tx_polls.load(Relaxed), 1);
            check_eq!(toy.budget.load(Relaxed), 1);
        }
        Ok(())
    }

    /// netpoll does not run a receive poll, because it may be called in any context.
    #[test]
    fn netpoll() -> Result {
        let fixture = Fixture::new(1, 64)?;
        let napi = fixture.net.rx_napi(0).ok_or(EINVAL)?;
        // SAFETY: The instance is one of the toy's, and disabled, so no other code polls it.
        let work = unsafe { RxSlot::<Toy>::poll_rx(napi, 0) };
        check_eq!((work, fixture.net.data().rx_polls.load(Relaxed)), (0, 0));
        Ok(())
    }

    /// A device can be dropped while its NAPI instances are enabled.
    #[test]
    fn left_enabled() -> Result {
        let fixture = Fixture::new(2, 64)?;
        let mut rtnl = Rtnl::lock();
        for i in 0..2 {
            fixture.net.set_page_pool(i, Some((16, None)), &mut rtnl)?;
            fixture.net.rx_enable(i, &mut rtnl);
            fixture.net.tx_enable(i, &mut rtnl);
        }
        drop(rtnl);
        drop(fixture);
        Ok(())
    }

    /// There are as many names and values as queues in use.
    #[test]
    fn statistics() -> Result {
        let mut fixture = Fixture::unfinished(3, 64)?;
        fixture.new.set_stats(2, 3);
        let fixture = fixture.finish();
        for pairs in [1, 3, 2] {
            fixture
                .net
                .set_real_queues(pairs, pairs, &mut Rtnl::lock())?;
            check_eq!(stats_of(&fixture.net)?, (2 + 3 * pairs, true));
            check_eq!(
                fixture.net.data().values.load(Relaxed),
                2 + 3 * pairs as i32
            );
        }
        Ok(())
    }

    /// A device may have no values.
    #[test]
    fn no_statistics() -> Result {
        let fixture = Fixture::new(1, 64)?;
        check_eq!(stats_of(&fixture.net)?, (0, true));
        Ok(())
    }

    /// Completing more bytes than were sent is harmless.
    #[test]
    fn completed_more_than_sent() -> Result {
        let fixture = Fixture::new(1, 64)?;
        let mut guard = fixture.net.tx_lock(0).ok_or(EINVAL)?;
        let ((), stack) = guard.parts();
        stack.completed(1, 1);
        stack.sent(100, false);
        stack.completed(2, 1000);
        stack.completed(1, u32::MAX);
        stack.sent(50, false);
        stack.reset();
        stack.completed(1, 50);
        Ok(())
    }

    /// Queues are woken only while the interface is up, and not while it is unregistered, down or
    /// detached.
    #[test]
    fn woken_in_use_only() -> Result {
        let mut fixture = Fixture::unfinished(2, 64)?;
        fixture.new.set_random_address();
        let fixture = fixture.finish();
        fixture.net.stop_all_queues();
        check_eq!(fixture.wakes()?, [false; 2]);
        fixture.net.register(&mut Rtnl::lock())?;
        check_eq!(fixture.wakes()?, [false; 2]);
        fixture.set_up(true)?;
        check_eq!(fixture.wakes()?, [true; 2]);
        fixture.net.detach(&mut Rtnl::lock());
        check_eq!(fixture.wakes()?, [false; 2]);
        fixture.net.attach(&mut Rtnl::lock());
        check!(!fixture.is_stopped()?);
        check_eq!(fixture.wakes()?, [true; 2]);
        fixture.set_up(false)?;
        check_eq!(fixture.wakes()?, [false; 2]);
        Ok(())
    }

    /// A device can be registered once.
    #[test]
    fn registered_again() -> Result {
        let fixture = Fixture::new(1, 64)?;
        fixture.net.register(&mut Rtnl::lock())?;
        check_eq!(fixture.net.register(&mut Rtnl::lock()), Err(EBUSY));
        fixture.net.unregister();
        fixture.net.unregister();
        check_eq!(fixture.net.register(&mut Rtnl::lock()), Err(EBUSY));
        Ok(())
    }

    /// A device has one failover master, made before the device is registered. The master goes with
    /// the device, registered or not.
    #[test]
    fn failover() -> Result {
        if !NetDevice::<Toy>::HAS_FAILOVER {
            check_eq!(Fixture::new(1, 64)?.net.add_failover(), Err(EOPNOTSUPP));
            return Ok(());
        }
        let with_master = || -> Result<Fixture> {
            let mut fixture = Fixture::unfinished(1, 64)?;
            // An address that no other interface has.
            fixture.new.set_address(MacAddr([2, 0, 0x5e, 0x10, 0, 1]));
            let mut fixture = fixture.finish();
            check_eq!(fixture.net.add_failover(), Ok(()));
            check_eq!(fixture.net.add_failover(), Err(EBUSY));
            Ok(fixture)
        };
        drop(with_master()?);
        let mut fixture = with_master()?;
        fixture.net.register(&mut Rtnl::lock())?;
        check!(fixture.has_master());
        fixture.set_up(true)?;
        fixture.net.unregister();
        check_eq!(fixture.net.add_failover(), Err(EBUSY));
        let mut fixture = Fixture::new(1, 64)?;
        fixture.net.register(&mut Rtnl::lock())?;
        check_eq!(fixture.net.add_failover(), Err(EBUSY));
        Ok(())
    }

    /// Events of an interface that is not registered, or was unregistered, take no reference.
    #[test]
    fn events_of_no_interface() -> Result {
        let fixture = Fixture::new(1, 64)?;
        // SAFETY: The device is valid.
        let references = || unsafe { bindings::netdev_refcnt_read(fixture.net.as_raw()) };
        let before = references();
        fixture.net.schedule_rtnl_work();
        fixture.net.carrier_off();
        check_eq!(references(), before);
        fixture.net.register(&mut Rtnl::lock())?;
        fixture.net.unregister();
        let after = references();
        fixture.net.carrier_on();
        fixture.net.carrier_off();
        fixture.net.schedule_rtnl_work();
        fixture.net.notify_peers(&mut Rtnl::lock());
        check_eq!(references(), after);
        Ok(())
    }

    /// A receive buffer may outlive the interface of its page pool.
    #[test]
    fn buffer_outlives_interface() -> Result {
        let fixture = Fixture::new(1, 64)?;
        let frag = {
            let mut rtnl = Rtnl::lock();
            fixture.net.set_page_pool(0, Some((64, None)), &mut rtnl)?;
            let ((), mut pool) = fixture.net.rx_stopped(0, &mut rtnl).ok_or(EBUSY)?;
            let kind = RxKind::new(256, 0, false).ok_or(EINVAL)?;
            pool.get().ok_or(EINVAL)?.frags(kind, Gfp::Kernel).alloc()
        };
        check!(frag.is_some());
        drop(fixture);
        drop(frag);
        Ok(())
    }

    /// A buffer that was kept is the next one that is allocated, unless it is of another kind.
    #[test]
    fn kept_buffer() -> Result {
        let fixture = Fixture::new(1, 64)?;
        let mut rtnl = Rtnl::lock();
        fixture.net.set_page_pool(0, Some((16, None)), &mut rtnl)?;
        let ((), mut slot) = fixture.net.rx_stopped(0, &mut rtnl).ok_or(EBUSY)?;
        let kinds = [
            (256, 64, true),
            (256, 128, true),
            (256 + SKB_SHARED_INFO, 64, false),
            (512, 64, true),
        ];
        let alloc = |slot: &mut PoolSlot<'_, Toy>, (len, headroom, tail)| {
            let mut pool = slot.get().ok_or(EINVAL)?;
            let kind = RxKind::new(len, headroom, tail).ok_or(EINVAL)?;
            let frag = pool.frags(kind, Gfp::Kernel).alloc();
            frag.ok_or(ENOMEM)
        };
        for kind in kinds {
            for other in kinds {
                let frag = alloc(&mut slot, kind)?;
                let place = frag.start();
                slot.keep(frag);
                let next = alloc(&mut slot, other)?;
                check!(kind != other || next.start() == place);
                check!(next.capacity() >= other.0);
                check_eq!((next.headroom(), next.has_tailroom()), (other.1, other.2));
            }
        }
        Ok(())
    }

    /// No more buffers are kept than the ring has, and all of them are freed with the pool. A queue
    /// without a pool keeps none.
    #[test]
    fn kept_buffers_are_few() -> Result {
        let fixture = Fixture::new(1, 64)?;
        let mut rtnl = Rtnl::lock();
        let kind = RxKind::new(256, 0, false).ok_or(EINVAL)?;
        let ((), mut slot) = fixture.net.rx_stopped(0, &mut rtnl).ok_or(EBUSY)?;
        check!(slot.get().is_none());
        fixture.net.set_page_pool(0, Some((16, None)), &mut rtnl)?;
        let mut frags = KVec::new();
        let ((), mut slot) = fixture.net.rx_stopped(0, &mut rtnl).ok_or(EBUSY)?;
        for _ in 0..20 {
            let frag = slot.get().ok_or(EINVAL)?.frags(kind, Gfp::Kernel).alloc();
            frags.push(frag.ok_or(ENOMEM)?, GFP_KERNEL)?;
        }
        let mut places = KVec::new();
        while let Some(frag) = frags.pop() {
            places.push(frag.start(), GFP_KERNEL)?;
            slot.keep(frag);
        }
        // The first 16 come back, the last one first.
        for place in places.iter().take(16).rev() {
            let frag = slot.get().ok_or(EINVAL)?.frags(kind, Gfp::Kernel).alloc();
            let frag = frag.ok_or(ENOMEM)?;
            check_eq!(frag.start(), *place);
            frags.push(frag, GFP_KERNEL)?;
        }
        slot.keep(frags.pop().ok_or(EINVAL)?);
        fixture.net.set_page_pool(0, None, &mut rtnl)?;
        let ((), mut slot) = fixture.net.rx_stopped(0, &mut rtnl).ok_or(EBUSY)?;
        slot.keep(frags.pop().ok_or(EINVAL)?);
        check!(slot.get().is_none());
        Ok(())
    }

    /// There are no buffers without bytes: such a buffer could start at the end of its page.
    #[test]
    fn buffer_without_a_byte() -> Result {
        for headroom in [0, 64] {
            for tail in [false, true] {
                check!(RxKind::new(0, headroom, tail).is_none());
                check!(RxKind::new(1, headroom, tail).is_some());
            }
        }
        Ok(())
    }

    /// Buffers with more headroom are as many to a page as those with little, and as long.
    #[test]
    fn headroom_that_costs_nothing() -> Result {
        let page = PAGE_SIZE as u32;
        for headroom in [0, 34, 64, 66, 128] {
            for len in (1..page - 128 - SKB_SHARED_INFO).step_by(61) {
                let little = RxKind::new(len, headroom, true).ok_or(EINVAL)?;
                let more = RxKind::with_headroom(len, headroom).ok_or(EINVAL)?;
                check_eq!(page / more.size(), page / little.size());
                let gained = more.size() - little.size();
                check!(gained % CACHE_LINE == 0 && headroom + gained <= MAX_HEADROOM);
                let left = page / (page / little.size()) - more.size();
                check!(left < CACHE_LINE || headroom + gained + CACHE_LINE > MAX_HEADROOM);
            }
        }
        check!(RxKind::with_headroom(0, 64).is_none());
        check!(RxKind::with_headroom(page, 64).is_none());
        Ok(())
    }

    /// The padding aligns an IP header, if the architecture asks for that.
    #[test]
    fn padding_aligns() -> Result {
        for before in [0, 10, 12, 20, 24] {
            let padding = ip_padding(before);
            if bindings::NET_IP_ALIGN == 0 {
                check!(padding == 0);
            } else {
                check!(padding < 4);
                check!((padding + before + ETH_HLEN as u32) % 4 == 0);
            }
        }
        Ok(())
    }

    /// A page pool gives pages only to the device that they are mapped for.
    #[test]
    fn mapped_for_another() -> Result {
        let (fixture, other) = (Fixture::new(1, 64)?, Fixture::new(1, 64)?);
        let kind = RxKind::new(256, 0, false).ok_or(EINVAL)?;
        let gives = |dma, dev| -> Result<bool> {
            let mut rtnl = Rtnl::lock();
            fixture.net.set_page_pool(0, Some((64, dma)), &mut rtnl)?;
            let ((), mut pool) = fixture.net.rx_stopped(0, &mut rtnl).ok_or(EBUSY)?;
            let mut pool = pool.get().ok_or(EINVAL)?;
            let frags = pool.frags_for(dev, kind, Gfp::Kernel);
            Ok(frags.is_ok())
        };
        let (ours, theirs) = (fixture.parent(), other.parent());
        check!(gives(None, None)?);
        check!(gives(None, Some(theirs))?);
        check!(!gives(Some(ours), Some(theirs))?);
        check!(!gives(Some(ours), None)?);
        check!(gives(Some(ours), Some(ours))?);
        Ok(())
    }

    /// The last device that watches CPUs removes the hotplug states, in any order of drops.
    #[test]
    fn watching_cpus() -> Result {
        let (first, second) = (Fixture::new(1, 64)?, Fixture::new(1, 64)?);
        first.net.watch_cpus(&mut Rtnl::lock())?;
        check_eq!(first.net.watch_cpus(&mut Rtnl::lock()), Err(EBUSY));
        second.net.watch_cpus(&mut Rtnl::lock())?;
        drop(first);
        second.net.unwatch_cpus(&mut Rtnl::lock());
        second.net.unwatch_cpus(&mut Rtnl::lock());
        second.net.watch_cpus(&mut Rtnl::lock())?;
        drop(second);
        Ok(())
    }

    /// A queue that does not exist is refused for XPS.
    #[test]
    fn xps_of_no_queue() -> Result {
        let fixture = Fixture::new(2, 64)?;
        check_eq!(fixture.xps(2), Err(EINVAL));
        check_eq!(fixture.xps(0xffff), Err(EINVAL));
        check_eq!(fixture.xps(0x1_0000), Err(EINVAL));
        Ok(())
    }

    /// A packet that was put together can be put together again, and keeps its list of fragments.
    #[test]
    fn packet_put_together_twice() -> Result {
        let fixture = Fixture::new(1, 64)?;
        let mut rtnl = Rtnl::lock();
        fixture.net.set_page_pool(0, Some((64, None)), &mut rtnl)?;
        fixture.net.data().puts_together.store(true, Relaxed);
        fixture.net.rx_enable(0, &mut rtnl);
        check!(until(|| fixture.net.data().rx_polls.load(Relaxed) > 0));
        fixture.net.rx_disable(0, &mut rtnl);
        let toy = fixture.net.data();
        check!(toy.put_together.load(Relaxed));
        check!(toy.refused.load(Relaxed));
        Ok(())
    }
}
