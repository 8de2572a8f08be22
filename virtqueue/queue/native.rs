// SPDX-License-Identifier: GPL-2.0

//! A queue on the ring of the crate `vring`, without a call out of the driver's module.

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
    Segments,
    Then, //
};

/// The ring of a queue.
///
/// # Invariants
///
/// `vq` is a valid queue of the crate `vring`, that only this refers to, handles aside.
pub(super) struct Native {
    vq: *mut bindings::virtqueue,
    /// The most segments that a buffer may have.
    max_segments: u16,
}

impl Native {
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
        let mut ring = Self {
            vq,
            max_segments: u16::try_from(max_segments).unwrap_or(u16::MAX),
        };
        // Drivers in Rust have no device that is to be excused.
        ring.inner().be_strict();
        Some(ring)
    }

    #[inline(always)]
    pub(super) fn raw(&self) -> *mut bindings::virtqueue {
        self.vq
    }

    #[inline(always)]
    pub(super) fn queue(&self) -> &Queue {
        // SAFETY: By the type invariants.
        unsafe { Queue::from_raw(self.vq) }
    }

    #[inline(always)]
    pub(super) fn inner(&mut self) -> &mut Inner {
        // SAFETY: By the type invariants, and because `&mut self` excludes others.
        unsafe { self.queue().inner() }
    }

    /// Adds a buffer, and kicks if that is to follow; returns whether to notify.
    #[inline(always)]
    pub(super) fn add_buf<T: Buffer>(&mut self, buffer: T, then: Then) -> Result<bool, (Error, T)> {
        let given = Given::new(buffer, self.max_segments)?;
        let inner = self.inner();
        let added = if Given::is_common(&*given.buffer) {
            inner.add(given.raw(), given.segments(), &given.common(), 0, then)
        } else {
            inner.add(given.raw(), given.segments(), &given.described(), 0, then)
        };
        added.map_err(|error| (error, given.take_back()))
    }

    /// The parts of the queue for [`Virtqueue::on`](super::Virtqueue::on): what needs exclusion,
    /// and the most segments that a buffer may have.
    #[inline(always)]
    pub(super) fn parts(&mut self) -> (&mut Inner, u16) {
        let most = self.max_segments;
        (self.inner(), most)
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

/// A buffer on its way to a ring. The ring has it if the add succeeded; else it is to be taken back.
pub(super) struct Given<T> {
    buffer: ManuallyDrop<T>,
    raw: RawToken,
    segments: u16,
}

impl<T: Buffer> Given<T> {
    /// Takes a buffer of up to `most` segments.
    ///
    /// # Errors
    ///
    /// `EINVAL`, with the buffer, if it has more.
    #[inline(always)]
    pub(super) fn new(buffer: T, most: u16) -> Result<Self, (Error, T)> {
        let segments = buffer.segment_count();
        if segments > most.into() {
            return Err((EINVAL, buffer));
        }
        // CAST: It was just compared.
        let segments = segments as u16;
        let buffer = ManuallyDrop::new(buffer);
        // SAFETY: Only one of the two is used from here on, once it is known whether the ring took
        // the token; what the buffer describes stays in place.
        let raw = unsafe { core::ptr::read(&*buffer) }.into_raw();
        Ok(Self {
            buffer,
            raw,
            segments,
        })
    }

    /// Whether a buffer has the [common](Buffer::COMMON_COUNT) number of segments.
    #[inline(always)]
    pub(super) fn is_common(buffer: &T) -> bool {
        T::COMMON_COUNT != 0 && buffer.segment_count() == usize::from(T::COMMON_COUNT)
    }

    /// The token.
    #[inline(always)]
    pub(super) fn raw(&self) -> RawToken {
        self.raw
    }

    /// How many segments there are at most.
    #[inline(always)]
    pub(super) fn segments(&self) -> u16 {
        self.segments
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
