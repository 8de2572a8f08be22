// SPDX-License-Identifier: GPL-2.0

//! Statistics of a queue, for debugfs.
//!
//! The counters are plain words, which may be read at any time. They have no order among each
//! other, and if two CPUs count the same event at the same time, one count may be lost.

use crate::bindings;
use core::cell::UnsafeCell;
use kernel::{
    alloc::KVVec,
    prelude::*, //
};

/// A counter.
pub(crate) struct Counter(UnsafeCell<usize>);

// SAFETY: All accesses are single volatile ones of a word, as `READ_ONCE` and `WRITE_ONCE`.
unsafe impl Sync for Counter {}

impl Counter {
    const fn new() -> Self {
        Self(UnsafeCell::new(0))
    }

    #[inline(always)]
    pub(crate) fn get(&self) -> usize {
        // SAFETY: The word is ours; all concurrent accesses are volatile.
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

/// When the buffer of an id was added, 0 if there is none.
#[repr(transparent)]
struct Stamp(UnsafeCell<u32>);

// SAFETY: As `Counter`.
unsafe impl Sync for Stamp {}

// SAFETY: It is a number.
unsafe impl Send for Stamp {}

/// The counters of a queue.
pub(crate) struct Counters {
    /// Kicks that drivers asked for, and notifications that were sent.
    pub(crate) kicks: Counter,
    pub(crate) notified: Counter,
    /// Interrupts that were for the queue, and those that were not.
    pub(crate) callbacks: Counter,
    pub(crate) idle_interrupts: Counter,
    /// Buffers that found the ring full.
    pub(crate) full: Counter,
    /// Used buffers with a length beyond what they have room for.
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

/// Since when the device has which buffer.
pub(crate) struct Stamps(KVVec<Stamp>);

impl Stamps {
    /// Stamps for `ids` buffers.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(ids: u16) -> Result<Self> {
        let mut stamps = KVVec::with_capacity(ids.into(), GFP_KERNEL)?;
        for _ in 0..ids {
            stamps.push(Stamp(UnsafeCell::new(0)), GFP_KERNEL)?;
        }
        Ok(Self(stamps))
    }

    /// Stamps, for the owner of the queue to write.
    pub(crate) fn writer(&self) -> StampWriter {
        StampWriter(self.0.as_ptr().cast())
    }

    /// Returns the number of buffers that the device has, and for how many jiffies it has had the
    /// oldest.
    pub(crate) fn in_flight(&self) -> (usize, u32) {
        let now = now();
        let mut count = 0;
        let mut oldest = 0;
        for stamp in &self.0 {
            // SAFETY: The word is the stamp's own; all concurrent accesses are volatile.
            let stamp = unsafe { stamp.0.get().read_volatile() };
            if stamp != 0 {
                count += 1;
                // The stamp may be one later than the time that it is of.
                let age = now.wrapping_add(1).wrapping_sub(stamp) as i32;
                oldest = oldest.max(age.max(0) as u32);
            }
        }
        (count, oldest)
    }
}

/// The time, in jiffies.
#[inline(always)]
fn now() -> u32 {
    // SAFETY: May be called anywhere.
    unsafe { bindings::rust_virtio_jiffies() }
}

/// Writes the [`Stamps`] of a queue.
///
/// # Invariants
///
/// The pointer is to the stamps of a queue, as long as this is used.
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

    /// Notes that the buffer `id` was added.
    ///
    /// # Safety
    ///
    /// `id` is below the number of ids of the queue.
    #[inline(always)]
    pub(crate) unsafe fn added(self, id: u16) {
        // Never 0, which is an id without a buffer.
        // SAFETY: By the safety requirements, `id` is below the number of ids.
        unsafe { self.set(id, now() | 1) };
    }

    /// Notes that it was taken out.
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
