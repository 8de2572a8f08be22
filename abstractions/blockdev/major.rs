// SPDX-License-Identifier: GPL-2.0

//! Device numbers.

use crate::bindings;
use kernel::prelude::*;

/// A registered major number of block devices, with a name for `/proc/devices`.
pub struct Major {
    number: u32,
    name: &'static CStr,
}

impl Major {
    /// Registers a free major number. Process context.
    ///
    /// # Errors
    ///
    /// - `EBUSY`: no number is free.
    /// - `ENOMEM`.
    pub fn register(name: &'static CStr) -> Result<Self> {
        // SAFETY: `name` is a string, which the function copies. Major number 0 asks for a free
        // one.
        let ret = unsafe { bindings::__register_blkdev(0, name.as_char_ptr(), None) };
        let number = u32::try_from(ret).map_err(|_| Error::from_errno(ret))?;
        Ok(Self { number, name })
    }

    /// Returns the number.
    pub fn number(&self) -> u32 {
        self.number
    }
}

impl Drop for Major {
    fn drop(&mut self) {
        // SAFETY: The number was registered under this name.
        unsafe { bindings::unregister_blkdev(self.number, self.name.as_char_ptr()) };
    }
}

/// The device numbers of a disk and its partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceNumbers {
    /// Major number.
    pub major: u32,
    /// First minor number, that of the whole disk.
    pub first_minor: u32,
    /// The number of minors. Partitions beyond them get numbers from the common pool.
    pub minors: u32,
}

/// Bits of a minor number.
pub const MINOR_BITS: u32 = bindings::MINORBITS;
