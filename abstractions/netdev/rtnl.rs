// SPDX-License-Identifier: GPL-2.0

//! The locks of network configuration: the RTNL, and the lock of a single device.
//!
//! The core calls the driver of some devices with the lock of the device held. It restarts a single
//! queue of such a device without the RTNL.
//!
//! C headers: [`include/linux/rtnetlink.h`](srctree/include/linux/rtnetlink.h),
//! [`include/net/netdev_lock.h`](srctree/include/net/netdev_lock.h)

use crate::{
    bindings,
    device::{
        Device,
        Operations, //
    },
};
use core::{
    cell::UnsafeCell,
    marker::PhantomData,
    ops::{
        Deref,
        DerefMut, //
    },
    ptr::null_mut, //
};

/// Evidence that this thread holds a lock of network configuration: the lock of a device, or the
/// RTNL, or both.
///
/// One thread at a time configures the queues of a device. That thread holds the lock of the
/// device, if the core calls the driver of this device with that lock held, and otherwise the RTNL.
/// So the evidence is for some devices only, and `&mut DevLock` is exclusive access to the queues
/// of these. A function gets no access to the queues of another device, and does nothing then.
///
/// Unsized, so that a driver cannot exchange it for other evidence.
///
/// # Invariants
///
/// While the value exists, this thread holds the lock of `dev`, unless that is null, and the RTNL
/// if `has_rtnl` is set. While a reference to the value is in use, no other evidence of these locks
/// is in use.
pub struct DevLock<Tail: ?Sized = [()]> {
    dev: *mut bindings::net_device,
    has_rtnl: bool,
    /// Neither `Send` nor `Sync`: a lock belongs to a thread.
    _not_send: PhantomData<*mut ()>,
    _tail: Tail,
}

impl DevLock<[(); 0]> {
    /// # Safety
    ///
    /// As the type invariants say.
    const unsafe fn new(dev: *mut bindings::net_device, has_rtnl: bool) -> Self {
        // INVARIANT: By the safety requirements.
        Self {
            dev,
            has_rtnl,
            _not_send: PhantomData,
            _tail: [],
        }
    }

    /// Returns the evidence for a callback that the core calls with the lock held that protects the
    /// queues of `dev`: the lock of the device, or the RTNL.
    ///
    /// # Safety
    ///
    /// `dev` is valid. This thread holds that lock until the result is dropped, and no other
    /// evidence of the lock is in use until then.
    #[inline]
    pub(crate) unsafe fn assume_held(dev: *mut bindings::net_device) -> Self {
        // SAFETY: By the safety requirements, `dev` is valid.
        let own = unsafe { bindings::rust_netdev_has_own_lock(dev) };
        let dev = if own { dev } else { null_mut() };
        // SAFETY: By the safety requirements, the lock of the device is held if the device is one
        // with a lock of its own, and otherwise the RTNL.
        unsafe { Self::new(dev, !own) }
    }
}

impl DevLock {
    /// Whether this thread holds the lock of the device `dev`, and this is evidence of it.
    pub(crate) fn has_lock_of(&self, dev: *mut bindings::net_device) -> bool {
        self.dev == dev
    }

    /// Whether this is the evidence for the queues of the device `dev`.
    ///
    /// # Safety
    ///
    /// `dev` is valid.
    pub(crate) unsafe fn is_for(&self, dev: *mut bindings::net_device) -> bool {
        // SAFETY: By the safety requirements, `dev` is valid.
        let by_rtnl = || unsafe { !bindings::rust_netdev_has_own_lock(dev) };
        self.has_lock_of(dev) || self.has_rtnl && by_rtnl()
    }
}

/// Evidence that this thread holds the RTNL.
///
/// There is one RTNL, so `&mut Rtnl` is exclusive access to all data that it protects. A function
/// that may call back into a driver takes `&mut Rtnl`, so that the driver never uses two at a time.
///
/// It dereferences to the evidence for the queues of a device: of the device of the callback, or of
/// [`Device::lock`].
///
/// # Invariants
///
/// `has_rtnl` is set.
pub struct Rtnl(DevLock<[(); 0]>);

