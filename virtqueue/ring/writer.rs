// SPDX-License-Identifier: GPL-2.0

//! The writer of segments into descriptors.

use super::{
    desc::WRITE,
    error::AddError,
    segments::{
        Piece,
        SegmentWriter,
        Segments,
        Translate, //
    },
};

/// The descriptors of one buffer, in the form and at the place that the format of the ring and the
/// [`Plan`](super::indirect::Plan) require.
pub(super) trait Descriptors {
    /// Writes the descriptor of the next segment, which `counter` includes already. `kind` is
    /// [`WRITE`] or 0.
    fn push(&mut self, counter: &SegmentCounter, addr: u64, len: u32, kind: u16);

    /// Ends the buffer with the descriptor that was written last. Called only if there are fewer
    /// segments than the limit of `counter`.
    fn end(&mut self, counter: &SegmentCounter);
}

/// The writer of the segments of a buffer. It checks and counts the segments, and writes a
/// descriptor to `descs` for each, with the address that `by` returns.
struct Writer<'a, D, M> {
    descs: D,
    counter: SegmentCounter,
    by: &'a mut M,
}

impl<S: Piece, D: Descriptors, M: Translate<S>> SegmentWriter<S> for Writer<'_, D, M> {
    #[inline(always)]
    fn out(&mut self, segment: S) -> Result<(), S::Error> {
        let addr = self.by.address(segment, false)?;
        self.counter.out(segment.byte_len())?;
        self.descs.push(&self.counter, addr, segment.byte_len(), 0);
        Ok(())
    }

    #[inline(always)]
    fn in_(&mut self, segment: S) -> Result<(), S::Error> {
        let addr = self.by.address(segment, true)?;
        self.counter.in_(segment.byte_len())?;
        self.descs
            .push(&self.counter, addr, segment.byte_len(), WRITE);
        Ok(())
    }
}

/// A buffer that is being added.
///
/// If `COMMON` is true, the buffer is described by [`Segments::write_common`].
pub struct NewBuffer<'a, B, M, const COMMON: bool> {
    pub(super) buffer: &'a B,
    /// The largest number of segments that the buffer may have.
    pub(super) segments: u16,
    /// The translation of the segments.
    pub(super) by: &'a mut M,
}

/// The descriptors of a buffer, after all of them were written.
pub(super) struct Written<D> {
    pub(super) descs: D,
    /// The number of segments, at least one.
    pub(super) count: u16,
    /// Bytes that the device may write.
    pub(super) writable_len: u32,
}

impl<B, M, const COMMON: bool> NewBuffer<'_, B, M, COMMON> {
    /// Writes the segments to `descs`.
    ///
    /// # Errors
    ///
    /// Those of the buffer and of the translation, and an [`AddError`]. The number of segments that
    /// were written comes with the error.
    #[inline(always)]
    pub(super) fn write<S, D>(self, descs: D) -> Result<Written<D>, (S::Error, u16)>
    where
        S: Piece,
        B: Segments<S>,
        M: Translate<S>,
        D: Descriptors,
    {
        let mut writer = Writer {
            descs,
            counter: SegmentCounter::new(self.segments),
            by: self.by,
        };
        let written = if COMMON {
            self.buffer.write_common(&mut writer)
        } else {
            self.buffer.write_segments(&mut writer)
        };
        let writable_len = match written.and_then(|()| Ok(writer.counter.finish()?)) {
            Ok(writable_len) => writable_len,
            Err(e) => return Err((e, writer.counter.count())),
        };
        if !writer.counter.is_full() {
            writer.descs.end(&writer.counter);
        }
        Ok(Written {
            count: writer.counter.count(),
            descs: writer.descs,
            writable_len,
        })
    }
}

/// The descriptors that were written for a buffer.
pub struct Chain {
    /// Descriptors in the ring, at least one.
    pub(super) count: u16,
    /// The last descriptor, and the free one that follows it, where ids are linked.
    pub(super) tail: u16,
    pub(super) after: u16,
    /// Bytes that the device may write.
    pub(super) writable_len: u32,
    /// Packed: the second half of the first descriptor, which makes the buffer available.
    pub(super) head: u64,
}

impl Chain {
    /// No descriptors, for a buffer whose descriptors are there.
    pub(super) const EMPTY: Self = Self {
        count: 0,
        tail: 0,
        after: 0,
        writable_len: 0,
        head: 0,
    };
}

/// The counts of the segments of one buffer.
pub(super) struct SegmentCounter {
    /// The largest number of segments, and the number that may still follow.
    limit: u32,
    left: u32,
    /// Whether there was a segment that the device writes.
    writes: bool,
    /// The number of bytes that the device reads, and that it may write.
    read: u64,
    write: u64,
}

impl SegmentCounter {
    #[inline(always)]
    pub(super) const fn new(limit: u16) -> Self {
        Self {
            limit: limit as u32,
            left: limit as u32,
            writes: false,
            read: 0,
            write: 0,
        }
    }

    /// Counts a segment that the device reads, unless it is refused.
    #[inline(always)]
    fn out(&mut self, len: u32) -> Result<(), AddError> {
        if self.writes {
            return Err(AddError::Misordered);
        }
        self.one()?;
        self.read = self.read.wrapping_add(u64::from(len));
        Ok(())
    }

    /// Counts a segment that the device writes, unless it is refused.
    #[inline(always)]
    fn in_(&mut self, len: u32) -> Result<(), AddError> {
        self.one()?;
        self.writes = true;
        self.write = self.write.wrapping_add(u64::from(len));
        Ok(())
    }

    /// Counts a segment of either kind, unless it is refused.
    #[inline(always)]
    fn one(&mut self) -> Result<(), AddError> {
        if self.is_full() {
            return Err(AddError::TooMany);
        }
        // OVERFLOW: `left` is not 0.
        self.left = self.left.wrapping_sub(1);
        Ok(())
    }

    /// Returns the number of segments so far.
    #[inline(always)]
    pub(super) fn count(&self) -> u16 {
        // CAST: The limit was a `u16`.
        // OVERFLOW: `left` is at most the limit.
        self.limit.wrapping_sub(self.left) as u16
    }

    /// Returns whether there are as many segments as the limit.
    #[inline(always)]
    pub(super) fn is_full(&self) -> bool {
        self.left == 0
    }

    /// Returns the index of the last segment.
    #[inline(always)]
    pub(super) fn last(&self) -> u16 {
        self.count().wrapping_sub(1)
    }

    /// Returns the number of bytes that the device may write, if the buffer may be added.
    #[inline(always)]
    pub(super) fn finish(&self) -> Result<u32, AddError> {
        if self.left == self.limit {
            return Err(AddError::Empty);
        }
        // OVERFLOW: Both are sums of at most 2^16 lengths of 32 bits.
        if self.read.wrapping_add(self.write) > u64::from(u32::MAX) {
            return Err(AddError::TooLong);
        }
        // CAST: The sum, and so `write`, is at most `u32::MAX`, as was just checked.
        Ok(self.write as u32)
    }
}
