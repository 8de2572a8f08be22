// SPDX-License-Identifier: GPL-2.0

//! A buffer of a driver in C: memory, and its scatterlists.

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

/// A buffer of segments to read and segments to write, with a number that identifies it.
pub struct CBuffer {
    number: u64,
    bytes: KVec<u8>,
    lists: KVec<bindings::scatterlist>,
    out: usize,
    /// The addresses of segments that the driver itself has mapped.
    pub(crate) mapped: KVec<u64>,
}

impl CBuffer {
    /// Returns a buffer with `out` segments to read, and `in_` segments of zeroes to write. Each
    /// byte to read is the low byte of `number`.
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

    /// Makes a list of `count` segments, beginning with number `first`.
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

    /// Returns the number.
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

    /// Returns the list of the segments to read, and that of the segments to write.
    pub(crate) fn lists(&mut self) -> [*mut bindings::scatterlist; 2] {
        let first = self.lists.as_mut_ptr();
        [first, first.wrapping_add(self.out)]
    }

    /// The largest number of segments with a list each.
    pub const MOST_ONES: usize = 8;

    /// Returns a list for each segment.
    pub(crate) fn ones(&mut self) -> [*mut bindings::scatterlist; Self::MOST_ONES] {
        let mut ones = [core::ptr::null_mut(); Self::MOST_ONES];
        for (i, one) in ones.iter_mut().enumerate().take(self.lists.len()) {
            self.fill(i, 1);
            *one = self.lists.as_mut_ptr().wrapping_add(i);
        }
        ones
    }

    /// Returns the address of a segment, and whether the device writes it.
    pub(crate) fn segment(&mut self, index: usize) -> (*mut c_void, bool) {
        let at = self.bytes.as_mut_ptr().wrapping_add(index * SEGMENT);
        (at.cast(), index >= self.out)
    }

    /// Sets the DMA address of a segment that the driver has mapped.
    pub(crate) fn set_mapped(&mut self, index: usize, addr: u64) -> Result {
        let entry = self.lists.get_mut(index).ok_or(EINVAL)?;
        // SAFETY: The entry is one.
        unsafe { bindings::rust_virtio_fake_sg_dma(entry, addr) };
        self.mapped.push(addr, GFP_KERNEL)?;
        Ok(())
    }
}
