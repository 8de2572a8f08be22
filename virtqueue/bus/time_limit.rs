// SPDX-License-Identifier: GPL-2.0

//! Time limits for waiting for a device.

use kernel::time::Delta;

/// The longest time that a driver waits for a device, or for an answer of the device.
///
/// The value is read at each use, because a KUnit suite [shortens it](Haste).
#[derive(Clone, Copy)]
pub struct TimeLimit {
    millis: u32,
}

impl TimeLimit {
    /// Returns a limit of `millis` milliseconds.
    pub const fn from_millis(millis: u32) -> Self {
        Self { millis }
    }

    /// Returns the limit in milliseconds. Any context.
    pub fn as_millis(self) -> u32 {
        #[cfg(CONFIG_RUST_VIRTIO_KUNIT_TEST)]
        return haste::shortened(self.millis);
        #[cfg(not(CONFIG_RUST_VIRTIO_KUNIT_TEST))]
        return self.millis;
    }

    /// Returns the limit as a span of time. Any context.
    pub fn as_delta(self) -> Delta {
        Delta::from_millis(self.as_millis().into())
    }
}

#[cfg(CONFIG_RUST_VIRTIO_KUNIT_TEST)]
pub use haste::Haste;

#[cfg(CONFIG_RUST_VIRTIO_KUNIT_TEST)]
mod haste {
    use kernel::sync::atomic::{
        Atomic,
        Relaxed, //
    };

    /// Limits are this many times shorter while a test is in haste.
    const TIMES: u32 = 20;

    /// Number of tests in haste.
    static TESTS: Atomic<u32> = Atomic::new(0);

    /// Makes all limits twenty times shorter as long as it lives, for a test whose device does not
    /// answer.
    pub struct Haste(());

    impl Haste {
        /// Makes all limits shorter. Any context.
        #[expect(clippy::new_without_default)]
        pub fn new() -> Self {
            TESTS.fetch_add(1, Relaxed);
            Self(())
        }
    }

    impl Drop for Haste {
        fn drop(&mut self) {
            TESTS.fetch_sub(1, Relaxed);
        }
    }

    /// Returns a limit in milliseconds, shortened while a test is in haste.
    pub(super) fn shortened(millis: u32) -> u32 {
        if TESTS.load(Relaxed) == 0 {
            millis
        } else {
            millis.div_ceil(TIMES)
        }
    }
}
