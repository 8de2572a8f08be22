// SPDX-License-Identifier: GPL-2.0

//! VLANs.
//!
//! C header: [`include/linux/if_vlan.h`](srctree/include/linux/if_vlan.h)

use crate::{
    bindings,
    device::{
        Device,
        Operations, //
    },
    rtnl::Rtnl, //
};
use core::{
    ffi::c_void,
    ptr::from_mut, //
};

impl<T: Operations> Device<T> {
    /// Calls `f` with the ID of each VLAN (802.1Q) that the interface should receive. Process
    /// context; `f` may sleep.
    ///
    /// The stack owns the list. It also changes while the interface is detached. Then the stack
    /// calls neither [`Operations::vlan_add`] nor [`Operations::vlan_kill`].
    pub fn for_each_vlan<F: FnMut(u16)>(&self, _rtnl: &mut Rtnl, mut f: F) {
        // SAFETY: The device is valid (type invariant), and the RTNL is held. `call::<F>` gets `f`,
        // which is an `F`.
        unsafe {
            bindings::rust_netdev_for_each_vlan(
                self.as_raw(),
                Some(call::<F>),
                from_mut(&mut f).cast(),
            )
        };
    }
}

/// Calls a function with the ID of a VLAN.
///
/// # Safety
///
/// `f` is an `F` that nothing else refers to.
unsafe extern "C" fn call<F: FnMut(u16)>(f: *mut c_void, vid: u16) {
    // SAFETY: By the safety requirements, `f` is an `F` that nothing else refers to.
    unsafe { (*f.cast::<F>())(vid) };
}
