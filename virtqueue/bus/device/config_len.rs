// SPDX-License-Identifier: GPL-2.0

//! The size of the device-specific configuration.
//!
//! The modern PCI transport calls `BUG()` for an access beyond the capability that the device
//! describes, and the device chooses the length of that capability (virtio spec §4.1.4). The
//! transport does not tell the length to drivers, so this file reads it from the same capability.

use super::{
    pci::Function,
    Device, //
};
use crate::bindings;
use kernel::device::Bound;

/// Configuration type of the vendor capability that describes the device configuration.
const CFG_TYPE_DEVICE: u8 = bindings::VIRTIO_PCI_CAP_DEVICE_CFG as u8;

/// Returns the length in bytes, if the device is on PCI and has the capability.
///
/// A device may have several such capabilities, and the transport takes the first that it can use.
/// So this returns the smallest length. The transport reads the capabilities itself: a device that
/// changes them after this call still triggers the `BUG()`.
pub(super) fn config_len(dev: &Device<Bound>) -> Option<usize> {
    let mut shortest: Option<usize> = None;
    Function::of(dev)?.find_capability(|cap| {
        if cap.cfg_type == CFG_TYPE_DEVICE {
            let length = cap.length as usize;
            shortest = Some(shortest.map_or(length, |s| s.min(length)));
        }
        None::<()>
    });
    shortest
}
