// SPDX-License-Identifier: GPL-2.0

//! The half of a pool that a receive queue uses.

use super::{
    binding,
    buffer,
    Binding,
    XskBuffer,
    XskPacket, //
};
use crate::{
    bindings,
    device::Operations,
    napi::Napi, //
};
use core::ptr::{
    null_mut,
    NonNull, //
};
use kernel::{
    device,
    prelude::*,
    sync::atomic::Relaxed, //
};

/// The largest number of buffers that are taken at once.
const BATCH: usize = 32;

/// The half of a pool that a receive queue uses.
///
/// # Invariants
///
/// The binding exists as long as this, which is its half for reception.
pub struct XskRx {
    binding: NonNull<Binding>,
    /// Whether user space was told to wake the queue when there are buffers.
    wakes: bool,
}

// SAFETY: The half may be used by any thread, one at a time.
unsafe impl Send for XskRx {}

/// The result of taking buffers.
pub struct Taken {
    /// The number of buffers that were used.
    pub buffers: u32,
    /// `ENOMEM`: user space has not given enough buffers, and does not wake the queue when there
    /// are more. Or the error of the function that used them.
    pub result: Result,
}

impl XskRx {
    /// # Safety
    ///
    /// The binding exists as long as the result, and has no half for reception.
    pub(super) unsafe fn new(binding: NonNull<Binding>) -> Self {
        // SAFETY: By the safety requirements, the binding exists.
        unsafe { binding.as_ref() }.has_rx.store(true, Relaxed);
        // INVARIANT: By the safety requirements.
        Self {
            binding,
            wakes: false,
        }
    }

    #[inline]
    fn binding(&self) -> &Binding {
        // SAFETY: By the type invariant, the binding exists as long as this.
        unsafe { self.binding.as_ref() }
    }

    /// Whether a device can receive to the buffers.
    #[inline]
    pub fn is_for(&self, dev: Option<&device::Device>) -> bool {
        self.binding().is_for(dev)
    }

    /// Takes buffers from the fill ring of user space, at most `most`, and calls `add` for each
    /// until that fails.
    pub fn take(
        &mut self,
        most: u32,
        mut add: impl FnMut(XskBuffer) -> Result<(), (Error, XskBuffer)>,
    ) -> Taken {
        // SAFETY: This is the half for reception (type invariants).
        unsafe { self.binding().take_returned() };
        let mut buffers = 0u32;
        // Buffers that have an owner count as well: user space may name one of those for ever.
        let mut wanted = most;
        let mut result = Ok(());
        while wanted != 0 && result.is_ok() {
            let mut list = [null_mut(); BATCH];
            let mut n = self.alloc(&mut list, wanted);
            if n == 0 && self.ask_for_wakeup() {
                // User space may have given buffers before it could see that.
                n = self.alloc(&mut list, wanted);
            }
            if n == 0 {
                if !self.wakes {
                    result = Err(ENOMEM);
                }
                break;
            }
            self.stop_wakeup();
            // CAST: At most `wanted`.
            wanted = wanted.saturating_sub(n as u32);
            for buff in list.into_iter().take(n).filter_map(NonNull::new) {
                // SAFETY: The buffer was allocated just now.
                let Some(buffer) = (unsafe { self.own(buff) }) else {
                    continue;
                };
                if result.is_err() {
                    self.free(buffer);
                    continue;
                }
                match add(buffer) {
                    // OVERFLOW: Less than `most`.
                    Ok(()) => buffers = buffers.wrapping_add(1),
                    Err((e, buffer)) => {
                        self.free(buffer);
                        result = Err(e);
                    }
                }
            }
        }
        if wanted == 0 && buffers < most && result.is_ok() {
            // There may be other buffers: the caller has to come again.
            result = Err(ENOMEM);
        }
        Taken { buffers, result }
    }

    /// Allocates buffers, and returns their number.
    fn alloc(&mut self, list: &mut [*mut bindings::xdp_buff; BATCH], wanted: u32) -> usize {
        let most = wanted.min(BATCH as u32);
        // SAFETY: The pool is valid, and this is the half for reception (type invariants). The list
        // has room for so many.
        let n = unsafe {
            bindings::xsk_buff_alloc_batch(self.binding().pool.as_ptr(), list.as_mut_ptr(), most)
        };
        n.min(most) as usize
    }

