// SPDX-License-Identifier: GPL-2.0

//! The state of an interface: what all of its queues share, and what those of a pair do.

use crate::{
    ctrl::queue::Control,
    ewma::Ewma,
    health::Health,
    negotiated::Negotiated,
    settings::pending::PendingSettings,
    stats::{
        ErrorCounters,
        PairCounters, //
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
use netdev::ethtool::LinkSettings;
use virtio::Once;

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
    pub(crate) tx_min_free: Atomic<u32>,
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
            tx_min_free: Atomic::new(0),
            rx_low: Atomic::new(0),
            rx_min_len: Atomic::new(0),
        }
    }

    /// The average length of packets in mergeable receive buffers.
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
    /// The negotiated features.
    pub(crate) negotiated: Negotiated,
    /// The control queue.
    #[pin]
    pub(crate) ctrl: Control,
    /// The failure of the device, and its restarts.
    pub(crate) health: Health,
    /// The pairs of queues.
    pub(crate) pairs: KVec<Arc<Pair>>,
    /// Pairs in use: 1 to [`Negotiated::max_pairs`]. Changes with the RTNL held.
    pub(crate) current_pairs: Atomic<usize>,
    /// Pairs that the user wants in use. They are more than [`Nic::current_pairs`] once a device
    /// refused them after a reset. Changes with the RTNL held.
    pub(crate) wanted_pairs: Atomic<usize>,
    /// The settings that the device has still to be told.
    pub(crate) pending: PendingSettings,
    /// There are queues: not between sleep and wake-up. Changes with the RTNL held.
    pub(crate) has_queues: Atomic<bool>,
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
    pub(crate) link_settings: Mutex<LinkSettings>,
}

impl<'bound> Nic<'bound> {
    /// The shared state of a device, without queues.
    pub(crate) fn new(
        vdev: &'bound virtio::Device<Bound>,
        negotiated: Negotiated,
        health: Health,
        pairs: KVec<Arc<Pair>>,
        current_pairs: usize,
    ) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            vdev,
            negotiated,
            ctrl <- Control::new(negotiated.features, negotiated.endian),
            health,
            pairs,
            wanted_pairs: Atomic::new(current_pairs),
            current_pairs: Atomic::new(current_pairs),
            pending: PendingSettings::new(),
            has_queues: Atomic::new(false),
            errors: ErrorCounters::new(),
            link_up: Atomic::new(false),
            announce: Atomic::new(false),
            affinity_set: Atomic::new(false),
            link_settings <- new_mutex!(LinkSettings::UNKNOWN),
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
