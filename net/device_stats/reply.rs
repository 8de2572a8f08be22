// SPDX-License-Identifier: GPL-2.0

//! Requests for statistics of the device, and the replies (virtio spec §5.1.6.5.10).

use super::kinds::{
    Type,
    Types,
    HEADER_LEN,
    VALUE_LEN, //
};
use kernel::{
    alloc::KVec,
    prelude::*, //
};

/// The types of statistics that are asked for, of each queue. Queues are in the order of their
/// index on the device.
pub(super) struct Request(KVec<(u16, Types)>);

impl Request {
    /// Returns a request without a queue.
    pub(super) const fn new() -> Self {
        Self(KVec::new())
    }

    /// Adds a queue, whose index is above those of the queues before. Leaves out a queue without
    /// types.
    ///
    /// # Errors
    ///
    /// `ENOMEM`. `EINVAL`: the index is not above the others.
    pub(super) fn add(&mut self, queue: usize, types: Types) -> Result {
        let queue = u16::try_from(queue)?;
        if types == Types::NONE {
            return Ok(());
        }
        if self.0.last().is_some_and(|&(last, _)| last >= queue) {
            return Err(EINVAL);
        }
        Ok(self.0.push((queue, types), GFP_KERNEL)?)
    }

    /// Whether no queue is asked for.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the data of the command.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(super) fn to_bytes(&self) -> Result<KVec<u8>> {
        let mut bytes = KVec::with_capacity(16 * self.0.len(), GFP_KERNEL)?;
        for (queue, types) in &self.0 {
            bytes.extend_from_slice(&u64::from(*queue).to_le_bytes(), GFP_KERNEL)?;
            bytes.extend_from_slice(&types.bits().to_le_bytes(), GFP_KERNEL)?;
        }
        Ok(bytes)
    }

    /// Returns the length of the whole reply.
    pub(super) fn reply_len(&self) -> usize {
        self.0.iter().map(|(_, types)| types.reply_len()).sum()
    }

    /// Returns a type of a queue, if it was asked for.
    fn find(&self, queue: u16, number: u8) -> Option<&'static Type> {
        let at = self.0.binary_search_by_key(&queue, |&(queue, _)| queue);
        let (_, types) = self.0.get(at.ok()?)?;
        types.find(number)
    }

    /// Checks a reply, and returns its records.
    ///
    /// # Errors
    ///
    /// `EPROTO`: a record is not one that was asked for, or its length is wrong.
    pub(super) fn parse<'a>(&'a self, reply: &'a [u8]) -> Result<impl Iterator<Item = Record<'a>>> {
        let records = || Records {
            request: self,
            rest: reply,
        };
        for record in records() {
            record?;
        }
        // All of them are valid.
        Ok(records().flatten())
    }
}

/// The values of a type of statistics of a queue.
pub(super) struct Record<'a> {
    /// Index of the queue on the device. It is one that was asked for.
    pub(super) queue: usize,
    /// One of the types that were asked for of this queue.
    pub(super) about: &'static Type,
    values: &'a [u8],
}

impl Record<'_> {
    /// Returns a value; 0 if the type has no such value.
    pub(super) fn value(&self, index: usize) -> u64 {
        let bytes = self.values.get(VALUE_LEN * index..);
        let bytes = bytes.and_then(<[u8]>::first_chunk::<VALUE_LEN>);
        bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes))
    }
}

/// The records of a reply, up to the first one that is not valid.
struct Records<'a> {
    request: &'a Request,
    rest: &'a [u8],
}

impl<'a> Records<'a> {
    /// Returns the first record, and the bytes behind it.
    fn split(&self) -> Result<(Record<'a>, &'a [u8])> {
        let header = self.rest.first_chunk::<HEADER_LEN>().ok_or(EPROTO)?;
        let [number, _, queue_low, queue_high, _, _, size_low, size_high] = *header;
        let queue = u16::from_le_bytes([queue_low, queue_high]);
        let size = usize::from(u16::from_le_bytes([size_low, size_high]));
        let about = self.request.find(queue, number).ok_or(EPROTO)?;
        // A later version of the specification may add values. All of them have this length.
        if size < about.len() || size % VALUE_LEN != 0 {
            return Err(EPROTO);
        }
        let (record, rest) = self.rest.split_at_checked(size).ok_or(EPROTO)?;
        let values = record.get(HEADER_LEN..).ok_or(EPROTO)?;
        let queue = queue.into();
        Ok((
            Record {
                queue,
                about,
                values,
            },
            rest,
        ))
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let (record, rest) = match self.split() {
            Ok((record, rest)) => (Ok(record), rest),
            Err(e) => (Err(e), &[][..]),
        };
        self.rest = rest;
        Some(record)
    }
}

#[cfg(CONFIG_RUST_VIRTIO_KUNIT_TEST)]
#[kunit_tests(rust_virtio_net_device_stats_reply)]
mod tests {
    use super::*;

    /// Basic statistics of receive and transmit queues, and those of checksums.
    const RX_BASIC: u8 = 0;
    const RX_CSUM: u8 = 1;
    const TX_BASIC: u8 = 16;

