// SPDX-License-Identifier: GPL-2.0

//! Failover: a master interface above a paravirtual interface and a faster one.
//!
//! The master sends through the primary interface, such as a function of a network card that the
//! host passes to the guest, and through the standby interface, the paravirtual one, while there is
//! no primary. The core finds the primary by its address.
//!
//! C header: [`include/net/net_failover.h`](srctree/include/net/net_failover.h)

use super::{
    private::Registration,
    NetDevice,
    Operations, //
};
use crate::{
    bindings,
    rtnl::Rtnl, //
};
use core::ptr::NonNull;
use kernel::{
    error::from_err_ptr,
    prelude::*, //
};

/// A failover instance, with its master interface.
///
/// Dropping it releases the slaves, and unregisters and frees the master. Process context, takes
/// the RTNL.
///
/// # Invariants
///
/// `net_failover_create` made the instance, and only this destroys it.
pub(super) struct Failover(NonNull<bindings::failover>);

// SAFETY: The instance belongs to no thread, and the core protects it by the RTNL.
unsafe impl Send for Failover {}

impl Drop for Failover {
    fn drop(&mut self) {
        // SAFETY: This owns the instance (type invariant), which is not used again.
        unsafe { bindings::rust_failover_destroy(self.0.as_ptr()) };
    }
}

impl<T: Operations> NetDevice<T> {
    /// Whether the kernel has failover (`CONFIG_NET_FAILOVER`).
    pub const HAS_FAILOVER: bool = cfg!(CONFIG_NET_FAILOVER);

    /// Registers a failover master with the address of this device, which becomes its standby
    /// interface when it is registered (C: `net_failover_create`). Possible once, before
    /// [`NetDevice::register`].
    ///
    /// If the master is up by then, [`NetDevice::register`] calls [`Operations::open`].
    /// [`NetDevice::unregister`] unregisters the master.
    ///
    /// Process context, takes the RTNL.
    ///
    /// # Errors
    ///
    /// - `EBUSY`: the device has a master, is registered, or was.
    /// - `EOPNOTSUPP`: the kernel [has no failover](NetDevice::HAS_FAILOVER).
    /// - `ENOMEM`, and those of `register_netdevice`.
    pub fn add_failover(&mut self) -> Result {
        let private = self.private();
        let mut rtnl = Rtnl::lock();
        if *private.registration.get(&mut rtnl) != Registration::None
            || private.failover.get(&mut rtnl).is_some()
        {
            return Err(EBUSY);
        }
        drop(rtnl);
        // SAFETY: The device is valid (type invariant) and has a parent. It is not registered, and
        // no other thread registers it or changes its address: `self` is borrowed exclusively. The
        // instance keeps no pointer to the device. The function may call a driver, also this one
        // for another device, with the RTNL held, which this thread does not hold here.
        let failover = from_err_ptr(unsafe { bindings::rust_failover_create(self.as_raw()) })?;
        let failover = NonNull::new(failover).ok_or(EOPNOTSUPP)?;
        // INVARIANT: The instance was just made, and nothing else has the pointer to it.
        let failover = Failover(failover);
        *self.private().failover.get(&mut Rtnl::lock()) = Some(failover);
        Ok(())
    }
}
