// SPDX-License-Identifier: GPL-2.0

//! Buffers that are used in the order in which they were made available (`VIRTIO_F_IN_ORDER`;
//! §2.7.9, §2.8.8).
//!
//! A device may then report a batch of buffers by one used entry, at the place of the first, with
//! the id of the last. All buffers before the last count as used in full.
//!
//! Buffers are numbered in the order in which they are made available. The number of the last
//! buffer of a batch gives the size of the batch, without a walk over its buffers.

/// The batch of which some buffers are still to be taken.
#[derive(Clone, Copy, Debug, Default)]
pub struct Batch {
    /// The number of these buffers that are left.
    left: u16,
    /// Length that the device claims for the last of them.
    len: u32,
}

impl Batch {
    /// Whether the next buffer is of the batch, so that there is no entry for it.
    #[inline(always)]
    pub(super) fn goes_on(&self) -> bool {
        self.left != 0
    }

    /// Starts a batch of `count` buffers, the last one of them with `len` bytes written.
    #[inline(always)]
    pub(super) fn start(&mut self, count: u16, len: u32) {
        self.left = count;
        self.len = len;
    }

    /// Goes to the next buffer, which there is. Returns its length, if it is not used in full.
    #[inline(always)]
    pub(super) fn next(&mut self) -> Option<u32> {
        // OVERFLOW: There is one.
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
        assert!(!batch.goes_on());
        batch.start(3, 7);
        for len in [None, None, Some(7)] {
            assert!(batch.goes_on());
            assert_eq!(batch.next(), len);
        }
        assert!(!batch.goes_on());
    }
}
