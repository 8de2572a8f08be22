// SPDX-License-Identifier: GPL-2.0

//! The statistics of a queue, for debugfs.
//!
//! The counters are plain words, which may be read at any time. They are not ordered among each
//! other, and if two CPUs count the same event at the same time, one count may be lost.

use crate::{
    bindings,
    ring::states_in_reach, //
};
use core::cell::UnsafeCell;
use kernel::{
    alloc::KVVec,
    prelude::*, //
};

/// A counter of events or bytes.
pub(crate) struct Counter(UnsafeCell<usize>);

// SAFETY: All accesses are single volatile ones of a word, as `READ_ONCE` and `WRITE_ONCE`.
unsafe impl Sync for Counter {}

impl Counter {
    const fn new() -> Self {
        Self(UnsafeCell::new(0))
    }

    #[inline(always)]
    pub(crate) fn get(&self) -> usize {
        // SAFETY: The word is the counter's own; all concurrent accesses are volatile.
        unsafe { self.0.get().read_volatile() }
    }

    #[inline(always)]
    pub(crate) fn count(&self) {
        self.add(1);
    }

    #[inline(always)]
    pub(crate) fn add(&self, more: usize) {
        // SAFETY: The word is the counter's own; all concurrent accesses are volatile.
        unsafe { self.0.get().write_volatile(self.get().wrapping_add(more)) };
    }

    pub(crate) fn sub(&self, less: usize) {
        self.add(less.wrapping_neg());
    }
}

/// The time at which the buffer of an id was added, or 0 if there is none.
#[repr(transparent)]
struct Stamp(UnsafeCell<u32>);

// SAFETY: All accesses are single volatile ones of a word, as in `Counter`.
unsafe impl Sync for Stamp {}

// SAFETY: A number belongs to no thread.
unsafe impl Send for Stamp {}

/// The counters of a queue.
pub(crate) struct Counters {
    /// Kicks by drivers, and notifications that were sent.
    pub(crate) kicks: Counter,
    pub(crate) notified: Counter,
    /// Interrupts that were for the queue, and interrupts that were not.
    pub(crate) callbacks: Counter,
    pub(crate) idle_interrupts: Counter,
    /// Buffers that were refused because the ring was full.
    pub(crate) full: Counter,
    /// Used buffers whose reported length is more than they have room for.
    pub(crate) cut: Counter,
    /// Bytes of memory that the indirect tables take.
    pub(crate) tables: Counter,
}

impl Counters {
    pub(crate) const fn new() -> Self {
        Self {
            kicks: Counter::new(),
            notified: Counter::new(),
            callbacks: Counter::new(),
            idle_interrupts: Counter::new(),
            full: Counter::new(),
            cut: Counter::new(),
            tables: Counter::new(),
        }
    }
}

/// For each id, the time since when its buffer is outstanding.
pub(crate) struct Stamps(KVVec<Stamp>);

impl Stamps {
    /// Allocates the stamps of `ids` ids.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(ids: u16) -> Result<Self> {
        let reach = states_in_reach(ids);
        let mut stamps = KVVec::with_capacity(reach, GFP_KERNEL | __GFP_ZERO)?;
        for _ in 0..ids {
            stamps.push(Stamp(UnsafeCell::new(0)), GFP_KERNEL)?;
        }
        Ok(Self(stamps))
    }

    /// Returns the writer of the stamps, for the owner of the queue.
    pub(crate) fn writer(&self) -> StampWriter {
        StampWriter(self.0.as_ptr().cast())
    }

    /// Returns the number of outstanding buffers, and the age of the oldest in jiffies.
    pub(crate) fn outstanding(&self) -> (usize, u32) {
        let now = now();
        let mut count = 0;
        let mut oldest = 0;
        for stamp in &self.0 {
            // SAFETY: The word is the stamp's own; all concurrent accesses are volatile.
            let stamp = unsafe { stamp.0.get().read_volatile() };
            if stamp != 0 {
                count += 1;
                // `added` sets the lowest bit, so that the stamp may be one later than the time.
                let age = now.wrapping_add(1).wrapping_sub(stamp) as i32;
                oldest = oldest.max(age.max(0) as u32);
            }
        }
        (count, oldest)
    }
}

/// Returns the time in jiffies.
#[inline(always)]
fn now() -> u32 {
    // SAFETY: `jiffies` may be read in any context.
    unsafe { bindings::rust_virtio_jiffies() }
}

/// Writes the [`Stamps`] of a queue.
///
/// # Invariants
///
/// The pointer is to the stamps of a queue, which exist as long as this value is used.
#[derive(Clone, Copy)]
pub(crate) struct StampWriter(*const UnsafeCell<u32>);

impl StampWriter {
    /// # Safety
    ///
    /// `id` is below the number of ids of the queue.
    #[inline(always)]
    unsafe fn set(self, id: u16, value: u32) {
        // SAFETY: By the type invariant, the pointer is to the stamps; by the safety requirements,
        // `id` has one.
        unsafe { UnsafeCell::raw_get(self.0.add(id.into())).write_volatile(value) };
    }

    /// Records that the buffer `id` was added.
    ///
    /// # Safety
    ///
    /// `id` is below the number of ids of the queue.
    #[inline(always)]
    pub(crate) unsafe fn added(self, id: u16) {
        // The stamp is never 0, which stands for no buffer.
        // SAFETY: By the safety requirements, `id` is below the number of ids.
        unsafe { self.set(id, now() | 1) };
    }

    /// Records that the buffer `id` was taken out.
    ///
    /// # Safety
    ///
    /// `id` is below the number of ids of the queue.
    #[inline(always)]
    pub(crate) unsafe fn taken(self, id: u16) {
        // SAFETY: By the safety requirements, `id` is below the number of ids.
        unsafe { self.set(id, 0) };
    }
}
