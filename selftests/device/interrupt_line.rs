// SPDX-License-Identifier: GPL-2.0

//! Notifications between driver and device: kicks one way, interrupts the other.
//!
//! An interrupt is an `irq_work`, so that callbacks run in hard interrupt context, or with
//! `PREEMPT_RT` in a thread, as those of other transports do.

use crate::bindings;
use core::{
    ffi::c_void,
    ptr::null_mut, //
};
use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Relaxed,
            Release, //
        },
        Mutex, //
    },
    types::Opaque, //
};

/// Delivers an interrupt to a target; returns whether someone had an interest in it.
pub(crate) type Deliver = unsafe fn(*mut c_void) -> bool;

/// Numbers of notifications.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Notifications by the driver.
    pub kicks: u64,
    /// Interrupts that the ring had work for.
    pub handled: u64,
    /// Interrupts that there was no work for.
    pub spurious: u64,
}

/// The interrupt line of a queue or of the configuration.
///
/// # Invariants
///
/// `target` is null, or valid for `deliver` until it was taken away and [`InterruptLine::sync`] has
/// returned.
#[pin_data(PinnedDrop)]
pub(crate) struct InterruptLine {
    #[pin]
    work: Opaque<bindings::irq_work>,
    /// One thread waits at a time: an `irq_work` wakes no other.
    #[pin]
    waits: Mutex<()>,
    deliver: Deliver,
    target: Atomic<*mut c_void>,
    kicks: Atomic<u64>,
    handled: Atomic<u64>,
    spurious: Atomic<u64>,
}

// SAFETY: The `irq_work` may be queued from and run on any CPU.
unsafe impl Send for InterruptLine {}

// SAFETY: The `irq_work` may be queued from several CPUs at once; all else is atomic.
unsafe impl Sync for InterruptLine {}

impl InterruptLine {
    pub(crate) fn new(deliver: Deliver) -> impl PinInit<Self> {
        // INVARIANT: `target` is null.
        pin_init!(Self {
            work <- Opaque::ffi_init(|slot| {
                // SAFETY: `slot` is memory for an `irq_work`.
                unsafe { bindings::rust_virtio_fake_irq_work_init(slot, Some(Self::fire)) }
            }),
            waits <- new_mutex!(()),
            deliver,
            target: Atomic::new(null_mut()),
            kicks: Atomic::new(0),
            handled: Atomic::new(0),
            spurious: Atomic::new(0),
        })
    }

    /// The interrupt. Hard interrupt context; a thread with `PREEMPT_RT`.
    ///
    /// # Safety
    ///
    /// `work` is that of an [`InterruptLine`].
    unsafe extern "C" fn fire(work: *mut bindings::irq_work) {
        // SAFETY: By the safety requirements; a line syncs before it goes away, when dropped.
        let line = unsafe { &*kernel::container_of!(Opaque::cast_from(work), InterruptLine, work) };
        let target = line.target.load(Acquire);
        if target.is_null() {
            return;
        }
        // SAFETY: `target` was not taken away before it was loaded, so it is valid until `sync`,
        // which waits for this call, has returned (type invariant).
        let handled = unsafe { (line.deliver)(target) };
        let counter = if handled {
            &line.handled
        } else {
            &line.spurious
        };
        counter.fetch_add(1, Relaxed);
    }

    /// Connects the line, or with null disconnects it and waits for a running callback.
    ///
    /// # Safety
    ///
    /// `target` is null or valid for the line's `deliver` until it is disconnected.
    pub(crate) unsafe fn connect(&self, target: *mut c_void) {
        // INVARIANT: By the safety requirements.
        self.target.store(target, Release);
        if target.is_null() {
            self.sync();
        }
    }

    /// Raises the interrupt. Any context.
    pub(crate) fn raise(&self) {
        // SAFETY: The work was initialised, and stays until the line was synchronised with.
        unsafe { bindings::irq_work_queue(self.work.get()) };
    }

    /// Waits until a raised interrupt was delivered. Process context.
    pub(crate) fn sync(&self) {
        let _alone = self.waits.lock();
        // SAFETY: The work was initialised.
        unsafe { bindings::rust_virtio_fake_irq_work_sync(self.work.get()) };
    }

    /// Counts a notification by the driver.
    pub(crate) fn count_kick(&self) {
        self.kicks.fetch_add(1, Relaxed);
    }

    pub(crate) fn traffic(&self) -> Traffic {
        Traffic {
            kicks: self.kicks.load(Relaxed),
            handled: self.handled.load(Relaxed),
            spurious: self.spurious.load(Relaxed),
        }
    }
}

#[pinned_drop]
impl PinnedDrop for InterruptLine {
    /// A worker may have raised the interrupt last, after the driver had left.
    fn drop(self: Pin<&mut Self>) {
        self.sync();
    }
}
