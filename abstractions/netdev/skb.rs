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

/// Most page fragments that a packet may have besides its head.
pub const MAX_SKB_FRAGS: usize = bindings::MAX_SKB_FRAGS;

/// Bytes of an Ethernet header.
pub const ETH_HLEN: usize = bindings::ETH_HLEN as usize;

/// A packet.
///
/// Dropping it frees it as a packet that was dropped, in any context; [`SkBuff::consume`] as one
/// that was transmitted.
///
/// # Invariants
///
/// The pointer is to a valid `struct sk_buff` of which this owns a reference.
#[repr(transparent)]
pub struct SkBuff(NonNull<bindings::sk_buff>);

// SAFETY: A packet may be used and freed from any thread and context.
unsafe impl Send for SkBuff {}

impl SkBuff {
    /// Takes over a reference.
    ///
    /// # Safety
    ///
    /// `skb` is valid, and the caller gives up its reference.
    #[inline]
    pub unsafe fn from_raw(skb: NonNull<bindings::sk_buff>) -> Self {
        // INVARIANT: By the safety requirements.
        Self(skb)
    }

    /// Gives up the reference without freeing.
    #[inline]
    pub fn into_raw(self) -> *mut bindings::sk_buff {
        ManuallyDrop::new(self).as_raw()
    }

    /// Returns the C structure, which is valid as long as the packet is.
    #[inline]
    pub fn as_raw(&self) -> *mut bindings::sk_buff {
        self.0.as_ptr()
    }

    /// Bytes of the packet.
    #[inline]
    pub fn len(&self) -> u32 {
        // SAFETY: The packet is valid, as this owns a reference to it (type invariant).
        unsafe { (*self.as_raw()).len }
    }

    /// Whether there is no byte.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of the packet that are in its head, the rest being in pages.
    #[inline]
    pub fn head_len(&self) -> u32 {
        // SAFETY: By the type invariant; what is in pages is part of all.
        unsafe { (*self.as_raw()).len.wrapping_sub((*self.as_raw()).data_len) }
    }

    /// Returns the part of the packet that it shares with its clones.
    #[inline]
    pub(crate) fn shared_info(&self) -> *mut bindings::skb_shared_info {
        let skb = self.as_raw();
        // `sk_buff_data_t` is an offset on 64-bit machines.
        #[cfg(CONFIG_64BIT)]
        {
            // SAFETY: By the type invariant, the shared info is at the end of the head.
            unsafe { (*skb).head.add((*skb).end as usize) }.cast()
        }
        #[cfg(not(CONFIG_64BIT))]
        {
            // SAFETY: By the type invariant, the shared info is at the end of the head.
            unsafe { (*skb).end }.cast()
        }
    }

    /// Frees a packet that was transmitted.
    ///
    /// `budget` is that of the poll that this runs in, and [`Budget::NONE`] in any other context.
    #[inline]
    pub fn consume(self, budget: Budget<'_>) {
        // SAFETY: By the type invariant; the reference is given up. With a budget, this is a poll,
        // whose cache of packets this CPU has for itself.
        unsafe { bindings::napi_consume_skb(self.into_raw(), budget.get()) };
    }
}

impl Drop for SkBuff {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the type invariant; the value is not used any more.
        unsafe { bindings::dev_kfree_skb_any(self.as_raw()) };
    }
}
