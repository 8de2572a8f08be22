// SPDX-License-Identifier: GPL-2.0

//! The limits of notifications, as the device has them (virtio spec §5.1.6.5.9).

use kernel::{
    alloc::KVec,
    prelude::*, //
};

/// The limits of a queue, the first of which leads to a notification. A limit of 0 is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Microseconds since the first packet.
    pub(crate) usecs: u32,
    /// Number of packets.
    pub(crate) packets: u32,
}

impl Limits {
    /// Returns the limits in the form of a command.
    pub(crate) fn to_bytes(self) -> [u8; 8] {
        (u64::from(self.usecs) << 32 | u64::from(self.packets)).to_le_bytes()
    }
}

/// A direction of packets.
#[derive(Clone, Copy)]
pub(crate) enum Direction {
    Receive,
    Transmit,
}

/// The limits of a queue.
#[derive(Clone, Copy)]
struct QueueLimits {
    limits: Limits,
    /// Whether the device got these limits for the queue alone, after those of all queues.
    own: bool,
}

/// The limits of all queues of a direction.
pub(super) struct Table {
    pub(super) direction: Direction,
    /// The limits that were last set for all queues.
    pub(super) all: Limits,
    /// Whether the device got these limits. At first a device has no limit.
    sent: bool,
    queues: KVec<QueueLimits>,
}

impl Table {
    pub(super) fn new(direction: Direction, pairs: usize, limits: Limits) -> Result<Self> {
        let first = QueueLimits { limits, own: false };
        Ok(Self {
            direction,
            all: limits,
            sent: false,
            queues: KVec::from_elem(first, pairs, GFP_KERNEL)?,
        })
    }

    /// Returns the limits of a queue.
    pub(super) fn of(&self, pair: usize) -> Result<Limits> {
        Ok(self.queues.get(pair).ok_or(EINVAL)?.limits)
    }

    /// Records the limits of all queues.
    pub(super) fn record_all(&mut self, limits: Limits) {
        self.all = limits;
        self.sent = true;
        self.queues.iter_mut().for_each(|queue| {
            *queue = QueueLimits { limits, own: false };
        });
    }

    /// Records the limits of a queue.
    pub(super) fn record(&mut self, pair: usize, limits: Limits) {
        if let Some(queue) = self.queues.get_mut(pair) {
            *queue = QueueLimits { limits, own: true };
        }
    }

    /// Records that the device may have other limits than those of the table: for a queue, or for
    /// all of them.
    pub(super) fn doubt(&mut self, pair: Option<usize>) {
        match pair {
            None => self.sent = true,
            Some(pair) => {
                if let Some(queue) = self.queues.get_mut(pair) {
                    queue.own = true;
                }
            }
        }
    }

    /// Returns the limits of all queues, if the device got them.
    pub(super) fn sent(&self) -> Option<Limits> {
        self.sent.then_some(self.all)
    }

    /// Returns the queues with limits of their own, by their pairs.
    pub(super) fn own(&self) -> impl Iterator<Item = (usize, Limits)> + '_ {
        let queues = self.queues.iter().enumerate();
        queues.filter_map(|(pair, queue)| queue.own.then_some((pair, queue.limits)))
    }
}

/// The limits of all queues, as the device has them.
pub(crate) struct Coalesce {
    pub(super) rx: Table,
    pub(super) tx: Table,
    /// Whether the user had the limits of all receive queues adapted to the traffic.
    /// [`Pair::adaptive_rx`](crate::nic::Pair::adaptive_rx) has the state of a single queue.
    pub(super) adaptive_rx: bool,
}

impl Coalesce {
    /// Returns the first limits of a device. `tx_napi` says whether NAPI reaps transmitted packets.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(pairs: usize, tx_napi: bool) -> Result<Self> {
        // Without a limit a transmit queue notifies the driver of each packet, if NAPI wants that.
        let tx = Limits {
            usecs: 0,
            packets: tx_napi.into(),
        };
        Ok(Self {
            rx: Table::new(Direction::Receive, pairs, Limits::default())?,
            tx: Table::new(Direction::Transmit, pairs, tx)?,
            adaptive_rx: false,
        })
    }

    /// Returns the limits of a direction.
    pub(super) fn table(&self, direction: Direction) -> &Table {
        match direction {
            Direction::Receive => &self.rx,
            Direction::Transmit => &self.tx,
        }
    }
}

#[cfg(CONFIG_RUST_VIRTIO_KUNIT_TEST)]
#[kunit_tests(rust_virtio_net_coalesce_limits)]
mod tests {
    use super::*;

    const SOME: Limits = Limits {
        usecs: 0x0102_0304,
        packets: 0x0506_0708,
    };

    /// The number of packets comes first, in little-endian order.
    #[test]
    fn bytes_of_a_command() {
        assert_eq!(SOME.to_bytes(), [8, 7, 6, 5, 4, 3, 2, 1]);
    }

    /// Limits of all queues replace those of single ones.
    #[test]
    fn all_replace_single_ones() -> Result {
        let mut table = Table::new(Direction::Receive, 2, Limits::default())?;
        assert!(!table.sent);
        table.record(1, SOME);
        assert!(!table.sent);
        assert_eq!((table.of(0)?, table.of(1)?), (Limits::default(), SOME));
        assert!(table.queues.iter().map(|q| q.own).eq([false, true]));
        let other = Limits {
            usecs: 1,
            packets: 2,
        };
        table.record_all(other);
        assert!(table.sent);
        assert_eq!((table.of(0)?, table.of(1)?), (other, other));
        assert!(table.queues.iter().all(|q| !q.own));
        assert_eq!(table.of(2), Err(EINVAL));
        Ok(())
    }

    /// Limits that a device may have got are sent again, also those of a device that got none.
    #[test]
    fn doubtful_limits_are_sent() -> Result {
        let mut table = Table::new(Direction::Transmit, 2, SOME)?;
        table.doubt(Some(0));
        assert!(!table.sent);
        assert!(table.queues.iter().map(|q| q.own).eq([true, false]));
        table.doubt(None);
        assert!(table.sent);
        assert_eq!((table.all, table.of(0)?), (SOME, SOME));
        Ok(())
    }
}
