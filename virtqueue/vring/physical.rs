// SPDX-License-Identifier: GPL-2.0

//! Describing a buffer by the addresses that its memory has for the processor too.

use crate::{
    ring::{
        Describe,
        Sink, //
    },
    segment::{
        Segment,
        SegmentSink,
        Segments, //
    },
};
use kernel::prelude::*;

/// A buffer whose segments go straight into descriptors.
pub(crate) struct Physical<'a, B>(pub(crate) &'a B);

impl<B: Segments> Describe for Physical<'_, B> {
    type Error = Error;

    #[inline(always)]
    fn describe<S: Sink>(&mut self, sink: &mut S) -> Result {
        self.0.describe(&mut Untranslated(sink))
    }
}

/// Hands physical addresses to the ring.
struct Untranslated<'a, S>(&'a mut S);

impl<S: Sink> SegmentSink for Untranslated<'_, S> {
    #[inline(always)]
    fn out(&mut self, segment: Segment) -> Result {
        Ok(self.0.out(segment.phys(), segment.len())?)
    }

    #[inline(always)]
    fn in_(&mut self, segment: Segment) -> Result {
        Ok(self.0.in_(segment.phys(), segment.len())?)
    }
}