    /// Asks for the statistics of queues 0, 1 and 4.
    fn request() -> Result<Request> {
        let mut request = Request::new();
        request.add(0, Types::from_bits(1 << RX_BASIC | 1 << RX_CSUM))?;
        request.add(1, Types::from_bits(1 << TX_BASIC))?;
        request.add(2, Types::NONE)?;
        request.add(4, Types::from_bits(1 << 32))?;
        assert_eq!(request.add(4, Types::from_bits(1)), Err(EINVAL));
        Ok(request)
    }

    /// Appends a record of `len` bytes that claims to have `size`. The values are 1, 2, 3 and so
    /// on.
    fn add(to: &mut KVec<u8>, number: u8, queue: u16, size: u16, len: usize) -> Result {
        let [queue_low, queue_high] = queue.to_le_bytes();
        let [low, high] = size.to_le_bytes();
        let header = [number, 0, queue_low, queue_high, 0, 0, low, high];
        let values = (1..100u64).flat_map(u64::to_le_bytes);
        for byte in Iterator::chain(header.into_iter(), values).take(len) {
            to.push(byte, GFP_KERNEL)?;
        }
        Ok(())
    }

    /// Returns the number of records of a reply, and the sum of their first values.
    fn sum(reply: &[u8]) -> Result<(usize, u64)> {
        let request = request()?;
        let records = request.parse(reply)?;
        Ok(records.fold((0, 0), |(n, sum), record| (n + 1, sum + record.value(0))))
    }

    #[test]
    fn bytes_of_a_request() -> Result {
        let bytes = request()?.to_bytes()?;
        assert_eq!(bytes.len(), 48);
        let word = |i: usize| bytes.get(8 * i..).and_then(|b| b.first_chunk()).copied();
        let words = [0, 3, 1, 1 << 16, 4, 1 << 32];
        for (i, expected) in words.into_iter().enumerate() {
            assert_eq!(word(i).map(u64::from_le_bytes), Some(expected));
        }
        assert_eq!(request()?.reply_len(), 56 + 40 + 56 + 24);
        assert!(Request::new().is_empty());
        Ok(())
    }

    /// Records come in any order, and may be missing. A longer one has values that are not known.
    #[test]
    fn valid_replies() -> Result {
        let mut reply = KVec::new();
        assert_eq!(sum(&reply)?, (0, 0));
        add(&mut reply, TX_BASIC, 1, 56, 56)?;
        assert_eq!(sum(&reply)?, (1, 1));
        add(&mut reply, 32, 4, 24, 24)?;
        add(&mut reply, RX_CSUM, 0, 40, 40)?;
        assert_eq!(sum(&reply)?, (3, 3));
        add(&mut reply, RX_BASIC, 0, 64, 64)?;
        assert_eq!(sum(&reply)?, (4, 4));
        let request = request()?;
        let last = request.parse(&reply)?.last().ok_or(ENODATA)?;
        assert_eq!((last.queue, last.about.number), (0, RX_BASIC));
        assert_eq!((last.value(5), last.value(6), last.value(7)), (6, 7, 0));
        Ok(())
    }

    /// H121, H122, H123, H124: a record with a wrong length, queue or type, alone and behind a
    /// valid one.
    #[test]
    fn h121_h122_h123_h124_invalid_replies() -> Result {
        for (number, queue, size, len) in [
            // H121: no length at all.
            (RX_BASIC, 0, 0, 56),
            (RX_BASIC, 0, 7, 56),
            (RX_BASIC, 0, 8, 56),
            (RX_BASIC, 0, 48, 56),
            // H123: an odd length, or one past the end.
            (RX_BASIC, 0, 57, 57),
            (RX_BASIC, 0, 60, 60),
            (RX_BASIC, 0, 64, 56),
            (RX_BASIC, 0, u16::MAX, 56),
            (RX_BASIC, 0, 0xfff8, 56),
            (RX_BASIC, 0, 56, 55),
            (RX_BASIC, 0, 56, 8),
            (RX_BASIC, 0, 56, 7),
            (RX_BASIC, 0, 56, 1),
            // H122: a queue that was not asked for.
            (RX_BASIC, 2, 56, 56),
            (RX_BASIC, 3, 56, 56),
            (RX_BASIC, 60000, 56, 56),
            (RX_BASIC, u16::MAX, 56, 56),
            // H124: a type that was not asked for of this queue.
            (TX_BASIC, 0, 56, 56),
            (RX_BASIC, 1, 56, 56),
            (RX_BASIC, 4, 56, 56),
            (2, 0, 40, 40),
            (33, 4, 24, 24),
            (64, 0, 56, 56),
            (255, 0, 56, 56),
        ] {
            let mut reply = KVec::new();
            add(&mut reply, number, queue, size, len)?;
            assert_eq!(sum(&reply), Err(EPROTO));
            let mut reply = KVec::new();
            add(&mut reply, TX_BASIC, 1, 56, 56)?;
            add(&mut reply, number, queue, size, len)?;
            assert_eq!(sum(&reply), Err(EPROTO));
        }
        Ok(())
    }
}
