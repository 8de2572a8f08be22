// SPDX-License-Identifier: GPL-2.0

//! What the rest of the kernel sees of a device that a driver is bound to.

pub(crate) mod disk;
pub(crate) mod nic;

use crate::{
    bindings,
    fake::Fake, //
};
use core::ffi::c_void;
use kernel::{
    alloc::KVec,
    error::{
        from_err_ptr,
        to_result, //
    },
    prelude::*,
    str::CString, //
};

/// A child of a fake device, which its driver registered.
///
/// # Invariants
///
/// A reference to a valid device.
pub(crate) struct Child(*mut bindings::device);

impl Child {
    fn devt(&self) -> bindings::dev_t {
        // SAFETY: By the type invariant; the number does not change.
        unsafe { (*self.0).devt }
    }

    fn name(&self) -> Result<CString> {
        // SAFETY: By the type invariant; the name stays while nobody renames the device.
        let name = unsafe { CStr::from_char_ptr((*self.0).kobj.name) };
        Ok(CString::try_from(name)?)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // SAFETY: By the type invariant.
        unsafe { bindings::put_device(self.0) };
    }
}

/// The first child of a class.
fn child(fake: &Fake, class: &'static CStr) -> Option<Child> {
    /// Whether a device is of a class.
    unsafe extern "C" fn is_class(dev: *mut bindings::device, class: *const c_void) -> c_int {
        // SAFETY: The device core passes a valid device, and the name that it was given.
        unsafe { bindings::rust_virtio_fake_is_class(dev, class.cast()) }.into()
    }

    if !fake.is_bound() {
        return None;
    }
    // SAFETY: The device is registered: a driver is bound to it.
    let child = unsafe {
        bindings::device_find_child(
            &raw mut (*fake.0.vdev.get()).dev,
            class.as_char_ptr().cast(),
            Some(is_class),
        )
    };
    // INVARIANT: A child that was found comes with a reference.
    (!child.is_null()).then_some(Child(child))
}

/// Reads a small file.
fn read_file(path: &CStr) -> Result<KVec<u8>> {
    let mut bytes = KVec::from_elem(0u8, 4096, GFP_KERNEL)?;
    let mut pos = 0;
    // SAFETY: The path is a string; the file is closed below.
    let file = from_err_ptr(unsafe {
        bindings::filp_open(path.as_char_ptr(), bindings::O_RDONLY as i32, 0)
    })?;
    // SAFETY: The file is open, and there is that much room.
    let n = unsafe {
        bindings::kernel_read(file, bytes.as_mut_ptr().cast(), bytes.len(), &raw mut pos)
    };
    // SAFETY: The file is open, and not used any more.
    unsafe { bindings::filp_close(file, core::ptr::null_mut()) };
    to_result(n.min(0) as i32)?;
    bytes.truncate(n as usize);
    Ok(bytes)
}

/// Writes a small file at once.
fn write_file(path: &CStr, bytes: &[u8]) -> Result {
    let mut pos = 0;
    // SAFETY: The path is a string; the file is closed below.
    let file = from_err_ptr(unsafe {
        bindings::filp_open(path.as_char_ptr(), bindings::O_WRONLY as i32, 0)
    })?;
    // SAFETY: The file is open, and the bytes are readable.
    let n =
        unsafe { bindings::kernel_write(file, bytes.as_ptr().cast(), bytes.len(), &raw mut pos) };
    // SAFETY: The file is open, and not used any more.
    unsafe { bindings::filp_close(file, core::ptr::null_mut()) };
    to_result(n.min(0) as i32)
}
