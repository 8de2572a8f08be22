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

/// A device that has ended no request for so long does not work.
const QUIET: TimeLimit = TimeLimit::from_millis(5_000);
/// A part of the life of a device. It decides who ends requests that are not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The device is being probed: one that does not work is refused.
    Coming,
    /// The device is in use: it is started anew.
    Running,
    /// The device goes to sleep, sleeps, or wakes up: the code that puts it to sleep sees to its
    /// requests.
    Asleep,
    /// The device is being removed: its requests fail.
    Going,
}

impl Phase {
    const ALL: [Self; 4] = [Self::Coming, Self::Running, Self::Asleep, Self::Going];
}

/// Why a device is of no use as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// A queue is broken.
    Broken,
    /// A request was not answered.
    Silent,
    /// The device says so, or is not there.
    Asks,
    /// The device did not wake up.
    NotWoken,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Broken => "a queue is broken",
            Self::Silent => "a request is not answered",
            Self::Asks => "the device needs a reset",
            Self::NotWoken => "the device did not wake up",
        })
    }
}

/// The health of a device.
pub(crate) struct Watch {
    /// The place of the [`Phase`] in [`Phase::ALL`].
    phase: Atomic<usize>,
    /// The device did not wake up.
    not_woken: Atomic<bool>,
    /// The configuration has changed.
    reconfigured: Atomic<bool>,
    /// The cache is to be on: as the disk says, or is about to say once requests are done.
    cached: Atomic<bool>,
    /// The disk is to say that its cache is on.
    cache_news: Atomic<bool>,
    /// Number of requests that had ended at the last look.
    ended: Atomic<usize>,
    /// When that had changed since the time before, in nanoseconds since `begin`.
    changed: Atomic<i64>,
    begin: Instant<Monotonic>,
    pub(crate) restarts: Restarts,
}

impl Watch {
    /// Watches a device that is being probed, whose cache is on, or not.
    pub(crate) fn new(cached: bool) -> Self {
        Self {
            phase: Atomic::new(Phase::Coming as usize),
            not_woken: Atomic::new(false),
            reconfigured: Atomic::new(false),
            cached: Atomic::new(cached),
            cache_news: Atomic::new(false),
            ended: Atomic::new(0),
            changed: Atomic::new(0),
            begin: Instant::now(),
            restarts: Restarts::new(),
        }
    }

    /// Returns the part of its life that the device is in.
    pub(crate) fn phase(&self) -> Phase {
        let at = self.phase.load(Acquire);
        Phase::ALL.get(at).copied().unwrap_or(Phase::Going)
    }

    /// Begins another part of its life.
    pub(crate) fn set_phase(&self, phase: Phase) {
        self.phase.store(phase as usize, Release);
    }

    /// Notes that the device did not wake up.
    pub(crate) fn note_not_woken(&self) {
        self.not_woken.store(true, Release);
    }

    /// Whether the device did not wake up.
    pub(crate) fn is_not_woken(&self) -> bool {
        self.not_woken.load(Acquire)
    }

    /// Notes that the configuration has changed. Any context.
    pub(crate) fn note_reconfigured(&self) {
        self.reconfigured.store(true, Release);
    }

    /// Whether the configuration has changed since this was last asked.
    pub(crate) fn is_reconfigured(&self) -> bool {
        self.reconfigured.xchg(false, Full)
    }

    /// Notes the mode that the cache is to be in. With the link.
    pub(crate) fn set_cached(&self, on: bool) {
        self.cached.store(on, Release);
    }

    /// Whether the cache is to be on.
    pub(crate) fn is_cached(&self) -> bool {
        self.cached.load(Acquire)
    }

    /// Notes whether the disk is to say that its cache is on.
    pub(crate) fn set_cache_news(&self, news: bool) {
        self.cache_news.store(news, Release);
    }

    /// Whether the disk is to say that its cache is on, and does not yet.
    pub(crate) fn has_cache_news(&self) -> bool {
        self.cache_news.load(Acquire)
    }

    /// Whether the disk is to say that its cache is on; it is about to. With the limits locked.
    pub(crate) fn take_cache_news(&self) -> bool {
        self.cache_news.xchg(false, Full)
    }

    /// Forgets what was noted of the device.
    pub(crate) fn clear(&self) {
        self.reconfigured.store(false, Release);
        self.not_woken.store(false, Release);
    }

    /// Whether a request has ended lately, by how many have so far.
    pub(crate) fn is_busy(&self, ended: usize) -> bool {
        let now = self.begin.elapsed().as_nanos();
        if self.ended.load(Relaxed) != ended {
            self.ended.store(ended, Relaxed);
            self.changed.store(now, Relaxed);
            return true;
        }
        now - self.changed.load(Relaxed) < QUIET.as_delta().as_nanos()
    }
}
