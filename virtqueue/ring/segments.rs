// SPDX-License-Identifier: GPL-2.0

//! The segments of a buffer, and the interfaces through which they become descriptors.
//!
//! A buffer ([`Segments`]) passes its segments to a [`SegmentWriter`]. The one of the ring
//! ([`Writer`](super::writer::Writer)) writes a descriptor for each, with the address that
//! [`Translate`] returns.

use super::error::AddError;

/// A segment, in the form in which a buffer passes it.
pub trait Piece: Copy {
    /// The error of an add of such segments.
    type Error: From<AddError>;

    /// Returns the length in bytes.
    fn byte_len(self) -> u32;
}

/// A translation of segments to the addresses that the device uses for them.
pub trait Translate<S: Piece> {
    /// Memory is mapped for the device, which may then see a copy that was made at the mapping. So
    /// a table has to be written before it is mapped.
    const MAPS: bool;

    /// Returns the address of a segment. The device writes the segment if `write` is true, and
    /// reads it otherwise.
    ///
    /// # Errors
    ///
    /// The segment cannot get an address for now.
    fn address(&mut self, segment: S, write: bool) -> Result<u64, S::Error>;
}

/// A receiver of the segments of a buffer, in order: first all that the device reads, then all that
/// it writes (§2.7.4.2, §2.8.17).
pub trait SegmentWriter<S: Piece> {
    /// Writes a segment for the device to read.
    ///
    /// # Errors
    ///
    /// [`AddError::Misordered`], [`AddError::TooMany`], and those of [`Translate::address`].
    fn out(&mut self, segment: S) -> Result<(), S::Error>;

    /// Writes a segment for the device to write.
    ///
    /// # Errors
    ///
    /// [`AddError::TooMany`], and those of [`Translate::address`].
    fn in_(&mut self, segment: S) -> Result<(), S::Error>;
}

/// The segments of a buffer.
///
/// The functions are compiled for each type of writer, so that no decision is made for each
/// segment. For each add, the ring calls one of them at most once.
pub trait Segments<S: Piece> {
    /// Writes all segments.
    ///
    /// # Errors
    ///
    /// The errors of `writer`, and those of the buffer. After an error the device sees nothing of
    /// the buffer.
    fn write_segments<W: SegmentWriter<S>>(&self, writer: &mut W) -> Result<(), S::Error>;

    /// As [`Segments::write_segments`], but only for a common buffer, which has the most frequent
    /// number of segments. This code is small enough to be inlined into the path that adds the
    /// buffer.
    ///
    /// # Errors
    ///
    /// As [`Segments::write_segments`]; any error if the buffer is not a common one.
    #[inline(always)]
    fn write_common<W: SegmentWriter<S>>(&self, writer: &mut W) -> Result<(), S::Error> {
        self.write_segments(writer)
    }
}
