// SPDX-License-Identifier: GPL-2.0

//! Received packets in memory of user space.

use super::{
    buffer,
    pool::MAX_BEFORE,
    Binding,
    XskRx, //
};
use crate::{
    bindings,
    device::Operations,
    napi::Napi,
    skb::{
        RxSkb,
        SkBuff, //
    },
    xdp::{
        metadata::Metadata,
        XdpHash,
        XdpProg, //
    },
};
use core::{
    marker::PhantomData,
    mem::ManuallyDrop,
    ptr::NonNull, //
};
use kernel::{
    error::to_result,
    prelude::*, //
};

/// A received packet in a buffer of user space, before a program has seen it or after.
///
/// User space and the device may change the bytes at any time. Dropping it returns the buffer to
/// its pool.
///
/// # Invariants
///
/// - `buff` is a buffer that `binding` owns, which this has the use of. It describes bytes of that
///   buffer.
/// - The half for reception is borrowed for `'a`.
pub struct XskPacket<'a, T: Operations> {
    binding: NonNull<Binding>,
    buff: NonNull<bindings::xdp_buff>,
    /// The poll, for which the packet lives.
    napi: Napi<'a, T>,
    _half: PhantomData<&'a mut XskRx>,
}

/// The decision of a program about a packet.
pub enum XskVerdict<'a, T: Operations> {
    /// The stack gets the packet.
    Pass(XskPacket<'a, T>),
    /// The interface that received the packet transmits it.
    Tx(XskPacket<'a, T>),
    /// The packet goes to the place that the program named.
    Redirect(XskRedirection<'a, T>),
    /// The packet was dropped.
    Drop,
}

/// A packet that goes to a socket, or to another interface or CPU.
pub struct XskRedirection<'a, T: Operations>(XskPacket<'a, T>);

impl<'a, T: Operations> XskPacket<'a, T> {
    /// # Safety
    ///
    /// As the type invariants say.
    #[inline]
    pub(super) unsafe fn new(
        binding: NonNull<Binding>,
        buff: NonNull<bindings::xdp_buff>,
        napi: Napi<'a, T>,
    ) -> Self {
        // SAFETY: This is the only user of the buffer.
        unsafe { buffer::set_metadata(buff, Metadata::NONE) };
        // INVARIANT: By the safety requirements.
        Self {
            binding,
            buff,
            napi,
            _half: PhantomData,
        }
    }

    #[inline]
    fn binding(&self) -> &Binding {
        // SAFETY: The half for reception is borrowed (type invariants), so the binding exists.
        unsafe { self.binding.as_ref() }
    }

    /// Returns the number of bytes of the packet.
    #[inline]
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> u32 {
        // SAFETY: The buffer is valid (type invariants).
        let (start, end) = unsafe { ((*self.buff.as_ptr()).data, (*self.buff.as_ptr()).data_end) };
        // CAST: A buffer is at most a page.
        (end as usize).wrapping_sub(start as usize) as u32
    }

    /// Returns the start of the bytes of the packet.
    #[inline]
    pub(crate) fn start(&self) -> *const u8 {
        // SAFETY: The buffer is valid (type invariants).
        unsafe { (*self.buff.as_ptr()).data.cast_const().cast() }
    }

    /// Returns a copy of `N` bytes of the buffer, which begin with those that the device wrote
    /// before the packet. Later writes do not change the copy.
    #[inline]
    pub fn before<const N: usize>(&self) -> [u8; N] {
        const { assert!(N <= MAX_BEFORE as usize) };
        // SAFETY: The buffer is valid (type invariants), and the place is within it. At least
        // `MAX_BEFORE` bytes of the buffer follow the packet's usual start, by the check in
        // `XskPool::map`. The device and user space may write at the same time. All bytes are
        // valid, and they are read once.
        unsafe {
            bindings::rust_xsk_buff_start(self.buff.as_ptr(), self.binding().before)
                .cast::<[u8; N]>()
                .read_volatile()
        }
    }

    /// Sets the hash that a program gets if it asks for it. None at first.
    #[inline]
    pub fn set_hash(&mut self, hash: Option<XdpHash>) {
        // SAFETY: This has the use of the buffer (type invariants).
        unsafe { buffer::set_metadata(self.buff, Metadata::new(hash)) };
    }

    /// Runs a program, as [`XdpBuff::run`](crate::XdpBuff::run).
    #[inline]
    pub fn run(self, prog: &XdpProg) -> XskVerdict<'a, T> {
        // SAFETY: The packet and the program are valid (type invariants), and this is a poll.
        let action = unsafe { bindings::xdp_run(prog.as_raw(), self.buff.as_ptr()) };
        match action {
            bindings::xdp_action_XDP_PASS => XskVerdict::Pass(self),
            bindings::xdp_action_XDP_TX => XskVerdict::Tx(self),
            bindings::xdp_action_XDP_REDIRECT => XskVerdict::Redirect(XskRedirection(self)),
            bindings::xdp_action_XDP_DROP => XskVerdict::Drop,
            _ => {
                prog.report_exception(self.napi, action);
                XskVerdict::Drop
            }
        }
    }

    /// Copies the packet for the stack, with the metadata that the program has set.
    ///
    /// `None` if there is no memory.
    pub fn copy(self) -> Option<XskCopy> {
        // SAFETY: The packet is valid (type invariants), and this is a poll function.
        let skb = unsafe { bindings::rust_xsk_copy_to_skb(self.napi.as_raw(), self.buff.as_ptr()) };
        // SAFETY: This has the only reference to the new packet.
        // INVARIANT: The packet was made by that function.
        NonNull::new(skb).map(|skb| XskCopy(unsafe { RxSkb::from_new(SkBuff::from_raw(skb)) }))
    }

    /// Copies the bytes to the end of a copy.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: there is no room, or no memory.
    pub fn copy_to(self, copy: &mut XskCopy) -> Result {
        let skb = copy.0.as_raw();
        // SAFETY: Both packets are valid, and the pages of `skb` belong to it alone (type
        // invariants).
        let copied = unsafe { bindings::rust_xsk_append_to_skb(skb, self.buff.as_ptr()) };
        if copied {
            Ok(())
        } else {
            Err(ENOMEM)
        }
    }
}

