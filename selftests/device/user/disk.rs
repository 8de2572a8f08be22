// SPDX-License-Identifier: GPL-2.0

//! The disk of a fake device.

use crate::{
    bindings,
    fake::Fake,
    user, //
};
use core::ptr::null_mut;
use kernel::{
    alloc::KVec,
    error::{
        from_err_ptr,
        to_result, //
    },
    page::Page,
    prelude::*,
    str::CString, //
};

/// The limits of a disk as the block layer knows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The capacity in sectors of 512 bytes.
    pub sectors: u64,
    /// The smallest unit of a request.
    pub logical_block_size: u32,
    /// The smallest unit that is written without reading.
    pub physical_block_size: u32,
    /// The smallest preferred size of a request.
    pub io_min: u32,
    /// The preferred size of sustained requests.
    pub io_opt: u32,
    /// The largest number of segments of a request.
    pub max_segments: u32,
    /// The largest segment in bytes.
    pub max_segment_size: u32,
    /// The largest request in sectors.
    pub max_hw_sectors: u32,
    /// The largest discard in sectors; 0 if the disk has no discard.
    pub max_discard_sectors: u32,
    /// The unit of discards in bytes.
    pub discard_granularity: u32,
    /// The largest write of zeroes in sectors; 0 if the disk has none.
    pub max_write_zeroes_sectors: u32,
    /// The number of hardware queues.
    pub nr_hw_queues: u32,
    /// Whether the disk is read-only.
    pub read_only: bool,
    /// Whether writes need a flush to be safe.
    pub write_cache: bool,
    /// Whether the driver accepts lists of requests (`queue_rqs`).
    pub batches: bool,
}

/// The error of [`Disk::read`].
pub struct ReadError {
    /// The error of the disk.
    pub error: Error,
    /// The bytes of the buffer.
    pub bytes: KVec<u8>,
}

impl From<ReadError> for Error {
    fn from(failed: ReadError) -> Self {
        failed.error
    }
}

/// An open disk. Closed when it is dropped.
///
/// # Invariants
///
/// `file` is an open block device.
pub struct Disk {
    file: *mut bindings::file,
    device: user::Child,
    name: CString,
}

// SAFETY: A file may be used from any thread.
unsafe impl Send for Disk {}

// SAFETY: The operations on the file need no exclusion.
unsafe impl Sync for Disk {}

impl Disk {
    /// Opens the disk of a fake device.
    ///
    /// # Errors
    ///
    /// - `ENODEV`: the device has no disk.
    /// - Any other error of `open`.
    pub fn open(fake: &Fake, write: bool) -> Result<Self> {
        let child = user::child(fake, c"block").ok_or(ENODEV)?;
        let mut mode = bindings::BLK_OPEN_READ;
        if write {
            mode |= bindings::BLK_OPEN_WRITE;
        }
        // SAFETY: A device of class "block" has a number.
        let file = from_err_ptr(unsafe {
            bindings::bdev_file_open_by_dev(child.devt(), mode, null_mut(), core::ptr::null())
        })?;
        // INVARIANT: It was opened just now.
        Ok(Self {
            file,
            name: child.name()?,
            device: child,
        })
    }

    fn bdev(&self) -> *mut bindings::block_device {
        // SAFETY: `file` is an open block device (type invariant).
        unsafe { bindings::file_bdev(self.file) }
    }

    /// Returns the name of the disk.
    pub fn name(&self) -> &CStr {
        &self.name
    }

    /// Returns the limits of the disk as the block layer knows them.
    pub fn limits(&self) -> Limits {
        let mut raw = bindings::rust_virtio_fake_limits::default();
        // SAFETY: The block device is open (type invariant); `raw` is to be filled.
        unsafe { bindings::rust_virtio_fake_limits(self.bdev(), &mut raw) };
        Limits {
            sectors: raw.sectors,
            logical_block_size: raw.logical_block_size,
            physical_block_size: raw.physical_block_size,
            io_min: raw.io_min,
            io_opt: raw.io_opt,
            max_segments: raw.max_segments,
            max_segment_size: raw.max_segment_size,
            max_hw_sectors: raw.max_hw_sectors,
            max_discard_sectors: raw.max_discard_sectors,
            discard_granularity: raw.discard_granularity,
            max_write_zeroes_sectors: raw.max_write_zeroes_sectors,
            nr_hw_queues: raw.nr_hw_queues,
            read_only: raw.read_only,
            write_cache: raw.write_cache,
            batches: raw.batches,
        }
    }

    /// Sets the timeout of requests.
    pub fn set_timeout(&self, millis: u32) {
        // SAFETY: The block device is open (type invariant).
        unsafe { bindings::rust_virtio_fake_timeout(self.bdev(), millis) };
    }

    /// Reads `len` bytes from `sector`, without the page cache. Before, all bytes of the buffer are
    /// `0x5a`.
    ///
    /// # Errors
    ///
    /// The error of the disk, with the bytes of the buffer after it.
    pub fn read(&self, sector: u64, len: usize) -> Result<KVec<u8>, ReadError> {
        let mut bytes = KVec::from_elem(0x5a, len, GFP_KERNEL).map_err(|_| ReadError {
            error: ENOMEM,
            bytes: KVec::new(),
        })?;
        match self.rw(sector, &mut bytes, bindings::req_op_REQ_OP_READ) {
            Ok(()) => Ok(bytes),
            Err(error) => Err(ReadError { error, bytes }),
        }
    }

    /// Reads a page from `sector` by polling, and returns its first bytes.
    ///
    /// # Errors
    ///
    /// Any error of the disk; `EOPNOTSUPP`: the disk has no poll queue.
    pub fn read_polled(&self, sector: u64) -> Result<[u8; 16]> {
        self.read_polled_batched(sector).map(|(start, _)| start)
    }

