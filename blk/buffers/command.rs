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
    /// One range, in place.
    One(DeviceReadable<R>),
    /// Several ranges.
    Many(KVec<R>),
}

/// The status of a device that wrote none. No device may write it.
pub const NO_STATUS: u8 = 0xff;

/// A block request as a device sees it.
///
/// `OUT` is the size of the header, `IN` the largest size of what the device writes after the
/// data, whose last byte is the status, and `R` a range; all as bytes in the device's order.
pub struct Command<const OUT: usize, const IN: usize, R: Copy> {
    pub(crate) header: DeviceReadable<[u8; OUT]>,
    pub(crate) in_header: DeviceWritable<IN>,
    /// Bytes of `in_header` that are used, if that is not always [one](Command::in_len).
    in_len: u32,
    /// Bytes that the device says it wrote.
    written: u32,
    /// Bytes that the device must have written for the request to be [whole](Command::is_whole):
    /// the data of a strict read, or more than there can be if there are ranges to drop.
    enough: u64,
    pub(crate) payload: Payload<R>,
}

impl<const OUT: usize, const IN: usize, R: Copy> Command<OUT, IN, R> {
    /// Returns an empty command.
    pub fn new() -> Self {
        const {
            // A vector of ranges without bytes has no memory. The status is a byte at least.
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

    /// Bytes that the device writes after the data.
    #[inline]
    pub(crate) fn in_len(&self) -> u32 {
        // Where there is no choice, nothing needs to be read.
        if IN == 1 {
            1
        } else {
            self.in_len
        }
    }

    /// Fetches byte `at` of what the device wrote after the data, if there is one.
    pub fn in_header(&self, at: usize) -> Option<u8> {
        self.in_header.get(at)
    }

    /// The status that the device gave, [`NO_STATUS`] if none. Fetched once: call it once.
    ///
    /// It decides whether the request went well, unless the command is a
    /// [strict](Command::prepare) one and the data [is short](Command::is_short).
    #[inline]
    pub fn status(&self) -> u8 {
        let last = self.in_len().wrapping_sub(1) as usize;
        self.in_header.get(last).unwrap_or(NO_STATUS)
    }

    /// Takes note of how many bytes the device says that it has written (virtio spec §2.7.8).
    #[inline]
    pub fn written(&mut self, len: u32) {
        self.written = len;
    }

    /// Whether the device says that it gave all data that it was to say so of, and there is nothing
    /// to [drop](Command::drop_ranges). If not, [`Command::is_short`] may say more.
    #[inline]
    pub fn is_whole(&self) -> bool {
        u64::from(self.written) >= self.enough
    }

    /// Whether the device says that it gave less data than it should. Of a strict command only.
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
    /// Makes the command of a request ready for the device, for the data of the request; before
    /// each add, after the header was set.
    ///
    /// `in_len` bytes, 1 to `IN`, come after the data, with the status last. If `strict` is set,
    /// a read fails unless the device claims to have written as many bytes as there are of data.
    /// Whether it counts the bytes behind those does not matter: the status shows that it wrote
    /// them.
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

    /// As [`Command::prepare`], with the ranges of the request instead of data, each made by
    /// `range` of a first sector and a number of sectors.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: there are several ranges and no memory for them right now.
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
                // The room is there: no push allocates.
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
