// SPDX-License-Identifier: GPL-2.0

//! The trouble of a device, and noting it.

use kernel::{
    fmt,
    prelude::*,
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

/// The time that a device gets to answer a control command after all, when nobody waits for it any
/// more.
const GRACE: TimeLimit = TimeLimit::from_millis(15_000);

/// The reason why a device cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// A queue is broken.
    Broken = 1,
    /// The device says so, or is not there.
    Asks,
    /// The device sends no packet.
    Stuck,
    /// The device does not answer a control command.
    Deaf,
    /// The device did not wake up.
    NotWoken,
}

impl Trouble {
    const ALL: [Self; 5] = [
        Self::Broken,
        Self::Asks,
        Self::Stuck,
        Self::Deaf,
        Self::NotWoken,
    ];

    /// Whether a device may have it for long and be of use all the same: the fault may be its
    /// host's, and what it still does is better than nothing.
    pub(super) fn is_bearable(self) -> bool {
        matches!(self, Self::Stuck | Self::Deaf)
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Broken => "a queue is broken",
            Self::Asks => "the device needs a reset",
            Self::Stuck => "the device sends no packet",
            Self::Deaf => "the device does not answer a control command",
            Self::NotWoken => "the device did not wake up",
        })
    }
}

/// The recovery of a device: what is known of its trouble, and how often it was started anew.
pub(crate) struct Recovery {
    pub(super) device: WeakDevice,
    pub(super) restarts: Restarts,
    /// The first [`Trouble`] that was noted and not seen to, or 0. It stays for a device that was
    /// given up.
    pub(super) noted: Atomic<i32>,
    /// The next restart was counted, and waited for.
    pub(super) due: Atomic<bool>,
    /// The system sleeps, or the function is reset, or the machine goes down: the code that does so
    /// sees to the device.
    pub(super) is_others: Atomic<bool>,
}

impl Recovery {
    /// Returns the recovery of `device`.
    pub(crate) fn new(device: WeakDevice) -> Self {
        Self {
            device,
            restarts: Restarts::new(),
            noted: Atomic::new(0),
            due: Atomic::new(false),
            is_others: Atomic::new(false),
        }
    }

    /// The trouble that was noted.
    pub(super) fn noted(&self) -> Option<Trouble> {
        let noted = self.noted.load(Relaxed);
        Trouble::ALL.into_iter().find(|&one| one as i32 == noted)
    }

    /// Forgets what was noted: the device has no queue, and what it gets are new ones.
    pub(super) fn forget(&self) {
        self.noted.store(0, Relaxed);
    }

    /// Leaves the device to the code that puts it to sleep. With the RTNL held.
    pub(crate) fn leave(&self) {
        self.is_others.store(true, Relaxed);
    }

    /// Ends the recovery for good, and waits for one that runs. Process context, sleeps, without
    /// the RTNL.
    pub(crate) fn end(&self) {
        self.leave();
        self.device.revoke();
    }

    /// Brings back a device that wakes up, and looks after it from there on, if that went well.
    /// With the RTNL held.
    ///
    /// # Errors
    ///
    /// Those of `bring_back`.
    pub(crate) fn woken(&self, bring_back: impl FnOnce() -> Result) -> Result {
        // What is noted from here on is of the new queues.
        self.forget();
        bring_back()?;
        self.restarts.clear();
        self.take_over();
        Ok(())
    }

    fn take_over(&self) {
        self.due.store(false, Relaxed);
        self.is_others.store(false, Relaxed);
    }

    /// Notes that a device cannot go on, and has it started anew. Any context.
    #[cold]
    pub(crate) fn report(&self, dev: &Device<impl Operations>, trouble: Trouble) {
        let replace = |old: i32| self.noted.cmpxchg(old, trouble as i32, Full).is_ok();
        if trouble == Trouble::Deaf {
            if replace(0) {
                dev.schedule_recovery(GRACE.as_millis());
            }
            return;
        }
        // What cannot be borne goes before what can.
        let bearable = Trouble::ALL.into_iter().filter(|one| one.is_bearable());
        if replace(0)
            || !trouble.is_bearable() && bearable.into_iter().any(|one| replace(one as i32))
        {
            dev.schedule_recovery(0);
        }
    }

    /// The device did not wake up. Any context.
    pub(crate) fn not_woken(&self, dev: &Device<impl Operations>) {
        self.forget();
        self.take_over();
        self.report(dev, Trouble::NotWoken);
    }
}
