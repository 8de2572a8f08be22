// SPDX-License-Identifier: GPL-2.0

//! The use of memory of AF_XDP sockets.

use super::{
    Device,
    Operations, //
};
use crate::{
    bindings,
    rtnl::Rtnl,
    xsk::XskPool, //
};
use core::ptr::NonNull;
use kernel::prelude::*;

impl<T: Operations> Device<T> {
    /// Has the driver use a pool on a queue.
    ///
    /// # Errors
    ///
    /// Those of the driver. `EINVAL`: the driver did not map the pool. `ENOMEM`.
    ///
    /// # Safety
    ///
    /// The core asks for that, and takes the pool back by [`Device::unbind_xsk`].
    pub(super) unsafe fn bind_xsk(
        &self,
        queue: u16,
        pool: NonNull<bindings::xsk_buff_pool>,
        rtnl: &mut Rtnl,
    ) -> Result {
        let index = u32::from(queue);
        self.private().xsk.get(rtnl).reserve()?;
        let mut place = None;
        // SAFETY: By the safety requirements. The binding is dropped below, or added to the list
        // that `unbind_xsk` drops it from.
        let pool = unsafe { XskPool::new(self.as_raw(), index, pool, &mut place) };
        T::bind_xsk(self, queue.into(), pool, rtnl)?;
        let binding = place.ok_or(EINVAL)?;
        let added = self.private().xsk.get(rtnl).add(index, binding);
        added.map_err(|binding| {
            // Not possible: there is room, and the RTNL is held. The driver has to end the use
            // before the binding is dropped, which waits for that.
            T::unbind_xsk(self, queue.into(), rtnl);
            drop(binding);
            ENOMEM
        })
    }

    /// Has the driver end the use of the pool of a queue. Waits for that.
    pub(super) fn unbind_xsk(&self, queue: u16, rtnl: &mut Rtnl) {
        T::unbind_xsk(self, queue.into(), rtnl);
        let binding = self.private().xsk.get(rtnl).take(queue.into());
        drop(binding);
    }

    /// Schedules the NAPI instance of a receive queue, if it is enabled. Process or softirq
    /// context.
    pub fn rx_wake(&self, index: usize) {
        if let Some(slot) = self.private().rx.get(index) {
            slot.schedule_bare();
        }
    }
}
