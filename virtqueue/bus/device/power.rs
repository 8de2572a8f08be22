// SPDX-License-Identifier: GPL-2.0

//! Failed wake-ups.
//!
//! The core wakes a device up in several steps, and calls the driver in the last one only. If an
//! earlier step fails, the core tells the device, by its status, but not the driver.
//!
//! In the first step the core tells a device that had failed before its sleep that it has, as the
//! reset had it forget that. This is left out: it would be taken for a failure to wake up, and a
//! device that has woken up has not failed.

use super::Device;
use crate::bindings;
use kernel::device::Bound;

const FAILED: u8 = bindings::VIRTIO_CONFIG_S_FAILED as u8;

/// Returns a status that the core sets, without a failure from before the sleep of the device.
pub(super) fn without_old_failure(dev: &Device<Bound>, status: u8) -> u8 {
    if status & FAILED != 0 && dev.bind_state().take_old_failure() {
        status & !FAILED
    } else {
        status
    }
}

/// Looks at a status that the core sets: if the device has failed to wake up, the driver gets to
/// know.
pub(super) fn check_status(dev: &Device<Bound>, status: u8) {
    if status & FAILED != 0 {
        dev.bind_state().wake_failed(dev);
    }
}

impl Device<Bound> {
    /// Notes that the device goes to sleep. Called by a callback of the core that puts it to sleep.
    pub(crate) fn fall_asleep(&self) {
        // SAFETY: By the type invariant. The core writes the field before it calls the driver, and
        // nobody else does.
        let had_failed = unsafe { (*self.as_raw()).failed };
        self.bind_state().fall_asleep(had_failed);
    }
}
