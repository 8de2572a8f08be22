// SPDX-License-Identifier: GPL-2.0

//! Socket buffers: packets.
//!
//! C header: [`include/linux/skbuff.h`](srctree/include/linux/skbuff.h)

mod rx;
mod tx;

pub use self::{
    rx::{
        EthSkb,
        RxOffload,
        RxPacket,
        RxSkb, //
    },
    tx::{
        detach,
        Fragment,
        Gso,
        GsoKind,
        CONTROL_BUFFER, //
    },
};

use crate::{
    bindings,
    napi::Budget, //
};
use core::{
    mem::ManuallyDrop,
    ptr::NonNull, //
};

/// Largest number of page fragments of a packet, besides its head.
pub const MAX_SKB_FRAGS: usize = bindings::MAX_SKB_FRAGS;

/// Bytes of an Ethernet header.
pub const ETH_HLEN: usize = bindings::ETH_HLEN as usize;

/// A packet.
///
/// Dropping the value frees the packet and counts it as dropped. [`SkBuff::consume`] frees the
/// packet as one that was transmitted. Both in any context.
///
/// # Invariants
///
/// The pointer is to a valid `struct sk_buff`, and this owns a reference to it.
#[repr(transparent)]
pub struct SkBuff(NonNull<bindings::sk_buff>);

// SAFETY: A packet may be used and freed from any thread and context.
unsafe impl Send for SkBuff {}

impl SkBuff {
    /// Takes over a reference.
    ///
    /// # Safety
    ///
    /// `skb` is valid, and the caller passes its reference.
    #[inline]
    pub unsafe fn from_raw(skb: NonNull<bindings::sk_buff>) -> Self {
        // INVARIANT: By the safety requirements.
        Self(skb)
    }

    /// Releases the ownership of the reference without freeing the packet.
    #[inline]
    pub fn into_raw(self) -> *mut bindings::sk_buff {
        ManuallyDrop::new(self).as_raw()
    }

    /// Returns the C structure, which is valid as long as the packet.
    #[inline]
    pub fn as_raw(&self) -> *mut bindings::sk_buff {
        self.0.as_ptr()
    }

    /// Returns the length of the packet.
    #[inline]
    pub fn len(&self) -> u32 {
        // SAFETY: The packet is valid, as this owns a reference to it (type invariant).
        unsafe { (*self.as_raw()).len }
    }

    /// Whether the packet is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the number of bytes in the head of the packet. The rest is in pages.
    #[inline]
    pub fn head_len(&self) -> u32 {
        // SAFETY: The packet is valid (type invariant). `data_len` is at most `len`.
        unsafe { (*self.as_raw()).len.wrapping_sub((*self.as_raw()).data_len) }
    }

    /// Returns the `skb_shared_info` of the packet, which it shares with its clones.
    #[inline]
    pub(crate) fn shared_info(&self) -> *mut bindings::skb_shared_info {
        let skb = self.as_raw();
        // `sk_buff_data_t` is an offset on 64-bit machines.
        #[cfg(CONFIG_64BIT)]
        {
            // SAFETY: By the type invariant, the `skb_shared_info` is at the end of the head.
            unsafe { (*skb).head.add((*skb).end as usize) }.cast()
        }
        #[cfg(not(CONFIG_64BIT))]
        {
            // SAFETY: By the type invariant, the `skb_shared_info` is at the end of the head.
            unsafe { (*skb).end }.cast()
        }
    }

    /// Frees a packet that was transmitted.
    ///
    /// `budget` is that of the running poll, and [`Budget::NONE`] outside of a poll.
    #[inline]
    pub fn consume(self, budget: Budget<'_>) {
        // SAFETY: This owns the reference (type invariant), which the function takes over. With a
        // budget, this is a poll, and only this CPU uses the cache of packets.
        unsafe { bindings::napi_consume_skb(self.into_raw(), budget.get()) };
    }
}

impl Drop for SkBuff {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: This owns the reference (type invariant), which is not used again.
        unsafe { bindings::dev_kfree_skb_any(self.as_raw()) };
    }
}
