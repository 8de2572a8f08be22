// SPDX-License-Identifier: GPL-2.0

//! Shortages of memory, which a KUnit suite causes.
//!
//! The buffers of a driver ask [`is_to_fail`] before they allocate memory for received data. In
//! builds without suites the answer is a constant, so that such builds contain nothing of this.

/// Returns whether the next allocation has to fail, because a suite wants that. Any context.
#[inline(always)]
pub fn is_to_fail() -> bool {
    #[cfg(CONFIG_RUST_VIRTIO_KUNIT_TEST)]
    return caused::is_to_fail();
    #[cfg(not(CONFIG_RUST_VIRTIO_KUNIT_TEST))]
    return false;
}

#[cfg(CONFIG_RUST_VIRTIO_KUNIT_TEST)]
pub use caused::Shortage;

#[cfg(CONFIG_RUST_VIRTIO_KUNIT_TEST)]
mod caused {
    use kernel::sync::atomic::{
        Atomic,
        Relaxed, //
    };

    /// Whether there is a [`Shortage`].
    static IS_SHORT: Atomic<bool> = Atomic::new(false);

    /// The number of allocations that are left; below zero, those that failed.
    static LEFT: Atomic<i32> = Atomic::new(0);

    /// A shortage of memory for received data, as long as it lives. There is one at a time.
    pub struct Shortage(());

    impl Shortage {
        /// Begins a shortage after `left` more allocations. Any context.
        pub fn after(left: u16) -> Self {
            LEFT.store(left.into(), Relaxed);
            IS_SHORT.store(true, Relaxed);
            Self(())
        }

        /// Returns the number of allocations that failed so far. Any context.
        pub fn failed(&self) -> u32 {
            LEFT.load(Relaxed).min(0).unsigned_abs()
        }
    }

    impl Drop for Shortage {
        fn drop(&mut self) {
            IS_SHORT.store(false, Relaxed);
        }
    }

    /// As the function of the same name outside of this module.
    pub(super) fn is_to_fail() -> bool {
        // OVERFLOW: A suite does not wait for so many failures.
        IS_SHORT.load(Relaxed) && LEFT.fetch_sub(1, Relaxed) <= 0
    }
}
