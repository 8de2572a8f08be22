// SPDX-License-Identifier: GPL-2.0

//! How large the device-specific configuration is.
//!
//! The modern PCI transport answers an access beyond the capability that the device describes
//! with a `BUG()`, and the length is the device's choice (virtio spec §4.1.4). It is not told to
//! drivers, so it is read from the same capability here.

use super::Device;
use crate::bindings;
use kernel::device::Bound;

/// Configuration type of the vendor capability that describes the device configuration.
const CFG_TYPE_DEVICE: u8 = bindings::VIRTIO_PCI_CAP_DEVICE_CFG as u8;
/// Offset of `cfg_type` in `struct virtio_pci_cap`.
const CAP_CFG_TYPE: i32 = 3;
/// Offset of `bar` in `struct virtio_pci_cap`.
const CAP_BAR: i32 = 4;
/// The largest BAR that there is; capabilities with others are ignored (§4.1.4).
const MAX_BAR: u8 = 5;
/// Offset of `length` in `struct virtio_pci_cap`.
const CAP_LENGTH: i32 = 12;
/// A list of capabilities cannot be longer than what fits the configuration header.
const MAX_CAPABILITIES: usize = 48;

/// The length in bytes, if the device is on PCI and has the capability.
///
/// A device may have several; the transport takes the first that it can use, so none may be
/// shorter than what is said here. (It reads them by itself: a device that changes them in
/// between still gets its `BUG()`.)
pub(super) fn config_len(dev: &Device<Bound>) -> Option<usize> {
    // SAFETY: By the type invariant; the parent is set before registration and is kept alive by
    // its child.
    let parent = unsafe { (*dev.as_raw()).dev.parent };
    if parent.is_null() {
        return None;
    }
    // SAFETY: `parent` is a valid device, as above.
    if unsafe { (*parent).bus } != &raw const bindings::pci_bus_type {
        return None;
    }
    // SAFETY: A device on the PCI bus is embedded in a `struct pci_dev`.
    let pdev = unsafe { kernel::container_of!(parent, bindings::pci_dev, dev) };

    let vendor = bindings::PCI_CAP_ID_VNDR as i32;
    let mut shortest: Option<usize> = None;
    // SAFETY: `pdev` is valid.
    let mut pos = unsafe { bindings::pci_find_capability(pdev, vendor) };
    for _ in 0..MAX_CAPABILITIES {
        if pos == 0 {
            break;
        }
        let (mut cfg_type, mut bar, mut length) = (0u8, 0u8, 0u32);
        // SAFETY: `pdev` is valid and the three are writable.
        unsafe {
            bindings::pci_read_config_byte(pdev, i32::from(pos) + CAP_CFG_TYPE, &mut cfg_type);
            bindings::pci_read_config_byte(pdev, i32::from(pos) + CAP_BAR, &mut bar);
            bindings::pci_read_config_dword(pdev, i32::from(pos) + CAP_LENGTH, &mut length);
        }
        if cfg_type == CFG_TYPE_DEVICE && bar <= MAX_BAR {
            let length = length as usize;
            shortest = Some(shortest.map_or(length, |s| s.min(length)));
        }
        // SAFETY: `pdev` is valid.
        pos = unsafe { bindings::pci_find_next_capability(pdev, pos, vendor) };
    }
    shortest
}
