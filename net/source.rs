// SPDX-License-Identifier: GPL-2.0

//! Virtqueues as event sources of NAPI.

use core::borrow::Borrow;
use netdev::napi::Source;
use virtio::QueueHandle;

/// The callbacks of a queue, whose handle is owned or borrowed.
pub(crate) struct QueueSource<H>(pub(crate) H);

impl<H: Borrow<QueueHandle> + Send + Sync> Source for QueueSource<H> {
    #[inline(always)]
    fn disable(&self) {
        self.0.borrow().disable_cb();
    }
}
