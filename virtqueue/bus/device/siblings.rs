// SPDX-License-Identifier: GPL-2.0

//! Child devices of all devices of the bus, also of devices with other drivers.

use super::Device;
use crate::bindings;
use core::{
    ffi::c_void,
    ptr::null_mut, //
};
use kernel::{
    device::Bound,
    prelude::*, //
};

/// Returns whether any device on the bus of `dev` has a child of this name.
pub(super) fn has_child(dev: &Device<Bound>, name: &CStr) -> bool {
    // SAFETY: By the type invariant; the bus of a bound device does not change.
    let bus = unsafe { (*dev.as_raw()).dev.bus };
    // SAFETY: `bus` is the bus that the device is registered on, and `match_child` takes a string.
    let found = unsafe {
        bindings::bus_for_each_dev(
            bus,
            null_mut(),
            name.as_char_ptr().cast_mut().cast(),
            Some(match_child),
        )
    };
    found != 0
}

/// Ends the walk if the device has a child of the name.
///
/// # Safety
///
/// `dev` is valid for the call and `name` is a string.
unsafe extern "C" fn match_child(dev: *mut bindings::device, name: *mut c_void) -> c_int {
    // SAFETY: By the safety requirements; the matching function takes a string.
    let child =
        unsafe { bindings::device_find_child(dev, name, Some(bindings::device_match_name)) };
    if child.is_null() {
        return 0;
    }
    // SAFETY: `device_find_child` took a reference.
    unsafe { bindings::put_device(child) };
    1
}
