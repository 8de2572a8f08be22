// SPDX-License-Identifier: GPL-2.0

//! A buffer that the driver made available, as the device sees it.

use crate::mem;
use kernel::{
    alloc::KVec,
    prelude::*, //
};

/// One segment of guest memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuestSegment {
    pub(crate) addr: u64,
    /// Length in bytes.
    pub len: u32,
    /// Whether the device may write it; otherwise it may read it.
    pub writable: bool,
}

/// The address of a byte of the driver's memory, which a device still has.
///
/// The test ensures that the memory has not been freed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct GuestByte(u64);

impl GuestByte {
    /// Writes the byte.
    ///
    /// # Errors
    ///
    /// `EFAULT`: the address is no memory.
    pub fn write(self, byte: u8) -> Result {
        mem::copy_to(self.0, &[byte])
    }
}

/// A chain of descriptors, direct or indirect.
///
/// The device uses it only while it handles the queue: tests get a [`Chain`] only by reference.
pub struct Chain {
    pub(crate) id: u16,
    /// The number of slots that the chain takes in a packed ring.
    pub(crate) slots: u16,
    pub(crate) segments: KVec<GuestSegment>,
    pub(crate) indirect: bool,
    /// Address and length of the indirect table.
    pub(crate) table: Option<(u64, u32)>,
}

impl Chain {
    /// Returns the id of the buffer.
    pub fn id(&self) -> u16 {
        self.id
    }

    /// Returns the segments, in order.
    pub fn segments(&self) -> &[GuestSegment] {
        &self.segments
    }

    /// Whether all segments, and the indirect table, were mapped for the device.
    pub fn is_mapped(&self) -> bool {
        let marked = |addr: u64| addr & mem::MARK != 0;
        self.segments.iter().all(|segment| marked(segment.addr))
            && self.table.is_none_or(|(addr, _)| marked(addr))
    }

    /// Overwrites the indirect table, which belongs to the driver.
    ///
    /// # Errors
    ///
    /// `ENOENT`: there is no indirect table.
    pub fn scribble_table(&mut self, byte: u8) -> Result {
        let (addr, len) = self.table.ok_or(ENOENT)?;
        let scribble = KVec::from_elem(byte, len as usize, GFP_KERNEL)?;
        mem::copy_to(addr, &scribble)
    }

    /// Whether the chain is in an indirect table.
    pub fn is_indirect(&self) -> bool {
        self.indirect
    }

    /// Returns the number of bytes that the device may read.
    pub fn readable(&self) -> usize {
        self.len(false)
    }

    /// Returns the number of bytes that the device may write.
    pub fn writable(&self) -> usize {
        self.len(true)
    }

    fn len(&self, writable: bool) -> usize {
        self.segments
            .iter()
            .filter(|p| p.writable == writable)
            .map(|p| p.len as usize)
            .sum()
    }

    /// Reads bytes from `offset` of the readable part. Returns the number of bytes that were read.
    ///
    /// # Errors
    ///
    /// `EFAULT`: the driver gave an address that is no memory.
    pub fn read(&self, offset: usize, to: &mut [u8]) -> Result<usize> {
        let mut done = 0;
        self.walk(false, offset, to.len(), |addr, n| {
            let part = to.get_mut(done..done + n).ok_or(EINVAL)?;
            done += n;
            mem::copy_from(addr, part)
        })
    }

    /// Returns the whole readable part.
    ///
    /// # Errors
    ///
    /// `EFAULT` as [`Chain::read`], `ENOMEM`.
    pub fn read_all(&self) -> Result<KVec<u8>> {
        let mut bytes = KVec::from_elem(0, self.readable(), GFP_KERNEL)?;
        self.read(0, &mut bytes)?;
        Ok(bytes)
    }

    /// Reads bytes from `offset` of the writable part, which a device can do. Returns the number of
    /// bytes that were read.
    ///
    /// # Errors
    ///
    /// `EFAULT` as [`Chain::read`].
    pub fn peek(&self, offset: usize, to: &mut [u8]) -> Result<usize> {
        let mut done = 0;
        self.walk(true, offset, to.len(), |addr, n| {
            let part = to.get_mut(done..done + n).ok_or(EINVAL)?;
            done += n;
            mem::copy_from(addr, part)
        })
    }

    /// Returns the byte at `offset` of the writable part, for a write after the device has used the
    /// buffer.
    ///
    /// # Errors
    ///
    /// `EINVAL`: there is no such byte.
    pub fn byte_at(&self, offset: usize) -> Result<GuestByte> {
        let mut at = None;
        self.walk(true, offset, 1, |addr, _| {
            at = Some(addr);
            Ok(())
        })?;
        Ok(GuestByte(at.ok_or(EINVAL)?))
    }

    /// Writes bytes at `offset` of the writable part. Returns the number of bytes that fitted.
    ///
    /// # Errors
    ///
    /// `EFAULT`: the driver gave an address that is no memory.
    pub fn write(&mut self, offset: usize, from: &[u8]) -> Result<usize> {
        let mut done = 0;
        self.walk(true, offset, from.len(), |addr, n| {
            let part = from.get(done..done + n).ok_or(EINVAL)?;
            done += n;
            mem::copy_to(addr, part)
        })
    }

    /// Calls `f` with each contiguous part of a range. Returns the number of bytes in these parts.
    fn walk(
        &self,
        writable: bool,
        mut offset: usize,
        len: usize,
        mut f: impl FnMut(u64, usize) -> Result,
    ) -> Result<usize> {
        let mut left = len;
        for segment in self.segments.iter().filter(|p| p.writable == writable) {
            let size = segment.len as usize;
            if offset >= size {
                offset -= size;
                continue;
            }
            let n = left.min(size - offset);
            if n == 0 {
                break;
            }
            f(segment.addr + offset as u64, n)?;
            left -= n;
            offset = 0;
        }
        Ok(len - left)
    }
}
