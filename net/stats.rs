// SPDX-License-Identifier: GPL-2.0

//! Statistics of queues and of the device, and their names.

use crate::device_stats::{
    kinds::{
        QueueKind,
        Types, //
    },
    values::Values, //
};
use netdev::Counter;

/// Counters of a receive queue. Written by its NAPI instance.
pub(crate) struct RxCounters {
    /// Packets.
    pub(crate) packets: Counter,
    /// Bytes.
    pub(crate) bytes: Counter,
    /// Packets that were dropped.
    pub(crate) drops: Counter,
    /// Packets that an XDP program got.
    pub(crate) xdp_packets: Counter,
    /// Packets that an XDP program sent back.
    pub(crate) xdp_tx: Counter,
    /// Packets that an XDP program redirected.
    pub(crate) xdp_redirects: Counter,
    /// Packets that an XDP program dropped, or could not get.
    pub(crate) xdp_drops: Counter,
    /// Notifications sent to the device.
    pub(crate) kicks: Counter,
}

/// Counters of a transmit queue. Written with the queue locked, unless the field says otherwise.
pub(crate) struct TxCounters {
    /// Packets.
    pub(crate) packets: Counter,
    /// Bytes.
    pub(crate) bytes: Counter,
    /// Frames of XDP.
    pub(crate) xdp_tx: Counter,
    /// Frames of XDP that were dropped.
    pub(crate) xdp_tx_drops: Counter,
    /// Notifications sent to the device.
    pub(crate) kicks: Counter,
    /// The number of times that the watchdog found the queue stuck. Has several writers.
    pub(crate) timeouts: Counter,
    /// The number of times that the queue was stopped.
    pub(crate) stop: Counter,
    /// The number of times that the queue was woken. Has several writers.
    pub(crate) wake: Counter,
}

impl RxCounters {
    /// Returns counters that are zero.
    pub(crate) const fn new() -> Self {
        Self {
            packets: Counter::new(),
            bytes: Counter::new(),
            drops: Counter::new(),
            xdp_packets: Counter::new(),
            xdp_tx: Counter::new(),
            xdp_redirects: Counter::new(),
            xdp_drops: Counter::new(),
            kicks: Counter::new(),
        }
    }
}

impl TxCounters {
    /// Returns counters that are zero.
    pub(crate) const fn new() -> Self {
        Self {
            packets: Counter::new(),
            bytes: Counter::new(),
            xdp_tx: Counter::new(),
            xdp_tx_drops: Counter::new(),
            kicks: Counter::new(),
            timeouts: Counter::new(),
            stop: Counter::new(),
            wake: Counter::new(),
        }
    }
}

/// The counters of a pair of queues.
#[derive(Clone, Copy)]
pub(crate) struct PairCounters<'a> {
    /// The receive queue.
    pub(crate) rx: &'a RxCounters,
    /// The transmit queue.
    pub(crate) tx: &'a TxCounters,
}

/// Error counters, each with several writers.
pub(crate) struct ErrorCounters {
    /// Packets that were dropped instead of transmitted.
    pub(crate) tx_dropped: Counter,
    /// Packets that could not be added although the ring had room.
    pub(crate) tx_fifo_errors: Counter,
    /// Received packets with an impossible length.
    pub(crate) rx_length_errors: Counter,
    /// Received packets whose header does not fit the packet.
    pub(crate) rx_frame_errors: Counter,
}

impl ErrorCounters {
    /// Returns counters that are zero.
    pub(crate) const fn new() -> Self {
        Self {
            tx_dropped: Counter::new(),
            tx_fifo_errors: Counter::new(),
            rx_length_errors: Counter::new(),
            rx_frame_errors: Counter::new(),
        }
    }
}

/// Names of the statistics of a receive queue in `ethtool -S`. The order is that of [`rx_values`].
pub(crate) const RX_NAMES: &[&str] = &[
    "drops",
    "xdp_packets",
    "xdp_tx",
    "xdp_redirects",
    "xdp_drops",
    "kicks",
];

/// Names of the statistics of a transmit queue in `ethtool -S`. The order is that of [`tx_values`].
pub(crate) const TX_NAMES: &[&str] = &["xdp_tx", "xdp_tx_drops", "kicks", "tx_timeouts"];

/// Returns the values of a receive queue.
pub(crate) fn rx_values(c: &RxCounters) -> [u64; RX_NAMES.len()] {
    [
        c.drops.get(),
        c.xdp_packets.get(),
        c.xdp_tx.get(),
        c.xdp_redirects.get(),
        c.xdp_drops.get(),
        c.kicks.get(),
    ]
}

/// Returns the values of a transmit queue.
pub(crate) fn tx_values(c: &TxCounters) -> [u64; TX_NAMES.len()] {
    [
        c.xdp_tx.get(),
        c.xdp_tx_drops.get(),
        c.kicks.get(),
        c.timeouts.get(),
    ]
}

/// Number of values of each pair of queues in use, without those that the device counts.
///
/// The [sums](SUMS) over the receive and the transmit queues come first, then the control queue,
/// each receive queue, and each transmit queue. The values that the device counts of a queue come
/// after the others.
pub(crate) const OF_PAIR: u16 = (RX_NAMES.len() + TX_NAMES.len()) as u16;

/// Number of values of the device: sums over all queues.
pub(crate) const SUMS: u16 = OF_PAIR;

