// SPDX-License-Identifier: GPL-2.0

//! The frames that the stack receives from a network interface.

use super::{
    nic::Nic,
    tunnel::Tunnel, //
};
use crate::bindings;
use kernel::{
    alloc::KVec,
    new_spinlock,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        SpinLock, //
    },
    types::Opaque, //
};

/// The largest number of frames that a [`Capture`] keeps. Further ones are only counted.
const CAPTURE_LEN: usize = 64;

impl Nic {
    /// Captures the frames of an Ethernet type that the interface receives. The result has a
    /// reference to the interface, so that removal waits.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn capture(&self, ether_type: u16) -> Result<Capture> {
        let frames = KVec::with_capacity(CAPTURE_LEN, GFP_KERNEL)?;
        let inner = Arc::pin_init(
            try_pin_init!(CaptureInner {
                handler <- Opaque::ffi_init(|slot: *mut bindings::packet_type| {
                    // SAFETY: `slot` is memory for a `struct packet_type`.
                    unsafe {
                        slot.write(bindings::packet_type::default());
                        (*slot).type_ = ether_type.to_be();
                        (*slot).dev = self.0;
                        (*slot).func = Some(CaptureInner::receive);
                    }
                }),
                frames <- new_spinlock!(frames),
                linear: Atomic::new(0),
                headroom: Atomic::new(0),
                aligned: Atomic::new(false),
                queue: Atomic::new(-1),
                summed: Atomic::new(0),
                hash: Atomic::new(0),
                hash_with_ports: Atomic::new(false),
                metadata: Atomic::new(0),
                tunnel <- new_spinlock!(Tunnel::default()),
            }? Error),
            GFP_KERNEL,
        )?;
        // SAFETY: The handler lives until `Capture` is dropped, and so does the interface, in whose
        // list the core has it.
        unsafe { bindings::dev_add_pack(inner.handler.get()) };
        Ok(Capture {
            inner,
            _nic: self.clone(),
        })
    }
}

#[pin_data]
struct CaptureInner {
    #[pin]
    handler: Opaque<bindings::packet_type>,
    /// Locked with soft interrupts disabled, because `receive` runs in soft interrupts.
    #[pin]
    frames: SpinLock<KVec<KVec<u8>>>,
    /// The number of bytes of the last frame in the head of its packet.
    linear: Atomic<u32>,
    /// The number of free bytes before the last frame.
    headroom: Atomic<u32>,
    /// Whether the payload of the last frame was aligned.
    aligned: Atomic<bool>,
    /// The receive queue of the last frame.
    queue: Atomic<i32>,
    /// The state of the checksum of the last frame.
    summed: Atomic<i32>,
    /// The hash of the last frame.
    hash: Atomic<u32>,
    /// Whether that hash is of addresses and ports.
    hash_with_ports: Atomic<bool>,
    /// The number of bytes of metadata of the last frame.
    metadata: Atomic<u32>,
    /// The tunnel of the last frame. Locked as `frames`.
    #[pin]
    tunnel: SpinLock<Tunnel>,
}

// SAFETY: The C structure may be used from any thread.
unsafe impl Send for CaptureInner {}

// SAFETY: The network core synchronises its use of the C structure. The other fields are locked or
// atomic.
unsafe impl Sync for CaptureInner {}

