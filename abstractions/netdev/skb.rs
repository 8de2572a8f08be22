// SPDX-License-Identifier: GPL-2.0

//! Socket buffers: packets.
//!
//! C header: [`include/linux/skbuff.h`](srctree/include/linux/skbuff.h)

mod drop_reason;
mod rx;
mod tx;

pub use self::{
    drop_reason::DropReason,
    rx::{
        EthSkb,
        HashKind,
        RxOffload,
        RxPacket,
        RxSkb,
        RxTunnel, //
    },
    tx::{
        detach,
        Fragment,
        Gso,
        GsoKind,
        UdpTunnel,
        CONTROL_BUFFER, //
    },
};

use crate::{
    bindings,
    napi::Budget, //
};
use core::{
    marker::PhantomData,
    mem::ManuallyDrop,
    ops::Deref,
    ptr::NonNull, //
};

/// Largest number of page fragments of a packet, besides its head.
pub const MAX_SKB_FRAGS: usize = bindings::MAX_SKB_FRAGS;

/// Bytes of an Ethernet header.
pub const ETH_HLEN: usize = bindings::ETH_HLEN as usize;

/// A packet.
///
/// [`SkBuff::drop_with`] frees a packet that is dropped, for a reason, and [`SkBuff::consume`] one
/// that was transmitted. Dropping the value frees the packet as one that is dropped without a
/// reason. All in any context.
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

    /// As [`SkBuff::as_raw`].
    #[inline]
    pub fn as_non_null(&self) -> NonNull<bindings::sk_buff> {
        self.0
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

impl SkBuff {
    /// Frees a packet that is dropped. Tracing shows the reason.
    #[cold]
    pub fn drop_with(self, reason: DropReason) {
        // SAFETY: This owns the reference (type invariant), which the function takes over.
        unsafe { bindings::dev_kfree_skb_any_reason(self.into_raw(), reason as u32) };
    }
}

/// A borrowed packet.
///
/// PERF: Passed in a register, where a reference to a [`SkBuff`] needs a place in memory.
///
/// # Invariants
///
/// The packet is borrowed for `'a`.
#[derive(Clone, Copy)]
pub struct SkbRef<'a>(NonNull<bindings::sk_buff>, PhantomData<&'a SkBuff>);

impl SkBuff {
    /// Borrows the packet.
    #[inline]
    pub fn borrow(&self) -> SkbRef<'_> {
        // INVARIANT: By the lifetime.
        SkbRef(self.0, PhantomData)
    }
}

impl Deref for SkbRef<'_> {
    type Target = SkBuff;

    #[inline]
    fn deref(&self) -> &SkBuff {
        // SAFETY: `SkBuff` is a transparent wrapper of such a pointer. By the type invariant, the
        // packet is borrowed, so its owner keeps it for the life of `self`.
        unsafe { &*(&raw const self.0).cast() }
    }
}

impl Drop for SkBuff {
    #[inline]
    fn drop(&mut self) {
        let reason = DropReason::NotSpecified as u32;
        // SAFETY: This owns the reference (type invariant), which is not used again.
        unsafe { bindings::dev_kfree_skb_any_reason(self.as_raw(), reason) };
    }
}
