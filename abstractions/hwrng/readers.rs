// SPDX-License-Identifier: GPL-2.0

//! Tasks that wait for bytes to read.

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

/// A queue of waiting tasks.
///
/// The check of the condition may sleep, and no lock is needed: a task enters the queue before it
/// checks, and does not sleep if it was woken after that.
#[pin_data]
pub(crate) struct Readers {
    #[pin]
    head: Opaque<bindings::wait_queue_head>,
}

// SAFETY: A wait queue may be used by any task.
unsafe impl Send for Readers {}

// SAFETY: A wait queue has its own lock.
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
    /// Not inlined: a copy of this function would have another name for the same class, and lockdep
    /// reports that.
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
        // SAFETY: The queue is valid. 0 wakes all tasks.
        unsafe { bindings::__wake_up(self.head.get(), bindings::TASK_NORMAL, 0, null_mut()) };
    }
}

/// The entry of the current task in a queue of waiting tasks.
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
                // SAFETY: `slot` is valid for writes, and zeroes are a valid entry.
                unsafe { slot.write_bytes(0, 1) };
                // SAFETY: `slot` is valid, and all other fields are initialised.
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

    /// Sleeps until the queue is woken, the task gets a signal, or the thread should stop. Returns
    /// at once if the queue was woken after this task entered it or last slept.
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

/// Returns whether the current task must stop waiting: it has a signal, or is a kernel thread that
/// should stop.
pub(crate) fn should_leave() -> bool {
    current!().signal_pending() || is_stopping_thread()
}

/// Returns whether the current task is a kernel thread that should stop.
fn is_stopping_thread() -> bool {
    // SAFETY: The current task is valid. Only the task itself changes its flags.
    let flags = unsafe { (*Task::current_raw()).flags };
    // SAFETY: The current task is a kernel thread, as `kthread_should_stop()` requires.
    flags & bindings::PF_KTHREAD != 0 && unsafe { bindings::kthread_should_stop() }
}