    /// As [`Disk::read_polled`]. Also returns whether the driver has put the request into the batch
    /// of the poller.
    ///
    /// # Errors
    ///
    /// Those of [`Disk::read_polled`].
    pub fn read_polled_batched(&self, sector: u64) -> Result<([u8; 16], bool)> {
        let page = Page::alloc_page(GFP_KERNEL | __GFP_ZERO)?;
        let mut batched = false;
        // SAFETY: The block device is open (type invariant). The page lives until the function
        // returns, and the request has ended by then.
        to_result(unsafe {
            bindings::rust_virtio_fake_read_polled(self.bdev(), sector, page.as_ptr(), &mut batched)
        })?;
        let mut start = [0; 16];
        // SAFETY: The array has as many bytes, and no code writes to the page.
        unsafe { page.read_raw(start.as_mut_ptr(), 0, start.len()) }?;
        Ok((start, batched))
    }

    /// Writes bytes at `sector`, without the page cache.
    ///
    /// # Errors
    ///
    /// Any error of the disk; `ENOMEM`.
    pub fn write(&self, sector: u64, bytes: &[u8]) -> Result {
        let mut copy = KVec::with_capacity(bytes.len(), GFP_KERNEL)?;
        copy.extend_from_slice(bytes, GFP_KERNEL)?;
        self.rw(sector, &mut copy, bindings::req_op_REQ_OP_WRITE)
    }

    /// Writes bytes at `sector` with `REQ_PREFLUSH` and `REQ_FUA`: the disk is flushed before, and
    /// the bytes are on the medium afterwards.
    ///
    /// # Errors
    ///
    /// Any error of the disk; `ENOMEM`.
    pub fn write_safely(&self, sector: u64, bytes: &[u8]) -> Result {
        let mut copy = KVec::with_capacity(bytes.len(), GFP_KERNEL)?;
        copy.extend_from_slice(bytes, GFP_KERNEL)?;
        // SAFETY: The block device is open (type invariant). The bytes are on the heap, and live
        // until the function returns. The request has ended by then.
        to_result(unsafe {
            bindings::rust_virtio_fake_write_safely(
                self.bdev(),
                sector,
                copy.as_mut_ptr().cast(),
                copy.len(),
            )
        })
    }

    fn rw(&self, sector: u64, bytes: &mut KVec<u8>, op: bindings::req_op) -> Result {
        // SAFETY: The block device is open (type invariant). The bytes are on the heap, and live
        // until the function returns. The request has ended by then.
        to_result(unsafe {
            bindings::bdev_rw_virt(
                self.bdev(),
                sector,
                bytes.as_mut_ptr().cast(),
                bytes.len(),
                op,
            )
        })
    }

    /// Flushes the disk.
    ///
    /// # Errors
    ///
    /// Any error of the disk.
    pub fn flush(&self) -> Result {
        // SAFETY: The block device is open (type invariant).
        to_result(unsafe { bindings::blkdev_issue_flush(self.bdev()) })
    }

    /// Discards sectors.
    ///
    /// # Errors
    ///
    /// Any error of the disk.
    pub fn discard(&self, sector: u64, count: u64) -> Result {
        // SAFETY: The block device is open (type invariant).
        to_result(unsafe {
            bindings::blkdev_issue_discard(self.bdev(), sector, count, bindings::GFP_KERNEL)
        })
    }

    /// Erases sectors securely.
    ///
    /// # Errors
    ///
    /// Any error of the disk.
    pub fn secure_erase(&self, sector: u64, count: u64) -> Result {
        // SAFETY: The block device is open (type invariant).
        to_result(unsafe {
            bindings::blkdev_issue_secure_erase(self.bdev(), sector, count, bindings::GFP_KERNEL)
        })
    }

    /// Writes zeroes by a command of the disk, which may deallocate the sectors.
    ///
    /// # Errors
    ///
    /// Any error of the disk.
    pub fn zero(&self, sector: u64, count: u64) -> Result {
        self.zero_by(sector, count, bindings::BLKDEV_ZERO_NOFALLBACK)
    }

    /// As [`Disk::zero`], but the sectors stay allocated.
    ///
    /// # Errors
    ///
    /// Any error of the disk.
    pub fn zero_allocated(&self, sector: u64, count: u64) -> Result {
        let flags = bindings::BLKDEV_ZERO_NOFALLBACK | bindings::BLKDEV_ZERO_NOUNMAP;
        self.zero_by(sector, count, flags)
    }

    fn zero_by(&self, sector: u64, count: u64, flags: u32) -> Result {
        // SAFETY: The block device is open (type invariant).
        to_result(unsafe {
            bindings::blkdev_issue_zeroout(self.bdev(), sector, count, bindings::GFP_KERNEL, flags)
        })
    }

    /// Reads an attribute in sysfs. The disk must not be removed during the call.
    ///
    /// # Errors
    ///
    /// `ENOENT`: there is no such attribute; and any error of the attribute.
    pub fn attribute(&self, name: &CStr) -> Result<KVec<u8>> {
        self.device.attribute(name)
    }

    /// Writes an attribute in sysfs. The disk must not be removed during the call.
    ///
    /// # Errors
    ///
    /// `ENOENT`: there is no such attribute; and any error of the attribute.
    pub fn set_attribute(&self, name: &CStr, value: &[u8]) -> Result {
        self.device.set_attribute(name, value)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // SAFETY: `file` is open (type invariant), and is not used again.
        unsafe { bindings::__fput_sync(self.file) };
    }
}
