// SPDX-License-Identifier: GPL-2.0

//! The control queue itself, and waiting for an answer.

use crate::features;
use kernel::{
    alloc::KVec,
    new_mutex,
    prelude::*,
    processor::cpu_relax,
    sync::Mutex,
    time::{
        delay::fsleep,
        Delta,
        Instant,
        Monotonic, //
    },
};
use netdev::Rtnl;
use virtio::{
    Endian,
    FeatureSet,
    Message,
    TimeLimit,
    Virtqueue, //
};

/// The time in which a device has to answer, as [`TimeLeft`] counts it.
const TIMEOUT: TimeLimit = TimeLimit::from_millis(5_000);
/// The time after which no further command of a batch is sent.
const BATCH_TIMEOUT: TimeLimit = TimeLimit::from_millis(10_000);
/// The number of checks of the queue before the first pause.
const SPINS: usize = 200;
/// The pause between two checks.
const PAUSE: Delta = Delta::from_micros(50);
/// The most that one pause counts.
const LONGEST_PAUSE: Delta = Delta::from_millis(10);

/// A command: class and number, data, a second part of the data, and the acknowledgement.
pub(crate) type Command = Message<(KBox<[u8; 2]>, KVec<u8>, KVec<u8>), u8>;

/// Largest number of segments of a [`Command`].
pub(crate) const COMMAND_SEGMENTS: usize = 4;

/// The time that is left to wait, in nanoseconds.
///
/// If a pause takes very long, the virtual machine was stopped or its host was busy, and the device
/// could not work either. So each pause counts for at most [`LONGEST_PAUSE`], and the queue is
/// checked at least [`TIMEOUT`] / [`LONGEST_PAUSE`] times before a command times out.
pub(super) struct TimeLeft(i64);

impl TimeLeft {
    fn new(limit: TimeLimit) -> Self {
        Self(limit.as_delta().as_nanos())
    }

    /// Counts a pause.
    fn count_pause(&mut self, pause: Delta) {
        let nanos = pause.as_nanos().clamp(0, LONGEST_PAUSE.as_nanos());
        self.0 = self.0.saturating_sub(nanos);
    }

    pub(super) fn is_over(&self) -> bool {
        self.0 <= 0
    }

    /// Uses up the rest of the time.
    pub(super) fn use_up(&mut self) {
        self.0 = 0;
    }
}

/// The queue, with the state of its one command.
pub(super) struct State {
    pub(super) queue: Option<Virtqueue<Command>>,
    /// The queue still has a command that timed out.
    pub(super) unanswered: bool,
    /// The time that is left for the batch that runs, if one does.
    pub(super) batch: Option<TimeLeft>,
}

/// The control queue of a device, if the device has one.
#[pin_data]
pub(crate) struct Control {
    features: FeatureSet,
    pub(super) endian: Endian,
    #[pin]
    pub(super) state: Mutex<State>,
}

impl Control {
    /// Returns the state without a queue; see [`Control::set_queue`].
    pub(crate) fn new(features: FeatureSet, endian: Endian) -> impl PinInit<Self> {
        pin_init!(Self {
            features,
            endian,
            state <- new_mutex!(State {
                queue: None,
                unanswered: false,
                batch: None,
            }),
        })
    }

    /// Replaces the queue, and returns the old one.
    pub(crate) fn set_queue(
        &self,
        queue: Option<Virtqueue<Command>>,
    ) -> Option<Virtqueue<Command>> {
        let mut state = self.state.lock();
        state.unanswered = false;
        core::mem::replace(&mut state.queue, queue)
    }

    /// Whether the device takes the commands of a feature.
    pub(crate) fn has(&self, feature: virtio::Feature) -> bool {
        self.features.has(features::CTRL_VQ) && self.features.has(feature)
    }

    /// Runs `f` with a common time limit for all its commands ([`BATCH_TIMEOUT`]). After the limit,
    /// or after a command without an answer, further commands fail at once. So a slow device cannot
    /// hold the RTNL for long. Does not nest. Process context, sleeps.
    pub(crate) fn batch<R>(&self, rtnl: &mut Rtnl, f: impl FnOnce(&mut Rtnl) -> R) -> R {
        self.state.lock().batch = Some(TimeLeft::new(BATCH_TIMEOUT));
        let result = f(rtnl);
        self.state.lock().batch = None;
        result
    }
}

/// Waits for the one command that is in the queue, and takes its time off that of the batch.
pub(super) fn wait_for_answer(
    queue: &mut Virtqueue<Command>,
    mut batch: Option<&mut TimeLeft>,
) -> Result<Command> {
    let mut spins = SPINS;
    let mut time_left = TimeLeft::new(TIMEOUT);
    loop {
        // The queue is also checked after the last pause.
        if let Some(used) = queue.get_buf() {
            return Ok(used.into_buffer());
        }
        if queue.is_broken() {
            return Err(EIO);
        }
        if time_left.is_over() {
            return Err(ETIMEDOUT);
        }
        if spins > 0 {
            spins -= 1;
            cpu_relax();
        } else {
            let start = Instant::<Monotonic>::now();
            fsleep(PAUSE);
            let pause = start.elapsed();
            time_left.count_pause(pause);
            if let Some(batch) = &mut batch {
                batch.count_pause(pause);
            }
        }
    }
}

#[cfg(CONFIG_RUST_VIRTIO_KUNIT_TEST)]
#[kunit_tests(rust_virtio_net_ctrl)]
mod tests {
    use super::*;

    #[test]
    fn time_runs_out() {
        let mut time_left = TimeLeft::new(TIMEOUT);
        let mut pauses = 0;
        while !time_left.is_over() {
            time_left.count_pause(Delta::from_millis(5));
            pauses += 1;
        }
        assert_eq!(pauses, 1000);
    }

    /// The machine was stopped for an hour between two checks.
    #[test]
    fn a_stopped_machine_is_not_impatient() {
        let mut time_left = TimeLeft::new(TIMEOUT);
        time_left.count_pause(Delta::from_secs(3600));
        assert!(!time_left.is_over());
        // A clock that goes backwards adds no time.
        time_left.count_pause(Delta::from_secs(-3600));
        let mut pauses = 1;
        while !time_left.is_over() {
            time_left.count_pause(Delta::from_secs(3600));
            pauses += 1;
        }
        assert_eq!(pauses, 500);
    }

    /// A device is slow to answer each command.
    #[test]
    fn a_batch_ends() {
        let mut batch = TimeLeft::new(BATCH_TIMEOUT);
        let mut commands = 0;
        while !batch.is_over() {
            for _ in 0..100 {
                batch.count_pause(Delta::from_millis(5));
            }
            commands += 1;
        }
        assert_eq!(commands, 20);
    }

    /// After a command without an answer, no further command is sent.
    #[test]
    fn a_batch_ends_with_silence() {
        let mut batch = TimeLeft::new(BATCH_TIMEOUT);
        assert!(!batch.is_over());
        batch.use_up();
        assert!(batch.is_over());
    }
}
