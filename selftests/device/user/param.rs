// SPDX-License-Identifier: GPL-2.0

//! Parameters of the driver's module.

use crate::bindings;
use kernel::{
    error::to_result,
    prelude::*, //
};

/// A parameter that was set. When this is dropped, it is what it was by default.
pub struct Param {
    module: &'static CStr,
    name: &'static CStr,
    default: &'static CStr,
}

impl Param {
    /// Sets the parameter `name` of a module, which is `default` before.
    ///
    /// # Errors
    ///
    /// `ENOENT`: there is no such module, or it is part of the kernel, or has no such parameter;
    /// and what setting it returns.
    pub fn set(
        module: &'static CStr,
        name: &'static CStr,
        value: &CStr,
        default: &'static CStr,
    ) -> Result<Self> {
        let param = Self {
            module,
            name,
            default,
        };
        param.write(value)?;
        Ok(param)
    }

    fn write(&self, value: &CStr) -> Result {
        // SAFETY: The three are strings. The module of a driver under test is not unloaded.
        to_result(unsafe {
            bindings::rust_virtio_fake_set_param(
                self.module.as_char_ptr(),
                self.name.as_char_ptr(),
                value.as_char_ptr(),
            )
        })
    }
}

impl Drop for Param {
    fn drop(&mut self) {
        // It was accepted before.
        let _ = self.write(self.default);
    }
}
