// SPDX-License-Identifier: GPL-2.0

//! Holding requests back.

use super::*;
use core::ffi::c_uint;
use kernel::time::msecs_to_jiffies;

/// No request is under way, and none can begin, as long as this exists: a thread that tries has to
/// wait.
///
/// # Invariants
///
/// The queue was frozen, by this thread.
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

/// No request can begin as long as this exists, and those that are under way may be waited for.
///
/// # Invariants
///
/// The freeze of the queue was begun, by this thread.
pub struct Freezing<'a, T: Operations> {
    disk: &'a Disk<T>,
    memflags: c_uint,
    _thread: kernel::types::NotThreadSafe,
}

impl<T: Operations> Freezing<'_, T> {
    /// Waits for up to `millis` until no request is under way, and returns whether none is. Process
    /// context, sleeps.
    pub fn wait(&self, millis: u32) -> bool {
        // SAFETY: The freeze was begun, and goes on until this is dropped (type invariant).
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
        // SAFETY: The freeze was begun by this thread (type invariant), with these flags.
        unsafe { bindings::blk_mq_unfreeze_queue(self.disk.queue(), self.memflags) };
    }
}

/// Nothing is dispatched to the driver as long as this exists: requests queue up.
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
    /// Waits until no request is under way and keeps new ones waiting. Process context, sleeps;
    /// memory is allocated without I/O meanwhile.
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
    /// As [`Disk::freeze`], but does not wait for what is under way. Process context, sleeps.
    pub fn begin_freeze(&self) -> Freezing<'_, T> {
        // SAFETY: May be called in process context; the freeze is undone by this thread.
        let memflags = unsafe {
            let flags = bindings::memalloc_noio_save();
            bindings::blk_freeze_queue_start(self.queue());
            flags
        };
        // INVARIANT: The freeze was begun.
        Freezing {
            disk: self,
            memflags,
            _thread: kernel::types::NotThreadSafe,
        }
    }
}

impl<T: Operations> GenDisk<T> {
    /// Ends the dispatch of requests, and waits for a dispatch that is going on. Process
    /// context, sleeps.
    pub fn quiesce(self: &Arc<Self>) -> Quiesced<T> {
        // SAFETY: The queue is valid, as the disk is (type invariant of `Disk`).
        unsafe { bindings::blk_mq_quiesce_queue(self.queue()) };
        // INVARIANT: The queue was quiesced.
        Quiesced(self.clone())
    }
}
