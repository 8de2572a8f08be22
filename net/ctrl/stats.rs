// SPDX-License-Identifier: GPL-2.0

//! Commands for statistics of the device, which have a result (virtio spec §5.1.6.5.10).

use super::{
    queue::Control,
    STATS_GET,
    STATS_QUERY, //
};
use crate::nic::Nic;
use kernel::{
    alloc::KVec,
    prelude::*, //
};
use netdev::Device;

/// Bytes of the result of `STATS_QUERY`.
const TYPES_LEN: usize = 8;

impl Control {
    /// Returns the types of statistics that the device has, one bit each. None if the device
    /// reports to have written less than these bits. Errors are those of [`Control::send`].
    pub(crate) fn stats_types(&self, dev: &Device<Nic<'_>>) -> Result<Option<u64>> {
        let used = self.exchange(dev, STATS_QUERY, (KVec::new(), KVec::new()), TYPES_LEN)?;
        let result = used.tail()?;
        let bytes = result.first_chunk::<TYPES_LEN>();
        Ok(bytes.copied().map(u64::from_le_bytes))
    }

    /// Asks for statistics: `request` is the data of the command. Returns a copy of the result, as
    /// far as the device reports to have written it, of at most `room` bytes. Errors are those of
    /// [`Control::send`].
    pub(crate) fn stats(
        &self,
        dev: &Device<Nic<'_>>,
        request: KVec<u8>,
        room: usize,
    ) -> Result<KVec<u8>> {
        self.exchange(dev, STATS_GET, (request, KVec::new()), room)?
            .tail()
    }
}
