// SPDX-License-Identifier: GPL-2.0

//! Random bytes on their way to a reader.

use core::mem::MaybeUninit;

/// Room for random bytes, which is filled from its beginning.
///
/// The room is not initialised, and a reader gets what was appended: a generator cannot claim bytes
/// that it did not write.
pub struct Bytes<'a> {
    room: &'a mut [MaybeUninit<u8>],
    filled: usize,
}

impl<'a> Bytes<'a> {
    pub(crate) fn new(room: &'a mut [MaybeUninit<u8>]) -> Self {
        Self { room, filled: 0 }
    }

    /// Appends as many of `bytes` as there is room for, and returns how many that are.
    pub fn append(&mut self, bytes: &[u8]) -> usize {
        let free = self.room.get_mut(self.filled..).unwrap_or_default();
        let count = free.len().min(bytes.len());
        for (to, from) in free.iter_mut().zip(bytes) {
            to.write(*from);
        }
        self.filled += count;
        count
    }

    /// Returns how many bytes were appended.
    pub fn len(&self) -> usize {
        self.filled
    }

    /// Returns whether no byte was appended.
    pub fn is_empty(&self) -> bool {
        self.filled == 0
    }
}
