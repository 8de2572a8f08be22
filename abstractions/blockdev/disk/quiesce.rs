// SPDX-License-Identifier: GPL-2.0

//! Holding back requests.

use super::*;
use core::ffi::c_uint;
use kernel::time::msecs_to_jiffies;

/// While this value exists, no request is outstanding, and none can begin: a thread that submits
/// one waits.
///
/// # Invariants
///
/// This thread has frozen the queue.
pub struct Frozen<'a, T: Operations> {
    disk: &'a Disk<T>,
    memflags: c_uint,
    _thread: kernel::types::NotThreadSafe,
}

impl<T: Operations> Drop for Frozen<'_, T> {
    fn drop(&mut self) {
        // SAFETY: The queue was frozen by this thread (type invariant), with these flags.
        unsafe { bindings::blk_mq_unfreeze_queue(self.disk.queue(), self.memflags) };
    }
}

/// While this value exists, no request can begin (the freeze has been started). [`Freezing::wait`]
/// waits for outstanding requests.
///
/// # Invariants
///
/// This thread has started to freeze the queue.
pub struct Freezing<'a, T: Operations> {
    disk: &'a Disk<T>,
    memflags: c_uint,
    _thread: kernel::types::NotThreadSafe,
}

impl<T: Operations> Freezing<'_, T> {
    /// Waits for up to `millis` milliseconds until no request is outstanding. Returns whether none
    /// is outstanding. Process context, sleeps.
    pub fn wait(&self, millis: u32) -> bool {
        // SAFETY: The freeze was started, and lasts until this is dropped (type invariant).
        let left = unsafe {
            bindings::blk_mq_freeze_queue_wait_timeout(
                self.disk.queue(),
                msecs_to_jiffies(millis).max(1),
            )
        };
        left != 0
    }
}

impl<T: Operations> Drop for Freezing<'_, T> {
    fn drop(&mut self) {
        // SAFETY: This thread has started the freeze (type invariant), with these flags.
        unsafe { bindings::blk_mq_unfreeze_queue(self.disk.queue(), self.memflags) };
    }
}

/// While this value exists, the block layer dispatches no request to the driver: requests wait in
/// the queue.
///
/// # Invariants
///
/// The queue was quiesced once for this.
pub struct Quiesced<T: Operations>(Arc<GenDisk<T>>);

impl<T: Operations> Drop for Quiesced<T> {
    fn drop(&mut self) {
        // SAFETY: The queue was quiesced once for this (type invariant), which keeps the disk.
        unsafe { bindings::blk_mq_unquiesce_queue(self.0.queue()) };
    }
}

impl<T: Operations> Disk<T> {
    /// Freezes the queue: holds back new requests, and waits until no request is outstanding. Until
    /// the result is dropped, this thread allocates memory without I/O. Process context, sleeps.
    pub fn freeze(&self) -> Frozen<'_, T> {
        // SAFETY: The queue is valid, as the disk is (type invariant).
        let memflags = unsafe { bindings::blk_mq_freeze_queue(self.queue()) };
        // INVARIANT: The queue was frozen.
        Frozen {
            disk: self,
            memflags,
            _thread: kernel::types::NotThreadSafe,
        }
    }
}

impl<T: Operations> Disk<T> {
    /// As [`Disk::freeze`], but does not wait for outstanding requests. Process context, sleeps.
    pub fn begin_freeze(&self) -> Freezing<'_, T> {
        // SAFETY: May be called in process context; the freeze is undone by this thread.
        let memflags = unsafe {
            let flags = bindings::memalloc_noio_save();
            bindings::blk_freeze_queue_start(self.queue());
            flags
        };
        // INVARIANT: The freeze was started.
        Freezing {
            disk: self,
            memflags,
            _thread: kernel::types::NotThreadSafe,
        }
    }
}

impl<T: Operations> GenDisk<T> {
    /// Stops the dispatch of requests, and waits for a running dispatch. Process context, sleeps.
    pub fn quiesce(self: &Arc<Self>) -> Quiesced<T> {
        // SAFETY: The queue is valid, as the disk is (type invariant of `Disk`).
        unsafe { bindings::blk_mq_quiesce_queue(self.queue()) };
        // INVARIANT: The queue was quiesced.
        Quiesced(self.clone())
    }
}
