// SPDX-License-Identifier: GPL-2.0

//! Operations for `ethtool`.

use crate::{
    nic::Nic,
    queues,
    stats, //
};
use core::marker::PhantomData;
use kernel::{
    prelude::*,
    sync::atomic::Relaxed, //
};
use netdev::{
    ethtool::{
        Channels,
        CoalesceParams,
        Coalescing,
        LinkSettings,
        RingSizes,
        Strings, //
    },
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

    fn ring_sizes(dev: &Device<Self::Net>, _rtnl: &mut Rtnl) -> RingSizes {
        let Some(pair) = dev.data().pairs.first() else {
            return RingSizes::default();
        };
        let [rx, rx_max] = &pair.rx_ring;
        let [tx, tx_max] = &pair.tx_ring;
        RingSizes {
            rx: rx.load(Relaxed),
            rx_max: rx_max.load(Relaxed),
            tx: tx.load(Relaxed),
            tx_max: tx_max.load(Relaxed),
        }
    }

    fn stats_names(dev: &Device<Self::Net>, names: &mut Strings<'_>, _rtnl: &mut Rtnl) {
        stats::for_each_name(dev.data().current_pairs(), |prefix, queue, name| {
            match queue {
                Some(i) => names.push(fmt!("{}{}_{}", prefix, i, name)),
                None => names.push(fmt!("{}_{}", prefix, name)),
            };
        });
    }

    fn stats_values(dev: &Device<Self::Net>, values: &mut [u64], _rtnl: &mut Rtnl) {
        let nic = dev.data();
        let mut to = values.iter_mut();
        stats::for_each_value(nic.counters().take(nic.current_pairs()), |value| {
            if let Some(to) = to.next() {
                *to = value;
            }
        });
    }

    fn channels(dev: &Device<Self::Net>, _rtnl: &mut Rtnl) -> Channels {
        let nic = dev.data();
        Channels {
            combined: nic.current_pairs() as u32,
            max_combined: nic.negotiated.max_pairs as u32,
        }
    }

    fn set_channels(dev: &Device<Self::Net>, combined: u32, rtnl: &mut Rtnl) -> Result {
        queues::choose_pairs(dev, combined as usize, rtnl)
    }

    fn rx_rings(dev: &Device<Self::Net>) -> u32 {
        dev.data().current_pairs() as u32
    }

    fn link_settings(dev: &Device<Self::Net>, _rtnl: &mut Rtnl) -> LinkSettings {
        *dev.data().link_settings.lock()
    }

    fn set_link_settings(dev: &Device<Self::Net>, settings: LinkSettings, _rtnl: &mut Rtnl) {
        *dev.data().link_settings.lock() = settings;
    }

    fn coalescing(
        dev: &Device<Self::Net>,
        queue: Option<usize>,
        _rtnl: &mut Rtnl,
    ) -> Result<Coalescing> {
        let pair = dev.data().pairs.get(queue.unwrap_or(0)).ok_or(EINVAL)?;
        Ok(Coalescing {
            rx_frames: 1,
            // At most one interrupt per packet, or no interrupt.
            tx_frames: pair.tx_napi_wanted.load(Relaxed).into(),
            ..Coalescing::default()
        })
    }

    fn set_coalescing(
        dev: &Device<Self::Net>,
        queue: Option<usize>,
        params: Coalescing,
        _rtnl: &mut Rtnl,
    ) -> Result {
        let nic = dev.data();
        let pairs = match queue {
            None => nic.pairs.get(..),
            Some(i) => nic.pairs.get(i..=i),
        }
        .ok_or(EINVAL)?;

        let tx_napi = params.tx_frames != 0;
        let changes = pairs
            .iter()
            .any(|p| p.tx_napi_wanted.load(Relaxed) != tx_napi);
        if changes && dev.is_up() {
            return Err(EBUSY);
        }
        if params.rx_usecs != 0 || params.tx_usecs != 0 {
            return Err(EOPNOTSUPP);
        }
        if params.tx_frames > 1 || params.rx_frames != 1 {
            return Err(EINVAL);
        }
        for pair in pairs {
            pair.tx_napi_wanted.store(tx_napi, Relaxed);
        }
        Ok(())
    }
}
