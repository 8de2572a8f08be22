// SPDX-License-Identifier: GPL-2.0

//! The segments of a buffer, and the interfaces by which they get into descriptors.
//!
//! A buffer ([`Segments`]) writes its segments to a [`SegmentWriter`]. The ring has one, the
//! [`Writer`](super::writer::Writer), for all places in which it has descriptors. The addresses in
//! the descriptors are those that [`Translate`] returns.

use super::error::AddError;

/// A piece of memory, as a buffer names it.
pub trait Piece: Copy {
    /// An error of what is done with the memory.
    type Error: From<AddError>;

    /// Returns the length in bytes.
    fn byte_len(self) -> u32;
}

/// Finds the address at which the device finds a piece of memory.
pub trait Translate<S: Piece> {
    /// Whether the device is shown a copy of what is written, as it may be where memory is mapped
    /// for it: a table then has to be written before it is shown.
    const MAPS: bool;

    /// Returns the address of a segment, which the device is to write if `write` is set.
    ///
    /// # Errors
    ///
    /// The segment has no address for now.
    fn address(&mut self, segment: S, write: bool) -> Result<u64, S::Error>;
}

/// Takes the segments of a buffer, in order: all that the device reads, then all that it writes
/// (§2.7.4.2, §2.8.17).
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
/// The functions are compiled for each type of writer, so that no choice is left for the single
/// segment. The ring calls at most one of them for each add, and that one once.
pub trait Segments<S: Piece> {
    /// Writes all segments.
    ///
    /// # Errors
    ///
    /// Those of `writer`, passed on, and its own. The device sees nothing of the buffer then.
    fn write_segments<W: SegmentWriter<S>>(&self, writer: &mut W) -> Result<(), S::Error>;

    /// As [`Segments::write_segments`], for the most frequent shape of a buffer only: by code that
    /// is small enough to be part of the path that adds the buffer.
    ///
    /// # Errors
    ///
    /// As [`Segments::write_segments`]; any error if the buffer has another shape.
    #[inline(always)]
    fn write_common<W: SegmentWriter<S>>(&self, writer: &mut W) -> Result<(), S::Error> {
        self.write_segments(writer)
    }
}
