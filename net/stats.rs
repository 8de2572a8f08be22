// SPDX-License-Identifier: GPL-2.0

//! Statistics of queues and of the device, and their names.

use netdev::Counter;

/// Counters of a receive queue. Written by its NAPI instance.
pub(crate) struct RxCounters {
    /// Packets.
    pub(crate) packets: Counter,
    /// Bytes.
    pub(crate) bytes: Counter,
    /// Packets that were dropped.
    pub(crate) drops: Counter,
    /// Notifications sent to the device.
    pub(crate) kicks: Counter,
}

/// Counters of a transmit queue. Written with the queue locked, unless the field says otherwise.
pub(crate) struct TxCounters {
    /// Packets.
    pub(crate) packets: Counter,
    /// Bytes.
    pub(crate) bytes: Counter,
    /// Notifications sent to the device.
    pub(crate) kicks: Counter,
    /// The number of times that the watchdog found the queue stuck. Has several writers.
    pub(crate) timeouts: Counter,
    /// The number of times that the queue was stopped.
    pub(crate) stop: Counter,
    /// The number of times that the queue was woken. Has several writers.
    pub(crate) wake: Counter,
}

/// Counters of a pair of queues.
pub(crate) struct PairCounters {
    /// The receive queue.
    pub(crate) rx: RxCounters,
    /// The transmit queue.
    pub(crate) tx: TxCounters,
}

impl PairCounters {
    /// Returns counters that are zero.
    pub(crate) const fn new() -> Self {
        Self {
            rx: RxCounters {
                packets: Counter::new(),
                bytes: Counter::new(),
                drops: Counter::new(),
                kicks: Counter::new(),
            },
            tx: TxCounters {
                packets: Counter::new(),
                bytes: Counter::new(),
                kicks: Counter::new(),
                timeouts: Counter::new(),
                stop: Counter::new(),
                wake: Counter::new(),
            },
        }
    }
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
    [c.drops.get(), 0, 0, 0, 0, c.kicks.get()]
}

/// Returns the values of a transmit queue.
pub(crate) fn tx_values(c: &TxCounters) -> [u64; TX_NAMES.len()] {
    [0, 0, c.kicks.get(), c.timeouts.get()]
}

/// Number of values of each pair of queues in use.
///
/// The [sums](SUMS) over the receive and the transmit queues come first, then each receive queue,
/// then each transmit queue.
pub(crate) const OF_PAIR: u16 = (RX_NAMES.len() + TX_NAMES.len()) as u16;

/// Number of values of the device: sums over all queues.
pub(crate) const SUMS: u16 = OF_PAIR;

/// Calls `f` with the values of a device, in order.
pub(crate) fn for_each_value<'a>(
    pairs: impl Iterator<Item = &'a PairCounters> + Clone,
    mut f: impl FnMut(u64),
) {
    let mut rx_sum = [0u64; RX_NAMES.len()];
    let mut tx_sum = [0u64; TX_NAMES.len()];
    for pair in pairs.clone() {
        for (sum, n) in rx_sum.iter_mut().zip(rx_values(&pair.rx)) {
            *sum = sum.wrapping_add(n);
        }
        for (sum, n) in tx_sum.iter_mut().zip(tx_values(&pair.tx)) {
            *sum = sum.wrapping_add(n);
        }
    }
    rx_sum.into_iter().for_each(&mut f);
    tx_sum.into_iter().for_each(&mut f);
    for pair in pairs.clone() {
        rx_values(&pair.rx).into_iter().for_each(&mut f);
    }
    for pair in pairs {
        tx_values(&pair.tx).into_iter().for_each(&mut f);
    }
}

/// Calls `f` with the name of each value of a device, in order: prefix, number of the queue if the
/// value is of one queue, and name.
pub(crate) fn for_each_name(pairs: usize, mut f: impl FnMut(&str, Option<usize>, &str)) {
    for (prefix, names) in [("rx", RX_NAMES), ("tx", TX_NAMES)] {
        names.iter().for_each(|name| f(prefix, None, name));
    }
    for (prefix, names) in [("rx", RX_NAMES), ("tx", TX_NAMES)] {
        for i in 0..pairs {
            names.iter().for_each(|name| f(prefix, Some(i), name));
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

    fn list(n: usize) -> Result<KVec<PairCounters>> {
        let mut list = KVec::with_capacity(n, GFP_KERNEL)?;
        for _ in 0..n {
            list.push(PairCounters::new(), GFP_KERNEL)?;
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
            for_each_name(pairs, |_, _, _| names += 1);
            assert_eq!(names, count(pairs));
            let pairs_list = list(pairs)?;
            let mut values = 0;
            for_each_value(pairs_list.iter(), |_| values += 1);
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
        for_each_value(pairs_list.iter(), |v| {
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
        for_each_name(1, |prefix, i, name| {
            pushed &= all.push((prefix.len(), i, name.len()), GFP_KERNEL).is_ok();
        });
        assert!(pushed);
        assert_eq!(all.first(), Some(&(2, None, "drops".len())));
        assert_eq!(all.get(10), Some(&(2, Some(0), "drops".len())));
        assert_eq!(all.get(19), Some(&(2, Some(0), "tx_timeouts".len())));
    }
}
