// SPDX-License-Identifier: GPL-2.0

//! A limit for messages that a device can cause at will.

use kernel::{
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
    time::{
        Delta,
        Instant,
        Monotonic, //
    },
};

/// The largest number of messages in an interval.
const BURST: u32 = 10;
/// The length of an interval, as of the limits of the kernel.
const INTERVAL: Delta = Delta::from_secs(5);

/// A limit for messages. Each device has its own, so that no device suppresses the messages of
/// another one.
pub(crate) struct MessageLimit {
    /// The number of messages in this interval.
    count: Atomic<u32>,
    /// The begin of the interval, in nanoseconds since `begin`.
    interval: Atomic<i64>,
    begin: Instant<Monotonic>,
}

impl MessageLimit {
    /// Returns a limit without messages so far.
    pub(crate) fn new() -> Self {
        Self {
            count: Atomic::new(0),
            interval: Atomic::new(0),
            begin: Instant::now(),
        }
    }

    /// Whether a message may be logged now, which is counted. One thread at a time: calls at the
    /// same time may count one message instead of two.
    pub(crate) fn may_log(&self) -> bool {
        self.may_log_at(self.begin.elapsed().as_nanos())
    }

    fn may_log_at(&self, now: i64) -> bool {
        if now - self.interval.load(Relaxed) >= INTERVAL.as_nanos() {
            self.interval.store(now, Relaxed);
            self.count.store(0, Relaxed);
        }
        let count = self.count.load(Relaxed);
        self.count.store(count.saturating_add(1), Relaxed);
        count < BURST
    }
}

#[cfg(CONFIG_RUST_VIRTIO_KUNIT_TEST)]
#[kernel::prelude::kunit_tests(rust_virtio_blk_messages)]
mod tests {
    use super::*;

    /// There are ten messages in five seconds, and ten more in the next five.
    #[test]
    fn ten_in_five_seconds() {
        let limit = MessageLimit::new();
        let second = 1_000_000_000;
        for begin in [0, 5 * second, 17 * second] {
            let logged = (0..100)
                .filter(|n| limit.may_log_at(begin + n * second / 25))
                .count();
            assert_eq!(logged, 10);
        }
    }
}
