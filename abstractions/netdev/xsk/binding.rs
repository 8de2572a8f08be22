// SPDX-License-Identifier: GPL-2.0

//! The use of a pool on a queue, from the time when the core asks for it until it takes the pool
//! back.

use super::{
    buffer,
    frame::Slot,
    owned::OwnedBinding, //
};
use crate::{
    bindings,
    device::raw_device, //
};
use core::ptr::{
    null_mut,
    NonNull, //
};
use kernel::{
    alloc::KVVec,
    device,
    error::to_result,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            Acquire,
            Atomic,
            Relaxed,
            Release, //
        },
    },
    types::Opaque, //
};

/// Bytes of zeroes that are mapped for the device.
pub(super) const ZEROES: usize = 64;

/// The use of a pool on a queue. Its address is constant.
///
/// Dropping it unmaps the memory. Its [`OwnedBinding`] does that.
///
/// # Invariants
///
/// - `pool` is valid, and mapped for `dma_dev`. `rxq` is registered, and is that of all buffers of
///   the pool.
/// - `zeroes_addr` is the address of `_zeroes` for `dma_dev`.
/// - `has_rx` and `has_tx` say whether there is such a half. Only the owner of the
///   [`super::XskRx`], or else the drop of the [`OwnedBinding`], writes `out`, allocates buffers
///   from the pool and returns buffers to it.
/// - `out` is the number of [`super::XskBuffer`]s of this, with those in the list `returned`.
/// - The list `returned` is of such buffers, and has no buffer twice.
pub(crate) struct Binding {
    pub(super) pool: NonNull<bindings::xsk_buff_pool>,
    pub(super) dma_dev: ARef<device::Device>,
    rxq: Opaque<bindings::xdp_rxq_info>,
    /// Kept for the device.
    _zeroes: KBox<[u8; ZEROES]>,
    pub(super) zeroes_addr: bindings::dma_addr_t,
    /// The number of bytes that the device writes before a packet.
    pub(super) before: u32,
    /// The number of bytes of a packet that a buffer has room for.
    pub(super) room: u32,
    pub(super) needs_wakeup: bool,
    /// The places of packets to transmit.
    pub(super) slots: KVVec<Slot>,
    pub(super) has_rx: Atomic<bool>,
    pub(super) has_tx: Atomic<bool>,
    pub(super) out: Atomic<u32>,
    /// Buffers that were dropped without the half for reception.
    pub(super) returned: Atomic<*mut bindings::xdp_buff>,
}

// SAFETY: The fields that change are atomic, or are used as the type invariants say.
unsafe impl Send for Binding {}
// SAFETY: As for `Send`: other fields than the atomic ones do not change.
unsafe impl Sync for Binding {}

impl Binding {
    /// Maps a pool for a device, for the queue `index` of `dev`. At most `packets` packets are
    /// transmitted at a time. Process context, sleeps.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, and other errors of the core.
    ///
    /// # Safety
    ///
    /// The core asks the driver of `dev` to use `pool` on that queue, with the RTNL held. The
    /// result is dropped before the core's call to take the pool back returns, or before the core's
    /// call for this use does.
    pub(super) unsafe fn bind(
        dev: *mut bindings::net_device,
        index: u32,
        pool: NonNull<bindings::xsk_buff_pool>,
        dma_dev: &device::Device,
        before: u32,
        packets: u32,
    ) -> Result<OwnedBinding> {
        // SAFETY: The pool is valid, by the safety requirements.
        let (room, needs_wakeup) = unsafe {
            (
                bindings::xsk_pool_get_rx_frame_size(pool.as_ptr()),
                bindings::xsk_uses_need_wakeup(pool.as_ptr()),
            )
        };
        let zeroes = KBox::new([0; ZEROES], GFP_KERNEL)?;
        let mut slots = KVVec::with_capacity(packets as usize, GFP_KERNEL)?;
        for _ in 0..packets {
            slots.push(Slot::new(), GFP_KERNEL)?;
        }
        let mut this = KBox::<Self>::new_uninit(GFP_KERNEL)?;
        let raw_dev = raw_device(dma_dev);
        let mut zeroes_addr = 0;
        // SAFETY: The device and the memory are valid. The device only reads the memory, which does
        // not change.
        let mapped = unsafe {
            bindings::rust_xsk_map_zeroes(
                raw_dev,
                zeroes.as_ptr().cast_mut().cast(),
                ZEROES,
                &mut zeroes_addr,
            )
        };
        if !mapped {
            return Err(ENOMEM);
        }
        // SAFETY: The pool and the device are valid, and the RTNL is held.
        let map = to_result(unsafe { bindings::xsk_pool_dma_map(pool.as_ptr(), raw_dev) });
        let place = this.as_mut_ptr();
        // SAFETY: The place is in memory for a `Self`.
        let rxq = unsafe { &raw mut (*place).rxq }.cast::<bindings::xdp_rxq_info>();
        let registered = map.and_then(|()| {
            // SAFETY: A zeroed structure is one that is not registered. The place is valid.
            unsafe { rxq.write_bytes(0, 1) };
            // SAFETY: The device and the pool are valid. The place stays until the registration
            // ends.
            to_result(unsafe { bindings::rust_xsk_rxq_reg(rxq, dev, index, pool.as_ptr()) })
                .inspect_err(|_| {
                    // SAFETY: It was mapped above.
                    unsafe { bindings::xsk_pool_dma_unmap(pool.as_ptr()) };
                })
        });
        if let Err(e) = registered {
            // SAFETY: It was mapped above.
            unsafe { bindings::rust_xsk_unmap_zeroes(raw_dev, zeroes_addr, ZEROES) };
            return Err(e);
        }
        // INVARIANT: All was mapped and registered above. There is no half, and no buffer.
        // SAFETY: All fields but `rxq` are written, which was registered in its place.
        let this = unsafe {
            (&raw mut (*place).pool).write(pool);
            (&raw mut (*place).dma_dev).write(dma_dev.into());
            (&raw mut (*place)._zeroes).write(zeroes);
            (&raw mut (*place).zeroes_addr).write(zeroes_addr);
            (&raw mut (*place).before).write(before);
            (&raw mut (*place).room).write(room);
            (&raw mut (*place).needs_wakeup).write(needs_wakeup);
            (&raw mut (*place).slots).write(slots);
            (&raw mut (*place).has_rx).write(Atomic::new(false));
            (&raw mut (*place).has_tx).write(Atomic::new(false));
            (&raw mut (*place).out).write(Atomic::new(0));
            (&raw mut (*place).returned).write(Atomic::new(null_mut()));
            this.assume_init()
        };
        Ok(OwnedBinding::new(this))
    }

