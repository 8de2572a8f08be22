// SPDX-License-Identifier: GPL-2.0

//! A driver whose data borrows for the time of a binding, as much of it as must be there.

#[path = "no_module.rs"]
mod no_module;

use kernel::prelude::*;
use netdev::{
    ethtool::{
        Channels,
        CoalesceParams,
        Coalescing,
        LinkSettings,
        RingSizes,
        Strings, //
    },
    stats::{
        LinkStats,
        RxQueueStats,
        TxQueueStats, //
    },
    DevLock,
    Device,
    EthtoolOps,
    MacAddr,
    NetdevTx,
    Operations,
    Polled,
    Rtnl,
    RxPoll,
    SkBuff,
    Source,
    TxPoll,
    TxQueue, //
};
use no_module::NoModule;
use virtio::Hold;

/// The data.
pub struct Nic<'bound> {
    /// Borrowed.
    pub value: &'bound u32,
}

/// The state of a queue.
pub struct State<'bound> {
    /// Borrowed.
    pub value: &'bound u32,
}

/// A source of no events.
pub struct NoEvents;

impl Source for NoEvents {
    fn disable(&self) {}
}

#[vtable]
impl<'bound> Operations for Nic<'bound> {
    type Tx = State<'bound>;
    type Rx = State<'bound>;
    type Pair = ();
    type Source = NoEvents;
    type Hold = Hold;
    type Ethtool = Ethtool<'bound>;
    type OwnerModule = NoModule;

    fn open(_dev: &Device<Self>, _rtnl: &mut Rtnl) -> Result {
        Ok(())
    }

    fn stop(_dev: &Device<Self>, _rtnl: &mut Rtnl) {}

    fn start_xmit(_queue: TxQueue<'_, Self>, _skb: SkBuff, _more: bool) -> NetdevTx {
        NetdevTx::DONE
    }

    fn poll_rx<'a>(poll: RxPoll<'a, Self>) -> Polled<'a> {
        poll.complete(0)
    }

    fn poll_tx<'a>(poll: TxPoll<'a, Self>) -> Polled<'a> {
        let guard = poll.lock();
        poll.complete(guard)
    }

    fn stats(_dev: &Device<Self>, _stats: &mut LinkStats) {}

    fn set_mac_address(_dev: &Device<Self>, _addr: MacAddr, _rtnl: &mut Rtnl) -> Result {
        Ok(())
    }

    fn tx_timeout(_dev: &Device<Self>, _queue: usize) {}

    fn work(_dev: &Device<Self>) {}

    fn rtnl_work(_dev: &Device<Self>, _rtnl: &mut Rtnl) {}

    fn rx_queue_stats(_dev: &Device<Self>, _queue: usize, _stats: &mut RxQueueStats) {}

    fn tx_queue_stats(_dev: &Device<Self>, _queue: usize, _stats: &mut TxQueueStats) {}
}

/// The operations for `ethtool`.
pub struct Ethtool<'bound>(core::marker::PhantomData<&'bound ()>);

impl<'bound> EthtoolOps for Ethtool<'bound> {
    type Net = Nic<'bound>;

    const DRIVER: &'static CStr = c"refused";
    const VERSION: &'static CStr = c"1";
    const COALESCE_PARAMS: CoalesceParams = CoalesceParams::USECS;

    fn bus_info(_dev: &Device<Self::Net>) -> &CStr {
        c""
    }

    fn ring_sizes(_dev: &Device<Self::Net>, _lock: &mut DevLock) -> RingSizes {
        RingSizes::default()
    }

    fn set_ring_sizes(_dev: &Device<Self::Net>, _rx: u32, _tx: u32, _rtnl: &mut Rtnl) -> Result {
        Err(EOPNOTSUPP)
    }

    fn stats_names(_dev: &Device<Self::Net>, _names: &mut Strings<'_>, _lock: &mut DevLock) {}

    fn stats_values(_dev: &Device<Self::Net>, _values: &mut [u64], _lock: &mut DevLock) {}

    fn channels(_dev: &Device<Self::Net>, _lock: &mut DevLock) -> Channels {
        Channels::default()
    }

    fn set_channels(_dev: &Device<Self::Net>, _combined: u32, _rtnl: &mut Rtnl) -> Result {
        Ok(())
    }

    fn rx_rings(_dev: &Device<Self::Net>) -> u32 {
        1
    }

    fn link_settings(_dev: &Device<Self::Net>, _lock: &mut DevLock) -> LinkSettings {
        LinkSettings::UNKNOWN
    }

    fn set_link_settings(_dev: &Device<Self::Net>, _settings: LinkSettings, _lock: &mut DevLock) {}

    fn coalescing(
        _dev: &Device<Self::Net>,
        _queue: Option<usize>,
        _lock: &mut DevLock,
    ) -> Result<Coalescing> {
        Ok(Coalescing::default())
    }

    fn set_coalescing(
        _dev: &Device<Self::Net>,
        _queue: Option<usize>,
        _params: Coalescing,
        _lock: &mut DevLock,
    ) -> Result {
        Ok(())
    }
}
