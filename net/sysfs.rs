// SPDX-License-Identifier: GPL-2.0

//! Attributes of the receive queues.

use crate::nic::Nic;
use core::marker::PhantomData;
use kernel::prelude::*;
use netdev::sysfs::RxAttribute;

/// `queues/rx-N/virtio_net/mergeable_rx_buffer_size`: length of the receive buffers that are added
/// now, in bytes.
pub(crate) struct MergeableBufferSize<'bound>(PhantomData<&'bound ()>);

impl<'bound> RxAttribute for MergeableBufferSize<'bound> {
    type Net = Nic<'bound>;

    const GROUP: &'static CStr = c"virtio_net";
    const NAME: &'static CStr = c"mergeable_rx_buffer_size";
}
