// SPDX-License-Identifier: GPL-2.0

//! The bookkeeping beside a ring: mappings, counters, time stamps, tracing.

use crate::{
    bindings::virtqueue,
    device::Virtio,
    dma_mappings::DmaMappings,
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

/// The state beside a ring that does not depend on its layout.
pub(crate) struct Bookkeeping {
    /// The DMA mappings, if memory is mapped for the device.
    pub(crate) mappings: Option<DmaMappings>,
    pub(crate) vdev: Virtio,
    pub(crate) index: u32,
    /// The queue, for tracing.
    pub(crate) vq: *mut virtqueue,
    /// The largest number of segments that a buffer of the driver may have, for queries.
    pub(crate) max_segments: u16,
    pub(crate) counters: Arc<Counters>,
    /// The impossible length of a device was logged already.
    length_logged: bool,
    stamp: StampWriter,
    stamps: Arc<Stamps>,
}

impl Bookkeeping {
    /// Creates the bookkeeping of a ring of `size` descriptors.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(
        mappings: Option<DmaMappings>,
        vdev: Virtio,
        index: u32,
        size: u16,
        counters: Arc<Counters>,
    ) -> Result<Self> {
        let stamps = Arc::new(Stamps::new(size)?, GFP_KERNEL)?;
        Ok(Self {
            mappings,
            vdev,
            index,
            vq: null_mut(),
            max_segments: u16::MAX,
            counters,
            length_logged: false,
            // INVARIANT: `stamps` stay as long as this value, which writes them.
            stamp: stamps.writer(),
            stamps,
        })
    }

    /// Replaces the time stamps, for a ring of their size.
    pub(crate) fn set_stamps(&mut self, stamps: Arc<Stamps>) {
        // INVARIANT: `stamps` stay as long as this value, which writes them.
        self.stamp = stamps.writer();
        self.stamps = stamps;
    }

    /// Returns the times since when buffers are outstanding.
    pub(crate) fn stamps(&self) -> &Arc<Stamps> {
        &self.stamps
    }

    /// Records that a buffer was added. `free` returns the number of free descriptors.
    #[inline(always)]
    pub(crate) fn added(&self, id: u16, segments: u16, free: impl FnOnce() -> u16) {
        // SAFETY: The ring returned the id, so it is below the number of ids.
        unsafe { self.stamp.added(id) };
        // SAFETY: `vq` is the queue of this ring, which outlives it.
        unsafe { trace::add(|| (self.vq, id.into(), segments.into(), free().into())) };
    }

    /// Records that a buffer was not added, and returns the error.
    #[cold]
    pub(crate) fn refused(&self, error: Error) -> Error {
        if error == ENOSPC {
            self.counters.full.count();
        }
        error
    }

    /// Writes the number of free descriptors to the field that C code reads.
    #[inline(always)]
    pub(crate) fn set_num_free(&self, free: u16) {
        // SAFETY: `vq` is the queue of this ring, which outlives it. The holder of the ring may
        // write this field.
        unsafe { (*self.vq).num_free = free.into() };
    }

    /// Records a kick of the driver.
    #[inline(always)]
    pub(crate) fn kicked(&self, notify: bool) {
        self.counters.kicks.count();
        // SAFETY: `vq` is the queue of this ring, which outlives it.
        unsafe { trace::kick(|| (self.vq, notify)) };
    }

    /// Records that a used buffer was taken. Returns its length, or 0 if the device reports an
    /// impossible one: such a length says nothing about the bytes that were written.
    #[inline(always)]
    pub(crate) fn taken(&mut self, used: &Used<RawToken>) -> u32 {
        let len = self.seen(used);
        self.released(used.id);
        len
    }

    /// Traces a used buffer, and returns its length as [`Bookkeeping::taken`] does.
    #[inline(always)]
    pub(crate) fn seen(&mut self, used: &Used<RawToken>) -> u32 {
        // SAFETY: `vq` is the queue of this ring, which outlives it.
        unsafe { trace::get_buf(|| (self.vq, used.id.into(), used.claimed)) };
        if used.is_cut() {
            self.wrong_length(used.claimed, used.writable_len);
            0
        } else {
            used.claimed
        }
    }

    /// Counts an impossible length, and logs the first one.
    #[cold]
    #[inline(never)]
    fn wrong_length(&mut self, claimed: u32, writable_len: u32) {
        self.counters.cut.count();
        if !self.length_logged && report::is_wrong_length(self.vdev, writable_len) {
            self.length_logged = true;
            report::log_length(self.vdev, self.index, claimed, writable_len);
        }
    }

    /// As [`Bookkeeping::released`], of a buffer without mappings.
    #[inline(always)]
    pub(crate) fn released_unmapped(&self, id: u16) {
        // SAFETY: The ring returned the id, so it is below the number of ids.
        unsafe { self.stamp.taken(id) };
    }

    /// Records that the ring gave a buffer back, which had the id `id`: ends its time stamp and its
    /// mappings.
    #[inline(always)]
    pub(crate) fn released(&mut self, id: u16) {
        self.released_unmapped(id);
        // PERF: Last, since this may be a call, and the compiler knows little of the state after
        // it.
        if let Some(mappings) = &mut self.mappings {
            mappings.unmap(id);
        }
    }
}
