// SPDX-License-Identifier: GPL-2.0

//! Ethernet addresses.

use crate::bindings;
use core::{
    marker::PhantomData,
    ptr::null_mut, //
};
use kernel::{
    alloc::KVec,
    prelude::*, //
};

/// Bytes of an Ethernet address.
pub const ETH_ALEN: usize = bindings::ETH_ALEN as usize;

/// An Ethernet address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MacAddr(pub [u8; ETH_ALEN]);

impl MacAddr {
    /// Whether a station can have it: neither zero nor a group address.
    pub const fn is_valid(&self) -> bool {
        let mut i = 0;
        let mut any = 0;
        while i < ETH_ALEN {
            any |= self.0[i];
            i += 1;
        }
        any != 0 && self.0[0] & 1 == 0
    }
}

/// A list of the addresses that a device is to receive, as the core hands it out.
///
/// # Invariants
///
/// `list` is valid and does not change for `'a`.
pub struct AddrList<'a> {
    list: *const bindings::netdev_hw_addr_list,
    _list: PhantomData<&'a ()>,
}

impl<'a> AddrList<'a> {
    /// Wraps the core's list.
    ///
    /// # Safety
    ///
    /// `list` is valid and does not change for `'a`.
    pub(crate) unsafe fn from_raw(list: *const bindings::netdev_hw_addr_list) -> Self {
        // INVARIANT: By the safety requirements.
        Self {
            list,
            _list: PhantomData,
        }
    }

    /// How many addresses there are.
    pub fn len(&self) -> usize {
        // SAFETY: By the type invariant.
        unsafe { bindings::hw_addr_count(self.list) as usize }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends the addresses to `to`, [`ETH_ALEN`] bytes each. Process context.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn append_to(&self, to: &mut KVec<u8>) -> Result {
        let n = self.len();
        let start = to.len();
        to.resize(start + n * ETH_ALEN, 0, GFP_KERNEL)?;
        let ptr = to.get_mut(start..).map_or(null_mut(), <[u8]>::as_mut_ptr);
        // SAFETY: By the type invariant; `ptr` is followed by room for `n` addresses.
        unsafe { bindings::hw_addr_copy(self.list, ptr, n as u32) };
        Ok(())
    }
}
