// SPDX-License-Identifier: GPL-2.0

//! Commands for the limits of notifications (virtio spec §5.1.6.5.9).

use super::{
    queue::Control,
    NOTF_COAL_RX_SET,
    NOTF_COAL_TX_SET,
    NOTF_COAL_VQ_SET, //
};
use crate::{
    coalesce::limits::{
        Direction,
        Limits, //
    },
    nic::Nic, //
};
use kernel::prelude::*;
use netdev::Device;

impl Control {
    /// Sets the limits of all queues of a direction. Errors are those of [`Control::send`].
    pub(crate) fn set_limits(
        &self,
        dev: &Device<Nic<'_>>,
        direction: Direction,
        limits: Limits,
    ) -> Result {
        let code = match direction {
            Direction::Receive => NOTF_COAL_RX_SET,
            Direction::Transmit => NOTF_COAL_TX_SET,
        };
        self.send(dev, code, |data| {
            Ok(data.extend_from_slice(&limits.to_bytes(), GFP_KERNEL)?)
        })
    }

    /// Sets the limits of the queue with this index on the device. Errors are those of
    /// [`Control::send`].
    pub(crate) fn set_queue_limits(
        &self,
        dev: &Device<Nic<'_>>,
        index: u16,
        limits: Limits,
    ) -> Result {
        self.send(dev, NOTF_COAL_VQ_SET, |data| {
            data.extend_from_slice(&index.to_le_bytes(), GFP_KERNEL)?;
            // Reserved.
            data.extend_from_slice(&[0; 2], GFP_KERNEL)?;
            Ok(data.extend_from_slice(&limits.to_bytes(), GFP_KERNEL)?)
        })
    }
}
