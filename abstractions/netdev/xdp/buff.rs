// SPDX-License-Identifier: GPL-2.0

//! Received packets for a program.

use super::{
    metadata::{
        Metadata,
        XdpHash, //
    },
    XdpFrame,
    XdpProg, //
};
use crate::{
    bindings,
    device::Operations,
    frag::RxData,
    napi::Napi,
    skb::{
        RxSkb,
        SkBuff, //
    },
};
use core::{
    mem::ManuallyDrop,
    ptr::NonNull, //
};
use kernel::{
    error::to_result,
    prelude::*, //
};

/// A received packet, in one or several buffers, before a program has seen it or after.
///
/// Dropping it returns the buffers to their pool.
///
/// # Invariants
///
/// - `buff` describes fragments of pages of the pool that the receive queue of `napi` is registered
///   with for XDP. The core frees them to the cache of that pool, which only the poll may use. This
///   owns them all.
/// - No device may write to them. The first one has room for a `skb_shared_info` at its end.
///
/// The first two fields are those of each packet for programs, see [`Metadata`].
#[repr(C)]
pub struct XdpBuff<'a, T: Operations> {
    buff: bindings::xdp_buff,
    metadata: Metadata,
    /// The poll, for which the packet lives.
    napi: Napi<'a, T>,
}

