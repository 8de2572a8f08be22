// SPDX-License-Identifier: GPL-2.0

//! The interface: the operations that the network stack calls.

use crate::{
    ctrl::{
        self,
        Control, //
    },
    ethtool::NicEthtool,
    ewma::Ewma,
    features, filter, link,
    negotiated::Negotiated,
    queues,
    recovery::{
        self,
        Recovery, //
    },
    rx::{
        self,
        RxState, //
    },
    settings::{
        self,
        Setting,
        Untold, //
    },
    source::QueueSource,
    stats::{
        ErrorCounters,
        PairCounters, //
    },
    tx::{
        self,
        TxState, //
    },
};
use kernel::{
    alloc::KVec,
    device::Bound,
    new_mutex,
    prelude::*,
    sync::{
        atomic::Atomic,
        Arc,
        Mutex, //
    },
};
use netdev::{
    affinity::CpusLocked,
    cpuhp::{
        CpuChange,
        Names, //
    },
    ethtool::LinkSettings,
    stats::{
        LinkStats,
        RxQueueStats,
        TxQueueStats, //
    },
    AddrList,
    Device,
    Features,
    Gfp,
    MacAddr,
    NetdevTx,
    Operations,
    Polled,
    Rtnl,
    RxPoll,
    SkBuff,
    TxPoll,
    TxQueue, //
};
use virtio::{
    Hold,
    Once,
    QueueHandle, //
};

/// The data that the queues of a pair share with the rest of the driver.
pub(crate) struct Pair {
    /// Counters of both queues.
    pub(crate) counters: PairCounters,
    /// Transmitted packets are to be reaped by NAPI. Changes while the interface is down only.
    pub(crate) tx_napi_wanted: Atomic<bool>,
    /// Transmitted packets are reaped by NAPI. Written with the RTNL held, while the interface is
    /// down, or after the instance was enabled.
    pub(crate) tx_napi: Atomic<bool>,
    /// Packets that the transmit queue had sent when the watchdog found it stuck last.
    pub(crate) sent_at_timeout: Atomic<u64>,
    /// Number of times in a row that the watchdog found it stuck, with no packet sent meanwhile.
    pub(crate) timeouts: Atomic<u32>,
    /// The watchdog found the transmit queue stuck.
    pub(crate) tx_stuck: Atomic<bool>,
    /// Transmitted packets may be left to reap by NAPI: a hint for code that would have to lock the
    /// queue to know. Written with the queue locked.
    pub(crate) tx_pending: Atomic<bool>,
    /// Average length of packets in mergeable receive buffers. Written by the receive queue.
    average: Atomic<u32>,
    /// Size of the receive ring, and the largest that the device offers.
    pub(crate) rx_ring: [Atomic<u32>; 2],
    /// As for the transmit ring.
    pub(crate) tx_ring: [Atomic<u32>; 2],
    /// Descriptors of the transmit ring that have to be free for the stack to send.
    pub(crate) tx_room: Atomic<u32>,
    /// The receive ring is filled up when more than that is free.
    pub(crate) rx_low: Atomic<u32>,
    /// Smallest length of a mergeable receive buffer, header not included.
    pub(crate) rx_min_len: Atomic<u32>,
}

impl Pair {
    /// A pair before its queues are found.
    pub(crate) const fn new(tx_napi: bool) -> Self {
        Self {
            counters: PairCounters::new(),
            tx_napi_wanted: Atomic::new(tx_napi),
            tx_napi: Atomic::new(tx_napi),
            sent_at_timeout: Atomic::new(0),
            timeouts: Atomic::new(0),
            tx_stuck: Atomic::new(false),
            tx_pending: Atomic::new(false),
            average: Atomic::new(0),
            rx_ring: [Atomic::new(0), Atomic::new(0)],
            tx_ring: [Atomic::new(0), Atomic::new(0)],
            tx_room: Atomic::new(0),
            rx_low: Atomic::new(0),
            rx_min_len: Atomic::new(0),
        }
    }

    /// The average length of packets in mergeable receive buffers.
    #[inline(always)]
    pub(crate) fn average(&self) -> Ewma {
        Ewma::of(self.average.read_once())
    }

    /// Has a packet count for the average. The caller is the receive queue.
    #[inline(always)]
    pub(crate) fn add_received(&self, len: u32) {
        let mut average = self.average();
        average.add(len);
        self.average.write_once(average.get());
    }
}

