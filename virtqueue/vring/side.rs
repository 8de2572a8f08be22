// SPDX-License-Identifier: GPL-2.0

//! Bookkeeping beside a ring: mappings, counters, time stamps, tracing.

use crate::{
    bindings::virtqueue,
    device::Virtio,
    mapped::Mapped,
    report,
    ring::Used,
    segment::RawToken,
    stats::{
        Counters,
        StampWriter,
        Stamps, //
    },
    trace, //
};
use core::ptr::null_mut;
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// The companions of the ring, whatever its layout.
pub(crate) struct Side {
    /// Only where memory is mapped for the device.
    pub(crate) mapped: Option<Mapped>,
    pub(crate) vdev: Virtio,
    pub(crate) index: u32,
    /// The queue that this is of, for tracing.
    pub(crate) vq: *mut virtqueue,
    /// The most segments that a buffer of the driver may have: the answer to queries.
    pub(crate) max_segments: u16,
    pub(crate) counters: Arc<Counters>,
    /// Whether it was told that the device claims more than there is room for.
    told: bool,
    stamp: StampWriter,
    stamps: Arc<Stamps>,
}

impl Side {
    /// Creates the companions of a ring of `size` descriptors.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(
        mapped: Option<Mapped>,
        vdev: Virtio,
        index: u32,
        size: u16,
        counters: Arc<Counters>,
    ) -> Result<Self> {
        let stamps = Arc::new(Stamps::new(size)?, GFP_KERNEL)?;
        Ok(Self {
            mapped,
            vdev,
            index,
            vq: null_mut(),
            max_segments: u16::MAX,
            counters,
            told: false,
            // INVARIANT: The stamps stay as long as this.
            stamp: stamps.writer(),
            stamps,
        })
    }

    /// Takes other stamps, for a ring of their size.
    pub(crate) fn set_stamps(&mut self, stamps: Arc<Stamps>) {
        // INVARIANT: The stamps stay as long as this.
        self.stamp = stamps.writer();
        self.stamps = stamps;
    }

    /// Since when the device has what.
    pub(crate) fn stamps(&self) -> &Arc<Stamps> {
        &self.stamps
    }

    /// Notes that a buffer was added.
    #[inline(always)]
    pub(crate) fn added(&self, id: u16, segments: u16, free: u16) {
        // SAFETY: The ring gave out the id.
        unsafe { self.stamp.added(id) };
        // SAFETY: The queue is valid.
        unsafe { trace::add(self.vq, id.into(), segments.into(), free.into()) };
    }

    /// Notes that a buffer was not added.
    #[cold]
    pub(crate) fn refused(&self, error: Error) -> Error {
        if error == ENOSPC {
            self.counters.full.count();
        }
        error
    }

    /// Lets C code know how many descriptors are free.
    #[inline(always)]
    pub(crate) fn show_free(&self, free: u16) {
        // SAFETY: The queue is valid, and the holder of the ring may change this field.
        unsafe { (*self.vq).num_free = free.into() };
    }

    /// Notes that a driver kicked.
    #[inline(always)]
    pub(crate) fn kicked(&self, notify: bool) {
        self.counters.kicks.count();
        // SAFETY: The queue is valid.
        unsafe { trace::kick(self.vq, notify) };
    }

    /// Notes that a used buffer was taken. Returns its length, 0 if the device claims one that
    /// cannot be: such a length says nothing of what was written.
    #[inline(always)]
    pub(crate) fn taken(&mut self, used: &Used<RawToken>) -> u32 {
        // SAFETY: The queue is valid.
        unsafe { trace::get_buf(self.vq, used.id.into(), used.claimed) };
        let len = if used.is_cut() {
            self.wrong_length(used.claimed, used.room);
            0
        } else {
            used.claimed
        };
        self.gone(used.id);
        len
    }

    /// Counts a length that cannot be, and tells of the first one.
    #[cold]
    #[inline(never)]
    fn wrong_length(&mut self, claimed: u32, room: u32) {
        self.counters.cut.count();
        if !self.told && report::is_wrong_length(self.vdev, room) {
            self.told = true;
            report::tell_length(self.vdev, self.index, claimed, room);
        }
    }

    /// Notes that the device does not have a buffer any more: the ring gave it back, with the `id`
    /// that it had.
    #[inline(always)]
    pub(crate) fn gone(&mut self, id: u16) {
        // SAFETY: The ring gave out the id.
        unsafe { self.stamp.taken(id) };
        // Last, as it may be a call, behind which little is to be known any more.
        if let Some(mapped) = &mut self.mapped {
            mapped.unmap(id);
        }
    }
}
