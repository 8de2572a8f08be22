// SPDX-License-Identifier: GPL-2.0

//! The size of a ring, and the size that the user asked for.

use kernel::sync::atomic::{
    Atomic,
    Relaxed, //
};

/// The size of a ring in descriptors. Changes with the RTNL held.
pub(crate) struct RingSize {
    now: Atomic<u32>,
    /// The largest size that the device offers.
    most: Atomic<u32>,
    /// The size that the user asked for last, or 0. Stays when the device is reset.
    wanted: Atomic<u32>,
}

impl RingSize {
    /// Returns the size of a ring that does not exist yet.
    pub(crate) const fn new() -> Self {
        Self {
            now: Atomic::new(0),
            most: Atomic::new(0),
            wanted: Atomic::new(0),
        }
    }

    /// Returns the size.
    pub(crate) fn get(&self) -> u32 {
        self.now.load(Relaxed)
    }

    /// Returns the largest size that the device offers.
    pub(crate) fn most(&self) -> u32 {
        self.most.load(Relaxed)
    }

    /// Sets the size, and the largest size that the device offers.
    pub(crate) fn set(&self, now: u32, most: u32) {
        self.now.store(now, Relaxed);
        self.most.store(most, Relaxed);
    }

    /// Returns the size that the user asked for, if the ring has another size.
    pub(crate) fn wanted(&self) -> Option<u32> {
        let wanted = self.wanted.load(Relaxed);
        (wanted != 0 && wanted != self.get()).then_some(wanted)
    }

    /// Records the size that the user asked for, or with 0 that it is no longer wanted.
    pub(crate) fn want(&self, size: u32) {
        self.wanted.store(size, Relaxed);
    }
}
