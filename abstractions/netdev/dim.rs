// SPDX-License-Identifier: GPL-2.0

//! Adaptive coalescing of receive interrupts: dynamic interrupt moderation (DIM).
//!
//! The poll of a receive queue [measures](RxPoll::measure) the traffic. If other limits suit it
//! better, a work item calls [`Operations::adapt`].
//!
//! C header: [`include/linux/dim.h`](srctree/include/linux/dim.h)

use crate::{
    bindings,
    device::{
        Device,
        NewDevice,
        Operations, //
    },
    napi::RxPoll,
    rtnl::DevLock, //
};
use kernel::{
    alloc::KVec,
    error::to_result,
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
    types::Opaque, //
};

/// The limits that suit the traffic of a receive queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moderation {
    /// The longest time after a packet was received, in microseconds.
    pub usecs: u16,
    /// The largest number of received packets.
    pub packets: u16,
}

/// The measurements of a receive queue.
///
/// # Invariants
///
/// - This does not move. `dim` was initialised, and its work runs [`QueueDim::run`] for the driver
///   of `dev`.
/// - The work is queued, or runs, only while `dim.state` is `DIM_APPLY_NEW_PROFILE`. In this state
///   the owner of the queue changes nothing in `dim`. In the others, the work does not.
pub(crate) struct QueueDim {
    dim: Opaque<bindings::dim>,
    dev: *mut bindings::net_device,
    index: usize,
    /// Number of polls that completed. Written by the owner of the queue.
    events: Atomic<u32>,
    /// Number of packets at the last measurement. Written by the owner of the queue.
    packets: Atomic<u64>,
}

// SAFETY: `dev` is the device that this belongs to, and may be used by any thread.
unsafe impl Send for QueueDim {}

// SAFETY: `dim` is shared as the type invariants say; `dev` may be used by any thread.
unsafe impl Sync for QueueDim {}

impl QueueDim {
    /// Runs as the work: calls [`Operations::adapt`], and lets measurements go on.
    ///
    /// # Safety
    ///
    /// Called by the workqueue for the work of a `QueueDim` of a device of the driver `T`.
    unsafe extern "C" fn run<T: Operations>(work: *mut bindings::work_struct) {
        // SAFETY: By the safety requirements, `work` is that of a `dim`.
        let dim = unsafe { kernel::container_of!(work, bindings::dim, work) };
        // SAFETY: By the safety requirements, that `dim` is in a `QueueDim`. It is valid: the work
        // is disabled before it is dropped.
        let this = unsafe { &*kernel::container_of!(Opaque::cast_from(dim), Self, dim) };
        let mut best = Moderation::default();
        // SAFETY: `dev` has profiles as long as the work is not disabled. By the type invariant,
        // nothing changes `dim` while the work runs.
        unsafe { bindings::rust_dim_result(this.dev, dim, &mut best.usecs, &mut best.packets) };
        // SAFETY: By the safety requirements, `dev` is a device of `T`, which outlives the work.
        T::adapt(unsafe { Device::<T>::from_raw(this.dev) }, this.index, best);
        // SAFETY: As above. The owner of the queue changes `dim` from here on, and the work does
        // not use it again.
        unsafe { bindings::rust_dim_restart(dim) };
    }

    /// Counts an event, and measures the traffic if there was any since the last measurement.
    ///
    /// # Safety
    ///
    /// The caller owns the queue.
    unsafe fn measure(&self, packets: u64, bytes: u64) {
        // OVERFLOW: DIM compares counts modulo 2^16.
        let events = self.events.load(Relaxed).wrapping_add(1);
        self.events.store(events, Relaxed);
        if self.packets.load(Relaxed) == packets {
            return;
        }
        self.packets.store(packets, Relaxed);
        // SAFETY: `dim` was initialised (type invariant). By the safety requirements, no other
        // thread measures. The function respects the state (type invariant).
        // CAST: DIM compares counts modulo 2^16.
        unsafe { bindings::rust_dim_measure(self.dim.get(), events as u16, packets, bytes) };
    }

