// SPDX-License-Identifier: GPL-2.0

//! Describing a buffer to the ring by addresses of the device.

use crate::{
    ring::{
        AddError,
        Describe,
        Sink, //
    },
    segment::{
        Segment,
        SegmentSink,
        Segments, //
    },
};
use core::{
    mem::ManuallyDrop,
    ptr::NonNull, //
};
use kernel::prelude::*;

/// Says where the device finds memory.
pub(crate) trait Translate {
    /// See [`Describe::MAPS`].
    const MAPS: bool;

    /// The address of a segment, which the device is to write if `write` says so.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: it has none for now.
    fn address(&mut self, segment: Segment, write: bool) -> Result<u64>;
}

/// Says the addresses that memory has for the processor too.
pub(crate) struct Physical;

impl Translate for Physical {
    const MAPS: bool = false;

    #[inline(always)]
    fn address(&mut self, segment: Segment, write: bool) -> Result<u64> {
        Ok(segment.phys(write))
    }
}

/// A buffer whose segments go straight into descriptors, by the addresses that `by` says.
pub(crate) struct Translated<'a, B, T> {
    pub(crate) buffer: &'a B,
    pub(crate) by: &'a mut T,
}

impl<B: Segments, T: Translate> Describe for Translated<'_, B, T> {
    type Error = Error;

    const MAPS: bool = T::MAPS;

    #[inline(always)]
    fn describe<S: Sink>(&mut self, sink: &mut S) -> Result {
        // INVARIANT: Both are borrowed as long as this is used.
        self.buffer.describe(&mut Translator {
            sink: NonNull::from(sink),
            by: NonNull::from(&mut *self.by),
        })
    }
}

/// One segment, at an address of the device.
#[derive(Clone, Copy)]
pub(crate) struct Single {
    pub(crate) addr: u64,
    pub(crate) len: u32,
    /// The device writes it.
    pub(crate) write: bool,
}

impl Describe for Single {
    type Error = AddError;

    #[inline(always)]
    fn describe<S: Sink>(&mut self, sink: &mut S) -> Result<(), AddError> {
        if self.write {
            sink.in_(self.addr, self.len)
        } else {
            sink.out(self.addr, self.len)
        }
    }
}

/// Hands the addresses of segments to the ring.
///
/// # Invariants
///
/// The pointers are to a sink, and to what translates for it, that nobody else uses as long as this
/// exists.
struct Translator<S, T> {
    sink: NonNull<S>,
    by: NonNull<T>,
}

impl<S: Sink, T: Translate> Translator<S, T> {
    #[inline(always)]
    fn parts(&mut self) -> (&mut S, &mut T) {
        // SAFETY: By the type invariant, nobody else uses the sink and the translation.
        unsafe { (self.sink.as_mut(), self.by.as_mut()) }
    }
}

impl<S: Sink, T: Translate> SegmentSink for Translator<S, T> {
    #[inline(always)]
    fn out(&mut self, segment: Segment) -> Result {
        let (sink, by) = self.parts();
        Ok(sink.out(by.address(segment, false)?, segment.len())?)
    }

    #[inline(always)]
    fn in_(&mut self, segment: Segment) -> Result {
        let (sink, by) = self.parts();
        Ok(sink.in_(by.address(segment, true)?, segment.len())?)
    }

    #[inline(always)]
    fn apart<R>(&mut self, f: impl FnOnce(&mut Self) -> R) -> R {
        // SAFETY: Both are moved out and back in, and nobody sees their places meanwhile: the
        // kernel does not unwind.
        unsafe {
            let mut sink = ManuallyDrop::new(self.sink.read());
            let mut by = ManuallyDrop::new(self.by.read());
            // INVARIANT: They are here as long as `f` has the result.
            let result = f(&mut Self {
                sink: NonNull::from(&mut *sink),
                by: NonNull::from(&mut *by),
            });
            self.sink.write(ManuallyDrop::into_inner(sink));
            self.by.write(ManuallyDrop::into_inner(by));
            result
        }
    }
}