impl Rtnl {
    /// Takes the RTNL, and not the lock of a device. Process context, sleeps. Deadlocks if this
    /// thread holds the RTNL or the lock of a device already, also in a callback that gets the
    /// evidence.
    pub fn lock() -> RtnlGuard<'static> {
        // SAFETY: May be called in process context. The guard releases the lock.
        unsafe { bindings::rtnl_lock() };
        // SAFETY: It was locked just now. There is no other evidence of the RTNL: with that, this
        // thread would wait for itself for ever.
        RtnlGuard(unsafe { Self::new(null_mut()) }, PhantomData)
    }

    /// Returns evidence of the RTNL, and of the lock of `dev`, unless that is null.
    ///
    /// # Safety
    ///
    /// As the type invariants of [`DevLock`] say.
    const unsafe fn new(dev: *mut bindings::net_device) -> Self {
        // SAFETY: By the safety requirements, this thread holds the RTNL, and the lock of `dev`
        // unless that is null, and no other evidence of them is in use.
        // INVARIANT: `has_rtnl` is set.
        Self(unsafe { DevLock::new(dev, true) })
    }

    /// Returns the evidence for a callback that the core calls with the RTNL held, and also with
    /// the lock of the device `dev`, if that has a lock of its own.
    ///
    /// # Safety
    ///
    /// `dev` is valid. This thread holds these locks until the result is dropped, and no other
    /// evidence of them is in use until then.
    #[inline]
    pub(crate) unsafe fn assume_held(dev: *mut bindings::net_device) -> Self {
        // SAFETY: By the safety requirements, `dev` is valid.
        let own = unsafe { bindings::rust_netdev_has_own_lock(dev) };
        // SAFETY: By the safety requirements, the locks are held.
        unsafe { Self::new(if own { dev } else { null_mut() }) }
    }

    /// As [`Rtnl::assume_held`], for a callback that the core calls with or without the lock of the
    /// device.
    ///
    /// # Safety
    ///
    /// As for [`Rtnl::assume_held`], with the RTNL only.
    #[inline]
    pub(crate) unsafe fn assume_held_alone() -> Self {
        // SAFETY: By the safety requirements, the RTNL is held.
        unsafe { Self::new(null_mut()) }
    }
}

impl Deref for Rtnl {
    type Target = DevLock;

    #[inline]
    fn deref(&self) -> &DevLock {
        &self.0
    }
}

impl DerefMut for Rtnl {
    #[inline]
    fn deref_mut(&mut self) -> &mut DevLock {
        &mut self.0
    }
}

impl<T: Operations> Device<T> {
    /// Takes the RTNL, and the lock of the device, if it has one of its own. Process context,
    /// sleeps. Deadlocks as [`Rtnl::lock`].
    pub fn lock(&self) -> RtnlGuard<'_> {
        let mut guard = Rtnl::lock();
        // SAFETY: The device is valid (type invariant) for the lifetime of the guard, which
        // releases the lock.
        if unsafe { bindings::rust_netdev_lock_own(self.as_raw()) } {
            // INVARIANT: The lock was taken just now, so there is no other evidence of it.
            guard.0 .0.dev = self.as_raw();
        }
        guard
    }

    /// Calls `f` with the lock of the device held, if it has one of its own. Process context,
    /// sleeps.
    ///
    /// Deadlocks if this thread holds the lock, and `rtnl` is not the evidence of that: in
    /// [`Operations::vlan_add`] and [`Operations::vlan_kill`], and within `with_lock` of another
    /// device.
    pub fn with_lock<R>(&self, rtnl: &mut Rtnl, f: impl FnOnce(&mut Rtnl) -> R) -> R {
        if rtnl.has_lock_of(self.as_raw()) {
            return f(rtnl);
        }
        // SAFETY: The device is valid (type invariant). If this thread holds the lock already, it
        // waits for itself for ever.
        if !unsafe { bindings::rust_netdev_lock_own(self.as_raw()) } {
            return f(rtnl);
        }
        // SAFETY: The lock was taken just now, so there is no other evidence of it. `rtnl` is not
        // in use while `f` runs.
        let result = f(&mut unsafe { Rtnl::new(self.as_raw()) });
        // SAFETY: It was locked above.
        unsafe { bindings::rust_netdev_unlock(self.as_raw()) };
        result
    }

    /// Whether `lock` is the evidence for the queues of this device.
    pub(crate) fn is_locked_by(&self, lock: &DevLock) -> bool {
        // SAFETY: The device is valid (type invariant).
        unsafe { lock.is_for(self.as_raw()) }
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

/// Holds the RTNL until dropped, and the lock of a device, if [`Device::lock`] has taken that.
pub struct RtnlGuard<'a>(Rtnl, PhantomData<&'a ()>);

impl Deref for RtnlGuard<'_> {
    type Target = Rtnl;

    fn deref(&self) -> &Rtnl {
        &self.0
    }
}

impl DerefMut for RtnlGuard<'_> {
    fn deref_mut(&mut self) -> &mut Rtnl {
        &mut self.0
    }
}

impl Drop for RtnlGuard<'_> {
    fn drop(&mut self) {
        let dev = self.0 .0.dev;
        if !dev.is_null() {
            // SAFETY: By the type invariant of `DevLock`, this thread holds the lock.
            unsafe { bindings::rust_netdev_unlock(dev) };
        }
        // SAFETY: By the type invariant of `Rtnl`, this thread holds the lock.
        unsafe { bindings::rtnl_unlock() };
    }
}
