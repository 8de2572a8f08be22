// SPDX-License-Identifier: GPL-2.0

//! Sinks, to which a buffer passes its segments.

use super::{
    desc::WRITE,
    error::AddError, //
};

/// Takes the segments of a buffer, in order: all that the device reads, then all that it writes
/// (§2.7.4.2, §2.8.17).
///
/// Addresses are those that the device uses.
pub trait Sink {
    /// Memory for the device to read.
    ///
    /// # Errors
    ///
    /// [`AddError::Misordered`], [`AddError::TooMany`].
    fn out(&mut self, addr: u64, len: u32) -> Result<(), AddError>;

    /// Memory for the device to write.
    ///
    /// # Errors
    ///
    /// [`AddError::TooMany`].
    fn in_(&mut self, addr: u64, len: u32) -> Result<(), AddError>;
}

/// A buffer that can tell its segments.
///
/// Each way in which a ring takes segments is a sink of its own type, so that a description is
/// compiled for it and no choice is left for the single segment.
pub trait Describe {
    /// An error that `describe` can fail with by itself, for instance of a mapping.
    type Error: From<AddError>;

    /// Whether the device is shown a copy of what is written, as it may be where memory is mapped
    /// for it: a table then has to be written before it is shown.
    const MAPS: bool = false;

    /// Tells the segments. Called once for each add, if at all.
    ///
    /// # Errors
    ///
    /// Those of `sink`, passed on, and its own. The device sees nothing of the buffer then.
    fn describe<S: Sink>(&mut self, sink: &mut S) -> Result<(), Self::Error>;
}

/// A list of segments to read and one of segments to write, each an address and a length.
impl Describe for (&[(u64, u32)], &[(u64, u32)]) {
    type Error = AddError;

    #[inline]
    fn describe<S: Sink>(&mut self, sink: &mut S) -> Result<(), AddError> {
        for &(addr, len) in self.0 {
            sink.out(addr, len)?;
        }
        for &(addr, len) in self.1 {
            sink.in_(addr, len)?;
        }
        Ok(())
    }
}

/// A writer of segments into descriptors. It is counted and checked here, for all of them.
pub(super) trait Writer {
    /// Returns the count of the segments that were taken so far.
    fn tally(&mut self) -> &mut Tally;

    /// Writes a segment, which is counted already, `kind` being [`WRITE`] or nothing.
    fn push(&mut self, addr: u64, len: u32, kind: u16);
}

impl<W: Writer> Sink for W {
    #[inline(always)]
    fn out(&mut self, addr: u64, len: u32) -> Result<(), AddError> {
        self.tally().out(len)?;
        self.push(addr, len, 0);
        Ok(())
    }

    #[inline(always)]
    fn in_(&mut self, addr: u64, len: u32) -> Result<(), AddError> {
        self.tally().in_(len)?;
        self.push(addr, len, WRITE);
        Ok(())
    }
}

/// The descriptors that were written for a buffer.
pub struct Chain {
    /// Descriptors in the ring, at least one.
    pub(super) count: u16,
    /// The place at which ids are linked: the last of them, and the free one that follows.
    pub(super) tail: u16,
    pub(super) after: u16,
    /// Bytes that the device may write.
    pub(super) room: u32,
    /// Packed: the second half of the first descriptor, which lets the device look at it.
    pub(super) head: u64,
}

/// Counts what goes into one buffer, for all sinks.
pub(super) struct Tally {
    /// Segments that there is room for, and how many of those are left.
    limit: u32,
    left: u32,
    /// Whether a segment to write came.
    writes: bool,
    /// Bytes to read, and to write.
    read: u64,
    write: u64,
}

impl Tally {
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

    /// Counts one segment to read.
    #[inline(always)]
    fn out(&mut self, len: u32) -> Result<(), AddError> {
        if self.writes {
            return Err(AddError::Misordered);
        }
        self.read = self.read.wrapping_add(u64::from(len));
        self.one()
    }

    /// Counts one segment to write.
    #[inline(always)]
    fn in_(&mut self, len: u32) -> Result<(), AddError> {
        self.writes = true;
        self.write = self.write.wrapping_add(u64::from(len));
        self.one()
    }

    #[inline(always)]
    fn one(&mut self) -> Result<(), AddError> {
        if self.is_full() {
            return Err(AddError::TooMany);
        }
        // OVERFLOW: There is one left.
        self.left = self.left.wrapping_sub(1);
        Ok(())
    }

    /// Segments so far.
    #[inline(always)]
    pub(super) fn count(&self) -> u16 {
        // CAST: The limit is one.
        // OVERFLOW: Not more are left than that.
        self.limit.wrapping_sub(self.left) as u16
    }

    /// Whether that was all that was said to come.
    #[inline(always)]
    pub(super) fn is_full(&self) -> bool {
        self.left == 0
    }

    /// The index of the segment that came last.
    #[inline(always)]
    pub(super) fn last(&self) -> u16 {
        self.count().wrapping_sub(1)
    }

    /// Returns how many bytes there are to write, if the buffer is one that may be added.
    #[inline(always)]
    pub(super) fn finish(&self) -> Result<u32, AddError> {
        if self.left == self.limit {
            return Err(AddError::Empty);
        }
        // OVERFLOW: Both are sums of at most 2^16 lengths of 32 bits.
        if self.read.wrapping_add(self.write) > u64::from(u32::MAX) {
            return Err(AddError::TooLong);
        }
        // CAST: It was just compared.
        Ok(self.write as u32)
    }
}
