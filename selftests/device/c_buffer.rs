// SPDX-License-Identifier: GPL-2.0

//! A buffer as a driver in C has it: memory and scatterlists of it.

use crate::bindings;
use core::mem::MaybeUninit;
use kernel::{
    alloc::KVec,
    ffi::{
        c_uint,
        c_void, //
    },
    prelude::*,
};

/// Bytes of each segment of a [`CBuffer`].
pub const SEGMENT: usize = 16;

/// A buffer of so many segments to read and so many to write, with a number to know it by.
pub struct CBuffer {
    number: u64,
    bytes: KVec<u8>,
    lists: KVec<bindings::scatterlist>,
    out: usize,
    /// The addresses that the driver mapped itself.
    pub(crate) mapped: KVec<u64>,
}

impl CBuffer {
    /// A buffer with `out` segments to read, whose bytes are the low ones of `number`, and `in_`
    /// segments of zeroes to write.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn new(number: u64, out: usize, in_: usize) -> Result<Self> {
        let segments = out + in_;
        let mut bytes = KVec::from_elem(0, segments * SEGMENT, GFP_KERNEL)?;
        if let Some(readable) = bytes.get_mut(..out * SEGMENT) {
            readable.fill(number as u8);
        }
        let mut lists = KVec::with_capacity(segments, GFP_KERNEL)?;
        for _ in 0..segments {
            // SAFETY: Integers and pointers may be zero.
            lists.push(unsafe { MaybeUninit::zeroed().assume_init() }, GFP_KERNEL)?;
        }
        let mut buffer = Self {
            number,
            bytes,
            lists,
            out,
            mapped: KVec::new(),
        };
        buffer.fill(0, out);
        buffer.fill(out, in_);
        Ok(buffer)
    }

    /// Makes a list of `count` segments from the one with number `first` on.
    fn fill(&mut self, first: usize, count: usize) {
        let Some(list) = self.lists.get_mut(first..first + count) else {
            return;
        };
        if list.is_empty() {
            return;
        }
        // SAFETY: There are that many entries.
        unsafe { bindings::sg_init_table(list.as_mut_ptr(), count as c_uint) };
        for (i, entry) in list.iter_mut().enumerate() {
            let at = self
                .bytes
                .as_mut_ptr()
                .wrapping_add((first + i) * SEGMENT)
                .cast();
            // SAFETY: The entry is one, and `at` is directly mapped memory.
            unsafe { bindings::rust_virtio_fake_sg_set(entry, at, SEGMENT as c_uint) };
        }
    }

    /// The number.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Returns the contents of the segments that the device may write.
    pub fn written(&self) -> &[u8] {
        self.bytes.get(self.out * SEGMENT..).unwrap_or(&[])
    }

    /// Returns the number of segments that the device may read, and the number that it may write.
    pub(crate) fn shape(&self) -> (usize, usize) {
        (self.out, self.lists.len() - self.out)
    }

    /// The lists of both.
    pub(crate) fn lists(&mut self) -> [*mut bindings::scatterlist; 2] {
        let first = self.lists.as_mut_ptr();
        [first, first.wrapping_add(self.out)]
    }

    /// Segments that can be in lists of their own.
    pub const MOST_ONES: usize = 8;

    /// A list for each segment.
    pub(crate) fn ones(&mut self) -> [*mut bindings::scatterlist; Self::MOST_ONES] {
        let mut ones = [core::ptr::null_mut(); Self::MOST_ONES];
        for (i, one) in ones.iter_mut().enumerate().take(self.lists.len()) {
            self.fill(i, 1);
            *one = self.lists.as_mut_ptr().wrapping_add(i);
        }
        ones
    }

    /// Returns the place of a segment, and whether the device writes it.
    pub(crate) fn segment(&mut self, index: usize) -> (*mut c_void, bool) {
        let at = self.bytes.as_mut_ptr().wrapping_add(index * SEGMENT);
        (at.cast(), index >= self.out)
    }

    /// Puts the address into the entry of a segment that the driver mapped.
    pub(crate) fn set_mapped(&mut self, index: usize, addr: u64) -> Result {
        let entry = self.lists.get_mut(index).ok_or(EINVAL)?;
        // SAFETY: The entry is one.
        unsafe { bindings::rust_virtio_fake_sg_dma(entry, addr) };
        self.mapped.push(addr, GFP_KERNEL)?;
        Ok(())
    }
}
