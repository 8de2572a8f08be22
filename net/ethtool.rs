// SPDX-License-Identifier: GPL-2.0

//! Operations for `ethtool`.

use crate::{
    coalesce,
    device_stats,
    nic::Nic,
    queues,
    resize,
    rss,
    stats, //
};
use core::marker::PhantomData;
use kernel::{
    prelude::*,
    sync::atomic::Relaxed, //
};
use netdev::{
    ethtool::{
        rss::{
            Flow,
            HashFields, //
        },
        Channels,
        CoalesceParams,
        Coalescing,
        LinkSettings,
        RingSizes,
        Strings, //
    },
    DevLock,
    Device,
    EthtoolOps,
    Rtnl, //
};

/// The operations for `ethtool`.
pub(crate) struct NicEthtool<'bound>(PhantomData<&'bound ()>);

impl<'bound> EthtoolOps for NicEthtool<'bound> {
    type Net = Nic<'bound>;

    const DRIVER: &'static CStr = crate::NAME;
    const VERSION: &'static CStr = c"1.0.0";
    const COALESCE_PARAMS: CoalesceParams = CoalesceParams::MAX_FRAMES
        .with(CoalesceParams::USECS)
        .with(CoalesceParams::ADAPTIVE_RX);

    fn bus_info(dev: &Device<Self::Net>) -> &CStr {
        dev.data().vdev.bus_name()
    }

    fn ring_sizes(dev: &Device<Self::Net>, _lock: &mut DevLock) -> RingSizes {
        // All pairs have rings of the same sizes, unless a change of them failed.
        let Some(pair) = dev.data().pairs.first() else {
            return RingSizes::default();
        };
        RingSizes {
            rx: pair.rx_ring.get(),
            rx_max: pair.rx_ring.most(),
            tx: pair.tx_ring.get(),
            tx_max: pair.tx_ring.most(),
        }
    }

    fn set_ring_sizes(dev: &Device<Self::Net>, rx: u32, tx: u32, rtnl: &mut Rtnl) -> Result {
        resize::set_sizes(dev, rx, tx, rtnl)
    }

    fn stats_names(dev: &Device<Self::Net>, names: &mut Strings<'_>, _lock: &mut DevLock) {
        let nic = dev.data();
        stats::for_each_name(nic.current_pairs(), device_stats::types(nic), |name| {
            let by_device = if name.by_device { "hw_" } else { "" };
            match name.queue {
                Some(i) => names.push(fmt!("{}{}_{}{}", name.prefix, i, by_device, name.name)),
                None => names.push(fmt!("{}_{}{}", name.prefix, by_device, name.name)),
            };
        });
    }

    fn stats_values(dev: &Device<Self::Net>, values: &mut [u64], _lock: &mut DevLock) {
        let nic = dev.data();
        let mut to = values.iter_mut();
        let device = device_stats::read(dev);
        stats::for_each_value(nic.counters().take(nic.current_pairs()), &device, |value| {
            if let Some(to) = to.next() {
                *to = value;
            }
        });
    }

    fn channels(dev: &Device<Self::Net>, _lock: &mut DevLock) -> Channels {
        let nic = dev.data();
        Channels {
            combined: nic.current_pairs() as u32,
            max_combined: nic.negotiated.max_pairs as u32,
        }
    }

    fn set_channels(dev: &Device<Self::Net>, combined: u32, rtnl: &mut Rtnl) -> Result {
        // The pairs for XDP are among them.
        if dev.data().has_xdp.load(Relaxed) {
            return Err(EINVAL);
        }
        queues::choose_pairs(dev, combined as usize, rtnl)
    }

    fn rx_rings(dev: &Device<Self::Net>) -> u32 {
        dev.data().current_pairs() as u32
    }

    fn link_settings(dev: &Device<Self::Net>, _lock: &mut DevLock) -> LinkSettings {
        *dev.data().link_settings.lock()
    }

    fn set_link_settings(dev: &Device<Self::Net>, settings: LinkSettings, _lock: &mut DevLock) {
        *dev.data().link_settings.lock() = settings;
    }

    fn coalescing(
        dev: &Device<Self::Net>,
        queue: Option<usize>,
        _lock: &mut DevLock,
    ) -> Result<Coalescing> {
        coalesce::get(dev, queue)
    }

    fn set_coalescing(
        dev: &Device<Self::Net>,
        queue: Option<usize>,
        params: Coalescing,
        lock: &mut DevLock,
    ) -> Result {
        coalesce::set(dev, queue, params, lock)
    }

    fn rxfh(dev: &Device<Self::Net>, table: &mut [u32], key: &mut [u8], _lock: &mut DevLock) {
        rss::show(dev, table, key);
    }

    fn set_rxfh(
        dev: &Device<Self::Net>,
        table: Option<&[u32]>,
        key: Option<&[u8]>,
        rtnl: &mut Rtnl,
    ) -> Result {
        rss::set(dev, table, key, rtnl)
    }

    fn rxfh_fields(dev: &Device<Self::Net>, flow: Flow, _lock: &mut DevLock) -> HashFields {
        rss::fields(dev, flow)
    }

    fn set_rxfh_fields(
        dev: &Device<Self::Net>,
        flow: Flow,
        fields: HashFields,
        rtnl: &mut Rtnl,
    ) -> Result {
        rss::set_fields(dev, flow, fields, rtnl)
    }
}
