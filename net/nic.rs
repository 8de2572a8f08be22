// SPDX-License-Identifier: GPL-2.0

//! The state of an interface: [`Nic`] is shared by all queues, [`Pair`] by the two queues of a
//! pair.

use crate::{
    coalesce::limits::Coalesce,
    ctrl::queue::Control,
    ewma::Ewma,
    health::Health,
    negotiated::Negotiated,
    ring_size::RingSize,
    rss::{
        limits::Limits,
        state::Rss, //
    },
    settings::pending::PendingSettings,
    stats::{
        ErrorCounters,
        PairCounters,
        RxCounters,
        TxCounters, //
    },
};
use core::mem::offset_of;
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
use netdev::ethtool::LinkSettings;
use virtio::Once;

/// The data that the queues of a pair share with the rest of the driver.
///
/// PERF: The receive and the transmit queue may be used on different CPUs. So the data that one of
/// them writes for each packet is in cache lines of its own. The other fields are read for most
/// packets and written rarely.
pub(crate) struct Pair {
    /// The part of the receive queue.
    pub(crate) rx: RxShare,
    /// The part of the transmit queue.
    pub(crate) tx: TxShare,
    /// Whether NAPI is configured to reap transmitted packets. Changes only while the interface is
    /// down.
    pub(crate) tx_napi_wanted: Atomic<bool>,
    /// Whether NAPI reaps transmitted packets. Written with the RTNL held, while the interface is
    /// down, or after the instance was enabled.
    pub(crate) tx_napi: Atomic<bool>,
    /// Whether the poll of the receive queue may reap transmitted packets, too: NAPI reaps them,
    /// and there is no AF_XDP socket, whose packets have to be given back to user space.
    pub(crate) rx_reaps: Atomic<bool>,
    /// Whether an AF_XDP socket uses the pair. Changes with the RTNL held.
    pub(crate) has_xsk: Atomic<bool>,
    /// Whether the next transmit poll has something to do that is rare. Set after the reason.
    pub(crate) tx_rare: Atomic<bool>,
    /// Set by the watchdog: the next transmit poll notifies the device.
    pub(crate) tx_stuck: Atomic<bool>,
    /// Whether used packets may be waiting for NAPI: a hint that saves taking the queue lock.
    /// Written with the queue locked.
    tx_pending: Atomic<bool>,
    /// Number of free descriptors of the transmit ring at which the stack may send.
    pub(crate) tx_min_free: Atomic<u32>,
    /// Set while the transmit queue is [paused](crate::pause): its callback must not wake it.
    pub(crate) tx_paused: Atomic<bool>,
    /// Whether the limits of the receive queue are adapted to the traffic. Written with
    /// [`Nic::coalesce`] locked.
    pub(crate) adaptive_rx: Atomic<bool>,
    /// Size of the receive ring.
    pub(crate) rx_ring: RingSize,
    /// Size of the transmit ring.
    pub(crate) tx_ring: RingSize,
}

/// The part of a [`Pair`] that the receive queue uses. Written by the receive queue, unless the
/// field says otherwise.
#[repr(C, align(64))]
pub(crate) struct RxShare {
    /// Average length of packets in mergeable receive buffers.
    average: Atomic<u32>,
    /// The ring is refilled when more descriptors than this are free, or added again without a
    /// kick. Written when the queue is found.
    pub(crate) low: Atomic<u32>,
    /// Smallest length of a mergeable receive buffer, header not included. Written when the queue
    /// is found.
    pub(crate) min_len: Atomic<u32>,
    /// Counters.
    pub(crate) counters: RxCounters,
}

/// The part of a [`Pair`] that the transmit queue writes.
#[repr(C, align(64))]
pub(crate) struct TxShare {
    /// Counters.
    pub(crate) counters: TxCounters,
    /// Value of `packets` at the last timeout of the watchdog.
    pub(crate) sent_at_timeout: Atomic<u64>,
    /// Number of timeouts of the watchdog in a row, without a packet sent between them.
    pub(crate) timeouts: Atomic<u32>,
}

