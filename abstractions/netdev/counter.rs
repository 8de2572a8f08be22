// SPDX-License-Identifier: GPL-2.0

//! Statistics counters.

use kernel::sync::atomic::{
    Atomic,
    Relaxed, //
};

/// A counter with one writer at a time and any number of readers.
///
/// The writer is the thread that holds the queue of the counter, so an addition is a plain load and
/// store. A read never sees half of a value, also on 32-bit machines.
pub struct Counter(Atomic<u64>);

impl Default for Counter {
    fn default() -> Self {
        Self::new()
    }
}

impl Counter {
    /// Returns a counter at zero.
    pub const fn new() -> Self {
        Self(Atomic::new(0))
    }

    /// Adds to the counter. No other thread writes to it during the call.
    #[inline]
    pub fn add(&self, n: u64) {
        let sum = self.get().wrapping_add(n);
        // PERF: `load` and `store` of an atomic are function calls in kernels that gcc built.
        // Without these calls, here and in the driver, an echo takes 60 instructions less.
        #[cfg(CONFIG_64BIT)]
        // SAFETY: The pointer of an atomic is valid and aligned. Readers have volatile or atomic
        // accesses, and an aligned word is written whole.
        unsafe {
            self.0.as_ptr().write_volatile(sum);
        }
        #[cfg(not(CONFIG_64BIT))]
        self.0.store(sum, Relaxed);
    }

    /// Adds to a counter that has several writers.
    #[inline]
    pub fn add_shared(&self, n: u64) {
        self.0.add(n, Relaxed);
    }

    /// Returns the value.
    #[inline]
    pub fn get(&self) -> u64 {
        #[cfg(CONFIG_64BIT)]
        // SAFETY: The pointer of an atomic is valid and aligned. Writers have volatile or atomic
        // accesses, and an aligned word is read whole.
        return unsafe { self.0.as_ptr().read_volatile() };
        #[cfg(not(CONFIG_64BIT))]
        self.0.load(Relaxed)
    }
}
