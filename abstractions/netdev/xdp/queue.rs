// SPDX-License-Identifier: GPL-2.0

//! Receive queues, as XDP knows them.

use crate::{
    bindings,
    pool::PagePool, //
};
use kernel::{
    error::to_result,
    prelude::*,
    types::Opaque, //
};

/// The registration of a receive queue, and the pool of the memory of its packets.
///
/// # Invariants
///
/// `rxq` is registered with the page pool `memory`, which does not map its pages: `copies`, or else
/// the pool of the queue.
pub(crate) struct XdpQueue {
    rxq: KBox<Opaque<bindings::xdp_rxq_info>>,
    memory: *mut bindings::page_pool,
    /// A pool for copies of packets, if the pages of the queue's own pool are mapped for a device.
    /// Dropped after the registration ends.
    copies: Option<PagePool>,
}

// SAFETY: A queue may be registered and unregistered by any thread.
unsafe impl Send for XdpQueue {}

impl XdpQueue {
    /// Registers the queue `index` of `dev`. Its buffers are from `pool`, unless there is a pool
    /// for `copies`. Process context, sleeps.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, and other errors of the core.
    ///
    /// # Safety
    ///
    /// `dev` is valid and outlives the result, and so does `pool`. The pool of the packets does not
    /// map its pages.
    pub(crate) unsafe fn new(
        dev: *mut bindings::net_device,
        index: u32,
        pool: &PagePool,
        copies: Option<PagePool>,
    ) -> Result<Self> {
        let rxq = KBox::new(Opaque::zeroed(), GFP_KERNEL)?;
        let memory = copies.as_ref().unwrap_or(pool).as_raw();
        // SAFETY: `rxq` is zeroed, which is the state before the registration. By the safety
        // requirements, `dev` is valid. The pool is valid, and the core takes a reference.
        to_result(unsafe { bindings::rust_xdp_rxq_reg(rxq.get(), dev, index, memory) })?;
        // INVARIANT: It was registered just now; by the safety requirements, the pool does not map
        // its pages.
        Ok(Self {
            rxq,
            memory,
            copies,
        })
    }

    /// Returns the registration.
    #[inline]
    pub(crate) fn as_raw(&self) -> *mut bindings::xdp_rxq_info {
        self.rxq.get()
    }

    /// Returns the page pool of the packets' memory.
    #[inline]
    pub(crate) fn memory(&self) -> *mut bindings::page_pool {
        self.memory
    }

    /// Returns the pool for copies, if it is not that of the queue.
    pub(crate) fn copies(&mut self) -> Option<&mut PagePool> {
        self.copies.as_mut()
    }

    /// As [`XdpQueue::copies`].
    pub(crate) fn pool_of_copies(&self) -> Option<&PagePool> {
        self.copies.as_ref()
    }
}

impl Drop for XdpQueue {
    fn drop(&mut self) {
        // SAFETY: `rxq` is registered (type invariant), and is not used again. Frames that are in
        // use do not refer to the registration.
        unsafe { bindings::xdp_rxq_info_unreg(self.as_raw()) };
    }
}