    /// Takes over a buffer that was allocated. `None` if there is an owner already: user space has
    /// named the buffer twice.
    ///
    /// # Safety
    ///
    /// The buffer was allocated from the pool just now.
    #[inline]
    unsafe fn own(&mut self, buff: NonNull<bindings::xdp_buff>) -> Option<XskBuffer> {
        // SAFETY: The buffer is one of the pool. Other code that has it does not run: it has the
        // buffer by an `XskBuffer`, whose owner is constant.
        if unsafe { buffer::owner(buff) }.is_some() {
            return None;
        }
        // SAFETY: The buffer has no owner, so this is its only user, and it is mapped. The bytes
        // before its packets are within its headroom. This is the half for reception.
        unsafe {
            buffer::set_owner(buff, Some(self.binding));
            bindings::rust_xsk_buff_give(buff.as_ptr(), self.binding().before);
            self.binding().set_out(|out| out.wrapping_add(1));
            // INVARIANT: The owner was set just now, and is counted.
            Some(XskBuffer::new(buff))
        }
    }

    /// Asks user space to wake the queue when there are buffers. Returns whether that is new.
    #[cold]
    fn ask_for_wakeup(&mut self) -> bool {
        let binding = self.binding();
        if self.wakes || !binding.needs_wakeup {
            return false;
        }
        // SAFETY: The pool is valid (type invariants). Only this half changes the flag.
        unsafe { bindings::xsk_set_rx_need_wakeup(binding.pool.as_ptr()) };
        self.wakes = true;
        true
    }

    #[inline]
    fn stop_wakeup(&mut self) {
        if self.wakes {
            self.wakes = false;
            // SAFETY: The pool is valid (type invariants). Only this half changes the flag.
            unsafe { bindings::xsk_clear_rx_need_wakeup(self.binding().pool.as_ptr()) };
        }
    }

    /// Whether a buffer is one of this pool.
    #[inline]
    fn owns(&self, buffer: &XskBuffer) -> bool {
        core::ptr::eq(buffer.binding(), self.binding.as_ptr())
    }

    /// Returns a buffer to the pool.
    #[inline]
    pub fn free(&mut self, buffer: XskBuffer) {
        if self.owns(&buffer) {
            let raw = buffer.into_raw();
            // SAFETY: The buffer is one of the pool, and was owned. This is the half for reception.
            unsafe { self.binding().free(raw.cast()) };
        }
    }

    /// Makes the `len` bytes that a device wrote to a buffer visible to the CPU. The first ones are
    /// before the packet. `None` if there are fewer than those, or more than the buffer has room
    /// for, or if the buffer is of another pool. The buffer is dropped then.
    #[inline]
    pub fn received<'a, T: Operations>(
        &'a mut self,
        napi: Napi<'a, T>,
        buffer: XskBuffer,
        len: u32,
    ) -> Option<XskPacket<'a, T>> {
        let before = self.binding().before;
        match len.checked_sub(before) {
            Some(rest) if self.owns(&buffer) && rest <= self.binding().room => {
                // SAFETY: The buffer has room for the bytes, as compared.
                Some(unsafe { self.packet(napi, buffer, 0, rest) })
            }
            _ => {
                self.free(buffer);
                None
            }
        }
    }

    /// As [`XskRx::received`], of a buffer whose first bytes belong to the packet, because the
    /// packet began in another one.
    #[inline]
    pub fn received_more<'a, T: Operations>(
        &'a mut self,
        napi: Napi<'a, T>,
        buffer: XskBuffer,
        len: u32,
    ) -> Option<XskPacket<'a, T>> {
        if !self.owns(&buffer) || len > buffer.capacity() {
            self.free(buffer);
            return None;
        }
        let before = self.binding().before;
        // SAFETY: The buffer has room for the bytes, as compared.
        Some(unsafe { self.packet(napi, buffer, before, len) })
    }

    /// # Safety
    ///
    /// The buffer is of this pool, and has `len` bytes of a packet, which begin `before` bytes
    /// before the end of the headroom.
    #[inline]
    unsafe fn packet<'a, T: Operations>(
        &'a mut self,
        napi: Napi<'a, T>,
        buffer: XskBuffer,
        before: u32,
        len: u32,
    ) -> XskPacket<'a, T> {
        let buff = buffer.as_raw();
        core::mem::forget(buffer);
        // SAFETY: By the safety requirements, the bytes are within the buffer, which is mapped.
        unsafe {
            let most = self.binding().before;
            bindings::rust_xsk_buff_received(buff.as_ptr(), most, before, len);
        };
        // SAFETY: By the safety requirements; the buffer was owned.
        unsafe { XskPacket::new(self.binding, buff, napi) }
    }
}

impl Drop for XskRx {
    fn drop(&mut self) {
        // SAFETY: This is the half for reception, and is not used again.
        unsafe { binding::end_half(&self.binding.as_ref().has_rx) };
    }
}
