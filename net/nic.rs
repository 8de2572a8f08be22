// SPDX-License-Identifier: GPL-2.0

//! The state of an interface: [`Nic`] is shared by all queues, [`Pair`] by the two queues of a
//! pair.

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
    /// Whether NAPI is configured to reap transmitted packets. Changes only while the interface is
    /// down.
    pub(crate) tx_napi_wanted: Atomic<bool>,
    /// Whether NAPI reaps transmitted packets. Written with the RTNL held, while the interface is
    /// down, or after the instance was enabled.
    pub(crate) tx_napi: Atomic<bool>,
    /// Value of `packets` at the last timeout of the watchdog.
    pub(crate) sent_at_timeout: Atomic<u64>,
    /// Number of timeouts of the watchdog in a row, without a packet sent between them.
    pub(crate) timeouts: Atomic<u32>,
    /// Set by the watchdog: the next transmit poll notifies the device.
    pub(crate) tx_stuck: Atomic<bool>,
    /// Whether used packets may be waiting for NAPI: a hint that saves taking the queue lock.
    /// Written with the queue locked.
    pub(crate) tx_pending: Atomic<bool>,
    /// Average length of packets in mergeable receive buffers. Written by the receive queue.
    average: Atomic<u32>,
    /// Size of the receive ring, and the largest size that the device offers.
    pub(crate) rx_ring: [Atomic<u32>; 2],
    /// The same for the transmit ring.
    pub(crate) tx_ring: [Atomic<u32>; 2],
    /// Number of free descriptors of the transmit ring at which the stack may send.
    pub(crate) tx_min_free: Atomic<u32>,
    /// The receive ring is refilled when more descriptors than this are free.
    pub(crate) rx_low: Atomic<u32>,
    /// Smallest length of a mergeable receive buffer, header not included.
    pub(crate) rx_min_len: Atomic<u32>,
}

impl Pair {
    /// Returns a pair without queues.
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

    /// Returns the average length of packets in mergeable receive buffers.
    pub(crate) fn average(&self) -> Ewma {
        Ewma::of(self.average.read_once())
    }

    /// Adds the length of a packet to the average. Called by the receive queue only.
    #[inline(always)]
    pub(crate) fn add_received(&self, len: u32) {
        let mut average = self.average();
        average.add(len);
        self.average.write_once(average.get());
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
    /// Number of pairs that the user asked for. Greater than [`Nic::current_pairs`] if the device
    /// refused this number after a reset. Changes with the RTNL held.
    pub(crate) wanted_pairs: Atomic<usize>,
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

    /// Returns the number of pairs in use.
    pub(crate) fn current_pairs(&self) -> usize {
        self.current_pairs.read_once()
    }

    /// Returns the counters of all pairs, those in use first.
    pub(crate) fn counters(&self) -> impl Iterator<Item = &PairCounters> + Clone {
        self.pairs.iter().map(|pair| &pair.counters)
    }
}
