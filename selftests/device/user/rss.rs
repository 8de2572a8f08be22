// SPDX-License-Identifier: GPL-2.0

//! Receive-side scaling of an interface.

use super::nic::Nic;
use crate::bindings;
use core::ptr::null;
use kernel::{
    alloc::KVec,
    error::to_result,
    prelude::*, //
};

/// Room for an indirection table, in entries.
const TABLE_ROOM: usize = 0x4000;
/// Room for a hash key, in bytes.
const KEY_ROOM: usize = 256;

/// The kinds of packets of `ethtool -n ... rx-flow-hash`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of ethtool")]
pub enum RxFlow {
    Tcp4 = 1,
    Udp4 = 2,
    Sctp4 = 3,
    Tcp6 = 5,
    Udp6 = 6,
    Ip4 = 0x10,
    Ip6 = 0x11,
}

impl RxFlow {
    /// Source and destination address.
    pub const SD: u32 = 0x30;
    /// Addresses and ports.
    pub const SDFN: u32 = 0xf0;
    /// No hash.
    pub const R: u32 = 1 << 31;
}

/// The indirection table and the hash key.
#[derive(Debug, PartialEq, Eq)]
pub struct Rxfh {
    /// The indirection table.
    pub table: KVec<u32>,
    /// The hash key.
    pub key: KVec<u8>,
}

impl Nic {
    /// Returns the indirection table and the hash key.
    ///
    /// # Errors
    ///
    /// `ENOSPC`: they are longer than any that a device may have. `EPROTO`: the hash function is
    /// not Toeplitz, or bytes beyond the end were written.
    pub fn rxfh(&self) -> Result<Rxfh> {
        let mut table = KVec::from_elem(0xaaaa_aaaa, TABLE_ROOM + 1, GFP_KERNEL)?;
        let mut key = KVec::from_elem(0xaa, KEY_ROOM + 1, GFP_KERNEL)?;
        let (mut entries, mut key_len) = (TABLE_ROOM as u32, KEY_ROOM as u32);
        // SAFETY: This is a reference (type invariant). The helper checks that it is registered,
        // and that there is room for the lengths of the interface.
        to_result(unsafe {
            bindings::rust_virtio_fake_get_rxfh(
                self.0,
                table.as_mut_ptr(),
                &mut entries,
                key.as_mut_ptr(),
                &mut key_len,
            )
        })?;
        let kept = table.get(entries as usize) == Some(&0xaaaa_aaaa)
            && key.get(key_len as usize) == Some(&0xaa);
        table.truncate(entries as usize);
        key.truncate(key_len as usize);
        kept.then_some(Rxfh { table, key }).ok_or(EPROTO)
    }

    /// Sets the indirection table, the hash key, or both. Each has the length of the interface. The
    /// table is one that the user has chosen.
    ///
    /// # Errors
    ///
    /// Any error of the driver; `EINVAL`: the length is another one.
    pub fn set_rxfh(&self, table: Option<&[u32]>, key: Option<&[u8]>) -> Result {
        self.set_rxfh_by(table, key, 0)
    }

    /// As [`Nic::set_rxfh`], with this hash function, `ETH_RSS_HASH_...`.
    ///
    /// # Errors
    ///
    /// Those of [`Nic::set_rxfh`].
    pub fn set_rxfh_by(&self, table: Option<&[u32]>, key: Option<&[u8]>, hfunc: u8) -> Result {
        let now = self.rxfh()?;
        if table.is_some_and(|table| table.len() != now.table.len())
            || key.is_some_and(|key| key.len() != now.key.len())
        {
            return Err(EINVAL);
        }
        let table = table.map_or(null(), <[u32]>::as_ptr);
        let key = key.map_or(null(), <[u8]>::as_ptr);
        // SAFETY: This is a reference (type invariant); the helper checks that it is registered.
        // The lengths are those of the interface, which do not change.
        to_result(unsafe { bindings::rust_virtio_fake_set_rxfh(self.0, table, key, hfunc) })
    }

    /// Returns the header fields that the hash of a flow covers, `RXH_...`.
    ///
    /// # Errors
    ///
    /// Any error of the driver.
    pub fn rxfh_fields(&self, flow: RxFlow) -> Result<u32> {
        let mut data = 0;
        // SAFETY: This is a reference (type invariant); the helper checks that it is registered.
        to_result(unsafe {
            bindings::rust_virtio_fake_rxfh_fields(self.0, flow as u32, &mut data)
        })?;
        Ok(data)
    }

    /// Sets the header fields that the hash of a flow covers.
    ///
    /// # Errors
    ///
    /// Any error of the driver.
    pub fn set_rxfh_fields(&self, flow: RxFlow, data: u32) -> Result {
        // SAFETY: This is a reference (type invariant); the helper checks that it is registered.
        to_result(unsafe { bindings::rust_virtio_fake_set_rxfh_fields(self.0, flow as u32, data) })
    }

    /// Whether hashes can be switched.
    pub fn has_rxhash(&self) -> bool {
        // SAFETY: This is a reference (type invariant).
        unsafe { bindings::rust_virtio_fake_has_rxhash(self.0) }
    }
}
