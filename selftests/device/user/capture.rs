// SPDX-License-Identifier: GPL-2.0

//! The frames that the stack receives from a network interface.

use super::nic::Nic;
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

/// Frames that a [`Capture`] keeps; it forgets those after.
const CAPTURE_LEN: usize = 64;

impl Nic {
    /// Listens to what the interface receives of an Ethernet type. As long as the result exists,
    /// removal waits, as for this.
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
                summed: Atomic::new(0),
            }? Error),
            GFP_KERNEL,
        )?;
        // SAFETY: The handler stays until `Capture` is dropped, and the interface, which the core
        // keeps the handler with, as long as that.
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
    /// Taken with soft interrupts off on the one side, in them on the other: see `receive`.
    #[pin]
    frames: SpinLock<KVec<KVec<u8>>>,
    /// Bytes of the last frame that were in the head of its packet.
    linear: Atomic<u32>,
    /// Bytes before the last frame that were free.
    headroom: Atomic<u32>,
    /// The payload of the last frame was aligned.
    aligned: Atomic<bool>,
    /// The last frame's word on its checksum.
    summed: Atomic<i32>,
}

// SAFETY: The C structure may be used from any thread.
unsafe impl Send for CaptureInner {}

// SAFETY: The C structure is used by the network core; the rest is locked.
unsafe impl Sync for CaptureInner {}

impl CaptureInner {
    /// A frame. Soft interrupt context.
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
        // SAFETY: By the safety requirements, `handler` is that of a `CaptureInner`. It stays until
        // `Capture` has removed it and waited for this call.
        let inner =
            unsafe { &*kernel::container_of!(Opaque::cast_from(handler), CaptureInner, handler) };
        // SAFETY: By the safety requirements, `skb` is valid.
        let (len, linear, headroom, aligned, summed) = unsafe {
            (
                bindings::rust_virtio_fake_frame_len(skb),
                bindings::rust_virtio_fake_frame_linear(skb),
                bindings::rust_virtio_fake_frame_headroom(skb),
                bindings::rust_virtio_fake_frame_aligned(skb),
                bindings::rust_virtio_fake_frame_summed(skb),
            )
        };
        inner.linear.store(linear, Relaxed);
        inner.headroom.store(headroom, Relaxed);
        inner.aligned.store(aligned, Relaxed);
        inner.summed.store(summed.into(), Relaxed);
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

/// The frames that an interface received.
pub struct Capture {
    inner: Arc<CaptureInner>,
    /// The interface, which stays until the handler was removed.
    _nic: Nic,
}

impl Capture {
    /// Returns the number of frames that came so far, up to 64.
    pub fn len(&self) -> usize {
        self.with(|frames| frames.len())
    }

    /// Returns how many bytes of the last frame were in the head of its packet, in the stack's own
    /// memory or in the buffer that the frame was received in.
    pub fn linear(&self) -> u32 {
        self.inner.linear.load(Relaxed)
    }

    /// Returns how many bytes before the last frame were free for other headers.
    pub fn headroom(&self) -> u32 {
        self.inner.headroom.load(Relaxed)
    }

    /// Returns whether the data behind the Ethernet header of the last frame was aligned, or the
    /// architecture does not ask for that.
    pub fn is_aligned(&self) -> bool {
        self.inner.aligned.load(Relaxed)
    }

    /// Returns the last frame's word on its checksum: 0 nothing, 1 that it was checked, 3 that it
    /// is to be completed.
    pub fn summed(&self) -> i32 {
        self.inner.summed.load(Relaxed)
    }

    /// Whether none came.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Looks at the frames.
    pub fn with<R>(&self, f: impl FnOnce(&[KVec<u8>]) -> R) -> R {
        // SAFETY: Matched below; `receive` takes the lock in soft interrupts.
        unsafe { bindings::rust_virtio_fake_bh(false) };
        let result = f(&self.inner.frames.lock());
        // SAFETY: Matches the call above.
        unsafe { bindings::rust_virtio_fake_bh(true) };
        result
    }

    /// The first frame, and forgets it.
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
        // SAFETY: The handler was added, and is removed once; this waits until it runs nowhere. The
        // interface is there until then.
        unsafe { bindings::dev_remove_pack(self.inner.handler.get()) };
    }
}
