// SPDX-License-Identifier: GPL-2.0

//! The disk or interface of a bound device, as used by the rest of the kernel.

pub(crate) mod capture;
pub(crate) mod coalesce;
pub(crate) mod disk;
pub(crate) mod drops;
pub(crate) mod failover;
pub(crate) mod nic;
pub(crate) mod param;
pub(crate) mod rss;
pub(crate) mod rx_restart;
pub(crate) mod stats;
pub(crate) mod tunnel;
pub(crate) mod xdp;
pub(crate) mod xdp_frames;
pub(crate) mod xsk;

use crate::{
    bindings,
    fake::Fake, //
};
use core::ffi::c_void;
use kernel::{
    alloc::KVec,
    error::to_result,
    page::PAGE_SIZE,
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
        // SAFETY: The device is valid (type invariant), and its number does not change.
        unsafe { (*self.0).devt }
    }

    fn name(&self) -> Result<CString> {
        // SAFETY: The device is valid (type invariant), and the tests do not rename it.
        let name = unsafe { CStr::from_char_ptr((*self.0).kobj.name) };
        Ok(CString::try_from(name)?)
    }

    /// Reads an attribute in sysfs.
    fn attribute(&self, name: &CStr) -> Result<KVec<u8>> {
        let mut page = KVec::from_elem(0u8, PAGE_SIZE, GFP_KERNEL)?;
        let n = self.access(name, &mut page, PAGE_SIZE, false)?;
        page.truncate(n);
        Ok(page)
    }

    /// Writes an attribute in sysfs.
    fn set_attribute(&self, name: &CStr, value: &[u8]) -> Result {
        let mut page = KVec::from_elem(0u8, PAGE_SIZE, GFP_KERNEL)?;
        page.get_mut(..value.len())
            .ok_or(EINVAL)?
            .copy_from_slice(value);
        self.access(name, &mut page, value.len(), true).map(|_| ())
    }

    fn access(&self, name: &CStr, page: &mut KVec<u8>, len: usize, store: bool) -> Result<usize> {
        // SAFETY: By the type invariant; the buffer is a page.
        let n = unsafe {
            bindings::rust_virtio_fake_attribute(
                self.0,
                name.as_char_ptr(),
                page.as_mut_ptr(),
                len,
                store,
            )
        };
        to_result(n.min(0) as c_int)?;
        Ok(n.unsigned_abs())
    }
}

// SAFETY: A device may be used from any thread.
unsafe impl Send for Child {}

// SAFETY: The operations on the device need no exclusion.
unsafe impl Sync for Child {}

impl Drop for Child {
    fn drop(&mut self) {
        // SAFETY: This owns a reference to the device (type invariant), which is not used again.
        unsafe { bindings::put_device(self.0) };
    }
}

/// Returns the first child of a class.
fn child(fake: &Fake, class: &'static CStr) -> Option<Child> {
    /// Whether a device is of a class.
    ///
    /// # Safety
    ///
    /// `dev` is valid, and `class` is a string.
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
