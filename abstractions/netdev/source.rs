// SPDX-License-Identifier: GPL-2.0

//! Virtqueues as event sources of NAPI.

use crate::napi::Source;
use virtio::queue::QueueHandle;

impl Source for QueueHandle {
    #[inline(always)]
    fn disable(&self) {
        self.disable_cb();
    }
}
