// SPDX-License-Identifier: GPL-2.0

//! Hardware queues.

use super::Operations;
use crate::bindings;
use core::marker::PhantomData;
use kernel::types::Opaque;

/// A hardware queue, C `struct blk_mq_hw_ctx`.
///
/// # Invariants
///
/// A valid hardware queue of a disk made with `T`, whose driver data is a `T::HwData`.
#[repr(transparent)]
pub struct HwQueue<T: Operations>(Opaque<bindings::blk_mq_hw_ctx>, PhantomData<T>);

impl<T: Operations> HwQueue<T> {
    /// The queue behind a pointer.
    ///
    /// # Safety
    ///
    /// `hctx` fulfils the type invariants for `'a`.
    #[inline]
    pub(super) unsafe fn from_raw<'a>(hctx: *mut bindings::blk_mq_hw_ctx) -> &'a Self {
        // SAFETY: By the safety requirements; `Self` is a transparent wrapper.
        unsafe { &*hctx.cast() }
    }

    /// Index of the queue on its disk.
    #[inline]
    pub fn index(&self) -> usize {
        // SAFETY: By the type invariants; the number does not change.
        unsafe { (*self.0.get()).queue_num as usize }
    }

    /// The part of the disk's data that belongs to the queue.
    #[inline]
    pub fn data(&self) -> &T::HwData {
        // SAFETY: By the type invariants; the driver data is set when the disk is made, to part of
        // the disk's data, which is valid as long as the queue is in use.
        unsafe { &*(*self.0.get()).driver_data.cast::<T::HwData>() }
    }

    /// Has the block layer queue nothing here until it is started again.
    ///
    /// Any context. Together with the decision to do so it must be under the lock under which
    /// the completion decides to [start](HwQueue::start_stopped_async) it again.
    pub fn stop(&self) {
        // SAFETY: The hardware queue is valid (type invariant).
        unsafe { bindings::blk_mq_stop_hw_queue(self.0.get()) };
    }

    /// Starts the queue if it was stopped, and runs it from a worker. Any context.
    pub fn start_stopped_async(&self) {
        // SAFETY: The hardware queue is valid (type invariant).
        unsafe { bindings::blk_mq_start_stopped_hw_queue(self.0.get(), true) };
    }
}
