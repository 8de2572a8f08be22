// SPDX-License-Identifier: GPL-2.0

//! A toy driver without a device, and without unsafe code.

#![deny(unsafe_code)]

use super::fixture::{
    Handover,
    NoModule, //
};
use crate::{
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
    stats::{
        LinkStats,
        RxQueueStats,
        TxQueueStats, //
    },
    DevLock,
    Device,
    EthtoolOps,
    Gfp,
    MacAddr,
    Moderation,
    Napi,
    NetdevTx,
    Operations,
    Polled,
    PoolSlot,
    Rtnl,
    RxData,
    RxKind,
    RxPacket,
    RxPoll,
    RxSkb,
    SkBuff,
    Source,
    TxPoll,
    TxQueue,
    XdpBuff,
    XdpFrames, //
};
use kernel::{
    alloc::KVec,
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
};

/// The orders of a test to the toy, and their results.
pub(super) struct Toy {
    /// The number of receive polls so far.
    pub(super) rx_polls: Atomic<i32>,
    /// The number of transmit polls so far.
    pub(super) tx_polls: Atomic<i32>,
    /// The number of receive polls, from the first one on, that use up their budget.
    pub(super) greedy: Atomic<i32>,
    /// The budget of the last receive poll.
    pub(super) budget: Atomic<i32>,
    /// The number of values that the core asked for.
    pub(super) values: Atomic<i32>,
    /// The numbers of entries and of bytes of the last request for RSS; -1 for none.
    pub(super) rss: [Atomic<i32>; 2],
    /// Whether receive polls put a packet together twice.
    pub(super) puts_together: Atomic<bool>,
    /// Whether putting the packet together succeeded the first time.
    pub(super) put_together: Atomic<bool>,
    /// Whether it failed the second time.
    pub(super) refused: Atomic<bool>,
    /// Whether receive polls measure traffic: a packet for each of them.
    pub(super) measures: Atomic<bool>,
    /// The number of times that limits were adapted, and the last limits: microseconds, packets.
    pub(super) adapted: [Atomic<i32>; 3],
    /// The number of frames that each call to transmit frames accepts.
    pub(super) accepts: Atomic<i32>,
    /// Whether calls to transmit frames fail at last.
    pub(super) fails: Atomic<bool>,
    /// Two buffers of another queue for the next receive poll, which makes packets for programs of
    /// them and of its own buffers.
    pub(super) foreign: Handover<[RxData; 2]>,
    /// The results: of a packet of an own buffer, of a fragment of an own buffer, and of the same
    /// with the buffers of the other queue. Positive if the buffer was accepted.
    pub(super) joined: [Atomic<i32>; 4],
}

impl Toy {
    pub(super) const fn new() -> Self {
        Self {
            rx_polls: Atomic::new(0),
            tx_polls: Atomic::new(0),
            greedy: Atomic::new(0),
            budget: Atomic::new(0),
            values: Atomic::new(0),
            rss: [Atomic::new(-1), Atomic::new(-1)],
            puts_together: Atomic::new(false),
            put_together: Atomic::new(false),
            refused: Atomic::new(false),
            measures: Atomic::new(false),
            adapted: [const { Atomic::new(0) }; 3],
            accepts: Atomic::new(0),
            fails: Atomic::new(false),
            foreign: Handover::new(),
            joined: [const { Atomic::new(0) }; 4],
        }
    }

    /// Records the lengths of a request for RSS.
    fn saw_rss(&self, table: Option<&[u32]>, key: Option<&[u8]>) {
        let [entries, bytes] = &self.rss;
        entries.store(table.map_or(-1, |table| table.len() as i32), Relaxed);
        bytes.store(key.map_or(-1, |key| key.len() as i32), Relaxed);
    }

    /// Makes packets for programs of buffers of the queue, and of buffers of another queue.
    fn join(
        &self,
        napi: Napi<'_, Toy>,
        mut pool: PoolSlot<'_, Toy>,
        foreign: [RxData; 2],
    ) -> Result {
        let mut pool = pool.get().ok_or(EINVAL)?;
        let mut frags = pool.frags(RxKind::XDP, Gfp::Atomic);
        let mut own = || frags.alloc().map(|frag| RxData::from_parts(frag, 100));
        let [first, second] = foreign;
        let [buff, fragment, foreign_buff, foreign_fragment] = &self.joined;
        let store = |to: &Atomic<i32>, ok| to.store(if ok { 1 } else { -1 }, Relaxed);

        let packet = XdpBuff::new(napi, own().ok_or(ENOMEM)?, 0);
        store(buff, packet.is_some());
        let mut packet = packet.ok_or(EINVAL)?;
        store(fragment, packet.append(own().ok_or(ENOMEM)?, 0).is_ok());
        store(foreign_fragment, packet.append(first, 0).is_ok());
        store(foreign_buff, XdpBuff::new(napi, second, 0).is_some());
        Ok(())
    }