/// A network device: what all its queues share.
#[pin_data]
pub(crate) struct Nic<'bound> {
    /// The device.
    pub(crate) vdev: &'bound virtio::Device<Bound>,
    /// The negotiated negotiated.
    pub(crate) negotiated: Negotiated,
    /// The control queue.
    #[pin]
    pub(crate) ctrl: Control,
    /// The recovery of a device that cannot go on.
    pub(crate) recovery: Recovery,
    /// The pairs of queues.
    pub(crate) pairs: KVec<Arc<Pair>>,
    /// Pairs in use: 1 to [`Negotiated::max_pairs`]. Changes with the RTNL held.
    pub(crate) current_pairs: Atomic<usize>,
    /// Pairs that the user wants in use. They are more than [`Nic::current_pairs`] once a device
    /// refused them after a reset. Changes with the RTNL held.
    pub(crate) wanted_pairs: Atomic<usize>,
    /// The settings that the device has still to be told.
    pub(crate) untold: Untold,
    /// There are queues: not between sleep and wake-up. Changes with the RTNL held.
    pub(crate) attached: Atomic<bool>,
    /// Counters of what should not happen.
    pub(crate) errors: ErrorCounters,
    /// The link is up, as the device last said.
    pub(crate) link_up: Atomic<bool>,
    /// The user asked for an announcement to be made, and it was not yet.
    pub(crate) announce: Atomic<bool>,
    /// Interrupts were spread over the CPUs, as far as the transport lets them.
    pub(crate) affinity_set: Atomic<bool>,
    /// Speed and duplex. Innermost of all locks.
    #[pin]
    pub(crate) link: Mutex<LinkSettings>,
}

impl<'bound> Nic<'bound> {
    /// The shared state of a device, without queues.
    pub(crate) fn new(
        vdev: &'bound virtio::Device<Bound>,
        negotiated: Negotiated,
        recovery: Recovery,
        pairs: KVec<Arc<Pair>>,
        current_pairs: usize,
    ) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            vdev,
            negotiated,
            ctrl <- Control::new(negotiated.features, negotiated.endian),
            recovery,
            pairs,
            wanted_pairs: Atomic::new(current_pairs),
            current_pairs: Atomic::new(current_pairs),
            untold: Untold::new(),
            attached: Atomic::new(false),
            errors: ErrorCounters::new(),
            link_up: Atomic::new(false),
            announce: Atomic::new(false),
            affinity_set: Atomic::new(false),
            link <- new_mutex!(LinkSettings::UNKNOWN),
        }? Error)
    }

    /// Pairs in use.
    pub(crate) fn current_pairs(&self) -> usize {
        self.current_pairs.read_once()
    }

    /// The counters of the pairs in use, and of the others.
    pub(crate) fn counters(&self) -> impl Iterator<Item = &PairCounters> + Clone {
        self.pairs.iter().map(|pair| &pair.counters)
    }
}

/// Brings the interface up. There are queues.
pub(crate) fn bring_up(dev: &Device<Nic<'_>>, rtnl: &mut Rtnl) {
    enable_queues(dev, rtnl);
    link::open(dev);
}

/// Takes the interface down.
pub(crate) fn take_down(dev: &Device<Nic<'_>>, rtnl: &mut Rtnl) {
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
            tx::revive(dev, i);
        }
    }
}

/// Has the transmitted packets of a pair reaped by NAPI, if they are to be: an interrupt for that
/// is worth it only where packets are sent. The interface is up, or about to be. Returns whether
/// they are from now on.
fn enable_tx_napi(dev: &Device<Nic<'_>>, i: usize, pair: &Pair, rtnl: &mut Rtnl) -> bool {
    let on = pair.tx_napi_wanted.read_once() && dev.data().affinity_set.read_once();
    if on {
        // First: once a packet is left to NAPI, there has to be NAPI.
        dev.tx_enable(i, rtnl);
        pair.tx_napi.write_once(true);
    }
    on
}

/// Tells the device which offloads of received packets are on. Errors are those of the control
/// queue.
pub(crate) fn set_guest_offloads(dev: &Device<Nic<'_>>, on: Features) -> Result {
    let nic = dev.data();
    let offloads = features::guest_offloads(&nic.negotiated.features, on.has(Features::GRO_HW));
    nic.ctrl
        .set_guest_offloads(dev, offloads)
        .inspect_err(|_| dev.warn(fmt!("Fail to set guest offload.\n")))
}

