// SPDX-License-Identifier: GPL-2.0

//! A queue on the Rust ring (crate `vring`), without a call out of the driver's module.

use super::buffer::{
    Buffer,
    RawToken,
    SegmentSink, //
};
use crate::bindings;
use core::mem::ManuallyDrop;
use kernel::prelude::*;
use vring::{
    Inner,
    Queue,
    Segments, //
};

/// The ring of a queue.
///
/// # Invariants
///
/// `vq` is a valid queue of the crate `vring`, that only this refers to, handles aside.
pub(super) struct RustRing {
    vq: *mut bindings::virtqueue,
}

impl RustRing {
    /// Takes a queue for buffers of up to `max_segments` segments, if queues are of the crate
    /// `vring` at all.
    ///
    /// # Safety
    ///
    /// `vq` is a valid queue that only the result refers to, handles aside.
    pub(super) unsafe fn new(vq: *mut bindings::virtqueue, max_segments: usize) -> Option<Self> {
        if !vring::create::is_provider() {
            return None;
        }
        // INVARIANT: By the safety requirements; all queues are of the ring that provides them.
        let mut ring = Self { vq };
        let inner = ring.inner();
        inner.set_max_segments(u16::try_from(max_segments).unwrap_or(u16::MAX));
        Some(ring)
    }

    #[inline(always)]
    pub(super) fn raw(&self) -> *mut bindings::virtqueue {
        self.vq
    }

    #[inline(always)]
    pub(super) fn queue(&self) -> &Queue {
        // SAFETY: By the type invariant, `vq` is a valid queue of the crate `vring`.
        unsafe { Queue::from_raw(self.vq) }
    }

    #[inline(always)]
    pub(super) fn inner(&mut self) -> &mut Inner {
        // SAFETY: By the type invariants, and because `&mut self` excludes others.
        unsafe { self.queue().inner() }
    }

    /// Takes the token of a used buffer, and how many bytes were written to it.
    #[inline(always)]
    pub(super) fn get_buf(&mut self) -> Option<(RawToken, u32)> {
        self.inner().get()
    }

    /// Descriptors that are free.
    #[inline(always)]
    pub(super) fn num_free(&self) -> u32 {
        // SAFETY: By the type invariants; nobody changes it while `&self` is held.
        unsafe { self.queue().peek() }.num_free().into()
    }

    /// Asks for callbacks again, as of a place.
    #[inline(always)]
    pub(super) fn enable_cb_prepare(&mut self) -> u32 {
        self.inner().enable_cb_prepare().into_raw().into()
    }
}

/// Returns the largest number of segments that a buffer has.
///
/// # Errors
///
/// `EINVAL`: more than `most`.
#[inline(always)]
pub(super) fn segments_of<T: Buffer>(buffer: &T, most: u16) -> Result<u16> {
    let segments = buffer.segment_count();
    if segments > most.into() {
        return Err(EINVAL);
    }
    // CAST: It was just compared.
    Ok(segments as u16)
}

/// A buffer on its way to a ring. The ring has it if the add succeeded; else it is to be taken
/// back.
pub(super) struct Given<T> {
    buffer: ManuallyDrop<T>,
    raw: RawToken,
}

impl<T: Buffer> Given<T> {
    /// Takes a buffer.
    #[inline(always)]
    pub(super) fn new(buffer: T) -> Self {
        let buffer = ManuallyDrop::new(buffer);
        // SAFETY: Only one of the two is used from here on, once it is known whether the ring took
        // the token; what the buffer describes stays in place.
        let raw = unsafe { core::ptr::read(&*buffer) }.into_raw();
        Self { buffer, raw }
    }

    /// The token.
    #[inline(always)]
    pub(super) fn raw(&self) -> RawToken {
        self.raw
    }

    /// The segments.
    #[inline(always)]
    pub(super) fn described(&self) -> Described<'_, T> {
        Described(&self.buffer)
    }

    /// The segments, if there are the [common](Buffer::COMMON_COUNT) number of them.
    #[inline(always)]
    pub(super) fn common(&self) -> Common<'_, T> {
        Common(&self.buffer)
    }

    /// The buffer, which the ring did not take.
    #[inline(always)]
    pub(super) fn take_back(self) -> T {
        ManuallyDrop::into_inner(self.buffer)
    }
}

/// The segments of a buffer with the common number of them.
pub(super) struct Common<'a, T>(&'a T);

impl<T: Buffer> Segments for Common<'_, T> {
    const COUNT: u16 = T::COMMON_COUNT;

    #[inline(always)]
    fn describe<S: SegmentSink>(&self, sink: &mut S) -> Result {
        self.0.describe_common(sink)
    }
}

/// The segments of a buffer, for the ring.
pub(super) struct Described<'a, T>(&'a T);

impl<T: Buffer> Segments for Described<'_, T> {
    #[inline(always)]
    fn describe<S: SegmentSink>(&self, sink: &mut S) -> Result {
        self.0.describe(sink)
    }
}
