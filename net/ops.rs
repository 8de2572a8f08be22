// SPDX-License-Identifier: GPL-2.0

//! The operations that the network stack calls.

use crate::{
    coalesce,
    device_stats,
    ethtool::NicEthtool,
    features,
    filter,
    link,
    nic::{
        Nic,
        Pair, //
    },
    open,
    queues,
    recovery_work,
    rss,
    rx::{
        self,
        RxState, //
    },
    rx_restart,
    settings::{
        self,
        pending::Setting, //
    },
    source::QueueSource,
    timeout,
    tx::{
        self,
        TxState, //
    },
    xdp,
    xsk, //
};
use kernel::prelude::*;
use netdev::{
    affinity::CpusLocked,
    cpuhp::{
        CpuChange,
        Names, //
    },
    stats::{
        LinkStats,
        RxQueueStats,
        TxQueueStats, //
    },
    AddrList,
    DevLock,
    Device,
    ExtAck,
    Features,
    MacAddr,
    Moderation,
    NetdevTx,
    Operations,
    Polled,
    Rtnl,
    RxKind,
    RxPoll,
    SkBuff,
    TxPoll,
    TxQueue,
    XdpFrames,
    XdpProg,
    XskPool, //
};
use virtio::{
    Hold,
    Once,
    QueueHandle, //
};

#[vtable]
impl<'bound> Operations for Nic<'bound> {
    type Tx = TxState;
    type Rx = RxState;
    type Pair = Pair;
    type Source = QueueSource<QueueHandle>;
    type Hold = Hold;
    type Ethtool = NicEthtool<'bound>;

    const CPU_STATES: Names = Names {
        online: c"virtio/net:online",
        dead: c"virtio/net:dead",
    };

    fn open(dev: &Device<Self>, rtnl: &mut Rtnl) -> Result {
        if !dev.data().has_queues.read_once() {
            return Err(ENODEV);
        }
        open::enable_interface(dev, rtnl);
        Ok(())
    }

    fn stop(dev: &Device<Self>, rtnl: &mut Rtnl) {
        open::disable_interface(dev, rtnl);
    }

    #[inline(always)]
    fn start_xmit(queue: TxQueue<'_, Self>, skb: SkBuff, more: bool) -> NetdevTx {
        tx::start_xmit(queue, skb, more)
    }

