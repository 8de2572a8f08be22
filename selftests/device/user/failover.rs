// SPDX-License-Identifier: GPL-2.0

//! The failover master above the interface of a fake device.

use super::nic::Nic;
use crate::{
    bindings,
    fake::Fake, //
};
use kernel::{
    error::to_result,
    prelude::*, //
};

/// The place of an interface in a failover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The index of the interface.
    pub index: u32,
    /// The index of the master above the interface; 0 if there is none.
    pub upper: u32,
    /// Whether the interface is a slave of a failover.
    pub is_slave: bool,
    /// The name of the port, which ends with zeroes.
    pub port_name: Result<[u8; 16]>,
}

impl Nic {
    /// Returns the interface of a fake device, or the failover master above it. Removal of the
    /// device waits until the result is dropped.
    pub(super) fn find(fake: &Fake, master: bool) -> Result<Self> {
        if !fake.is_bound() {
            return Err(ENODEV);
        }
        // SAFETY: The device is valid as long as `fake`.
        let dev = unsafe {
            let parent = &raw mut (*fake.0.vdev.get()).dev;
            bindings::rust_virtio_fake_netdev(parent, master)
        };
        if dev.is_null() {
            return Err(ENODEV);
        }
        // INVARIANT: The C function takes a reference to a registered interface.
        Ok(Self(dev))
    }

    /// Returns the failover master above the interface of a fake device. Removal of the device
    /// waits until the result is dropped.
    ///
    /// # Errors
    ///
    /// `ENODEV`: there is no master.
    pub fn master_of(fake: &Fake) -> Result<Self> {
        Self::find(fake, true)
    }

    /// Returns the place of the interface in a failover.
    pub fn place(&self) -> Place {
        let mut raw = bindings::rust_virtio_fake_failover::default();
        // SAFETY: This is a reference to the interface (type invariant); the helper takes the RTNL.
        unsafe { bindings::rust_virtio_fake_failover(self.0, &mut raw) };
        Place {
            index: raw.index,
            upper: raw.upper,
            is_slave: raw.slave,
            port_name: to_result(raw.port_name_ret).map(|()| raw.port_name),
        }
    }
}

/// Brings up the first interface of a device as soon as it is registered, until this is dropped.
/// One exists at a time.
pub struct OpensFirst(());

impl OpensFirst {
    /// Waits for the first interface of a fake device.
    ///
    /// # Errors
    ///
    /// `EEXIST`: another one exists.
    pub fn of(fake: &Fake) -> Result<Self> {
        // SAFETY: The helper compares the address, and does not use the device.
        to_result(unsafe {
            bindings::rust_virtio_fake_open_first(&raw mut (*fake.0.vdev.get()).dev)
        })?;
        Ok(Self(()))
    }
}

impl Drop for OpensFirst {
    fn drop(&mut self) {
        // SAFETY: Matches the call in `of`.
        unsafe { bindings::rust_virtio_fake_open_none() };
    }
}