const _: () = {
    /// Bytes of a cache line of most machines.
    const LINE: usize = 64;
    assert!(align_of::<RxShare>() == LINE && align_of::<TxShare>() == LINE);
    // A receive queue writes one line for each packet.
    assert!(offset_of!(RxShare, counters.packets) < LINE);
    assert!(offset_of!(RxShare, counters.bytes) < LINE);
    // The fields that are written rarely are in one line.
    assert!(offset_of!(Pair, tx_napi) / LINE == offset_of!(Pair, tx_pending) / LINE);
    assert!(offset_of!(Pair, tx_napi) / LINE == offset_of!(Pair, tx_min_free) / LINE);
};

impl Pair {
    /// Returns a pair without queues.
    pub(crate) const fn new(tx_napi: bool) -> Self {
        Self {
            rx: RxShare {
                average: Atomic::new(0),
                low: Atomic::new(0),
                min_len: Atomic::new(0),
                counters: RxCounters::new(),
            },
            tx: TxShare {
                counters: TxCounters::new(),
                sent_at_timeout: Atomic::new(0),
                timeouts: Atomic::new(0),
            },
            tx_napi_wanted: Atomic::new(tx_napi),
            tx_napi: Atomic::new(tx_napi),
            rx_reaps: Atomic::new(tx_napi),
            has_xsk: Atomic::new(false),
            tx_rare: Atomic::new(false),
            tx_stuck: Atomic::new(false),
            tx_pending: Atomic::new(false),
            tx_min_free: Atomic::new(0),
            tx_paused: Atomic::new(false),
            adaptive_rx: Atomic::new(false),
            rx_ring: RingSize::new(),
            tx_ring: RingSize::new(),
        }
    }

    /// Returns the counters of both queues.
    pub(crate) fn counters(&self) -> PairCounters<'_> {
        PairCounters {
            rx: &self.rx.counters,
            tx: &self.tx.counters,
        }
    }

    /// Records whether NAPI reaps transmitted packets.
    pub(crate) fn set_tx_napi(&self, on: bool) {
        self.tx_napi.write_once(on);
        self.rx_reaps.write_once(on && !self.has_xsk.read_once());
    }

    /// Whether used packets may be waiting for NAPI.
    pub(crate) fn is_tx_pending(&self) -> bool {
        self.tx_pending.read_once()
    }

    /// Records whether used packets may be waiting for NAPI. The transmit queue is locked.
    #[inline(always)]
    pub(crate) fn set_tx_pending(&self, pending: bool) {
        // PERF: A store would take the cache line away from the CPU that receives.
        if self.tx_pending.read_once() != pending {
            self.tx_pending.write_once(pending);
        }
    }

    /// Returns the average length of packets in mergeable receive buffers.
    pub(crate) fn average(&self) -> Ewma {
        Ewma::of(self.rx.average.read_once())
    }

    /// Adds the length of a packet to the average. Called by the receive queue only.
    #[inline(always)]
    pub(crate) fn add_received(&self, len: u32) {
        let mut average = self.average();
        average.add(len);
        self.rx.average.write_once(average.get());
    }
}

