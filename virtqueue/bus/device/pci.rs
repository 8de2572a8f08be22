// SPDX-License-Identifier: GPL-2.0

//! The PCI function of a device that is on PCI (virtio spec §4.1).

use super::Device;
use crate::bindings;
use core::{
    ffi::c_void,
    ptr::NonNull, //
};
use kernel::device::Bound;

/// Offset of `cfg_type` in `struct virtio_pci_cap`.
const CAP_CFG_TYPE: i32 = 3;
/// Offset of `bar` in `struct virtio_pci_cap`.
const CAP_BAR: i32 = 4;
/// Offset of `offset` in `struct virtio_pci_cap`.
const CAP_OFFSET: i32 = 8;
/// Offset of `length` in `struct virtio_pci_cap`.
const CAP_LENGTH: i32 = 12;
/// The largest BAR that there is; capabilities with others are ignored (§4.1.4).
const MAX_BAR: u8 = 5;
/// The largest number of capabilities that fit into the configuration header.
const MAX_CAPABILITIES: usize = 48;
/// Configuration type of the capability that describes the common configuration.
const CFG_TYPE_COMMON: u8 = bindings::VIRTIO_PCI_CAP_COMMON_CFG as u8;
/// Offset of `device_status` in the common configuration (§4.1.4.3).
const DEVICE_STATUS: u32 = 20;

/// A PCI function.
///
/// # Invariants
///
/// `pdev` is valid.
pub(crate) struct Function {
    pdev: *mut bindings::pci_dev,
}

/// A capability that describes a structure of virtio in a BAR (§4.1.4).
pub(super) struct Capability {
    pub(super) cfg_type: u8,
    bar: u8,
    offset: u32,
    pub(super) length: u32,
}

impl Function {
    /// Returns the function that `dev` is on, if it is on PCI. Must not be called after the device
    /// was freed.
    pub(super) fn of(dev: &Device<Bound>) -> Option<Self> {
        // SAFETY: By the type invariant; the parent is set before registration and is kept alive by
        // its child.
        let parent = unsafe { (*dev.as_raw()).dev.parent };
        if parent.is_null() {
            return None;
        }
        // SAFETY: `parent` is a valid device, since its child keeps it alive.
        if unsafe { (*parent).bus } != &raw const bindings::pci_bus_type {
            return None;
        }
        // SAFETY: A device on the PCI bus is embedded in a `struct pci_dev`.
        let pdev = unsafe { kernel::container_of!(parent, bindings::pci_dev, dev) };
        // INVARIANT: `pdev` has the device `parent`, so it is valid.
        Some(Self { pdev })
    }

    /// Returns whether the function answers. Process context.
    pub(super) fn is_present(&self) -> bool {
        // SAFETY: By the type invariant, `pdev` is valid.
        unsafe { bindings::pci_device_is_present(self.pdev) }
    }

    /// Takes the right to access memory from the function. Process context.
    pub(super) fn forbid_dma(&self) {
        // SAFETY: By the type invariant, `pdev` is valid.
        unsafe { bindings::pci_clear_master(self.pdev) };
    }

    /// Gives the function the right to access memory. Process context.
    pub(super) fn allow_dma(&self) {
        // SAFETY: By the type invariant, `pdev` is valid.
        unsafe { bindings::pci_set_master(self.pdev) };
    }

    /// Calls `f` with each capability that describes a structure of virtio, until `f` returns a
    /// value.
    pub(super) fn find_capability<R>(
        &self,
        mut f: impl FnMut(Capability) -> Option<R>,
    ) -> Option<R> {
        let pdev = self.pdev;
        let vendor = bindings::PCI_CAP_ID_VNDR as i32;
        // SAFETY: By the type invariant, `pdev` is valid.
        let mut pos = unsafe { bindings::pci_find_capability(pdev, vendor) };
        for _ in 0..MAX_CAPABILITIES {
            if pos == 0 {
                break;
            }
            let (mut cfg_type, mut bar, mut offset, mut length) = (0u8, 0u8, 0u32, 0u32);
            let at = i32::from(pos);
            // SAFETY: By the type invariant, and the four are writable.
            unsafe {
                bindings::pci_read_config_byte(pdev, at + CAP_CFG_TYPE, &mut cfg_type);
                bindings::pci_read_config_byte(pdev, at + CAP_BAR, &mut bar);
                bindings::pci_read_config_dword(pdev, at + CAP_OFFSET, &mut offset);
                bindings::pci_read_config_dword(pdev, at + CAP_LENGTH, &mut length);
            }
            if bar <= MAX_BAR {
                let found = f(Capability {
                    cfg_type,
                    bar,
                    offset,
                    length,
                });
                if found.is_some() {
                    return found;
                }
            }
            // SAFETY: By the type invariant, `pdev` is valid.
            pos = unsafe { bindings::pci_find_next_capability(pdev, pos, vendor) };
        }
        None
    }

