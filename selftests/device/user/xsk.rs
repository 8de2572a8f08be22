// SPDX-License-Identifier: GPL-2.0

//! AF_XDP sockets on a network interface.

use super::nic::Nic;
use crate::bindings;
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};
use kernel::{
    alloc::KVec,
    error::Error,
    prelude::*, //
};

/// `sxdp_flags`: packets are copied.
pub const XDP_COPY: u16 = 2;
/// `sxdp_flags`: packets are not copied.
pub const XDP_ZEROCOPY: u16 = 4;
/// `sxdp_flags`: the kernel says when it wants to be woken.
pub const XDP_USE_NEED_WAKEUP: u16 = 8;

/// The properties of a socket.
#[derive(Clone, Copy, Debug)]
pub struct XskSpec {
    /// The queue.
    pub queue: u32,
    /// `sxdp_flags`.
    pub flags: u16,
    /// The size of a chunk of memory, of which there are 128.
    pub chunk_size: u32,
    /// The bytes that user space leaves at the start of a chunk.
    pub headroom: u32,
    /// Whether packets may be anywhere in the memory.
    pub unaligned: bool,
}

impl Default for XskSpec {
    fn default() -> Self {
        Self {
            queue: 0,
            flags: XDP_ZEROCOPY | XDP_USE_NEED_WAKEUP,
            chunk_size: 4096,
            headroom: 0,
            unaligned: false,
        }
    }
}

/// A ring of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum XskRing {
    /// Received packets.
    Rx,
    /// Packets to transmit.
    Tx,
    /// Memory to receive to.
    Fill,
    /// Memory of packets that were transmitted.
    Completion,
}

impl XskRing {
    fn into_raw(self) -> bindings::rust_virtio_fake_xsk_ring {
        match self {
            Self::Rx => bindings::rust_virtio_fake_xsk_ring_RUST_VIRTIO_FAKE_XSK_RX,
            Self::Tx => bindings::rust_virtio_fake_xsk_ring_RUST_VIRTIO_FAKE_XSK_TX,
            Self::Fill => bindings::rust_virtio_fake_xsk_ring_RUST_VIRTIO_FAKE_XSK_FILL,
            Self::Completion => bindings::rust_virtio_fake_xsk_ring_RUST_VIRTIO_FAKE_XSK_COMPLETION,
        }
    }
}

/// A socket that uses a queue of an interface.
///
/// # Invariants
///
/// The pointer is to a socket of `user/xsk.c`. The interface exists as long as this, unless the
/// socket was [left](Xsk::leave).
pub struct Xsk<'a> {
    raw: NonNull<bindings::rust_virtio_fake_xsk>,
    _nic: PhantomData<&'a Nic>,
}

impl Nic {
    /// Returns a socket that uses a queue. Called by the thread of a test.
    ///
    /// # Errors
    ///
    /// That of `bind()`, or of the preparations for it.
    pub fn xsk(&self, spec: XskSpec) -> Result<Xsk<'_>> {
        let raw = bindings::rust_virtio_fake_xsk_spec {
            queue: spec.queue,
            flags: spec.flags,
            chunk_size: spec.chunk_size,
            headroom: spec.headroom,
            unaligned: spec.unaligned,
        };
        let mut error = 0;
        // SAFETY: This is a reference (type invariant). The properties are copied.
        let raw = unsafe { bindings::rust_virtio_fake_xsk_new(self.0, &raw, &mut error) };
        match NonNull::new(raw) {
            // INVARIANT: It was made for this interface, which is borrowed.
            Some(raw) => Ok(Xsk {
                raw,
                _nic: PhantomData,
            }),
            None => Err(Error::from_errno(error)),
        }
    }
}

