// SPDX-License-Identifier: GPL-2.0

//! The data that a driver keeps in each request: header, status and ranges.

use crate::memory::{
    DeviceReadable,
    DeviceWritable, //
};
use blockdev::mq::{
    IdleRequest,
    Op,
    Operations, //
};
use kernel::prelude::*;

/// The data between header and status.
pub(crate) enum Payload<R> {
    /// The data of the request, if it has any.
    Data,
    /// One range, which needs no allocation.
    One(DeviceReadable<R>),
    /// Several ranges.
    Many(KVec<R>),
}

/// The status before the device writes one. No device may write this value.
pub const NO_STATUS: u8 = 0xff;

/// A block request as a device sees it.
///
/// `OUT` is the size of the header. `IN` is the largest size of the in-header, which the device
/// writes after the data, and whose last byte is the status. `R` is a range. All are bytes in the
/// order of the device.
pub struct Command<const OUT: usize, const IN: usize, R: Copy> {
    pub(crate) header: DeviceReadable<[u8; OUT]>,
    pub(crate) in_header: DeviceWritable<IN>,
    /// Bytes of `in_header` that are used. Not read if that is always [one](Command::in_len).
    in_len: u32,
    /// Bytes that the device reports to have written.
    written: u32,
    /// Bytes that the device must report for the request to be [whole](Command::is_whole). That is
    /// the size of the data of a strict read. If there are ranges to drop, it is more than any
    /// device can report.
    enough: u64,
    pub(crate) payload: Payload<R>,
}

impl<const OUT: usize, const IN: usize, R: Copy> Command<OUT, IN, R> {
    /// Returns an empty command.
    pub fn new() -> Self {
        const {
            // The status has at least one byte. A vector of ranges without bytes would have no
            // memory.
            assert!(OUT != 0 && IN != 0 && size_of::<R>() != 0);
        }
        Self {
            header: DeviceReadable::new([0; OUT]),
            in_header: DeviceWritable::new(),
            in_len: 1,
            written: 0,
            enough: 0,
            payload: Payload::Data,
        }
    }

    /// Sets the header.
    #[inline]
    pub fn set_header(&mut self, header: [u8; OUT]) {
        self.header.set(header);
    }

    /// Returns the number of bytes that the device writes after the data.
    #[inline]
    pub(crate) fn in_len(&self) -> u32 {
        // PERF: If there is only one possible length, the field is not read.
        if IN == 1 {
            1
        } else {
            self.in_len
        }
    }

    /// Fetches byte `at` of the in-header, if there is one.
    pub fn in_header(&self, at: usize) -> Option<u8> {
        self.in_header.get(at)
    }

    /// Fetches the status that the device wrote, [`NO_STATUS`] if none. The device may change it,
    /// so call this once.
    ///
    /// The status decides whether the request succeeded, unless the command is
    /// [strict](Command::prepare) and the data [is short](Command::is_short).
    #[inline]
    pub fn status(&self) -> u8 {
        let last = self.in_len().wrapping_sub(1) as usize;
        self.in_header.get(last).unwrap_or(NO_STATUS)
    }

    /// Sets the number of bytes that the device reports to have written (virtio spec §2.7.8).
    #[inline]
    pub fn written(&mut self, len: u32) {
        self.written = len;
    }

    /// Whether the device reports that it has written all data that it has to report, and there is
    /// nothing to [drop](Command::drop_ranges). If not, [`Command::is_short`] says which of the
    /// two.
    #[inline]
    pub fn is_whole(&self) -> bool {
        u64::from(self.written) >= self.enough
    }

    /// Whether the device reports that it has written less data than it should. Always `false` for
    /// a command that is not strict.
    pub fn is_short(&self) -> bool {
        matches!(self.payload, Payload::Data) && !self.is_whole()
    }

    /// Drops the ranges.
    #[inline]
    pub fn drop_ranges(&mut self) {
        if !matches!(self.payload, Payload::Data) {
            self.clear_payload();
        }
    }

    #[cold]
    fn clear_payload(&mut self) {
        self.payload = Payload::Data;
    }
}

impl<const OUT: usize, const IN: usize, R: Copy> Default for Command<OUT, IN, R> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const OUT: usize, const IN: usize, R: Copy + Send + 'static> Command<OUT, IN, R> {
    /// Prepares the command of a request with data, or with no payload. Called before each add,
    /// after the header was set.
    ///
    /// `in_len` bytes, 1 to `IN`, come after the data, with the status last. If `strict` is set, a
    /// read fails unless the device reports to have written at least the size of the data. The
    /// bytes after the data need not be counted: the status shows that the device wrote them.
    #[inline]
    pub fn prepare<T>(rq: &mut IdleRequest<T>, in_len: u32, strict: bool)
    where
        T: Operations<RequestData = Self>,
    {
        let data = if strict && rq.op() == Op::READ {
            Some(rq.bytes())
        } else {
            None
        };
        let command = rq.data_mut();
        if IN != 1 {
            command.in_len = in_len.clamp(1, IN as u32);
        }
        let in_len = command.in_len();
        command.enough = data.map_or(0, u64::from);
        command.in_header.set((in_len - 1) as usize, NO_STATUS);
        command.drop_ranges();
    }

    /// As [`Command::prepare`], with the ranges of the request instead of data. `range` makes each
    /// from a first sector and a number of sectors.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: there are several ranges, and no memory for them at the moment.
    pub fn prepare_ranges<T>(
        rq: &mut IdleRequest<T>,
        in_len: u32,
        mut range: impl FnMut(u64, u32) -> R,
    ) -> Result
    where
        T: Operations<RequestData = Self>,
    {
        Self::prepare(rq, in_len, false);
        let mut ranges = rq.ranges();
        let (Some((sector, sectors)), rest) = (ranges.next(), ranges) else {
            return Ok(());
        };
        let first = range(sector, sectors);
        let payload = match rest.clone().count() {
            0 => Payload::One(DeviceReadable::new(first)),
            more => {
                // The vector has enough capacity, so no push allocates.
                let mut many = KVec::with_capacity(1 + more, GFP_ATOMIC)?;
                many.push(first, GFP_ATOMIC)?;
                for (sector, sectors) in rest {
                    many.push(range(sector, sectors), GFP_ATOMIC)?;
                }
                Payload::Many(many)
            }
        };
        let command = rq.data_mut();
        command.payload = payload;
        command.enough = u64::MAX;
        Ok(())
    }
}