    /// Maps the common configuration of a device that is not a legacy one, from `offset` up to
    /// `end`. Process context, sleeps.
    ///
    /// `None`: there is no such configuration, or no memory.
    pub(super) fn map_common(&self, offset: u32, end: u32) -> Option<NonNull<c_void>> {
        self.find_capability(|cap| {
            let at = cap.offset.checked_add(offset)?;
            // Registers are aligned as the configuration is (virtio spec §4.1.4).
            if cap.cfg_type != CFG_TYPE_COMMON || cap.length < end || cap.offset % 4 != 0 {
                return None;
            }
            let len = end.checked_sub(offset)?;
            // The device may have changed the capability since the transport has read it.
            // SAFETY: By the type invariant; there is such a BAR.
            let size =
                unsafe { kernel::bindings::pci_resource_len(self.pdev.cast(), cap.bar.into()) };
            // CAST: The type has 32 bits on some architectures.
            if (size as u64) < u64::from(at) + u64::from(len) {
                return None;
            }
            // SAFETY: By the type invariant, `pdev` is valid. The range is in the BAR, so the
            // function maps all of it.
            let at = unsafe {
                bindings::pci_iomap_range(self.pdev, cap.bar.into(), at as usize, len as usize)
            };
            NonNull::new(at.cast())
        })
    }

    /// Unmaps what [`Function::map_common`] mapped.
    pub(super) fn unmap(&self, at: NonNull<c_void>) {
        // SAFETY: By the type invariant, `pdev` is valid. The caller owns the mapping, and does not
        // use it again.
        unsafe { bindings::pci_iounmap(self.pdev, at.as_ptr()) };
    }

    /// Maps the status register of a device that is not a legacy one. Process context, sleeps.
    ///
    /// `None`: there is no such register, or no memory.
    pub(super) fn map_status(&self) -> Option<StatusRegister> {
        let at = self.map_common(DEVICE_STATUS, DEVICE_STATUS + 1)?;
        // INVARIANT: The byte was mapped.
        Some(StatusRegister {
            pdev: self.pdev,
            at,
        })
    }
}

/// The status register of a device, mapped for the bus. The transport's own functions do not write
/// 0 to it, and its reset waits for ever.
///
/// # Invariants
///
/// `at` is the register, mapped by `pci_iomap_range` for the valid function `pdev`.
pub(crate) struct StatusRegister {
    pdev: *mut bindings::pci_dev,
    at: NonNull<c_void>,
}

// SAFETY: The register may be used from any thread.
unsafe impl Send for StatusRegister {}

// SAFETY: Each access is a single access of one byte.
unsafe impl Sync for StatusRegister {}

impl StatusRegister {
    /// Reads the status. A function that is gone reads as all ones.
    pub(super) fn read(&self) -> u8 {
        // SAFETY: By the type invariant, `at` is a register that is mapped.
        unsafe { bindings::rust_virtio_ioread8(self.at.as_ptr()) }
    }

    /// Asks for a reset.
    pub(super) fn clear(&self) {
        // SAFETY: By the type invariants, `at` is the register. Writing 0 asks for a reset (§2.1).
        unsafe { bindings::rust_virtio_iowrite8(0, self.at.as_ptr()) };
    }
}

impl Drop for StatusRegister {
    fn drop(&mut self) {
        // SAFETY: By the type invariants, `at` is mapped. This is the last use of it.
        unsafe { bindings::pci_iounmap(self.pdev, self.at.as_ptr()) };
    }
}
