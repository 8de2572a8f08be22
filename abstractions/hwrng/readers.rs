// SPDX-License-Identifier: GPL-2.0

//! Tasks that wait until there is something to read.

use crate::bindings;
use core::ptr::null_mut;
use kernel::{
    current,
    ffi::c_long,
    prelude::*,
    static_lock_class,
    task::Task,
    types::{
        NotThreadSafe,
        Opaque, //
    },
};

/// A queue of tasks that wait.
///
/// The condition that they wait for may sleep, and no lock has to be held while it changes: a task
/// enters the queue before it looks, and does not sleep if it was woken since.
#[pin_data]
pub(crate) struct Readers {
    #[pin]
    head: Opaque<bindings::wait_queue_head>,
}

// SAFETY: A wait queue may be used by any task.
unsafe impl Send for Readers {}

// SAFETY: A wait queue has a lock of its own.
unsafe impl Sync for Readers {}

impl Readers {
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            // SAFETY: `slot` is valid.
            head <- Opaque::ffi_init(|slot| unsafe { Self::init_head(slot) }),
        })
    }

    /// Initialises a wait queue.
    ///
    /// Not inlined: lockdep compares the address of the name with that of the class, and a copy of
    /// this function would have a name of its own.
    ///
    /// # Safety
    ///
    /// `head` is valid for writes.
    #[inline(never)]
    unsafe fn init_head(head: *mut bindings::wait_queue_head) {
        // SAFETY: `head` is valid for writes, and name and class are static.
        unsafe {
            bindings::__init_waitqueue_head(
                head,
                c"hwrng_readers".as_char_ptr(),
                static_lock_class!().as_ptr(),
            )
        };
    }

    /// Wakes all tasks. Any context.
    pub(crate) fn wake(&self) {
        // SAFETY: The queue is valid. 0: all of them.
        unsafe { bindings::__wake_up(self.head.get(), bindings::TASK_NORMAL, 0, null_mut()) };
    }
}

/// The current task in a queue of tasks that wait.
///
/// # Invariants
///
/// `entry` is in the queue `readers`, for the task that made it.
#[pin_data(PinnedDrop)]
pub(crate) struct Waiter<'a> {
    #[pin]
    entry: Opaque<bindings::wait_queue_entry>,
    readers: &'a Readers,
    _task: NotThreadSafe,
}

impl<'a> Waiter<'a> {
    /// Returns an initialiser that puts the current task into a queue.
    pub(crate) fn new(readers: &'a Readers) -> impl PinInit<Self> + 'a {
        // INVARIANT: The entry is added here.
        pin_init!(Self {
            entry <- Opaque::ffi_init(|slot: *mut bindings::wait_queue_entry| {
                // SAFETY: `slot` is valid for writes, and an entry of zeroes is one.
                unsafe { slot.write_bytes(0, 1) };
                // SAFETY: `slot` is valid, and initialised but for these two fields.
                unsafe {
                    (*slot).private = Task::current_raw().cast();
                    (*slot).func = Some(bindings::woken_wake_function);
                }
                // SAFETY: The queue is valid. The entry is pinned, and leaves the queue when it is
                // dropped.
                unsafe { bindings::add_wait_queue(readers.head.get(), slot) };
            }),
            readers,
            _task: NotThreadSafe,
        })
    }

    /// Sleeps until the queue is woken, a signal comes, or the thread is to stop. Returns at once
    /// if the queue was woken since this task entered it or last slept.
    pub(crate) fn sleep(&self) {
        // SAFETY: By the type invariant, the entry is in a queue, and is that of this task.
        unsafe {
            bindings::wait_woken(self.entry.get(), bindings::TASK_INTERRUPTIBLE, c_long::MAX)
        };
    }
}

#[pinned_drop]
impl PinnedDrop for Waiter<'_> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: The entry is on the queue of `readers` (type invariant).
        unsafe { bindings::remove_wait_queue(self.readers.head.get(), self.entry.get()) };
    }
}

/// Returns whether the current task should not sleep any more: it has a signal, or is a kernel
/// thread that is to stop.
pub(crate) fn should_leave() -> bool {
    current!().signal_pending() || is_stopping_thread()
}

/// Returns whether the current task is a kernel thread that is to stop.
fn is_stopping_thread() -> bool {
    // SAFETY: The current task is valid. Only the task itself changes its flags.
    let flags = unsafe { (*Task::current_raw()).flags };
    // SAFETY: The current task is a kernel thread, as the function demands.
    flags & bindings::PF_KTHREAD != 0 && unsafe { bindings::kthread_should_stop() }
}
