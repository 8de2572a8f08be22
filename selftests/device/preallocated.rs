// SPDX-License-Identifier: GPL-2.0

//! A queue in memory that its creator allocated (`vring_new_virtqueue`).

use crate::{
    bindings,
    c_queue::CQueue,
    fake::Fake,
    spec::{
        EVENT_IDX,
        VERSION_1, //
    },
    split::Split,
    transport::queues::{
        notify,
        RING_ALIGN, //
    },
};
use core::{
    ffi::c_void,
    ptr::NonNull, //
};
use kernel::prelude::*;

/// The index of such queues on their device.
const INDEX: u16 = 40;

/// A queue in preallocated memory, and the device's side of it.
pub struct PreallocatedQueue {
    /// The driver's side.
    pub queue: CQueue,
    ring: Split,
    area: NonNull<c_void>,
    bytes: usize,
}

impl Fake {
    /// Makes a queue of `num` descriptors in memory that this allocates.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `EINVAL`: the ring refuses.
    pub fn new_preallocated(&self, num: u16) -> Result<PreallocatedQueue> {
        // Descriptors, available and used ring with their events, and alignment.
        let bytes = usize::from(num) * (16 + 2 + 8) + 12 + RING_ALIGN as usize;
        // SAFETY: May be called in process context.
        let area = unsafe { bindings::rust_virtio_fake_alloc(bytes) };
        let area = NonNull::new(area).ok_or(ENOMEM)?;
        // SAFETY: The device is valid, and the memory lives as long as the queue.
        let vq = unsafe {
            bindings::vring_new_virtqueue(
                INDEX.into(),
                num.into(),
                RING_ALIGN,
                self.0.vdev.get(),
                false,
                false,
                area.as_ptr(),
                Some(notify),
                None,
                c"preallocated".as_char_ptr(),
            )
        };
        if vq.is_null() {
            // SAFETY: No code uses the memory.
            unsafe { bindings::rust_virtio_fake_free_area(area.as_ptr(), bytes) };
            return Err(EINVAL);
        }
        // SAFETY: The queue is valid; the transport owns the field.
        unsafe { (*vq).num_max = num.into() };
        let queue = CQueue::new(self.clone(), vq);
        // SAFETY: The queue has a split ring, in memory that is directly mapped.
        let parts = unsafe {
            let vring = &*queue.vring();
            [
                bindings::rust_virtio_fake_phys(vring.desc.cast()),
                bindings::rust_virtio_fake_phys(vring.avail.cast()),
                bindings::rust_virtio_fake_phys(vring.used.cast()),
            ]
        };
        let (little, event_idx) = (self.negotiated(VERSION_1), self.negotiated(EVENT_IDX));
        Ok(PreallocatedQueue {
            queue,
            ring: Split::new(num, parts, little, event_idx),
            area,
            bytes,
        })
    }
}

impl PreallocatedQueue {
    /// Whether the ring is at the beginning of the memory.
    pub fn is_in_place(&self) -> bool {
        // SAFETY: The queue has a split ring.
        unsafe { (*self.queue.vring()).desc.cast() == self.area.as_ptr() }
    }

    /// Makes the device use the next buffer, with `bytes` written. Returns the bytes that the
    /// device has read, if there was a buffer.
    ///
    /// # Errors
    ///
    /// `EINVAL`, `EFAULT`: the driver broke a rule of the ring.
    pub fn answer(&mut self, bytes: &[u8]) -> Result<Option<KVec<u8>>> {
        let Some(mut chain) = self.ring.pop()? else {
            return Ok(None);
        };
        let written = chain.write(0, bytes)?;
        // CAST: The bytes fitted a buffer, whose length has 32 bits.
        self.ring.push(chain.id().into(), written as u32)?;
        chain.read_all().map(Some)
    }
}

impl Drop for PreallocatedQueue {
    fn drop(&mut self) {
        // SAFETY: No code uses the queue or the memory.
        unsafe {
            bindings::vring_del_virtqueue(self.queue.as_raw());
            bindings::rust_virtio_fake_free_area(self.area.as_ptr(), self.bytes);
        }
    }
}
