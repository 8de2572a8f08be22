// SPDX-License-Identifier: GPL-2.0

//! Holding back timeouts of requests.

use super::*;

/// While this value exists, no timeout of the disk is handled. Late requests are handled when it is
/// dropped.
///
/// For a driver that owns started requests, such as those that it reclaimed from a device. If their
/// timeouts were handled, another thread would change them.
///
/// # Invariants
///
/// The work that handles timeouts was disabled once for this.
pub struct TimeoutsHeld<'a, T: Operations>(&'a Disk<T>);

impl<T: Operations> TimeoutsHeld<'_, T> {
    /// Whether the timeouts are those of the requests of a queue.
    pub(crate) fn is_of(&self, queue: *mut bindings::request_queue) -> bool {
        self.0.queue() == queue
    }

    fn work(queue: *mut bindings::request_queue) -> *mut bindings::work_struct {
        // SAFETY: The queue is that of a `Disk`, so it is valid (type invariant of `Disk`).
        unsafe { &raw mut (*queue).timeout_work }
    }
}

impl<T: Operations> Drop for TimeoutsHeld<'_, T> {
    fn drop(&mut self) {
        let work = Self::work(self.0.queue());
        // SAFETY: The work was disabled once for this (type invariant), which borrows the disk.
        unsafe { bindings::enable_work(work) };
        // The timer may have expired while the work was disabled. The work arms it again for
        // outstanding requests.
        self.0.while_in_use(|| {
            // SAFETY: The work is that of the queue, which is in use during the call.
            unsafe { bindings::kblockd_schedule_work(work) }
        });
    }
}

impl<T: Operations> Disk<T> {
    /// Stops the handling of timeouts while the result exists, and waits for a running handler.
    /// Process context, sleeps.
    pub fn hold_timeouts(&self) -> TimeoutsHeld<'_, T> {
        let queue = self.queue();
        // The work is disabled first, because it arms the timer again. A timer that expires after
        // that finds the work disabled.
        // SAFETY: The queue is valid (type invariant). Both may be called in process context.
        unsafe {
            bindings::disable_work_sync(TimeoutsHeld::<T>::work(queue));
            bindings::timer_delete_sync(&raw mut (*queue).timeout);
        }
        // INVARIANT: The work was disabled.
        TimeoutsHeld(self)
    }
}