/// The state of an interface that all of its queues share.
#[pin_data]
pub(crate) struct Nic<'bound> {
    /// The device.
    pub(crate) vdev: &'bound virtio::Device<Bound>,
    /// The negotiated features.
    pub(crate) negotiated: Negotiated,
    /// The control queue.
    #[pin]
    pub(crate) ctrl: Control,
    /// The failure of the device, and its restarts.
    pub(crate) health: Health,
    /// The pairs of queues.
    pub(crate) pairs: KVec<Arc<Pair>>,
    /// Number of pairs in use: 1 to [`Negotiated::max_pairs`]. Changes with the RTNL held.
    pub(crate) current_pairs: Atomic<usize>,
    /// The first of the pairs in use that only XDP transmits on; 0 if there are none. Changes with
    /// the RTNL held.
    pub(crate) first_xdp_pair: Atomic<usize>,
    /// Whether an XDP program is attached, and receive buffers that are added have the room that
    /// programs need. Changes with the RTNL held, while the polls of receive queues are stopped.
    pub(crate) has_xdp: Atomic<bool>,
    /// Number of pairs that the user asked for, without those for XDP. Greater than
    /// [`Nic::stack_pairs`] if the device refused this number after a reset. Changes with the RTNL
    /// held.
    pub(crate) wanted_pairs: Atomic<usize>,
    /// The limits of notifications. The mutex nests inside of the RTNL, and that of the control
    /// queue nests inside of it.
    #[pin]
    pub(crate) coalesce: Mutex<Coalesce>,
    /// The types of statistics that the device has, see [`crate::device_stats::kinds::Types`]. Set
    /// once, at probe.
    pub(crate) stats_types: Atomic<u64>,
    /// Receive-side scaling and hash reports.
    #[pin]
    pub(crate) rss: Rss,
    /// The settings that are still to be sent to the device.
    pub(crate) pending: PendingSettings,
    /// Whether the device has queues: not while it sleeps or after it was given up. Changes with
    /// the RTNL held.
    pub(crate) has_queues: Atomic<bool>,
    /// Error counters.
    pub(crate) errors: ErrorCounters,
    /// Link state that the device last reported.
    pub(crate) link_up: Atomic<bool>,
    /// The device has asked for an announcement that was not sent yet.
    pub(crate) announce: Atomic<bool>,
    /// Whether the interrupts are spread over the CPUs, if the transport supports that.
    pub(crate) affinity_set: Atomic<bool>,
    /// Speed and duplex. No other lock is taken under this one.
    #[pin]
    pub(crate) link_settings: Mutex<LinkSettings>,
}

impl<'bound> Nic<'bound> {
    /// Returns the state of a device without queues.
    pub(crate) fn new(
        vdev: &'bound virtio::Device<Bound>,
        negotiated: Negotiated,
        rss_limits: Limits,
        health: Health,
        pairs: KVec<Arc<Pair>>,
        current_pairs: usize,
        coalesce: Coalesce,
    ) -> impl PinInit<Self, Error> {
        let rss = Rss::new(negotiated.features, rss_limits, current_pairs);
        try_pin_init!(Self {
            vdev,
            negotiated,
            ctrl <- Control::new(negotiated.features, negotiated.endian),
            health,
            pairs,
            wanted_pairs: Atomic::new(current_pairs),
            current_pairs: Atomic::new(current_pairs),
            first_xdp_pair: Atomic::new(0),
            has_xdp: Atomic::new(false),
            coalesce <- new_mutex!(coalesce),
            stats_types: Atomic::new(0),
            rss <- rss,
            pending: PendingSettings::new(),
            has_queues: Atomic::new(false),
            errors: ErrorCounters::new(),
            link_up: Atomic::new(false),
            announce: Atomic::new(false),
            affinity_set: Atomic::new(false),
            link_settings <- new_mutex!(LinkSettings::UNKNOWN),
        }? Error)
    }

    /// Returns the number of pairs in use.
    pub(crate) fn current_pairs(&self) -> usize {
        self.current_pairs.read_once()
    }

    /// Returns the number of pairs that the stack transmits on.
    pub(crate) fn stack_pairs(&self) -> usize {
        match self.first_xdp_pair.read_once() {
            0 => self.current_pairs(),
            first => first,
        }
    }

    /// Whether only XDP transmits on a pair.
    pub(crate) fn is_xdp_pair(&self, index: usize) -> bool {
        let first = self.first_xdp_pair.read_once();
        first != 0 && (first..self.current_pairs()).contains(&index)
    }

    /// Returns the counters of all pairs, those in use first.
    pub(crate) fn counters(&self) -> impl Iterator<Item = PairCounters<'_>> + Clone {
        self.pairs.iter().map(|pair| pair.counters())
    }
}
