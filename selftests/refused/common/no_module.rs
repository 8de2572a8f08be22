// SPDX-License-Identifier: GPL-2.0

//! The module of code that is compiled and never linked.

use kernel::prelude::*;

/// There is no module.
pub struct NoModule;

impl kernel::ModuleMetadata for NoModule {
    const NAME: &'static CStr = c"none";

    // SAFETY: This is compiled and never linked.
    const THIS_MODULE: ThisModule = unsafe { ThisModule::from_ptr(core::ptr::null_mut()) };
}
