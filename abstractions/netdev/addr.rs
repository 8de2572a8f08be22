// SPDX-License-Identifier: GPL-2.0

//! Ethernet addresses.

use crate::{
    bindings,
    device::{
        Device,
        Operations, //
    },
};
use core::marker::PhantomData;
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
    /// Whether the address can be that of a station: neither zero nor a group address.
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

/// Addresses, one after the other, [`ETH_ALEN`] bytes each.
pub type AddrBytes = KVec<u8>;

/// A list of the addresses whose packets a device should receive, as the core passes it.
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

    /// Returns the number of addresses.
    pub fn len(&self) -> usize {
        // SAFETY: `list` is valid and does not change for `'a` (type invariant).
        unsafe { bindings::hw_addr_count(self.list) as usize }
    }

    /// Whether the list is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Copies the addresses. Process context.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn to_bytes(&self) -> Result<AddrBytes> {
        let n = self.len();
        let mut to = KVec::from_elem(0, n * ETH_ALEN, GFP_KERNEL)?;
        // SAFETY: By the type invariant; there is room for `n` addresses.
        unsafe { bindings::hw_addr_copy(self.list, to.as_mut_ptr(), n as u32) };
        Ok(to)
    }
}

impl<T: Operations> Device<T> {
    /// Copies the addresses whose packets the interface should receive, first unicast, then
    /// multicast, as [`Operations::set_rx_mode`] gets them. Process context.
    ///
    /// An address that is added during the copy may be missing. The core calls
    /// [`Operations::set_rx_mode`] for it later.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn filter_addresses(&self) -> Result<[AddrBytes; 2]> {
        let mut lists = [KVec::new(), KVec::new()];
        for (list, multicast) in lists.iter_mut().zip([false, true]) {
            // SAFETY: The device is valid (type invariant of `Device`); the count needs no lock.
            let n = unsafe { bindings::netdev_addr_count(self.as_raw(), multicast) };
            *list = KVec::from_elem(0, n as usize * ETH_ALEN, GFP_KERNEL)?;
            let to = list.as_mut_ptr();
            // SAFETY: As above; there is room for `n` addresses.
            let copied = unsafe { bindings::netdev_addr_copy(self.as_raw(), multicast, to, n) };
            list.truncate(copied as usize * ETH_ALEN);
        }
        Ok(lists)
    }
}
