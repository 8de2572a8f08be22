// SPDX-License-Identifier: GPL-2.0

//! Failed wake-ups.
//!
//! The core wakes a device up in several steps, and calls the driver in the last one only. If an
//! earlier step fails, the core tells the device, by its status, but not the driver.
//!
//! In the first step the core sets FAILED again on a device that had FAILED before its sleep,
//! because the reset cleared the bit. The bus leaves that bit out: a driver would take it for a
//! failed wake-up.

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

/// Checks a status that the core sets. Calls [`Driver::not_woken`](crate::Driver::not_woken) if the
/// status says that the wake-up failed.
pub(super) fn check_status(dev: &Device<Bound>, status: u8) {
    if status & FAILED != 0 {
        dev.bind_state().wake_failed(dev);
    }
}

impl Device<Bound> {
    /// Records that the device goes to sleep. Called by the callback with which the core puts it to
    /// sleep.
    pub(crate) fn fall_asleep(&self) {
        // SAFETY: By the type invariant, the device is valid. Only the core writes the field, and
        // it does so before it calls the driver.
        let had_failed = unsafe { (*self.as_raw()).failed };
        self.bind_state().fall_asleep(had_failed);
    }
}