/// Calls `f` with the values of a device, in order. `device` has those that the device counts.
pub(crate) fn for_each_value<'a>(
    pairs: impl Iterator<Item = PairCounters<'a>> + Clone,
    device: &Values,
    mut f: impl FnMut(u64),
) {
    let mut rx_sum = [0u64; RX_NAMES.len()];
    let mut tx_sum = [0u64; TX_NAMES.len()];
    for pair in pairs.clone() {
        for (sum, n) in rx_sum.iter_mut().zip(rx_values(pair.rx)) {
            *sum = sum.wrapping_add(n);
        }
        for (sum, n) in tx_sum.iter_mut().zip(tx_values(pair.tx)) {
            *sum = sum.wrapping_add(n);
        }
    }
    rx_sum.into_iter().for_each(&mut f);
    device.sums(QueueKind::Receive).for_each(&mut f);
    tx_sum.into_iter().for_each(&mut f);
    device.sums(QueueKind::Transmit).for_each(&mut f);
    device.of_queue(QueueKind::Control, 0).for_each(&mut f);
    for (i, pair) in pairs.clone().enumerate() {
        rx_values(pair.rx).into_iter().for_each(&mut f);
        device.of_queue(QueueKind::Receive, i).for_each(&mut f);
    }
    for (i, pair) in pairs.enumerate() {
        tx_values(pair.tx).into_iter().for_each(&mut f);
        device.of_queue(QueueKind::Transmit, i).for_each(&mut f);
    }
}

/// The name of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    /// The kind of queue.
    pub(crate) prefix: &'static str,
    /// The number of the queue, if the value is of one queue.
    pub(crate) queue: Option<usize>,
    /// Whether the device counts the value.
    pub(crate) by_device: bool,
    pub(crate) name: &'static str,
}

/// Calls `f` with the name of each value of a device, in order. `types` are those of the statistics
/// that the device has.
pub(crate) fn for_each_name(pairs: usize, types: Types, mut f: impl FnMut(Name)) {
    const KINDS: [(&str, &[&str], QueueKind); 2] = [
        ("rx", RX_NAMES, QueueKind::Receive),
        ("tx", TX_NAMES, QueueKind::Transmit),
    ];
    let mut of_queue = |prefix, queue, names: &'static [&'static str], kind| {
        let name = |by_device, name| Name {
            prefix,
            queue,
            by_device,
            name,
        };
        names.iter().for_each(|&one| f(name(false, one)));
        types.names(kind).for_each(|one| f(name(true, one)));
    };
    for (prefix, names, kind) in KINDS {
        of_queue(prefix, None, names, kind);
    }
    of_queue("cq", None, &[], QueueKind::Control);
    for (prefix, names, kind) in KINDS {
        for i in 0..pairs {
            of_queue(prefix, Some(i), names, kind);
        }
    }
}

#[cfg(CONFIG_RUST_VIRTIO_KUNIT_TEST)]
#[kernel::prelude::kunit_tests(rust_virtio_net_stats)]
mod tests {
    use super::*;
    use kernel::{
        alloc::KVec,
        prelude::*, //
    };

    /// A device without statistics of its own.
    const NONE: Values = Values::zero(Types::NONE);

    /// The counters of a pair of queues.
    struct Counters {
        rx: RxCounters,
        tx: TxCounters,
    }

    impl Counters {
        fn of_pair(&self) -> PairCounters<'_> {
            PairCounters {
                rx: &self.rx,
                tx: &self.tx,
            }
        }
    }

    fn list(n: usize) -> Result<KVec<Counters>> {
        let mut list = KVec::with_capacity(n, GFP_KERNEL)?;
        for _ in 0..n {
            let (rx, tx) = (RxCounters::new(), TxCounters::new());
            list.push(Counters { rx, tx }, GFP_KERNEL)?;
        }
        Ok(list)
    }

    fn count(pairs: usize) -> usize {
        usize::from(SUMS) + usize::from(OF_PAIR) * pairs
    }

    #[test]
    fn names_and_values_match_the_count() -> Result {
        for pairs in 0..5 {
            let mut names = 0;
            for_each_name(pairs, Types::NONE, |_| names += 1);
            assert_eq!(names, count(pairs));
            let pairs_list = list(pairs)?;
            let mut values = 0;
            for_each_value(pairs_list.iter().map(Counters::of_pair), &NONE, |_| {
                values += 1
            });
            assert_eq!(values, count(pairs));
        }
        Ok(())
    }

    #[test]
    fn sums_come_first() -> Result {
        let pairs_list = list(2)?;
        for (pair, n) in pairs_list.iter().zip(1..) {
            pair.rx.drops.add(n);
            pair.tx.kicks.add(10 * n);
        }
        let mut values = KVec::new();
        let mut pushed = true;
        for_each_value(pairs_list.iter().map(Counters::of_pair), &NONE, |v| {
            pushed &= values.push(v, GFP_KERNEL).is_ok()
        });
        assert!(pushed);
        let (rx, tx) = (RX_NAMES.len(), TX_NAMES.len());
        assert_eq!(values.first(), Some(&3));
        assert_eq!(values.get(rx + 2), Some(&30));
        assert_eq!(values.get(rx + tx), Some(&1));
        assert_eq!(values.get(rx + tx + rx), Some(&2));
        assert_eq!(values.get(rx + tx + 2 * rx + 2), Some(&10));
        assert_eq!(values.get(rx + tx + 2 * rx + tx + 2), Some(&20));
        Ok(())
    }

    #[test]
    fn names_in_order() {
        let mut all = KVec::new();
        let mut pushed = true;
        for_each_name(1, Types::NONE, |name| {
            pushed &= all.push(name, GFP_KERNEL).is_ok();
        });
        assert!(pushed);
        let of_queue = |prefix, queue, name| Name {
            prefix,
            queue,
            by_device: false,
            name,
        };
        assert_eq!(all.first(), Some(&of_queue("rx", None, "drops")));
        assert_eq!(all.get(10), Some(&of_queue("rx", Some(0), "drops")));
        assert_eq!(all.get(19), Some(&of_queue("tx", Some(0), "tx_timeouts")));
    }
}
