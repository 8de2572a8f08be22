// SPDX-License-Identifier: GPL-2.0

//! Packets of user space to transmit.

use super::{
    binding::ZEROES,
    MAX_BEFORE, //
};
use crate::bindings;
use core::{
    cell::UnsafeCell,
    ffi::c_void,
    mem::ManuallyDrop,
    ptr::NonNull, //
};
use kernel::sync::atomic::{
    Acquire,
    Atomic,
    Release, //
};

/// The place of a packet that was taken from user space.
///
/// # Invariants
///
/// While `in_use` is set, there is one [`XskFrame`] of the slot, and `packet` does not change.
/// Otherwise only the half for transmission uses the slot.
#[repr(align(8))]
pub(super) struct Slot {
    packet: UnsafeCell<Packet>,
    in_use: Atomic<bool>,
}

#[derive(Clone, Copy)]
struct Packet {
    addr: bindings::dma_addr_t,
    len: u32,
    zeroes: bindings::dma_addr_t,
}

// SAFETY: By the type invariants, the packet is written by one thread, while no other reads it.
unsafe impl Sync for Slot {}
// SAFETY: A slot may be used from any thread.
unsafe impl Send for Slot {}

impl Slot {
    /// Returns a slot without a packet.
    pub(super) const fn new() -> Self {
        // INVARIANT: There is no frame.
        Self {
            packet: UnsafeCell::new(Packet {
                addr: 0,
                len: 0,
                zeroes: 0,
            }),
            in_use: Atomic::new(false),
        }
    }

    /// Whether there is a frame of the slot. If there is none, the thread that dropped the frame
    /// does not use the slot any longer.
    #[inline]
    pub(super) fn is_in_use(&self) -> bool {
        self.in_use.load(Acquire)
    }

    /// Returns the frame of a packet.
    ///
    /// # Safety
    ///
    /// The caller owns the half for transmission. The slot is not in use, and exists until the
    /// frame is dropped. The packet, and [`ZEROES`] zeroes, are mapped for the device of the half
    /// until then.
    #[inline]
    pub(super) unsafe fn fill(
        &self,
        addr: bindings::dma_addr_t,
        len: u32,
        zeroes: bindings::dma_addr_t,
    ) -> XskFrame {
        // SAFETY: By the safety requirements and the type invariants, no other code uses the slot.
        unsafe { *self.packet.get() = Packet { addr, len, zeroes } };
        self.in_use.store(true, Release);
        // INVARIANT: The only frame of the slot.
        XskFrame(NonNull::from(self))
    }
}

/// A packet of user space, while it is transmitted.
///
/// User space may change the bytes at any time. When the frame is dropped, user space gets the
/// packet back, as soon as it has got those before.
///
/// # Invariants
///
/// This is the frame of a slot that is in use, and exists as long as this. The packet of the slot
/// is mapped for the device of its half.
#[repr(transparent)]
pub struct XskFrame(NonNull<Slot>);

// SAFETY: A frame may be used and dropped from any thread.
unsafe impl Send for XskFrame {}

impl XskFrame {
    /// Releases the ownership without giving the packet back. The address is aligned to 8 bytes.
    #[inline]
    pub fn into_raw(self) -> NonNull<c_void> {
        ManuallyDrop::new(self).0.cast()
    }

    /// Takes over a frame.
    ///
    /// # Safety
    ///
    /// `raw` came from [`XskFrame::into_raw`], and is used here once.
    #[inline]
    pub unsafe fn from_raw(raw: NonNull<c_void>) -> Self {
        // INVARIANT: By the safety requirements.
        Self(raw.cast())
    }

    /// Returns the address of the frame, as [`XskFrame::into_raw`] does.
    #[inline]
    pub fn as_raw(&self) -> NonNull<c_void> {
        self.0.cast()
    }

    #[inline]
    fn packet(&self) -> Packet {
        // SAFETY: The slot is in use (type invariants), so the packet does not change.
        unsafe { *self.0.as_ref().packet.get() }
    }

    /// Returns the address of the packet for the device, and its length.
    #[inline]
    pub fn data(&self) -> (bindings::dma_addr_t, u32) {
        let Packet { addr, len, .. } = self.packet();
        (addr, len)
    }

    /// Returns the address of [`MAX_BEFORE`] zeroes for the device.
    #[inline]
    pub fn zeroes(&self) -> bindings::dma_addr_t {
        const { assert!(MAX_BEFORE as usize == ZEROES) };
        self.packet().zeroes
    }

    /// Returns the length of the packet.
    #[inline]
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> u32 {
        self.packet().len
    }
}

impl Drop for XskFrame {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: The slot exists (type invariants); it is not used after the store.
        let in_use = unsafe { &(*self.0.as_ptr()).in_use };
        in_use.store(false, Release);
    }
}
