// SPDX-License-Identifier: GPL-2.0

//! A queue that takes nothing, of a device or none.

use crate::RxFrag;
use kernel::{
    device::Device,
    prelude::*, //
};
use virtio::{
    AddError,
    Callbacks,
    QueueOps,
    Used, //
};

/// The queue of a device that memory is mapped for, if any.
pub(super) struct Full<'a>(pub(super) Option<&'a Device>);

impl QueueOps<RxFrag> for Full<'_> {
    fn again(&mut self) -> impl QueueOps<RxFrag> + '_ {
        Full(self.0)
    }

    unsafe fn add_premapped(&mut self, buffer: RxFrag) -> Result<(), AddError<RxFrag>> {
        Err(AddError {
            error: ENOSPC,
            buffer,
        })
    }

    fn dma_dev(&self) -> Option<&Device> {
        self.0
    }

    fn get_buf(&mut self) -> Option<Used<RxFrag>> {
        None
    }

    fn drain(&mut self, _take: impl FnMut(Used<RxFrag>)) -> bool {
        false
    }

    fn kick_prepare(&mut self) -> bool {
        false
    }

    fn notify(&mut self) -> bool {
        true
    }

    fn disable_cb(&mut self) {}

    fn enable_cb(&mut self) -> Callbacks {
        Callbacks::On
    }

    fn enable_cb_delayed(&mut self) -> Callbacks {
        Callbacks::On
    }

    fn kick_enable_cb_delayed(&mut self) -> (bool, bool) {
        (false, true)
    }

    fn num_free(&self) -> u32 {
        0
    }

    fn is_idle(&self) -> bool {
        true
    }

    fn is_broken(&self) -> bool {
        false
    }
}
