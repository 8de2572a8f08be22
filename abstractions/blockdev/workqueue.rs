// SPDX-License-Identifier: GPL-2.0

//! Workqueues of a module, and work that ends with its owner.

use crate::{
    bindings,
    memory, //
};
use core::ptr::NonNull;
use kernel::{
    prelude::*,
    static_lock_class,
    types::Opaque, //
};

/// A workqueue. Dropping it drains and destroys the queue: after that, no code of its work items
/// runs. Only a [`Deferred`] can be scheduled on it: delayed work has a timer that would outlive
/// the queue.
///
/// Dropping it sleeps, and must not happen in an item of the queue.
pub struct OwnedQueue(NonNull<bindings::workqueue_struct>);

// SAFETY: A workqueue may be used and destroyed from any thread.
unsafe impl Send for OwnedQueue {}

// SAFETY: A workqueue may be used from any thread.
unsafe impl Sync for OwnedQueue {}

impl OwnedQueue {
    /// Creates a workqueue with a rescuer thread (`WQ_MEM_RECLAIM`), whose items run on the CPU
    /// that queued them. Process context.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn new_percpu(name: &'static CStr) -> Result<Self> {
        Self::with_flags(name, bindings::wq_flags_WQ_MEM_RECLAIM)
    }

    /// Creates a workqueue as [`OwnedQueue::new_percpu`] does, but without a rescuer thread. Its
    /// items may wait for items of other workqueues without one. Process context.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn new_percpu_without_reserve(name: &'static CStr) -> Result<Self> {
        Self::with_flags(name, 0)
    }

    fn with_flags(name: &'static CStr, flags: bindings::wq_flags) -> Result<Self> {
        // SAFETY: The format takes one string.
        let wq = unsafe {
            bindings::alloc_workqueue_noprof(
                c"%s".as_char_ptr(),
                bindings::wq_flags_WQ_PERCPU | flags,
                0,
                name.as_char_ptr(),
            )
        };
        NonNull::new(wq).map(Self).ok_or(ENOMEM)
    }
}

impl Drop for OwnedQueue {
    fn drop(&mut self) {
        // SAFETY: The queue is valid, and no code can queue an item: that needs a reference to
        // `self`.
        unsafe { bindings::destroy_workqueue(self.0.as_ptr()) };
    }
}

/// The work of a [`Deferred`].
pub trait Run: Send + Sync + 'static {
    /// Runs the work, in process context, in one thread at a time. Memory is allocated without I/O.
    fn run(&self);
}

/// Work that can be scheduled any number of times. A run covers all schedules before it.
///
/// Dropping it removes the work from the queue, and waits for a running one. So the work can use
/// all objects that outlive its owner. Dropping it sleeps, and must not happen in the work itself.
///
/// # Invariants
///
/// `work` was initialised with [`Deferred::callback`], and is in a pinned `Self`.
#[pin_data(PinnedDrop)]
pub struct Deferred<T: Run> {
    #[pin]
    work: Opaque<bindings::work_struct>,
    value: T,
}

// SAFETY: Work may be scheduled, run and cancelled from any thread, and so may `T`.
unsafe impl<T: Run> Send for Deferred<T> {}

// SAFETY: Work may be scheduled from any thread, and `T` is shared with it.
unsafe impl<T: Run> Sync for Deferred<T> {}

impl<T: Run> Deferred<T> {
    /// Returns an initialiser for work that is not scheduled.
    pub fn new(value: T) -> impl PinInit<Self> {
        // INVARIANT: The work is initialised in the pinned value.
        pin_init!(Self {
            // SAFETY: The slot is valid and pinned; the lock class is static.
            work <- Opaque::ffi_init(|slot| unsafe {
                bindings::init_work_with_key(
                    slot,
                    Some(Self::callback),
                    false,
                    c"deferred".as_char_ptr(),
                    static_lock_class!().as_ptr(),
                )
            }),
            value,
        })
    }

    /// Schedules the work, unless it is scheduled already. Any context.
    pub fn schedule(&self, queue: &OwnedQueue) {
        // SAFETY: The queue and the work are valid (type invariant). The work is cancelled before
        // it is freed.
        unsafe {
            bindings::queue_work_on(
                bindings::wq_misc_consts_WORK_CPU_UNBOUND as c_int,
                queue.0.as_ptr(),
                self.work.get(),
            )
        };
    }

    /// Waits until the work has run, if it is scheduled or running. Process context, sleeps.
    pub fn flush(&self) {
        // SAFETY: `work` was initialised, and does not move (type invariant).
        unsafe { bindings::flush_work(self.work.get()) };
    }

    /// # Safety
    ///
    /// Called by the workqueue, with the work of a `Self`.
    unsafe extern "C" fn callback(work: *mut bindings::work_struct) {
        // SAFETY: By the safety requirements and the type invariants; `Opaque` is a transparent
        // wrapper.
        let this = unsafe {
            &*kernel::container_of!(work.cast::<Opaque<bindings::work_struct>>(), Self, work)
        };
        memory::without_io(|| this.value.run());
    }
}

#[pinned_drop]
impl<T: Run> PinnedDrop for Deferred<T> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: `work` was initialised, and has not moved (type invariant).
        unsafe { bindings::cancel_work_sync(self.work.get()) };
    }
}