/// A copy of a packet for the stack, to which more bytes may be added: [`XskPacket::copy_to`].
///
/// # Invariants
///
/// `rust_xsk_copy_to_skb()` made the packet. Its pages belong to the packet alone, whole.
pub struct XskCopy(RxSkb);

impl XskCopy {
    /// Returns the number of bytes of the packet.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> u32 {
        self.0.len()
    }

    /// Returns the packet, to which nothing is added any longer.
    pub fn into_skb(self) -> RxSkb {
        self.0
    }
}

impl<T: Operations> XskRedirection<'_, T> {
    /// Passes the packet on. The poll flushes such packets when it ends.
    ///
    /// # Errors
    ///
    /// Those of the core. The packet is dropped.
    #[inline]
    pub fn perform(self, prog: &XdpProg) -> Result {
        let packet = self.0;
        let dev = packet.napi.dev().as_raw();
        // SAFETY: The packet, the device and the program are valid (type invariants), and this is
        // the poll in which the program decided so. If this fails, the core may have returned the
        // buffer to its pool. A second return of it has no effect.
        to_result(unsafe { bindings::xdp_do_redirect(dev, packet.buff.as_ptr(), prog.as_raw()) })?;
        packet.napi.set_redirected();
        let packet = ManuallyDrop::new(packet);
        // SAFETY: The buffer has another owner, or was returned to its pool after a copy. The half
        // for reception is borrowed (type invariants).
        unsafe { packet.binding().forget(packet.buff) };
        Ok(())
    }
}

impl<T: Operations> Drop for XskPacket<'_, T> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: This has the use of the buffer (type invariants), and does not use it again. The
        // half for reception is borrowed.
        unsafe { self.binding().free(self.buff) };
    }
}
