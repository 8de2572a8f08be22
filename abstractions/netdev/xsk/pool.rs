// SPDX-License-Identifier: GPL-2.0

//! Pools, and the list of those that the queues of an interface use.

use super::{
    owned::OwnedBinding,
    Binding,
    XskRx,
    XskTx, //
};
use crate::bindings;
use core::ptr::NonNull;
use kernel::{
    alloc::{
        kvec::PushError,
        KVec, //
    },
    device,
    prelude::*, //
};

/// The largest number of bytes that a device may write before a packet, and that of the zeroes
/// before a packet to transmit.
pub const MAX_BEFORE: u32 = super::binding::ZEROES as u32;

/// The memory of a socket, which the core asks a driver to use on a queue.
///
/// # Invariants
///
/// The core has asked the driver of `dev` for this use of `pool`, with the RTNL held. The call
/// does not return before the binding in `place` is dropped, or is in the list that the core's
/// call to take the pool back drops it from.
pub struct XskPool<'a> {
    dev: *mut bindings::net_device,
    index: u32,
    pool: NonNull<bindings::xsk_buff_pool>,
    place: &'a mut Option<OwnedBinding>,
}

impl<'a> XskPool<'a> {
    /// # Safety
    ///
    /// As the type invariants say.
    pub(crate) unsafe fn new(
        dev: *mut bindings::net_device,
        index: u32,
        pool: NonNull<bindings::xsk_buff_pool>,
        place: &'a mut Option<OwnedBinding>,
    ) -> Self {
        // INVARIANT: By the safety requirements.
        Self {
            dev,
            index,
            pool,
            place,
        }
    }

    /// Returns the number of bytes before each packet.
    pub fn headroom(&self) -> u32 {
        // SAFETY: The pool is valid (type invariants).
        unsafe { bindings::xsk_pool_get_headroom(self.pool.as_ptr()) }
    }

    /// Maps the memory for a device. `before` is the number of bytes that the device writes before
    /// each packet. At most `packets` packets are transmitted at a time. Process context, sleeps.
    ///
    /// # Errors
    ///
    /// - `EINVAL`: there is no room for so many bytes, or a packet has no room for as many.
    /// - `ENOMEM`, and other errors of the core.
    pub fn map(
        self,
        dma_dev: &device::Device,
        before: u32,
        packets: u32,
    ) -> Result<(XskRx, XskTx)> {
        // SAFETY: The pool is valid (type invariants).
        let room = unsafe { bindings::xsk_pool_get_rx_frame_size(self.pool.as_ptr()) };
        // User space chooses both. A header of the largest length is read from each buffer.
        if before > MAX_BEFORE || before > self.headroom() || room < MAX_BEFORE {
            return Err(EINVAL);
        }
        // SAFETY: By the type invariants, the core asks for this use, and the binding is dropped
        // in time.
        let binding =
            unsafe { Binding::bind(self.dev, self.index, self.pool, dma_dev, before, packets)? };
        let binding = self.place.insert(binding).place();
        // SAFETY: The binding is new. It does not move, and its drop waits for both halves.
        Ok(unsafe { (XskRx::new(binding), XskTx::new(binding)) })
    }
}

/// The pools that the queues of an interface use.
pub(crate) struct Bindings(KVec<(u32, OwnedBinding)>);

impl Bindings {
    /// Returns an empty list.
    pub(crate) const fn new() -> Self {
        Self(KVec::new())
    }

    /// Makes room for one more.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn reserve(&mut self) -> Result {
        Ok(self.0.reserve(1, GFP_KERNEL)?)
    }

    /// Adds the pool of a queue.
    ///
    /// # Errors
    ///
    /// Returns the pool if there is no room.
    pub(crate) fn add(&mut self, index: u32, binding: OwnedBinding) -> Result<(), OwnedBinding> {
        self.0
            .push_within_capacity((index, binding))
            .map_err(|PushError((_, binding))| binding)
    }

    /// Removes the pool of a queue.
    pub(crate) fn take(&mut self, index: u32) -> Option<OwnedBinding> {
        let at = self.0.iter().position(|(i, _)| *i == index)?;
        self.0.remove(at).ok().map(|(_, binding)| binding)
    }
}