    /// Puts together a packet whose fragments do not fit its head, and then adds one more fragment.
    fn put_together(&self, napi: Napi<'_, Toy>, mut pool: PoolSlot<'_, Toy>) -> Result {
        let mut pool = pool.get().ok_or(EINVAL)?;
        let kind = RxKind::new(256, 0, false).ok_or(EINVAL)?;
        let mut frags = pool.frags(kind, Gfp::Atomic);
        let mut buffers = KVec::new();
        for _ in 0..crate::skb::MAX_SKB_FRAGS + 4 {
            let frag = frags.alloc().ok_or(ENOMEM)?;
            buffers.push(RxData::from_parts(frag, 100), GFP_ATOMIC)?;
        }
        // The kernel adds its headroom to the room, in 32 bits.
        if RxSkb::alloc(napi, u32::MAX - 63).is_some() {
            return Err(EINVAL);
        }
        let mut packet = RxPacket::new(RxSkb::alloc(napi, 128).ok_or(ENOMEM)?);
        while buffers.len() > 1 {
            // From the last one: neighbours in this order are not merged.
            packet.append(buffers.pop().ok_or(EINVAL)?, 0)?;
        }
        let len = packet.len();
        self.put_together.store(len > 0, Relaxed);
        let mut packet = RxPacket::new(packet.finish());
        let more = packet.append(buffers.pop().ok_or(EINVAL)?, 0);
        self.refused
            .store(more == Err(EINVAL) && packet.len() == len, Relaxed);
        Ok(())
    }
}

/// An event source without events.
pub(super) struct Nothing;

impl Source for Nothing {
    fn disable(&self) {}
}

#[vtable]
impl Operations for Toy {
    type Tx = ();
    type Rx = ();
    type Pair = ();
    type Source = Nothing;
    type Hold = ();
    type Ethtool = ToyEthtool;
    type OwnerModule = NoModule;

    fn open(_dev: &Device<Self>, _rtnl: &mut Rtnl) -> Result {
        Ok(())
    }

    fn stop(_dev: &Device<Self>, _rtnl: &mut Rtnl) {}

    fn start_xmit(_queue: TxQueue<'_, Self>, skb: SkBuff, _more: bool) -> NetdevTx {
        drop(skb);
        NetdevTx::DONE
    }

    fn poll_rx<'a>(mut poll: RxPoll<'a, Self>) -> Polled<'a> {
        let budget = poll.budget().get();
        let ((), pool, napi) = poll.parts();
        let toy = napi.dev().data();
        if let Some(foreign) = toy.foreign.take() {
            // On an error, not all results are stored, and the test fails.
            let _ = toy.join(napi, pool, KBox::into_inner(foreign));
            return poll.complete(0);
        }
        if toy.puts_together.load(Relaxed) {
            // On an error, the result is not stored, and the test fails.
            let _ = toy.put_together(napi, pool);
        }
        toy.budget.store(budget, Relaxed);
        let measures = toy.measures.load(Relaxed);
        let greedy = toy.rx_polls.fetch_add(1, Relaxed) < toy.greedy.load(Relaxed);
        if measures {
            let ((), _, napi) = poll.parts();
            let packets = napi.dev().data().rx_polls.load(Relaxed) as u64;
            poll.measure(packets, 100 * packets);
        }
        poll.complete(if greedy { budget } else { 0 })
    }

    fn poll_tx<'a>(poll: TxPoll<'a, Self>) -> Polled<'a> {
        let mut guard = poll.lock();
        let ((), stack) = guard.parts();
        stack.dev().data().tx_polls.fetch_add(1, Relaxed);
        poll.complete(guard)
    }

    fn xdp_xmit(dev: &Device<Self>, frames: XdpFrames<'_>) -> Result {
        let toy = dev.data();
        let mut left = toy.accepts.load(Relaxed);
        frames.send(|frame| {
            if left == 0 {
                return Err(frame);
            }
            left -= 1;
            drop(frame);
            Ok(())
        });
        if toy.fails.load(Relaxed) {
            return Err(EIO);
        }
        Ok(())
    }

    fn stats(_dev: &Device<Self>, _stats: &mut LinkStats) {}

    fn set_mac_address(_dev: &Device<Self>, _addr: MacAddr, _rtnl: &mut Rtnl) -> Result {
        Ok(())
    }

    fn tx_timeout(_dev: &Device<Self>, _queue: usize) {}

    fn work(_dev: &Device<Self>) {}

    fn rtnl_work(_dev: &Device<Self>, _rtnl: &mut Rtnl) {}

    fn adapt(dev: &Device<Self>, queue: usize, best: Moderation) {
        let [count, usecs, packets] = &dev.data().adapted;
        usecs.store(best.usecs.into(), Relaxed);
        packets.store(best.packets.into(), Relaxed);
        if queue == 0 {
            count.fetch_add(1, Relaxed);
        }
    }

    fn rx_queue_stats(_dev: &Device<Self>, _queue: usize, _stats: &mut RxQueueStats) {}

    fn tx_queue_stats(_dev: &Device<Self>, _queue: usize, _stats: &mut TxQueueStats) {}
}