impl Xsk<'_> {
    /// Closes the socket. Returns whether the interface has given its memory back.
    #[must_use]
    pub fn close(self) -> bool {
        let raw = core::mem::ManuallyDrop::new(self).raw;
        // SAFETY: The socket is valid (type invariant), and is not used again.
        unsafe { bindings::rust_virtio_fake_xsk_close(raw.as_ptr()) }
    }

    /// Returns the socket without its interface, which may go.
    pub fn leave(self) -> Xsk<'static> {
        let raw = core::mem::ManuallyDrop::new(self).raw;
        // SAFETY: The socket is valid (type invariant).
        unsafe { bindings::rust_virtio_fake_xsk_leave(raw.as_ptr()) };
        // INVARIANT: The socket was left.
        Xsk {
            raw,
            _nic: PhantomData,
        }
    }

    /// Whether packets are not copied.
    pub fn is_zero_copy(&self) -> bool {
        // SAFETY: The socket is valid (type invariant).
        unsafe { bindings::rust_virtio_fake_xsk_is_zero_copy(self.raw.as_ptr()) }
    }

    /// Returns the address of the socket, for a program.
    pub fn socket(&self) -> usize {
        // SAFETY: The socket is valid (type invariant).
        unsafe { bindings::rust_virtio_fake_xsk_socket(self.raw.as_ptr()) as usize }
    }

    /// Adds an entry to a ring, as user space does. Returns whether there was room.
    pub fn push(&self, ring: XskRing, addr: u64, len: u32) -> bool {
        // SAFETY: The socket is valid (type invariant).
        unsafe {
            bindings::rust_virtio_fake_xsk_push(self.raw.as_ptr(), ring.into_raw(), addr, len)
        }
    }

    /// Says that a ring has so many more entries than it has, as hostile user space does.
    pub fn jump(&self, ring: XskRing, entries: u32) {
        // SAFETY: The socket is valid (type invariant).
        unsafe {
            bindings::rust_virtio_fake_xsk_jump(self.raw.as_ptr(), ring.into_raw(), entries);
        }
    }

    /// Takes an entry from a ring, as user space does.
    pub fn pop(&self, ring: XskRing) -> Option<(u64, u32)> {
        let (mut addr, mut len) = (0, 0);
        // SAFETY: The socket is valid (type invariant).
        unsafe {
            bindings::rust_virtio_fake_xsk_pop(
                self.raw.as_ptr(),
                ring.into_raw(),
                &mut addr,
                &mut len,
            )
        }
        .then_some((addr, len))
    }

    /// Whether the kernel wants to be woken for a ring.
    pub fn needs_wakeup(&self, ring: XskRing) -> bool {
        // SAFETY: The socket is valid (type invariant).
        unsafe { bindings::rust_virtio_fake_xsk_flags(self.raw.as_ptr(), ring.into_raw()) & 1 != 0 }
    }

    /// Wakes the receive queue, or the transmit queue.
    ///
    /// # Errors
    ///
    /// Those of the core and of the driver.
    pub fn wake(&self, rx: bool) -> Result {
        // SAFETY: The socket is valid (type invariant).
        kernel::error::to_result(unsafe {
            bindings::rust_virtio_fake_xsk_wake(self.raw.as_ptr(), rx)
        })
    }

    /// Copies bytes to memory of the socket.
    ///
    /// # Errors
    ///
    /// `EFAULT`: the range is wrong.
    pub fn write(&self, addr: u64, bytes: &[u8]) -> Result {
        let to = self.memory(addr, bytes.len())?;
        // SAFETY: The memory has so many bytes. Other code may use them at the same time.
        unsafe { core::ptr::copy(bytes.as_ptr(), to.as_ptr(), bytes.len()) };
        Ok(())
    }

    /// Returns a copy of bytes of the memory.
    ///
    /// # Errors
    ///
    /// `EFAULT`: the range is wrong. `ENOMEM`.
    pub fn read(&self, addr: u64, len: u32) -> Result<KVec<u8>> {
        let from = self.memory(addr, len as usize)?;
        let mut bytes = KVec::from_elem(0, len as usize, GFP_KERNEL)?;
        // SAFETY: The memory has so many bytes. Other code may use them at the same time.
        unsafe { core::ptr::copy(from.as_ptr(), bytes.as_mut_ptr(), len as usize) };
        Ok(bytes)
    }

    fn memory(&self, addr: u64, len: usize) -> Result<NonNull<u8>> {
        // SAFETY: The socket is valid (type invariant).
        let ptr = unsafe {
            bindings::rust_virtio_fake_xsk_memory(self.raw.as_ptr(), addr, u32::try_from(len)?)
        };
        NonNull::new(ptr).ok_or(EFAULT)
    }
}

impl Drop for Xsk<'_> {
    fn drop(&mut self) {
        // SAFETY: The socket is valid (type invariant), and is not used again.
        if !unsafe { bindings::rust_virtio_fake_xsk_close(self.raw.as_ptr()) } {
            pr_err!("    # a driver has kept the memory of a socket\n");
        }
    }
}
