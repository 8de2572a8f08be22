// SPDX-License-Identifier: GPL-2.0

//! Buffers that are used in the order in which they were made available (`VIRTIO_F_IN_ORDER`;
//! §2.7.9, §2.8.8).
//!
//! A device may then report a batch of buffers by one used entry, which is at the position of the
//! first buffer and has the id of the last. Every buffer before the last counts as used in full.
//!
//! Buffers are numbered in the order in which they are made available. The number of the last
//! buffer of a batch gives the size of the batch, without a walk over its buffers.

/// The batch of which some buffers are still to be taken.
#[derive(Clone, Copy, Debug, Default)]
pub struct Batch {
    /// The number of buffers that are left to take.
    left: u16,
    /// The length that the device reported for the last buffer.
    len: u32,
}

impl Batch {
    /// Returns whether the next buffer belongs to the batch, and so has no used entry of its own.
    #[inline(always)]
    pub(super) fn has_more(&self) -> bool {
        self.left != 0
    }

    /// Starts a batch of `count` buffers; the device wrote `len` bytes to the last one.
    #[inline(always)]
    pub(super) fn start(&mut self, count: u16, len: u32) {
        self.left = count;
        self.len = len;
    }

    /// Moves to the next buffer, which must exist. Returns the length if it is the last buffer; the
    /// others were used in full.
    #[inline(always)]
    pub(super) fn next(&mut self) -> Option<u32> {
        // OVERFLOW: The caller saw that a buffer is left.
        self.left = self.left.wrapping_sub(1);
        (self.left == 0).then_some(self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_has_a_length() {
        let mut batch = Batch::default();
        assert!(!batch.has_more());
        batch.start(3, 7);
        for len in [None, None, Some(7)] {
            assert!(batch.has_more());
            assert_eq!(batch.next(), len);
        }
        assert!(!batch.has_more());
    }
}
