// SPDX-License-Identifier: GPL-2.0

//! Notifications: kicks from the driver, and interrupts from the device.
//!
//! An interrupt is an `irq_work`. So callbacks run in the same context as those of other
//! transports: hard interrupt, or with `PREEMPT_RT` a thread.

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

/// A function that delivers an interrupt to a target. Returns whether the interrupt was handled.
pub(crate) type Deliver = unsafe fn(*mut c_void) -> bool;

/// Numbers of notifications.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// The number of notifications by the driver.
    pub kicks: u64,
    /// The number of interrupts that were handled.
    pub handled: u64,
    /// The number of interrupts without a reason.
    pub spurious: u64,
}

/// The interrupt line of a queue or of the configuration.
///
/// # Invariants
///
/// `target` is null, or valid for `deliver` until it was replaced and [`InterruptLine::sync`] has
/// returned.
#[pin_data(PinnedDrop)]
pub(crate) struct InterruptLine {
    #[pin]
    work: Opaque<bindings::irq_work>,
    /// Serialises waits, because an `irq_work` wakes one thread only.
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

// SAFETY: The `irq_work` may be queued from several CPUs at once. The other fields are atomic.
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

    /// Delivers the interrupt. Hard interrupt context, or a thread with `PREEMPT_RT`.
    ///
    /// # Safety
    ///
    /// `work` is that of an [`InterruptLine`].
    unsafe extern "C" fn fire(work: *mut bindings::irq_work) {
        // SAFETY: By the safety requirements, `work` is in an `InterruptLine`, whose drop waits for
        // this.
        let line = unsafe { &*kernel::container_of!(Opaque::cast_from(work), InterruptLine, work) };
        let target = line.target.load(Acquire);
        if target.is_null() {
            return;
        }
        // SAFETY: `target` was not replaced before it was loaded. So it is valid until `sync`,
        // which waits for this call, has returned (type invariant).
        let handled = unsafe { (line.deliver)(target) };
        let counter = if handled {
            &line.handled
        } else {
            &line.spurious
        };
        counter.fetch_add(1, Relaxed);
    }

    /// Connects the line to a target. Null disconnects it, and waits for a running callback.
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
        // SAFETY: The work was initialised. Dropping the line waits for it.
        unsafe { bindings::irq_work_queue(self.work.get()) };
    }

    /// Waits until all raised interrupts are delivered. Process context.
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
    /// Waits for an interrupt that the device has raised after the driver was unbound.
    fn drop(self: Pin<&mut Self>) {
        self.sync();
    }
}