/// The decision of a program about a packet.
pub enum Verdict<'a, T: Operations> {
    /// The stack gets the packet.
    Pass(XdpBuff<'a, T>),
    /// The interface that received the packet transmits it.
    Tx(XdpBuff<'a, T>),
    /// The packet goes to the place that the program named.
    Redirect(Redirection<'a, T>),
    /// The packet was dropped.
    Drop,
}

/// A packet that goes to another interface, CPU or socket.
pub struct Redirection<'a, T: Operations>(XdpBuff<'a, T>);

impl<'a, T: Operations> XdpBuff<'a, T> {
    /// Makes a packet of the bytes of a buffer after the first `skip` bytes.
    ///
    /// `None` if the buffer [cannot be one](RxData::is_for_xdp), has fewer than `skip` bytes, is of
    /// another queue, or if the queue is not registered for XDP. The buffer is dropped.
    #[inline]
    pub fn new(napi: Napi<'a, T>, data: RxData, skip: u32) -> Option<Self> {
        let len = data.len().checked_sub(skip)?;
        if !data.is_for_xdp() {
            return None;
        }
        let (rxq, memory) = napi.xdp_queue()?;
        let (frag, _) = data.into_parts();
        if !frag.is_from(memory) {
            return None;
        }
        let mut buff = bindings::xdp_buff::default();
        // SAFETY: The values are those of the fragment, which has the headroom and `len` bytes
        // after it (type invariants of `RxData`). `rxq` is registered.
        unsafe {
            bindings::xdp_buff_start(
                &mut buff,
                rxq,
                frag.base().cast(),
                frag.truesize(),
                // OVERFLOW: Both are less than a page.
                frag.headroom().wrapping_add(skip),
                len,
            );
        }
        // The packet owns the fragment now.
        core::mem::forget(frag);
        // INVARIANT: The fragment has room for the `skb_shared_info`, is not mapped, and is of the
        // pool that the queue is registered with.
        Some(Self {
            buff,
            metadata: Metadata::NONE,
            napi,
        })
    }

    /// Sets the hash that a program gets if it asks for it. None at first.
    #[inline]
    pub fn set_hash(&mut self, hash: Option<XdpHash>) {
        self.metadata = Metadata::new(hash);
    }

    /// Copies the bytes of a buffer after the first `skip` bytes to the end of the packet, which is
    /// in one buffer.
    ///
    /// # Errors
    ///
    /// `EMSGSIZE`: there is no room. `EINVAL`: the buffer has fewer than `skip` bytes.
    pub fn copy(&mut self, data: &RxData, skip: u32) -> Result {
        let len = data.len().checked_sub(skip).ok_or(EINVAL)?;
        // SAFETY: The packet is valid (type invariants).
        let to = unsafe { bindings::xdp_buff_put(&mut self.buff, len) };
        let to = NonNull::new(to).ok_or(EMSGSIZE)?;
        // SAFETY: The packet has room for the bytes, and they are within the buffer, by the type
        // invariants of `RxData`.
        unsafe {
            let from = data.start().add(skip as usize);
            core::ptr::copy_nonoverlapping(from, to.as_ptr().cast(), len as usize);
        }
        Ok(())
    }

    /// Adds the bytes of a buffer after the first `skip` bytes as a fragment.
    ///
    /// # Errors
    ///
    /// `EMSGSIZE`: there are too many fragments. `EINVAL`: the buffer has no more than `skip`
    /// bytes, is mapped for a device, or is of another queue. The buffer is dropped.
    pub fn append(&mut self, data: RxData, skip: u32) -> Result {
        let len = data.len().saturating_sub(skip);
        if len == 0 || data.is_mapped() {
            return Err(EINVAL);
        }
        let (_, memory) = self.napi.xdp_queue().ok_or(EINVAL)?;
        let (frag, _) = data.into_parts();
        if !frag.is_from(memory) {
            return Err(EINVAL);
        }
        // SAFETY: The packet is valid (type invariants), with room for the list of fragments. The
        // `len` bytes after `skip` are within the fragment, by the type invariants of `RxData`.
        let added = unsafe {
            let start = frag.start().add(skip as usize);
            bindings::xdp_buff_add_va(&mut self.buff, start.cast(), len, frag.truesize())
        };
        if !added {
            return Err(EMSGSIZE);
        }
        // INVARIANT: The packet owns the fragment now, which is of the pool that the queue is
        // registered with.
        core::mem::forget(frag);
        Ok(())
    }

    /// Returns the number of bytes of the packet.
    pub fn len(&self) -> u32 {
        // SAFETY: The packet is valid (type invariants).
        unsafe { bindings::xdp_buff_len(&self.buff) }
    }

    /// Whether the packet has no byte.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Runs a program, which may change the packet. A packet that the program drops is freed.
    ///
    /// Reports an unknown decision, and that of a program that failed, as C does.
    #[inline]
    pub fn run(mut self, prog: &XdpProg) -> Verdict<'a, T> {
        // SAFETY: The packet and the program are valid (type invariants), and this is a poll.
        let action = unsafe { bindings::xdp_run(prog.as_raw(), &mut self.buff) };
        match action {
            bindings::xdp_action_XDP_PASS => Verdict::Pass(self),
            bindings::xdp_action_XDP_TX => Verdict::Tx(self),
            bindings::xdp_action_XDP_REDIRECT => Verdict::Redirect(Redirection(self)),
            bindings::xdp_action_XDP_DROP => Verdict::Drop,
            _ => {
                prog.report_exception(self.napi, action);
                Verdict::Drop
            }
        }
    }

    /// Reports that the packet could not be transmitted as the program decided.
    pub fn report_tx_failure(napi: Napi<'a, T>, prog: &XdpProg) {
        let dev = napi.dev().as_raw();
        // SAFETY: The device and the program are valid (type invariants).
        unsafe {
            bindings::trace_xdp_exception(dev, prog.as_raw(), bindings::xdp_action_XDP_TX);
        }
    }

    /// Builds a packet for the stack around the buffers. The packet keeps the metadata that the
    /// program has set.
    ///
    /// `None` if there is no memory.
    #[inline]
    pub fn into_skb(self) -> Option<RxSkb> {
        // SAFETY: The packet is valid (type invariants), and this is a poll function.
        let skb = NonNull::new(unsafe { bindings::xdp_build_skb(&self.buff) })?;
        // The new packet owns the buffers now.
        core::mem::forget(self);
        // SAFETY: This has the only reference to the new packet, and its head and fragments are
        // those of this packet.
        Some(unsafe { RxSkb::from_new(SkBuff::from_raw(skb)) })
    }

    /// Makes a frame, which may leave the poll.
    ///
    /// `None` if the program has left no room for the head of a frame.
    #[inline]
    pub fn into_frame(self) -> Option<XdpFrame> {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: The packet is valid (type invariants).
        let frame = unsafe { bindings::xdp_convert_buff_to_frame(&mut this.buff) };
        let Some(frame) = NonNull::new(frame) else {
            drop(ManuallyDrop::into_inner(this));
            return None;
        };
        // SAFETY: The frame is valid, and owns the buffers of the packet.
        Some(unsafe { XdpFrame::from_raw(frame) })
    }
}

impl<T: Operations> Redirection<'_, T> {
    /// Passes the packet on. The poll flushes such packets when it ends.
    ///
    /// # Errors
    ///
    /// Those of the core. The packet is dropped.
    #[inline]
    pub fn perform(self, prog: &XdpProg) -> Result {
        let mut buff = self.0;
        let dev = buff.napi.dev().as_raw();
        // SAFETY: The packet, the device and the program are valid (type invariants), and this is
        // the poll in which the program decided so.
        to_result(unsafe { bindings::xdp_do_redirect(dev, &mut buff.buff, prog.as_raw()) })?;
        buff.napi.set_redirected();
        // Its new owner has the packet.
        core::mem::forget(buff);
        Ok(())
    }
}

impl<T: Operations> Drop for XdpBuff<'_, T> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: This owns the buffers (type invariants), which are not used again. This is the
        // poll function of their queue.
        unsafe { bindings::xdp_return_buff(&mut self.buff) };
    }
}
