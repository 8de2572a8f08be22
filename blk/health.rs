// SPDX-License-Identifier: GPL-2.0

//! The health of a device, and the phase of its life.

use kernel::{
    fmt,
    sync::atomic::{
        Acquire,
        Atomic,
        Full,
        Relaxed,
        Release, //
    },
    time::{
        Instant,
        Monotonic, //
    },
};
use virtio::{
    Restarts,
    TimeLimit, //
};

/// A device that ends no request for so long is taken to have failed.
const QUIET_LIMIT: TimeLimit = TimeLimit::from_millis(5_000);

/// A phase in the life of a device. It decides which code ends requests that the device does not
/// answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The device is being probed: if it fails, the driver does not bind to it.
    Probing,
    /// The device is in use: if it fails, it is restarted.
    Running,
    /// The device goes to sleep, sleeps, or wakes up: the code in [`power`](crate::power) takes
    /// care of its requests.
    Suspended,
    /// The device is being removed: if it fails, its requests fail.
    Removing,
}

impl Phase {
    const ALL: [Self; 4] = [
        Self::Probing,
        Self::Running,
        Self::Suspended,
        Self::Removing,
    ];
}

/// The reason why a device cannot be used without a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// A queue is broken.
    QueueBroken,
    /// A request was not answered.
    RequestTimeout,
    /// The device asks for a reset, or is not there.
    NeedsReset,
    /// The device did not wake up.
    NotWoken,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::QueueBroken => "a queue is broken",
            Self::RequestTimeout => "a request is not answered",
            Self::NeedsReset => "the device needs a reset",
            Self::NotWoken => "the device did not wake up",
        })
    }
}

/// The health of a device.
pub(crate) struct Health {
    /// Index of the [`Phase`] in [`Phase::ALL`].
    phase: Atomic<usize>,
    /// The device did not wake up.
    not_woken: Atomic<bool>,
    /// The configuration has changed.
    reconfigured: Atomic<bool>,
    /// The mode that the cache should have: the one that the disk reports, or will report once its
    /// requests have ended.
    cache_on: Atomic<bool>,
    /// The disk still has to report that its cache is on.
    cache_report_due: Atomic<bool>,
    /// Number of requests that had ended at the last [`Health::makes_progress`].
    ended: Atomic<usize>,
    /// Time of the last change of `ended`, in nanoseconds since `begin`.
    changed: Atomic<i64>,
    begin: Instant<Monotonic>,
    pub(crate) restarts: Restarts,
}

impl Health {
    /// Returns the health of a device that is being probed.
    pub(crate) fn new(cache_on: bool) -> Self {
        Self {
            phase: Atomic::new(Phase::Probing as usize),
            not_woken: Atomic::new(false),
            reconfigured: Atomic::new(false),
            cache_on: Atomic::new(cache_on),
            cache_report_due: Atomic::new(false),
            ended: Atomic::new(0),
            changed: Atomic::new(0),
            begin: Instant::now(),
            restarts: Restarts::new(),
        }
    }

    /// Returns the phase of the device.
    pub(crate) fn phase(&self) -> Phase {
        let at = self.phase.load(Acquire);
        Phase::ALL.get(at).copied().unwrap_or(Phase::Removing)
    }

    /// Begins another phase.
    pub(crate) fn set_phase(&self, phase: Phase) {
        self.phase.store(phase as usize, Release);
    }

    /// Records that the device did not wake up.
    pub(crate) fn note_not_woken(&self) {
        self.not_woken.store(true, Release);
    }

    /// Whether the device did not wake up.
    pub(crate) fn is_not_woken(&self) -> bool {
        self.not_woken.load(Acquire)
    }

    /// Records that the configuration has changed. Any context.
    pub(crate) fn note_reconfigured(&self) {
        self.reconfigured.store(true, Release);
    }

    /// Whether the configuration has changed since the last call.
    pub(crate) fn is_reconfigured(&self) -> bool {
        self.reconfigured.xchg(false, Full)
    }

    /// Sets the mode that the cache should have. With the device locked
    /// ([`DiskData::with_device`](crate::disk_data::DiskData::with_device)).
    pub(crate) fn set_cache_on(&self, on: bool) {
        self.cache_on.store(on, Release);
    }

    /// Whether the cache should be on.
    pub(crate) fn is_cache_on(&self) -> bool {
        self.cache_on.load(Acquire)
    }

    /// Sets whether the disk has to report that its cache is on.
    pub(crate) fn set_cache_report_due(&self, due: bool) {
        self.cache_report_due.store(due, Release);
    }

    /// Whether the disk still has to report that its cache is on.
    pub(crate) fn is_cache_report_due(&self) -> bool {
        self.cache_report_due.load(Acquire)
    }

    /// Returns whether the disk has to report that its cache is on, and clears that. With the
    /// limits locked.
    pub(crate) fn take_cache_report(&self) -> bool {
        self.cache_report_due.xchg(false, Full)
    }

    /// Clears a failed wake-up and a change of the configuration.
    pub(crate) fn clear(&self) {
        self.reconfigured.store(false, Release);
        self.not_woken.store(false, Release);
    }

    /// Whether a request has ended within [`QUIET_LIMIT`]. `ended` is the number of requests that
    /// have ended so far.
    pub(crate) fn makes_progress(&self, ended: usize) -> bool {
        let now = self.begin.elapsed().as_nanos();
        if self.ended.load(Relaxed) != ended {
            self.ended.store(ended, Relaxed);
            self.changed.store(now, Relaxed);
            return true;
        }
        now - self.changed.load(Relaxed) < QUIET_LIMIT.as_delta().as_nanos()
    }
}