impl CaptureInner {
    /// Receives a frame. Soft interrupt context.
    ///
    /// # Safety
    ///
    /// `skb` and `handler` are valid, and the latter is that of a [`CaptureInner`].
    unsafe extern "C" fn receive(
        skb: *mut bindings::sk_buff,
        _dev: *mut bindings::net_device,
        handler: *mut bindings::packet_type,
        _orig: *mut bindings::net_device,
    ) -> c_int {
        // SAFETY: By the safety requirements, `handler` is that of a `CaptureInner`. It lives until
        // `Capture` has removed it, and waited for this call.
        let inner =
            unsafe { &*kernel::container_of!(Opaque::cast_from(handler), CaptureInner, handler) };
        // SAFETY: By the safety requirements, `skb` is valid.
        let (len, linear, headroom, aligned, summed, metadata) = unsafe {
            (
                bindings::rust_virtio_fake_frame_len(skb),
                bindings::rust_virtio_fake_frame_linear(skb),
                bindings::rust_virtio_fake_frame_headroom(skb),
                bindings::rust_virtio_fake_frame_aligned(skb),
                bindings::rust_virtio_fake_frame_summed(skb),
                bindings::rust_virtio_fake_frame_metadata(skb),
            )
        };
        // SAFETY: By the safety requirements, `skb` is valid.
        let queue = unsafe { bindings::rust_virtio_fake_frame_queue(skb) };
        inner.queue.store(queue, Relaxed);
        let mut tunnel = bindings::rust_virtio_fake_tunnel::default();
        // SAFETY: By the safety requirements, `skb` is valid.
        unsafe { bindings::rust_virtio_fake_frame_tunnel(skb, &mut tunnel) };
        *inner.tunnel.lock() = Tunnel::from_raw(&tunnel);
        inner.linear.store(linear, Relaxed);
        inner.headroom.store(headroom, Relaxed);
        inner.aligned.store(aligned, Relaxed);
        inner.summed.store(summed.into(), Relaxed);
        let mut with_ports = false;
        // SAFETY: By the safety requirements, `skb` is valid.
        let hash = unsafe { bindings::rust_virtio_fake_frame_hash(skb, &mut with_ports) };
        inner.hash.store(hash, Relaxed);
        inner.hash_with_ports.store(with_ports, Relaxed);
        inner.metadata.store(metadata, Relaxed);
        if let Ok(mut bytes) = KVec::from_elem(0u8, len as usize, GFP_ATOMIC) {
            // SAFETY: The buffer has that length.
            let ret =
                unsafe { bindings::rust_virtio_fake_frame(skb, bytes.as_mut_ptr().cast(), len) };
            if ret == 0 {
                let _ = inner.frames.lock().push_within_capacity(bytes);
            }
        }
        // SAFETY: A handler owns the buffer that it is called with.
        unsafe { bindings::rust_virtio_fake_free(skb) };
        0
    }
}

/// The frames that an interface has received.
pub struct Capture {
    inner: Arc<CaptureInner>,
    /// The interface, which lives until the handler is removed.
    _nic: Nic,
}

impl Capture {
    /// Returns the number of frames that were received so far, up to 64.
    pub fn len(&self) -> usize {
        self.with(|frames| frames.len())
    }

    /// Returns the number of bytes of the last frame in the head of its packet, whether that is
    /// memory of the stack or the receive buffer.
    pub fn linear(&self) -> u32 {
        self.inner.linear.load(Relaxed)
    }

    /// Returns the number of free bytes before the last frame, for other headers.
    pub fn headroom(&self) -> u32 {
        self.inner.headroom.load(Relaxed)
    }

    /// Returns whether the data after the Ethernet header of the last frame was aligned, or the
    /// architecture needs no alignment.
    pub fn is_aligned(&self) -> bool {
        self.inner.aligned.load(Relaxed)
    }

    /// Returns the receive queue that the driver recorded for the last frame; negative if it
    /// recorded none.
    pub fn queue(&self) -> i32 {
        self.inner.queue.load(Relaxed)
    }

    /// Returns the state of the checksum of the last frame: 0 unknown, 1 checked, 3 to be
    /// completed.
    pub fn summed(&self) -> i32 {
        self.inner.summed.load(Relaxed)
    }

    /// Returns the hash that the last frame came with, or 0, and whether it is of addresses and
    /// ports.
    pub fn hash(&self) -> (u32, bool) {
        let inner = &self.inner;
        (
            inner.hash.load(Relaxed),
            inner.hash_with_ports.load(Relaxed),
        )
    }

    /// Returns the number of bytes of metadata of the last frame; `u32::MAX` if they are not those
    /// of the program.
    pub fn metadata(&self) -> u32 {
        self.inner.metadata.load(Relaxed)
    }

    /// Returns the tunnel of the last frame.
    pub fn tunnel(&self) -> Tunnel {
        self.with(|_| *self.inner.tunnel.lock())
    }

    /// Whether no frame was received.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Calls `f` with the frames.
    pub fn with<R>(&self, f: impl FnOnce(&[KVec<u8>]) -> R) -> R {
        // SAFETY: Matched below; `receive` takes the lock in soft interrupts.
        unsafe { bindings::rust_virtio_fake_bh(false) };
        let result = f(&self.inner.frames.lock());
        // SAFETY: Matches the call above.
        unsafe { bindings::rust_virtio_fake_bh(true) };
        result
    }

    /// Takes the first frame.
    pub fn pop(&self) -> Option<KVec<u8>> {
        // SAFETY: Matched below; `receive` takes the lock in soft interrupts.
        unsafe { bindings::rust_virtio_fake_bh(false) };
        let frame = {
            let mut frames = self.inner.frames.lock();
            if frames.is_empty() {
                None
            } else {
                frames.remove(0).ok()
            }
        };
        // SAFETY: Matches the call above.
        unsafe { bindings::rust_virtio_fake_bh(true) };
        frame
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        // SAFETY: The handler was added, and is removed once. The function waits for running calls
        // of it. The interface lives until then.
        unsafe { bindings::dev_remove_pack(self.inner.handler.get()) };
    }
}
