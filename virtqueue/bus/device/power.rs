// SPDX-License-Identifier: GPL-2.0

//! Failed wake-ups.
//!
//! The core wakes a device up in several steps, and calls the driver in the last one only. If an
//! earlier step fails, the core tells the device, by its status, but not the driver.

use super::Device;
use crate::bindings;
use kernel::device::Bound;

/// Looks at a status that the core sets: if the device has failed to wake up, the driver gets to
/// know.
pub(super) fn look(dev: &Device<Bound>, status: u8) {
    if status & bindings::VIRTIO_CONFIG_S_FAILED as u8 != 0 {
        dev.bind_state().wake_failed(dev);
    }
}