    #[inline(always)]
    fn poll_rx<'a>(poll: RxPoll<'a, Self>) -> Polled<'a> {
        rx::poll(poll)
    }

    #[inline(always)]
    fn poll_tx<'a>(poll: TxPoll<'a, Self>) -> Polled<'a> {
        tx::poll(poll)
    }

    fn stats(dev: &Device<Self>, stats: &mut LinkStats) {
        let nic = dev.data();
        for c in nic.counters() {
            stats.rx_packets(c.rx.packets.get());
            stats.rx_bytes(c.rx.bytes.get());
            stats.rx_dropped(c.rx.drops.get());
            stats.tx_packets(c.tx.packets.get());
            stats.tx_bytes(c.tx.bytes.get());
            stats.tx_errors(c.tx.timeouts.get());
        }
        stats.tx_dropped(nic.errors.tx_dropped.get());
        stats.tx_fifo_errors(nic.errors.tx_fifo_errors.get());
        stats.rx_length_errors(nic.errors.rx_length_errors.get());
        stats.rx_frame_errors(nic.errors.rx_frame_errors.get());
    }

    fn set_rx_mode(
        dev: &Device<Self>,
        unicast: &AddrList<'_>,
        multicast: &AddrList<'_>,
        _rtnl: &mut Rtnl,
    ) -> Result {
        filter::set_rx_mode(dev, &unicast.to_bytes()?, &multicast.to_bytes()?)
    }

    fn may_set_mac_address(dev: &Device<Self>) -> Result {
        // The primary interface is found by this address.
        if dev.data().negotiated.has(features::STANDBY) {
            return Err(EOPNOTSUPP);
        }
        Ok(())
    }

    fn set_mac_address(dev: &Device<Self>, addr: MacAddr, _rtnl: &mut Rtnl) -> Result {
        filter::set_mac_address(dev, addr)
    }

    fn vlan_add(dev: &Device<Self>, vid: u16, _rtnl: &mut Rtnl) -> Result {
        filter::vlan_add(dev, vid)
    }

    fn vlan_kill(dev: &Device<Self>, vid: u16, _rtnl: &mut Rtnl) -> Result {
        filter::vlan_kill(dev, vid)
    }

    fn set_features(dev: &Device<Self>, wanted: Features, rtnl: &mut Rtnl) -> Result {
        let nic = dev.data();
        // A device without queues gets the settings once it is back.
        let is_there = nic.has_queues.read_once();
        let changed = wanted.changed(dev.features());
        if changed.has(Features::GRO_HW) && nic.has_xdp.read_once() {
            return Err(EBUSY);
        }
        let changes_offloads = is_there && changed.has(Features::GRO_HW);
        if changes_offloads {
            settings::send_offloads(dev, wanted)
                .map_err(|e| nic.pending.failed_for_user(dev, Setting::Offloads, e))?;
        }
        if changed.has(Features::RXHASH) {
            if let Err(e) = rss::switch(dev, wanted.has(Features::RXHASH), rtnl) {
                if changes_offloads {
                    // All features stay as they are.
                    let _ = settings::send_offloads(dev, dev.features());
                }
                return Err(e);
            }
        }
        Ok(())
    }

    fn set_xdp(
        dev: &Device<Self>,
        prog: Option<&XdpProg>,
        ack: &mut ExtAck<'_>,
        rtnl: &mut Rtnl,
    ) -> Result {
        xdp::set_program(dev, prog, ack, rtnl)
    }

    fn xdp_xmit(dev: &Device<Self>, frames: XdpFrames<'_>) -> Result {
        tx::xdp::xmit(dev, frames)
    }

    fn bind_xsk(dev: &Device<Self>, queue: usize, pool: XskPool<'_>, rtnl: &mut Rtnl) -> Result {
        xsk::bind(dev, queue, pool, rtnl)
    }

    fn unbind_xsk(dev: &Device<Self>, queue: usize, rtnl: &mut Rtnl) {
        xsk::unbind(dev, queue, rtnl);
    }

    fn wake_xsk(dev: &Device<Self>, queue: usize, rx: bool, tx: bool) -> Result {
        xsk::wake(dev, queue, rx, tx)
    }

    fn may_restart_rx(dev: &Device<Self>, queue: usize, _lock: &mut DevLock) -> Result {
        rx_restart::check(dev, queue)
    }

    fn rx_kind(dev: &Device<Self>, queue: usize) -> Option<RxKind> {
        let nic = dev.data();
        let pair = nic.pairs.get(queue)?;
        // The buffers of an AF_XDP socket are its own.
        if pair.has_xsk.read_once() {
            return None;
        }
        rx::kind(nic, pair)
    }

    fn stop_rx(dev: &Device<Self>, queue: usize, lock: &mut DevLock) -> Result {
        rx_restart::stop(dev, queue, lock)
    }

    fn start_rx(dev: &Device<Self>, queue: usize, lock: &mut DevLock) {
        rx_restart::start(dev, queue, lock);
    }

    fn features_check(_dev: &Device<Self>, skb: &SkBuff, on: Features) -> Features {
        // For an encapsulated packet, the device can complete the checksum only if it also segments
        // the packet.
        if skb.is_encapsulated() && (skb.gso().is_none() || skb.needs_gso(on)) {
            on.without(Features::CSUM_MASK)
        } else {
            on
        }
    }

    fn tx_timeout(dev: &Device<Self>, queue: usize) {
        timeout::handle(dev, queue);
    }

    fn cpus_changed(dev: &Device<Self>, change: CpuChange, cpus: &CpusLocked) {
        match change {
            CpuChange::Online | CpuChange::Dead => {
                queues::set_affinity(dev, cpus);
                // The interface may have been brought up while the affinity was not set.
                dev.schedule_rtnl_work();
            }
            CpuChange::GoingDown => queues::clear_affinity(dev),
        }
    }

    fn work(dev: &Device<Self>) {
        link::config_changed(dev);
    }

    fn rtnl_work(dev: &Device<Self>, rtnl: &mut Rtnl) {
        link::announce(dev, rtnl);
        if dev.is_running() {
            open::update_tx_napi(dev, rtnl);
        }
    }

    fn recover(dev: &Device<Self>, rtnl: &mut Rtnl) {
        recovery_work::run(dev, rtnl);
    }

    fn later(dev: &Device<Self>, rtnl: &mut Rtnl) {
        dev.data().ctrl.end_section(rtnl);
        settings::send_pending(dev, rtnl);
        if dev.is_in_use(rtnl) {
            // The number of pairs may have been sent, also of those for XDP.
            open::update_tx_napi(dev, rtnl);
        }
    }

    fn adapt(dev: &Device<Self>, queue: usize, best: Moderation) {
        coalesce::adapt(dev, queue, best);
    }

    fn rx_queue_stats(dev: &Device<Self>, queue: usize, stats: &mut RxQueueStats) {
        if let Some(pair) = dev.data().pairs.get(queue) {
            stats.packets(pair.rx.counters.packets.get());
            stats.bytes(pair.rx.counters.bytes.get());
            device_stats::set_rx(dev, queue, stats);
        }
    }

    fn tx_queue_stats(dev: &Device<Self>, queue: usize, stats: &mut TxQueueStats) {
        if let Some(pair) = dev.data().pairs.get(queue) {
            stats.packets(pair.tx.counters.packets.get());
            stats.bytes(pair.tx.counters.bytes.get());
            stats.stop(pair.tx.counters.stop.get());
            stats.wake(pair.tx.counters.wake.get());
            device_stats::set_tx(dev, queue, stats);
        }
    }

    fn clear_queue_stats(dev: &Device<Self>, rx: &mut RxQueueStats, tx: &mut TxQueueStats) {
        device_stats::clear(dev, rx, tx);
    }

    fn port_name(dev: &Device<Self>) -> Result<&'static CStr> {
        if dev.data().negotiated.has(features::STANDBY) {
            Ok(c"sby")
        } else {
            Err(EOPNOTSUPP)
        }
    }

    fn rx_attribute(dev: &Device<Self>, queue: usize) -> u32 {
        let nic = dev.data();
        let pair = nic.pairs.get(queue);
        pair.map_or(0, |pair| rx::current_buffer_len(nic, pair))
    }
}
