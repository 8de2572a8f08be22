// SPDX-License-Identifier: GPL-2.0

//! Describing a buffer by the addresses that its memory has for the processor too.

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

/// A buffer whose segments go straight into descriptors.
pub(crate) struct Physical<'a, B>(pub(crate) &'a B);

impl<B: Segments> Describe for Physical<'_, B> {
    type Error = Error;

    #[inline(always)]
    fn describe<S: Sink>(&mut self, sink: &mut S) -> Result {
        // INVARIANT: `sink` is borrowed as long as this is used.
        self.0.describe(&mut Untranslated(NonNull::from(sink)))
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

/// Hands physical addresses to the ring.
///
/// # Invariants
///
/// The pointer is to a sink that nobody else uses as long as this exists.
struct Untranslated<S>(NonNull<S>);

impl<S: Sink> Untranslated<S> {
    #[inline(always)]
    fn sink(&mut self) -> &mut S {
        // SAFETY: By the type invariant.
        unsafe { self.0.as_mut() }
    }
}

impl<S: Sink> SegmentSink for Untranslated<S> {
    #[inline(always)]
    fn out(&mut self, segment: Segment) -> Result {
        Ok(self.sink().out(segment.phys(false), segment.len())?)
    }

    #[inline(always)]
    fn in_(&mut self, segment: Segment) -> Result {
        Ok(self.sink().in_(segment.phys(true), segment.len())?)
    }

    #[inline(always)]
    fn apart<R>(&mut self, f: impl FnOnce(&mut Self) -> R) -> R {
        // SAFETY: The ring's sink is moved out and back in, and nobody sees its place meanwhile:
        // the kernel does not unwind.
        unsafe {
            let mut moved = ManuallyDrop::new(self.0.read());
            // INVARIANT: The sink is here as long as `f` has the result.
            let result = f(&mut Self(NonNull::from(&mut *moved)));
            self.0.write(ManuallyDrop::into_inner(moved));
            result
        }
    }
}
