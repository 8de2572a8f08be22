// SPDX-License-Identifier: GPL-2.0

//! Statistics of an interface, as ethtool and netdev report them.

use super::nic::Nic;
use crate::bindings;
use kernel::{
    alloc::KVec,
    error::to_result,
    prelude::*, //
};

/// Number of values of a receive queue.
pub const RX_STATS: usize = bindings::RUST_VIRTIO_FAKE_RX_STATS as usize;
/// Number of values of a transmit queue.
pub const TX_STATS: usize = bindings::RUST_VIRTIO_FAKE_TX_STATS as usize;

/// Bytes of a name, with its terminator.
const NAME_LEN: usize = bindings::ETH_GSTRING_LEN as usize;
/// Largest number of values.
const ROOM: usize = 256;

/// The values of `ethtool -S`.
pub struct EthtoolStats {
    names: KVec<u8>,
    values: KVec<u64>,
}

impl EthtoolStats {
    /// Returns the names, in order, without terminators.
    pub fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.names
            .chunks(NAME_LEN)
            .map(|name| name.split(|&byte| byte == 0).next().unwrap_or_default())
    }

    /// Returns the values, in order.
    pub fn values(&self) -> &[u64] {
        &self.values
    }

    /// Returns the value with a name.
    pub fn value(&self, name: &str) -> Option<u64> {
        let at = self.names().position(|one| one == name.as_bytes())?;
        self.values.get(at).copied()
    }
}

impl Nic {
    /// Returns the values of `ethtool -S`. One that the driver does not write is all ones.
    ///
    /// # Errors
    ///
    /// `ENOSPC`: there are too many. `ENOMEM`.
    pub fn ethtool_stats(&self) -> Result<EthtoolStats> {
        let mut names = KVec::from_elem(0, ROOM * NAME_LEN, GFP_KERNEL)?;
        let mut values = KVec::from_elem(u64::MAX, ROOM, GFP_KERNEL)?;
        // SAFETY: This is a reference (type invariant); the helper checks that it is registered.
        // There is room for as many names and values.
        let count = unsafe {
            bindings::rust_virtio_fake_ethtool_stats(
                self.0,
                names.as_mut_ptr().cast(),
                values.as_mut_ptr(),
                ROOM as u32,
            )
        };
        to_result(count.min(0))?;
        names.truncate(count as usize * NAME_LEN);
        values.truncate(count as usize);
        Ok(EthtoolStats { names, values })
    }

    /// Returns the value of `ethtool -S` with a name.
    ///
    /// # Errors
    ///
    /// `ENOENT`: there is no such value. Those of [`Nic::ethtool_stats`].
    pub fn statistic(&self, name: &str) -> Result<u64> {
        self.ethtool_stats()?.value(name).ok_or(ENOENT)
    }

    /// Returns the statistics of a pair of queues, or those besides them, in the order of the
    /// kernel's structures. One that the driver does not know is all ones.
    ///
    /// # Errors
    ///
    /// `ENODEV`: the interface is not registered.
    pub fn queue_stats(&self, pair: Option<u16>) -> Result<([u64; RX_STATS], [u64; TX_STATS])> {
        let (mut rx, mut tx) = ([0; RX_STATS], [0; TX_STATS]);
        let queue = pair.map_or(-1, i32::from);
        // SAFETY: This is a reference (type invariant); the helper checks that it is registered.
        // There is room for all values.
        to_result(unsafe {
            bindings::rust_virtio_fake_queue_stats(self.0, queue, rx.as_mut_ptr(), tx.as_mut_ptr())
        })?;
        Ok((rx, tx))
    }
}
