// SPDX-License-Identifier: GPL-2.0

//! Virtqueues as event sources of NAPI.

use crate::napi::Source;
use virtio::queue::{
    Armed,
    QueueHandle, //
};

impl Source for QueueHandle {
    type Armed = Armed;

    #[inline]
    fn disable(&self) {
        self.disable_cb();
    }

    #[inline]
    fn is_pending(&self, armed: Armed) -> bool {
        self.poll(armed)
    }
}