/// The operations for `ethtool`.
pub(super) struct ToyEthtool;

impl EthtoolOps for ToyEthtool {
    type Net = Toy;

    const DRIVER: &'static CStr = c"rust_net_wrappers";
    const VERSION: &'static CStr = c"1";
    const COALESCE_PARAMS: CoalesceParams = CoalesceParams::USECS;

    fn bus_info(_dev: &Device<Toy>) -> &CStr {
        c""
    }

    fn ring_sizes(_dev: &Device<Toy>, _lock: &mut DevLock) -> RingSizes {
        RingSizes::default()
    }

    fn set_ring_sizes(_dev: &Device<Toy>, _rx: u32, _tx: u32, _rtnl: &mut Rtnl) -> Result {
        Err(EOPNOTSUPP)
    }

    fn stats_names(_dev: &Device<Toy>, names: &mut Strings<'_>, _lock: &mut DevLock) {
        for i in 0..1000 {
            names.push(fmt!("value_{}", i));
        }
    }

    fn stats_values(dev: &Device<Toy>, values: &mut [u64], _lock: &mut DevLock) {
        dev.data().values.store(values.len() as i32, Relaxed);
        values.fill(7);
    }

    fn channels(_dev: &Device<Toy>, _lock: &mut DevLock) -> Channels {
        Channels::default()
    }

    fn set_channels(_dev: &Device<Toy>, _combined: u32, _rtnl: &mut Rtnl) -> Result {
        Err(EOPNOTSUPP)
    }

    fn rx_rings(_dev: &Device<Toy>) -> u32 {
        0
    }

    fn link_settings(_dev: &Device<Toy>, _lock: &mut DevLock) -> LinkSettings {
        LinkSettings::UNKNOWN
    }

    fn set_link_settings(_dev: &Device<Toy>, _settings: LinkSettings, _lock: &mut DevLock) {}

    fn coalescing(
        _dev: &Device<Toy>,
        _queue: Option<usize>,
        _lock: &mut DevLock,
    ) -> Result<Coalescing> {
        Err(EOPNOTSUPP)
    }

    fn set_coalescing(
        _dev: &Device<Toy>,
        _queue: Option<usize>,
        _params: Coalescing,
        _lock: &mut DevLock,
    ) -> Result {
        Err(EOPNOTSUPP)
    }

    fn rxfh(dev: &Device<Toy>, table: &mut [u32], key: &mut [u8], _lock: &mut DevLock) {
        dev.data().saw_rss(Some(table), Some(key));
        table.fill(3);
        key.fill(9);
    }

    fn set_rxfh(
        dev: &Device<Toy>,
        table: Option<&[u32]>,
        key: Option<&[u8]>,
        _rtnl: &mut Rtnl,
    ) -> Result {
        dev.data().saw_rss(table, key);
        Ok(())
    }

    fn rxfh_fields(_dev: &Device<Toy>, flow: Flow, _lock: &mut DevLock) -> HashFields {
        if flow == Flow::UdpV4 {
            HashFields::ADDRESSES
        } else {
            HashFields::NONE
        }
    }

    fn set_rxfh_fields(
        _dev: &Device<Toy>,
        flow: Flow,
        fields: HashFields,
        _rtnl: &mut Rtnl,
    ) -> Result {
        if flow == Flow::UdpV4 && fields == HashFields::ADDRESSES {
            Ok(())
        } else {
            Err(EBUSY)
        }
    }
}