    /// Changes the number of buffers that are out.
    ///
    /// # Safety
    ///
    /// The caller owns the half for reception, or is the drop of the [`OwnedBinding`].
    #[inline]
    pub(super) unsafe fn set_out(&self, change: impl FnOnce(u32) -> u32) {
        self.out.store(change(self.out.load(Relaxed)), Relaxed);
    }

    /// Returns buffers to the pool that were dropped without the half for reception.
    ///
    /// # Safety
    ///
    /// The caller owns the half for reception, or is the drop of the [`OwnedBinding`].
    #[inline]
    pub(super) unsafe fn take_returned(&self) {
        if !self.returned.load(Relaxed).is_null() {
            // SAFETY: By the safety requirements, which are the same.
            unsafe { self.take_list() };
        }
    }

    /// # Safety
    ///
    /// As for [`Binding::take_returned`].
    #[cold]
    unsafe fn take_list(&self) {
        let mut next = NonNull::new(self.returned.xchg(null_mut(), Acquire));
        while let Some(buff) = next {
            // SAFETY: The list is of buffers of this, which no other code refers to (type
            // invariants).
            unsafe {
                next = buffer::next(buff);
                self.free(buff);
            }
        }
    }

    /// Returns a buffer to the pool.
    ///
    /// # Safety
    ///
    /// The caller owns the half for reception, or is the drop of the [`OwnedBinding`]. It passes
    /// the ownership of a buffer of this.
    #[inline]
    pub(super) unsafe fn free(&self, buff: NonNull<bindings::xdp_buff>) {
        // SAFETY: By the safety requirements, the buffer is one of this, and its owner passes it.
        unsafe {
            self.forget(buff);
            bindings::rust_xsk_buff_free(buff.as_ptr());
        }
    }

    /// Notes that a buffer has another owner.
    ///
    /// # Safety
    ///
    /// As for [`Binding::free`].
    #[inline]
    pub(super) unsafe fn forget(&self, buff: NonNull<bindings::xdp_buff>) {
        // SAFETY: By the safety requirements, the caller owns the buffer and the half for
        // reception.
        unsafe {
            buffer::set_owner(buff, None);
            self.set_out(|out| out.wrapping_sub(1));
        }
    }

    /// Whether the memory is mapped for a device.
    #[inline]
    pub(super) fn is_for(&self, dev: Option<&device::Device>) -> bool {
        dev.is_some_and(|dev| raw_device(dev) == raw_device(&self.dma_dev))
    }

    /// Whether the driver has nothing left of the pool. Returns buffers to it that were dropped.
    ///
    /// # Safety
    ///
    /// The caller is the drop of the [`OwnedBinding`].
    pub(super) unsafe fn is_unused(&self) -> bool {
        // Pairs with the release when a half is dropped.
        if self.has_rx.load(Acquire) || self.has_tx.load(Acquire) {
            return false;
        }
        // SAFETY: By the safety requirements, this is the drop of the owner; and there is no half
        // for reception.
        unsafe { self.take_returned() };
        self.out.load(Relaxed) == 0 && !self.slots.iter().any(Slot::is_in_use)
    }
}

/// Ends the life of a half.
///
/// # Safety
///
/// The caller owns the half of `flag`, which is a field of a [`Binding`], and does not use it, or
/// the binding, again.
pub(super) unsafe fn end_half(flag: &Atomic<bool>) {
    flag.store(false, Release);
}

impl Drop for Binding {
    fn drop(&mut self) {
        let dma_dev = raw_device(&self.dma_dev);
        // SAFETY: By the type invariants, the queue is registered, and both are mapped. The owner
        // has waited until the driver has nothing left of the pool, so no device uses the memory.
        unsafe {
            bindings::rust_xsk_rxq_unreg(self.rxq.get(), self.pool.as_ptr());
            bindings::xsk_pool_dma_unmap(self.pool.as_ptr());
            bindings::rust_xsk_unmap_zeroes(dma_dev, self.zeroes_addr, ZEROES);
        }
    }
}
