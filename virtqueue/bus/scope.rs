// SPDX-License-Identifier: GPL-2.0

//! The time for which a driver is bound to a device, as a value.

use crate::{
    binding::BindState,
    device::Device, //
};
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};
use kernel::device::Bound;

/// Evidence that a driver is bound for the lifetime `'bound`, as in
/// [`Driver::Data`](crate::Driver::Data).
///
/// An object that the rest of the kernel uses, such as a network interface, must not outlive the
/// data that it refers to. Data borrowed for `'bound` exists until the binding ends, and a [`Hold`]
/// keeps the binding from ending. So an object with a hold, whose data lives for `'bound`, is sound
/// even if the driver forgets it.
///
/// The lifetime is exact: unlike that of a reference, it cannot be made shorter.
///
/// # Invariants
///
/// A borrow for `'bound` is valid until no [`Hold`] of the device is left.
#[derive(Clone, Copy)]
pub struct Scope<'bound> {
    dev: &'bound Device<Bound>,
    _exact: PhantomData<fn(&'bound ()) -> &'bound ()>,
}

impl<'bound> Scope<'bound> {
    /// # Safety
    ///
    /// `'bound` is the time of the binding of `dev`: a borrow for `'bound` is valid until the last
    /// hold is gone.
    pub(crate) unsafe fn new(dev: &'bound Device<Bound>) -> Self {
        // INVARIANT: By the safety requirements.
        Self {
            dev,
            _exact: PhantomData,
        }
    }

    /// Returns the device.
    pub fn dev(self) -> &'bound Device<Bound> {
        self.dev
    }

    /// Returns a value that keeps the binding from ending. Any context.
    pub fn hold(self) -> Hold {
        let state = self.dev.bind_state();
        state.holds.get();
        // INVARIANT: The value was counted just now.
        Hold(NonNull::from(state))
    }
}

/// A reference that keeps the binding of a driver to a device from ending: unbinding waits until it
/// is dropped, before managed resources (`Devres`) are released. So unbinding never ends if such a
/// resource has a hold itself.
///
/// # Invariants
///
/// The state is that of a binding, and counts this value.
pub struct Hold(NonNull<BindState>);

// SAFETY: The count may be changed by any thread.
unsafe impl Send for Hold {}

// SAFETY: A reference gives access to nothing but the state of the binding, which is `Sync`.
unsafe impl Sync for Hold {}

impl Drop for Hold {
    fn drop(&mut self) {
        // SAFETY: By the type invariants, the state exists until this value is no longer counted.
        unsafe { self.0.as_ref() }.holds.put();
    }
}
