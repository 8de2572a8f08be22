// SPDX-License-Identifier: GPL-2.0

//! Buffers that fail, or ignore a failure.

use super::Segments;
use ring_core::AddError;

/// A segment whose buffer fails on purpose.
#[derive(Clone, Copy)]
pub struct Doomed(u64, u32);

impl ring_core::Piece for Doomed {
    type Error = Failed;

    fn byte_len(self) -> u32 {
        self.1
    }
}

impl ring_core::Translate<Doomed> for ring_core::host::AsGiven {
    const MAPS: bool = false;

    fn address(&mut self, segment: Doomed, _write: bool) -> Result<u64, Failed> {
        Ok(segment.0)
    }
}

/// Fails on purpose after its segments.
pub struct Failing<'a>(pub &'a Segments);

/// The error of `Failing`.
#[derive(Debug, PartialEq, Eq)]
pub struct Failed;

impl From<AddError> for Failed {
    fn from(_: AddError) -> Self {
        Self
    }
}

impl ring_core::Segments<Doomed> for Failing<'_> {
    fn write_segments<W: ring_core::SegmentWriter<Doomed>>(
        &self,
        writer: &mut W,
    ) -> Result<(), Failed> {
        for &(addr, len) in self.0 {
            writer.out(Doomed(addr, len))?;
        }
        Err(Failed)
    }
}

/// Ignores that its segments are refused.
pub struct Stubborn<'a> {
    pub out: &'a Segments,
    pub in_: &'a Segments,
}

impl ring_core::Segments<(u64, u32)> for Stubborn<'_> {
    fn write_segments<W: ring_core::SegmentWriter<(u64, u32)>>(
        &self,
        writer: &mut W,
    ) -> Result<(), AddError> {
        for &segment in self.out {
            let _ = writer.out(segment);
        }
        for &segment in self.in_ {
            let _ = writer.in_(segment);
        }
        Ok(())
    }
}
