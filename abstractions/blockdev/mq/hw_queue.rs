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
    /// Returns the queue behind a pointer.
    ///
    /// # Safety
    ///
    /// `hctx` fulfils the type invariants for `'a`.
    #[inline]
    pub(super) unsafe fn from_raw<'a>(hctx: *mut bindings::blk_mq_hw_ctx) -> &'a Self {
        // SAFETY: By the safety requirements; `Self` is a transparent wrapper.
        unsafe { &*hctx.cast() }
    }

    /// Returns the index of the queue on its disk.
    #[inline]
    pub fn index(&self) -> usize {
        // SAFETY: The hardware queue is valid (type invariant), and its number does not change.
        unsafe { (*self.0.get()).queue_num as usize }
    }

    /// Returns the part of the disk's data that belongs to the queue.
    #[inline]
    pub fn data(&self) -> &T::HwData {
        // SAFETY: The driver data is a `T::HwData` (type invariant). It is part of the disk's data,
        // which is valid as long as the queue is in use.
        unsafe { &*(*self.0.get()).driver_data.cast::<T::HwData>() }
    }

    /// Stops the queue: the block layer dispatches no request to it until it is started again.
    ///
    /// Any context. The decision to stop, and the stop itself, must be under the same lock as the
    /// decision of a completion to [start](HwQueue::start_stopped_async) the queue again.
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
