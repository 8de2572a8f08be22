// SPDX-License-Identifier: GPL-2.0

//! The buffer of a reader of random bytes.

use core::mem::MaybeUninit;

/// A buffer for random bytes, which is filled from its beginning.
///
/// A reader gets only bytes that were appended. So a generator cannot return memory that it did not
/// write.
pub struct Bytes<'a> {
    room: &'a mut [MaybeUninit<u8>],
    filled: usize,
}

impl<'a> Bytes<'a> {
    pub(crate) fn new(room: &'a mut [MaybeUninit<u8>]) -> Self {
        Self { room, filled: 0 }
    }

    /// Appends as many of `bytes` as there is room for, and returns their number.
    pub fn append(&mut self, bytes: &[u8]) -> usize {
        let free = self.room.get_mut(self.filled..).unwrap_or_default();
        let count = free.len().min(bytes.len());
        for (to, from) in free.iter_mut().zip(bytes) {
            to.write(*from);
        }
        self.filled += count;
        count
    }

    /// Returns the number of bytes that were appended.
    pub fn len(&self) -> usize {
        self.filled
    }

    /// Returns whether no byte was appended.
    pub fn is_empty(&self) -> bool {
        self.filled == 0
    }
}
