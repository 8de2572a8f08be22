// SPDX-License-Identifier: GPL-2.0

//! Holding timeouts of requests back.

use super::*;

/// No timeout of a request of the disk is looked at as long as this exists. Requests that are late
/// by the end are looked at then.
///
/// For a driver with requests that the block layer takes for ones under way: a timeout of one of
/// them that is looked at meanwhile would change it from another thread.
///
/// # Invariants
///
/// The work that looks at timeouts was disabled once for this.
pub struct TimeoutsHeld<'a, T: Operations>(&'a Disk<T>);

impl<T: Operations> TimeoutsHeld<'_, T> {
    /// Whether the timeouts are those of the requests of a queue.
    pub(crate) fn is_of(&self, queue: *mut bindings::request_queue) -> bool {
        self.0.queue() == queue
    }

    fn work(queue: *mut bindings::request_queue) -> *mut bindings::work_struct {
        // SAFETY: By the type invariants of `Disk`, from which each caller has the queue.
        unsafe { &raw mut (*queue).timeout_work }
    }
}

impl<T: Operations> Drop for TimeoutsHeld<'_, T> {
    fn drop(&mut self) {
        let work = Self::work(self.0.queue());
        // SAFETY: The work was disabled once for this (type invariant), which borrows the disk.
        unsafe { bindings::enable_work(work) };
        // The work arms the timer for what is under way: the timer may have run out meanwhile, with
        // nobody to look.
        self.0.while_in_use(|| {
            // SAFETY: The work is that of the queue, which is kept in use meanwhile.
            unsafe { bindings::kblockd_schedule_work(work) }
        });
    }
}

impl<T: Operations> Disk<T> {
    /// Waits until no timeout of a request is being looked at, and has none looked at as long as
    /// the result exists. Process context, sleeps.
    pub fn hold_timeouts(&self) -> TimeoutsHeld<'_, T> {
        let queue = self.queue();
        // The work first: it arms the timer again. One that runs out from here on finds the work
        // disabled.
        // SAFETY: By the type invariants; may be called in process context.
        unsafe {
            bindings::disable_work_sync(TimeoutsHeld::<T>::work(queue));
            bindings::timer_delete_sync(&raw mut (*queue).timeout);
        }
        // INVARIANT: The work was disabled.
        TimeoutsHeld(self)
    }
}
