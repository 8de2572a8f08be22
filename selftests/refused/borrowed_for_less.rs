// SPDX-License-Identifier: GPL-2.0

//! An interface whose data borrows for less than the time of the binding, and is forgotten.

#[path = "common/nic.rs"]
mod nic;

use kernel::{
    prelude::*,
    sync::Arc, //
};
use net_buffers::new_interface;
use nic::{
    Nic,
    State, //
};
use virtio::Scope;

/// The data borrows from this function.
pub fn data(scope: Scope<'_>, shared: &'static u32) -> Result {
    let value = 1;
    let data = Ok(Nic { value: &value }); //~ E0597
    let new = new_interface(scope, data, 1, 64, |_| {
        let state = || State { value: shared };
        Ok((Arc::new((), GFP_KERNEL)?, state(), state()))
    })?;
    core::mem::forget(new.finish());
    Ok(())
}

/// The time of the binding is made shorter.
pub fn scope<'a, 'bound: 'a>(scope: Scope<'bound>) -> Scope<'a> {
    scope //~ lifetime may not live long enough
}
