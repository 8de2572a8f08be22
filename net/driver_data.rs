// SPDX-License-Identifier: GPL-2.0

//! State that the driver keeps of a bound device.

use crate::nic::Nic;
use kernel::prelude::*;
use netdev::NetDevice;

/// The state that the driver keeps of a bound device.
#[pin_data]
pub(crate) struct DriverData<'bound> {
    /// The interface, with the [state](Nic) of the device.
    pub(crate) net: NetDevice<Nic<'bound>>,
}
