// SPDX-License-Identifier: GPL-2.0

//! Parameters of a module.

use crate::bindings;
use kernel::{
    error::to_result,
    prelude::*, //
};

/// A parameter that was set. Dropping this restores the default.
pub struct Param {
    module: &'static CStr,
    name: &'static CStr,
    default: &'static CStr,
}

impl Param {
    /// Sets the parameter `name` of a module. Its default is `default`.
    ///
    /// # Errors
    ///
    /// `ENOENT`: there is no such module, it is built in, or it has no such parameter; and any
    /// error of the parameter.
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
        // SAFETY: The arguments are strings. The module of a driver under test is not unloaded.
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
        // The default is always accepted.
        let _ = self.write(self.default);
    }
}
