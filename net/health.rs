// SPDX-License-Identifier: GPL-2.0

//! The health of a device: its failure, the report of it, and the restarts so far.

use kernel::{
    fmt,
    sync::atomic::{
        Atomic,
        Full,
        Relaxed, //
    },
};
use netdev::{
    Device,
    Operations, //
};
use virtio::{
    Restarts,
    TimeLimit,
    WeakDevice, //
};

/// The time after the timeout of a command in which a late answer still prevents a restart.
const LATE_ANSWER_LIMIT: TimeLimit = TimeLimit::from_millis(15_000);

/// Why a device cannot be used as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// A queue is broken.
    QueueBroken = 1,
    /// The device asks for a reset, or is not there.
    NeedsReset,
    /// The device sends no packet.
    TxTimeout,
    /// The device does not answer a control command.
    CommandTimeout,
    /// The device did not wake up.
    NotWoken,
}

impl Failure {
    const ALL: [Self; 5] = [
        Self::QueueBroken,
        Self::NeedsReset,
        Self::TxTimeout,
        Self::CommandTimeout,
        Self::NotWoken,
    ];

    /// Whether a device with this failure is left running after too many restarts, if it has its
    /// queues. The fault may be in the host, and the rest of the device still works.
    pub(crate) fn is_tolerable(self) -> bool {
        matches!(self, Self::TxTimeout | Self::CommandTimeout)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::QueueBroken => "a queue is broken",
            Self::NeedsReset => "the device needs a reset",
            Self::TxTimeout => "the device sends no packet",
            Self::CommandTimeout => "the device does not answer a control command",
            Self::NotWoken => "the device did not wake up",
        })
    }
}

/// The health of a device.
pub(crate) struct Health {
    /// The device, for the [recovery work](crate::recovery_work).
    pub(crate) device: WeakDevice,
    pub(crate) restarts: Restarts,
    /// The [`Failure`] that was recorded and not handled yet, or 0. Stays set for a device that was
    /// given up.
    failure: Atomic<i32>,
    /// The transmit queue of the last [`Failure::TxTimeout`].
    stuck_queue: Atomic<usize>,
    /// The next restart was counted, and its delay has passed.
    due: Atomic<bool>,
    /// The recovery does nothing: the code for sleep, for a reset of the function or for shutdown
    /// handles the device.
    off: Atomic<bool>,
}

impl Health {
    /// Returns the health of a device without a failure.
    pub(crate) fn new(device: WeakDevice) -> Self {
        Self {
            device,
            restarts: Restarts::new(),
            failure: Atomic::new(0),
            stuck_queue: Atomic::new(0),
            due: Atomic::new(false),
            off: Atomic::new(false),
        }
    }

    /// Returns the failure that was recorded.
    pub(crate) fn failure(&self) -> Option<Failure> {
        let recorded = self.failure.load(Relaxed);
        Failure::ALL.into_iter().find(|&one| one as i32 == recorded)
    }

    /// Records a failure without scheduling the recovery.
    pub(crate) fn set_failure(&self, failure: Failure) {
        self.failure.store(failure as i32, Relaxed);
    }

    /// Clears the failure. The device has no queues: the failure is that of queues that are gone.
    pub(crate) fn clear(&self) {
        self.failure.store(0, Relaxed);
    }

    /// Clears `failure`. Returns false if another failure was recorded since, which stays.
    pub(crate) fn clear_failure(&self, failure: Failure) -> bool {
        self.failure.cmpxchg(failure as i32, 0, Full).is_ok()
    }

    /// Whether the next restart was counted, and its delay has passed. Returns true only once.
    pub(crate) fn take_due(&self) -> bool {
        self.due.xchg(false, Relaxed)
    }

    /// Sets whether the next restart was counted.
    pub(crate) fn set_due(&self, due: bool) {
        self.due.store(due, Relaxed);
    }

    /// Whether the recovery is off.
    pub(crate) fn is_off(&self) -> bool {
        self.off.load(Relaxed)
    }

    /// Turns the recovery off. With the RTNL held, or before the machine shuts down.
    pub(crate) fn turn_off(&self) {
        self.off.store(true, Relaxed);
    }

    /// Turns the recovery on. With the RTNL held, or for a device that did not wake up.
    pub(crate) fn turn_on(&self) {
        self.set_due(false);
        self.off.store(false, Relaxed);
    }

    /// Returns the transmit queue that does not move, for [`Failure::TxTimeout`].
    pub(crate) fn stuck_queue(&self) -> usize {
        self.stuck_queue.load(Relaxed)
    }

    /// Records that a transmit queue does not move, and schedules the recovery. Any context.
    pub(crate) fn report_stuck(&self, dev: &Device<impl Operations>, queue: usize) {
        self.stuck_queue.store(queue, Relaxed);
        self.report(dev, Failure::TxTimeout);
    }

    /// Records a failure and schedules the recovery. Any context.
    #[cold]
    pub(crate) fn report(&self, dev: &Device<impl Operations>, failure: Failure) {
        let replace = |old: i32| self.failure.cmpxchg(old, failure as i32, Full).is_ok();
        if failure == Failure::CommandTimeout {
            if replace(0) {
                dev.schedule_recovery(LATE_ANSWER_LIMIT.as_millis());
            }
            return;
        }
        // A failure that needs a restart replaces a tolerable one.
        let tolerable = Failure::ALL.into_iter().filter(|one| one.is_tolerable());
        if replace(0)
            || !failure.is_tolerable() && tolerable.into_iter().any(|one| replace(one as i32))
        {
            dev.schedule_recovery(0);
        }
    }
}
