// SPDX-License-Identifier: GPL-2.0

//! Buffers of user space.

use super::Binding;
use crate::{
    bindings,
    xdp::metadata::Metadata, //
};
use core::{
    mem::ManuallyDrop,
    ptr::NonNull, //
};
use kernel::sync::atomic::{
    Relaxed,
    Release, //
};

/// The fields of this crate in a buffer, directly behind the `struct xdp_buff`.
#[repr(C)]
struct Fields {
    /// At the place at which a program's questions are answered from.
    metadata: Metadata,
    /// The owner, while there is an [`XskBuffer`]. Zeroed with the pool at first.
    owner: Option<NonNull<Binding>>,
    /// The next buffer in the list of those that were dropped.
    next: Option<NonNull<bindings::xdp_buff>>,
}

// `helpers.c` has a check that there is room for this.
const _: () = assert!(size_of::<Fields>() == 8 + 2 * size_of::<usize>());

/// Returns the place of the fields of a buffer of a pool.
#[inline]
fn fields(buff: NonNull<bindings::xdp_buff>) -> *mut Fields {
    buff.as_ptr().wrapping_add(1).cast()
}

/// Returns the owner of a buffer.
///
/// # Safety
///
/// `buff` is a buffer of a valid pool, and no other thread writes its owner.
#[inline]
pub(super) unsafe fn owner(buff: NonNull<bindings::xdp_buff>) -> Option<NonNull<Binding>> {
    // SAFETY: The fields are part of the buffer.
    unsafe { (*fields(buff)).owner }
}

/// Sets the owner of a buffer.
///
/// # Safety
///
/// `buff` is a buffer of a valid pool, and the caller is its only user.
#[inline]
pub(super) unsafe fn set_owner(buff: NonNull<bindings::xdp_buff>, owner: Option<NonNull<Binding>>) {
    // SAFETY: The fields are part of the buffer.
    unsafe { (*fields(buff)).owner = owner };
}

/// Sets the values that a program may ask for.
///
/// # Safety
///
/// As for [`set_owner`].
#[inline]
pub(super) unsafe fn set_metadata(buff: NonNull<bindings::xdp_buff>, metadata: Metadata) {
    // SAFETY: The fields are part of the buffer.
    unsafe { (*fields(buff)).metadata = metadata };
}

/// Returns the next buffer in a list.
///
/// # Safety
///
/// As for [`set_owner`]. The buffer is in a list.
#[inline]
pub(super) unsafe fn next(
    buff: NonNull<bindings::xdp_buff>,
) -> Option<NonNull<bindings::xdp_buff>> {
    // SAFETY: The fields are part of the buffer.
    unsafe { (*fields(buff)).next }
}

/// A buffer of user space to which a device can receive.
///
/// Dropping it returns it to its pool, later. [`XskRx::free`](super::XskRx::free) does so at once.
///
/// # Invariants
///
/// The pointer is to a buffer of the pool of a [`Binding`], which is the buffer's owner, and exists
/// as long as this. There is no other `XskBuffer` of it.
pub struct XskBuffer(NonNull<bindings::xdp_buff>);

// SAFETY: A buffer may be used from any thread. Its drop only adds it to a list.
unsafe impl Send for XskBuffer {}

impl XskBuffer {
    /// # Safety
    ///
    /// `buff` is as the type invariants say.
    #[inline]
    pub(super) unsafe fn new(buff: NonNull<bindings::xdp_buff>) -> Self {
        // INVARIANT: By the safety requirements.
        Self(buff)
    }

    /// Releases the ownership without returning the buffer.
    #[inline]
    pub fn into_raw(self) -> NonNull<core::ffi::c_void> {
        ManuallyDrop::new(self).0.cast()
    }

    /// Takes over a buffer.
    ///
    /// # Safety
    ///
    /// `raw` came from [`XskBuffer::into_raw`], and is used here once.
    #[inline]
    pub unsafe fn from_raw(raw: NonNull<core::ffi::c_void>) -> Self {
        // INVARIANT: By the safety requirements.
        Self(raw.cast())
    }

    #[inline]
    pub(super) fn as_raw(&self) -> NonNull<bindings::xdp_buff> {
        self.0
    }

    #[inline]
    pub(super) fn binding(&self) -> &Binding {
        // SAFETY: By the type invariants, the owner is set, and exists as long as this.
        unsafe { owner(self.0).unwrap_unchecked().as_ref() }
    }

    /// Returns the address for the device, and the number of bytes that the device may write.
    #[inline]
    pub fn dma(&self) -> (bindings::dma_addr_t, u32) {
        let binding = self.binding();
        // SAFETY: The buffer is one of a pool that is mapped (type invariants).
        let start = unsafe { bindings::xsk_buff_xdp_get_dma(self.0.as_ptr()) };
        // OVERFLOW: `before` bytes are within the headroom of the buffer.
        let start = start.wrapping_sub(binding.before.into());
        (start, self.capacity())
    }

    /// Returns the number of bytes that the device may write.
    #[inline]
    pub fn capacity(&self) -> u32 {
        let binding = self.binding();
        // OVERFLOW: A buffer is at most a page.
        binding.before.wrapping_add(binding.room)
    }
}

impl Drop for XskBuffer {
    fn drop(&mut self) {
        let binding: *const Binding = self.binding();
        // SAFETY: The owner exists until the buffer was taken from the list (type invariants), so
        // it is not used after the exchange.
        let list = unsafe { &(*binding).returned };
        let mut first = list.load(Relaxed);
        loop {
            // SAFETY: This is the only user of the buffer.
            unsafe { (*fields(self.0)).next = NonNull::new(first) };
            // Pairs with the acquire of the thread that takes the list.
            match list.cmpxchg(first, self.0.as_ptr(), Release) {
                Ok(_) => return,
                Err(now) => first = now,
            }
        }
    }
}