/// Disables the queues of all pairs.
fn disable_queues(dev: &Device<Nic<'_>>, rtnl: &mut Rtnl) {
    for i in 0..dev.queues() {
        dev.tx_disable(i, rtnl);
        dev.rx_disable(i, rtnl);
    }
}

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
        if !dev.data().attached.read_once() {
            return Err(ENODEV);
        }
        bring_up(dev, rtnl);
        Ok(())
    }

    fn stop(dev: &Device<Self>, rtnl: &mut Rtnl) {
        take_down(dev, rtnl);
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

    fn set_mac_address(dev: &Device<Self>, addr: MacAddr, _rtnl: &mut Rtnl) -> Result {
        filter::set_mac_address(dev, addr)
    }

    fn vlan_add(dev: &Device<Self>, vid: u16, _rtnl: &mut Rtnl) -> Result {
        filter::vlan_add(dev, vid)
    }

    fn vlan_kill(dev: &Device<Self>, vid: u16, _rtnl: &mut Rtnl) -> Result {
        filter::vlan_kill(dev, vid)
    }

    fn set_features(dev: &Device<Self>, wanted: Features, _rtnl: &mut Rtnl) -> Result {
        // A device that is away is told once it is back.
        let is_there = dev.data().attached.read_once();
        if is_there && wanted.changed(dev.features()).has(Features::GRO_HW) {
            set_guest_offloads(dev, wanted).map_err(|e| {
                settings::failed(dev, Setting::Offloads, e);
                ctrl::for_user(e)
            })?;
        }
        Ok(())
    }

    fn features_check(_dev: &Device<Self>, skb: &SkBuff, on: Features) -> Features {
        // Of packets in packets, the device can fill in the checksum only if it cuts them.
        if skb.is_encapsulated() && (skb.gso().is_none() || skb.needs_gso(on)) {
            on.without(Features::CSUM_MASK)
        } else {
            on
        }
    }

    fn tx_timeout(dev: &Device<Self>, queue: usize) {
        let Some(pair) = dev.data().pairs.get(queue) else {
            return;
        };
        pair.counters.tx.timeouts.add_shared(1);
        dev.error(fmt!(
            "TX timeout on queue: {}, sq: output.{}, vq: {:#x}, name: output.{}, {} usecs ago\n",
            queue,
            queue,
            queues::tx_index(queue),
            queue,
            dev.queue_age_usecs(queue)
        ));
        tx::stuck(dev, queue, pair);
        recovery::timed_out(dev, pair);
    }

    fn cpus_changed(dev: &Device<Self>, change: CpuChange, cpus: &CpusLocked) {
        match change {
            CpuChange::Online | CpuChange::Dead => {
                queues::set_affinity(dev, cpus);
                // The interface may have been brought up while there was none.
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
            for (i, pair) in dev.data().pairs.iter().enumerate() {
                enable_tx_napi(dev, i, pair, rtnl);
            }
        }
    }

    fn recover(dev: &Device<Self>, rtnl: &mut Rtnl) {
        recovery::run(dev, rtnl);
    }

    fn later(dev: &Device<Self>, rtnl: &mut Rtnl) {
        settings::later(dev, rtnl);
    }

    fn rx_queue_stats(dev: &Device<Self>, queue: usize, stats: &mut RxQueueStats) {
        if let Some(pair) = dev.data().pairs.get(queue) {
            stats.packets(pair.counters.rx.packets.get());
            stats.bytes(pair.counters.rx.bytes.get());
        }
    }

    fn tx_queue_stats(dev: &Device<Self>, queue: usize, stats: &mut TxQueueStats) {
        if let Some(pair) = dev.data().pairs.get(queue) {
            stats.packets(pair.counters.tx.packets.get());
            stats.bytes(pair.counters.tx.bytes.get());
            stats.stop(pair.counters.tx.stop.get());
            stats.wake(pair.counters.tx.wake.get());
        }
    }

    fn rx_attribute(dev: &Device<Self>, queue: usize) -> u32 {
        let nic = dev.data();
        let pair = nic.pairs.get(queue);
        pair.map_or(0, |pair| rx::current_buffer_len(&nic.negotiated, pair))
    }
}