    /// Disables the work, and waits for running work.
    pub(crate) fn disable(&self) {
        // SAFETY: `dim` was initialised (type invariant).
        unsafe { bindings::rust_dim_disable(self.dim.get()) };
    }
}

impl<T: Operations> NewDevice<T> {
    /// Prepares adaptive coalescing: [`Operations::adapt`] is called with limits that suit the
    /// traffic that polls [measure](RxPoll::measure). Process context, sleeps.
    ///
    /// # Errors
    ///
    /// - `EOPNOTSUPP`: the kernel has no `CONFIG_DIMLIB`.
    /// - `EBUSY`: this was called before.
    /// - `ENOMEM`.
    pub fn prepare_adaptive_rx(&mut self) -> Result {
        let private = self.private();
        if private.dims.as_ref().is_some() {
            return Err(EBUSY);
        }
        let queues = private.rx.len();
        let mut dims = KVec::with_capacity(queues, GFP_KERNEL)?;
        for index in 0..queues {
            let dim = QueueDim {
                dim: Opaque::zeroed(),
                dev: self.as_raw(),
                index,
                events: Atomic::new(0),
                packets: Atomic::new(0),
            };
            dims.push(dim, GFP_KERNEL)?;
        }
        // SAFETY: The device was never registered, so no other code uses its profiles. It has none
        // yet: this function is called once, and does not fail after this call.
        to_result(unsafe { bindings::rust_dim_init(self.as_raw(), Some(QueueDim::run::<T>)) })?;
        for one in &dims {
            // INVARIANT: The work runs `QueueDim::run` for `T`. Elements of the vector do not move
            // with it. The state is not `DIM_APPLY_NEW_PROFILE`, and the work is not queued.
            // SAFETY: `dim` is zeroed, and the profiles of the device were set just now.
            unsafe { bindings::rust_dim_set(self.as_raw(), one.dim.get()) };
        }
        private.dims.populate(dims);
        Ok(())
    }
}

impl<T: Operations> Device<T> {
    /// Whether [`NewDevice::prepare_adaptive_rx`] succeeded.
    pub fn adapts_rx(&self) -> bool {
        self.private().dims.as_ref().is_some()
    }

    /// Cancels [`Operations::adapt`] of a receive queue whose NAPI instance is disabled, and waits
    /// for a running call. Measurements begin anew. Process context, sleeps.
    ///
    /// # Errors
    ///
    /// `EBUSY`: the instance is enabled, or `lock` is for another device.
    pub fn cancel_adapt(&self, index: usize, lock: &mut DevLock) -> Result {
        let private = self.private();
        if !self.is_locked_by(lock) || private.rx.get(index).is_some_and(|slot| slot.is_enabled()) {
            return Err(EBUSY);
        }
        if let Some(one) = private.dims.as_ref().and_then(|dims| dims.get(index)) {
            // SAFETY: `dim` was initialised (type invariant of `QueueDim`). The instance is
            // disabled, and no thread enables it while the lock is borrowed exclusively. So nothing
            // queues the work, and no other thread uses `dim` once the work is cancelled.
            unsafe {
                bindings::rust_dim_cancel(one.dim.get());
                bindings::rust_dim_restart(one.dim.get());
            }
        }
        Ok(())
    }
}

impl<T: Operations> RxPoll<'_, T> {
    /// Counts an event, and measures the traffic for [`Operations::adapt`]: `packets` and `bytes`
    /// are those that the queue has received since it was made. Called once before a poll
    /// completes. No effect on a device that is not [prepared](NewDevice::prepare_adaptive_rx).
    pub fn measure(&mut self, packets: u64, bytes: u64) {
        let (_, _, napi) = self.parts();
        let dims = napi.dev().private().dims.as_ref();
        if let Some(one) = dims.and_then(|dims| dims.get(napi.index())) {
            // SAFETY: This poll owns the queue (type invariant).
            unsafe { one.measure(packets, bytes) };
        }
    }
}
