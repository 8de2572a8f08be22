// SPDX-License-Identifier: GPL-2.0

//! The control queue itself, and waiting for an answer.

use crate::features;
use kernel::{
    alloc::KVec,
    new_mutex,
    prelude::*,
    processor::cpu_relax,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Mutex,
        MutexGuard, //
    },
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
    Used,
    Virtqueue, //
};

/// The time in which a device has to answer, as [`TimeLeft`] counts it.
const TIMEOUT: TimeLimit = TimeLimit::from_millis(5_000);
/// The time after which no further command of a batch, or of an RTNL section, is sent.
const TOTAL_TIMEOUT: TimeLimit = TimeLimit::from_millis(10_000);
/// The number of checks of the queue before the first pause.
const SPINS: usize = 200;
/// The pause between two checks.
const PAUSE: Delta = Delta::from_micros(50);
/// The most that one pause counts.
const LONGEST_PAUSE: Delta = Delta::from_millis(10);

/// A command: class and number, data, a second part of the data, and the acknowledgement. Its tail
/// is the result.
pub(crate) type Command = Message<(KBox<[u8; 2]>, KVec<u8>, KVec<u8>), u8>;

/// Largest number of segments of a [`Command`].
pub(crate) const COMMAND_SEGMENTS: usize = 4;

/// The time that is left to wait.
///
/// If a pause takes very long, the virtual machine was stopped or its host was busy, and the device
/// could not work either. So each pause counts for at most [`LONGEST_PAUSE`], and the queue is
/// checked at least [`TIMEOUT`] / [`LONGEST_PAUSE`] times before a command times out.
pub(super) struct TimeLeft {
    /// Nanoseconds.
    nanos: i64,
    /// Nanoseconds at first.
    all: i64,
}

impl TimeLeft {
    fn new(limit: TimeLimit) -> Self {
        let nanos = limit.as_delta().as_nanos();
        Self { nanos, all: nanos }
    }

    /// Counts a pause.
    fn count_pause(&mut self, pause: Delta) {
        let nanos = pause.as_nanos().clamp(0, LONGEST_PAUSE.as_nanos());
        self.nanos = self.nanos.saturating_sub(nanos);
    }

    /// Whether half of the time is over.
    pub(super) fn is_half_over(&self) -> bool {
        self.nanos < self.all / 2
    }

    pub(super) fn is_over(&self) -> bool {
        self.nanos <= 0
    }

    /// Uses up the rest of the time.
    pub(super) fn use_up(&mut self) {
        self.nanos = 0;
    }
}

/// The queue, with the state of its one command.
pub(super) struct State {
    pub(super) queue: Option<Virtqueue<Command>>,
    /// The queue still has a command that timed out.
    pub(super) unanswered: bool,
    /// The time that is left for the batch that runs, if one does.
    batch: Option<TimeLeft>,
    /// The time that is left for commands outside of a batch. `None`: all of it.
    section: Option<TimeLeft>,
}

impl State {
    /// Returns the queue, if there is one, whether it still has a command that timed out, and the
    /// time that is left for commands.
    pub(super) fn parts(&mut self) -> (Option<&mut Virtqueue<Command>>, &mut bool, &mut TimeLeft) {
        let time_left = match &mut self.batch {
            Some(batch) => batch,
            None => self
                .section
                .get_or_insert_with(|| TimeLeft::new(TOTAL_TIMEOUT)),
        };
        (self.queue.as_mut(), &mut self.unanswered, time_left)
    }

    /// Whether a batch runs.
    pub(super) fn is_batch(&self) -> bool {
        self.batch.is_some()
    }
}

/// The control queue of a device, if the device has one.
#[pin_data]
pub(crate) struct Control {
    features: FeatureSet,
    pub(super) endian: Endian,
    #[pin]
    state: Mutex<State>,
    /// The RTNL section is over that used up half of its time.
    section_is_over: Atomic<bool>,
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
                section: None,
            }),
            section_is_over: Atomic::new(false),
        })
    }

    /// Replaces the queue, and returns the old one.
    pub(crate) fn set_queue(
        &self,
        queue: Option<Virtqueue<Command>>,
    ) -> Option<Virtqueue<Command>> {
        let mut state = self.state.lock();
        state.unanswered = false;
        state.section = None;
        core::mem::replace(&mut state.queue, queue)
    }

    /// Whether the device takes the commands of a feature.
    pub(crate) fn has(&self, feature: virtio::Feature) -> bool {
        self.features.has(features::CTRL_VQ) && self.features.has(feature)
    }

    /// Runs `f` with a common time limit for all its commands ([`TOTAL_TIMEOUT`]). After the limit,
    /// or after a command without an answer, further commands fail at once. So a slow device cannot
    /// hold the RTNL for long. Does not nest. Process context, sleeps.
    pub(crate) fn batch<R>(&self, rtnl: &mut Rtnl, f: impl FnOnce(&mut Rtnl) -> R) -> R {
        self.state.lock().batch = Some(TimeLeft::new(TOTAL_TIMEOUT));
        let result = f(rtnl);
        self.state.lock().batch = None;
        result
    }

    /// Locks the state. Process context, sleeps.
    pub(super) fn lock_state(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock();
        if self.section_is_over.xchg(false, Relaxed) {
            state.section = None;
        }
        state
    }

    /// Has the time limit of an RTNL section begin again: called by a work item that takes the RTNL
    /// itself, so the section whose commands scheduled the work item is over. Not for `ndo_work`,
    /// which the core may call many times in one section. Does not wait for a command.
    pub(crate) fn end_section(&self, _rtnl: &mut Rtnl) {
        self.section_is_over.store(true, Relaxed);
    }
}

/// Waits for the one command that is in the queue, and takes its time off `total`.
pub(super) fn wait_for_answer(
    queue: &mut Virtqueue<Command>,
    total: &mut TimeLeft,
) -> Result<Used<Command>> {
    let mut spins = SPINS;
    let mut time_left = TimeLeft::new(TIMEOUT);
    loop {
        // The queue is also checked after the last pause.
        if let Some(used) = queue.get_buf() {
            return Ok(used);
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
            total.count_pause(pause);
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
        let mut batch = TimeLeft::new(TOTAL_TIMEOUT);
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
        let mut batch = TimeLeft::new(TOTAL_TIMEOUT);
        assert!(!batch.is_over());
        batch.use_up();
        assert!(batch.is_over());
    }
}
