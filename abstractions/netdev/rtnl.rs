// SPDX-License-Identifier: GPL-2.0

//! The RTNL, the lock of network configuration.
//!
//! C header: [`include/linux/rtnetlink.h`](srctree/include/linux/rtnetlink.h)

use crate::bindings;
use core::{
    cell::UnsafeCell,
    marker::PhantomData,
    ops::{
        Deref,
        DerefMut, //
    },
    ptr::NonNull, //
};

/// Evidence that this thread holds the RTNL.
///
/// There is one RTNL, so `&mut Rtnl` is exclusive access to all data that it protects. A function
/// that may call back into a driver takes `&mut Rtnl`, so that the driver never uses two at a time.
///
/// # Invariants
///
/// This thread holds the RTNL while a reference to the value exists.
pub struct Rtnl {
    /// Neither `Send` nor `Sync`: the lock belongs to a thread.
    _not_send: PhantomData<*mut ()>,
}

impl Rtnl {
    /// Takes the lock. Process context, sleeps. Deadlocks if this thread holds the lock already,
    /// also in a callback that gets the evidence.
    pub fn lock() -> RtnlGuard {
        // SAFETY: May be called in process context. The guard releases the lock.
        unsafe { bindings::rtnl_lock() };
        // INVARIANT: It was locked just now.
        RtnlGuard(Rtnl {
            _not_send: PhantomData,
        })
    }

    /// Returns the evidence for a callback that the core calls with the lock held.
    ///
    /// # Safety
    ///
    /// This thread holds the RTNL for `'a`, and no other `&mut Rtnl` is in use for `'a`.
    #[inline]
    pub(crate) unsafe fn assume_held<'a>() -> &'a mut Self {
        // INVARIANT: By the safety requirements.
        // SAFETY: The type has no size, so that any aligned pointer that is not null is valid.
        unsafe { NonNull::dangling().as_mut() }
    }
}

/// A value that the RTNL protects.
pub(crate) struct ByRtnl<T>(UnsafeCell<T>);

// SAFETY: A thread that gets a reference to the value holds the RTNL, and is the only one.
unsafe impl<T: Send> Sync for ByRtnl<T> {}

impl<T> ByRtnl<T> {
    /// Protects a value.
    pub(crate) const fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// Returns the value.
    pub(crate) fn get<'a>(&'a self, _rtnl: &'a mut Rtnl) -> &'a mut T {
        // SAFETY: The lock is held, and its evidence is borrowed exclusively for `'a`.
        unsafe { &mut *self.0.get() }
    }
}

/// Holds the RTNL until dropped.
pub struct RtnlGuard(Rtnl);

impl Deref for RtnlGuard {
    type Target = Rtnl;

    fn deref(&self) -> &Rtnl {
        &self.0
    }
}

impl DerefMut for RtnlGuard {
    fn deref_mut(&mut self) -> &mut Rtnl {
        &mut self.0
    }
}

impl Drop for RtnlGuard {
    fn drop(&mut self) {
        // SAFETY: By the type invariant of `Rtnl`, this thread holds the lock.
        unsafe { bindings::rtnl_unlock() };
    }
}
