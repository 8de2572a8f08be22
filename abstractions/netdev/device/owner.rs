// SPDX-License-Identifier: GPL-2.0

//! Registering and freeing network devices.

use super::{
    private::{
        Private,
        Registration, //
    },
    wait_for_grace_period,
    Device,
    Operations, //
};
use crate::{
    bindings,
    rtnl::Rtnl, //
};
use core::{
    marker::PhantomData,
    ops::Deref,
    ptr::{
        null_mut,
        NonNull, //
    },
};
use kernel::{
    error::to_result,
    prelude::*, //
};

/// A type that is invariant in `T`.
type Invariant<T> = (T, fn(T) -> T);

/// Owns a network device, made by [`NewDevice`](super::NewDevice).
///
/// Dropping it unregisters the device, if it is registered, and frees the device with its queues.
/// Process context, takes the RTNL. If it is forgotten, the device stays, and so does its
/// [hold](Operations::Hold).
///
/// # Invariants
///
/// `dev` is a valid `struct net_device` with all of its private data. Only this frees it. Objects
/// that the data borrows are valid while `_hold` or this value exists.
pub struct NetDevice<T: Operations> {
    dev: NonNull<bindings::net_device>,
    /// Dropped last.
    _hold: T::Hold,
    /// Invariant: data of type `T` is stored and read.
    _data: PhantomData<Invariant<T>>,
}

// SAFETY: The data and the states of the queues are `Send`.
unsafe impl<T: Operations> Send for NetDevice<T> {}

// SAFETY: A reference gives `Device`, which is `Sync`, and operations that hold the RTNL.
unsafe impl<T: Operations> Sync for NetDevice<T> {}

impl<T: Operations> NetDevice<T> {
    /// Takes over a device.
    ///
    /// # Safety
    ///
    /// `dev` is complete, with private data for `T`, and the caller passes its ownership. Objects
    /// that the data borrows are valid while `hold` exists, or until the device is dropped.
    pub(super) unsafe fn from_raw(dev: NonNull<bindings::net_device>, hold: T::Hold) -> Self {
        // INVARIANT: By the safety requirements.
        Self {
            dev,
            _hold: hold,
            _data: PhantomData,
        }
    }

    /// Registers the device, so that it can be brought up. Possible once. Process context.
    ///
    /// # Errors
    ///
    /// Those of `register_netdevice`; `EBUSY`: this was called before, successfully or not, or with
    /// the lock of the device held.
    pub fn register(&self, rtnl: &mut Rtnl) -> Result {
        let registration = &self.private().registration;
        if rtnl.has_lock_of(self.as_raw()) || *registration.get(rtnl) != Registration::None {
            return Err(EBUSY);
        }
        // The core calls the driver from here with the RTNL held, so `rtnl` is not in use during
        // the call.
        // SAFETY: By the type invariants; the RTNL is held.
        let ret = to_result(unsafe { bindings::register_netdevice(self.as_raw()) });
        *registration.get(rtnl) = match ret {
            Ok(()) => Registration::Active,
            Err(_) => Registration::Over,
        };
        ret
    }

    /// Calls [`Operations::cpus_changed`] for each CPU that comes or goes, until the device is
    /// unregistered.
    ///
    /// Process context, sleeps.
    ///
    /// # Errors
    ///
    /// - `EBUSY`: the device watches CPUs already.
    /// - `ENOSPC`: all states of CPU hotplug are in use.
    pub fn watch_cpus(&self, rtnl: &mut Rtnl) -> Result {
        // SAFETY: The private data stays where it is until the device is dropped, which removes
        // the instance.
        unsafe { self.private().cpus.add(T::CPU_STATES, rtnl) }
    }

    /// Ends [`NetDevice::watch_cpus`]. Process context, sleeps.
    pub fn unwatch_cpus(&self, rtnl: &mut Rtnl) {
        self.private().cpus.remove(rtnl);
    }

    /// Unregisters the device, if it is registered, and then its
    /// [failover master](NetDevice::add_failover), if it has one. The core brings both down. After
    /// the return, none of the operations of the device runs. Process context, takes the RTNL.
    pub fn unregister(&self) {
        let mut rtnl = Rtnl::lock();
        self.unwatch_cpus(&mut rtnl);
        let registration = self.private().registration.get(&mut rtnl);
        if *registration == Registration::Active {
            *registration = Registration::Over;
            // SAFETY: By the type invariants, and it is registered; the RTNL is held, and `rtnl` is
            // not used while the core calls the driver.
            unsafe { bindings::unregister_netdevice_queue(self.as_raw(), null_mut()) };
        }
        let failover = self.private().failover.get(&mut rtnl).take();
        // Waits for the last user of the device.
        drop(rtnl);
        drop(failover);
    }
}

impl<T: Operations> Deref for NetDevice<T> {
    type Target = Device<T>;

    #[inline]
    fn deref(&self) -> &Device<T> {
        // SAFETY: `dev` is valid, with private data for `T`, as long as `self` (type invariant).
        unsafe { Device::from_raw(self.dev.as_ptr()) }
    }
}

impl<T: Operations> Drop for NetDevice<T> {
    fn drop(&mut self) {
        self.unregister();
        let private = self.private();
        private.disable_work();
        private.disable_queues();
        // SAFETY: The instances are registered since the device was made, and were disabled just
        // now. No code enables them, or uses the queues, from here on. A grace period follows.
        unsafe {
            for slot in &private.rx {
                slot.unregister();
            }
            for slot in &private.tx {
                slot.unregister();
            }
        }
        if private.dims.as_ref().is_some() {
            // SAFETY: The device is not registered, and the work that reads the profiles is
            // disabled.
            unsafe { bindings::rust_dim_free(self.as_raw()) };
        }
        let private = Private::<T>::of(self.as_raw());
        // After this, no code reads the NAPI instances.
        wait_for_grace_period();
        // SAFETY: The private data is valid (type invariant), and is dropped only below.
        let parent = unsafe { (*private).parent.clone() };
        // SAFETY: The private data is valid (type invariant). The device and its NAPI instances are
        // not registered, and its work is disabled, so nothing refers to the data. The data is not
        // used again.
        unsafe { private.drop_in_place() };
        // SAFETY: The device is valid (type invariant), and is freed only below.
        if unsafe { bindings::rust_netdev_has_page_pools(self.as_raw()) } {
            // Unregistering a device removes its page pools from its list. A pool that was created
            // while the device was not registered is still in the list, if one of its buffers is in
            // use.
            dev_warn!(
                &*parent,
                "receive buffers are still in use: the interface is not freed\n"
            );
            return;
        }
        // SAFETY: This owns the device (type invariant), and nothing else refers to it.
        unsafe { bindings::free_netdev(self.as_raw()) };
    }
}
