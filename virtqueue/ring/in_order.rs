// SPDX-License-Identifier: GPL-2.0

//! Buffers that are used in the order in which they were made available (`VIRTIO_F_IN_ORDER`;
//! §2.7.9, §2.8.8).
//!
//! A device may then tell of several at once: by one used entry, at the place of the first, with
//! the id of the last. The ones before the last count as used in full.
//!
//! Each buffer has a number, counted from 0 as they are made available: that of the last of a
//! batch says how many there are, without walking over them.

/// The state of the driver side that only queues in order have.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Batch {
    /// Number of the first buffer behind the current batch.
    end: u16,
    /// Length that the device gave with the last buffer of the batch.
    len: u32,
    /// Split: descriptor at which the oldest buffer starts.
    pub(super) oldest: u16,
}

impl Batch {
    /// Whether buffer `number` is behind the current batch, so that the next entry has to be read.
    #[inline(always)]
    pub(super) fn is_over(&self, number: u16) -> bool {
        self.end == number
    }

    /// Starts the batch that begins with buffer `first` and whose last buffer is `last`, which is
    /// one that the device has. At most `limit` buffers are in it: if there are more, returns how
    /// many.
    #[inline(always)]
    pub(super) fn start(&mut self, first: u16, last: u16, len: u32, limit: u16) -> Result<(), u16> {
        // In 0..limit, if the device has no more than that.
        let skipped = last.wrapping_sub(first);
        if skipped >= limit {
            return Err(skipped.wrapping_add(1));
        }
        self.end = last.wrapping_add(1);
        self.len = len;
        Ok(())
    }

    /// Returns the length of buffer `number` of the batch, which has `room` for it.
    #[inline(always)]
    pub(super) fn len(&self, number: u16, room: u32) -> u32 {
        if number.wrapping_add(1) == self.end {
            self.len
        } else {
            room
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batch_over_the_end_of_the_numbers() {
        let mut batch = Batch {
            end: 0xfffe,
            ..Batch::default()
        };
        assert!(batch.is_over(0xfffe));
        assert_eq!(batch.start(0xfffe, 1, 7, 3), Err(4));
        assert!(batch.is_over(0xfffe));
        assert_eq!(batch.start(0xfffe, 1, 7, 4), Ok(()));
        for number in [0xfffe, 0xffff, 0] {
            assert!(!batch.is_over(number));
            assert_eq!(batch.len(number, 100), 100);
        }
        assert_eq!(batch.len(1, 100), 7);
        assert!(batch.is_over(2));
    }

    #[test]
    fn a_buffer_before_the_first_is_no_batch() {
        let mut batch = Batch::default();
        assert_eq!(batch.start(5, 4, 0, 16), Err(0));
    }
}
