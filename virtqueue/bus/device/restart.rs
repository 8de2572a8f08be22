// SPDX-License-Identifier: GPL-2.0

//! Restart of a device that stays bound to its driver (virtio spec §2.1.1, §3.1.1).
//!
//! The driver takes the device [exclusively](super::WeakDevice::try_exclusive). Then it
//!
//! 1. stops all users of the queues;
//! 2. calls [`Device::try_reset`];
//! 3. takes the buffers back, and drops the queues;
//! 4. calls [`Exclusive::negotiate`];
//! 5. calls [`Device::find_vqs`], restores its own state, and calls [`Device::ready`].

use super::Device;
use crate::{
    bindings,
    feature::Feature, //
};
use core::ops::Deref;
use kernel::{
    device::Bound,
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
    time::{
        Delta,
        Instant,
        Monotonic, //
    },
};

/// Exclusive access to a bound device. While it exists, the device is not probed, removed,
/// suspended, resumed, reset or shut down by other threads.
///
/// # Invariants
///
/// The device and its parent are locked, and the device is bound and awake.
pub struct Exclusive<'a> {
    dev: &'a Device<Bound>,
    _thread: kernel::types::NotThreadSafe,
}

impl<'a> Exclusive<'a> {
    /// Takes exclusive access without waiting. Process context.
    ///
    /// # Errors
    ///
    /// `EBUSY`: another thread holds the lock of the device or of its parent, or the device is
    /// asleep.
    pub(super) fn try_take(dev: &'a Device<Bound>) -> Result<Self> {
        let (device, parent) = locks(dev);
        // SAFETY: Both are valid while the device is bound. The order is that of the core, although
        // for trylocks it would not matter.
        unsafe {
            if !parent.is_null() && !bindings::rust_virtio_device_trylock(parent) {
                return Err(EBUSY);
            }
            if !bindings::rust_virtio_device_trylock(device) {
                if !parent.is_null() {
                    bindings::rust_virtio_device_unlock(parent);
                }
                return Err(EBUSY);
            }
        }
        // INVARIANT: Both are locked. The check below ensures that the device is awake.
        let this = Self {
            dev,
            _thread: kernel::types::NotThreadSafe,
        };
        if dev.bind_state().is_asleep() {
            return Err(EBUSY);
        }
        Ok(this)
    }

    /// Negotiates the features that the device had, up to FEATURES_OK, so that its queues can be
    /// found. The device is in reset and has no queue. Process context, sleeps.
    ///
    /// # Errors
    ///
    /// After an error, FAILED is set in the status of the device.
    ///
    /// - `EBUSY`: the device is not in reset.
    /// - `EINVAL`: the device no longer offers the features.
    /// - `ENODEV`: the device refuses the features, or was given up.
    /// - Any other error of the transport.
    pub fn negotiate(&self) -> Result {
        if !self.dev.bind_state().is_reset() {
            return Err(EBUSY);
        }
        self.dev
            .negotiate_again()
            .inspect_err(|_| self.dev.add_status(bindings::VIRTIO_CONFIG_S_FAILED as u8))
    }
}

impl Deref for Exclusive<'_> {
    type Target = Device<Bound>;

    fn deref(&self) -> &Device<Bound> {
        self.dev
    }
}

impl Drop for Exclusive<'_> {
    fn drop(&mut self) {
        let (device, parent) = locks(self.dev);
        // SAFETY: By the type invariant, the device and its parent are locked, and this value is
        // the only owner of the locks.
        unsafe {
            bindings::rust_virtio_device_unlock(device);
            if !parent.is_null() {
                bindings::rust_virtio_device_unlock(parent);
            }
        }
    }
}

/// Returns the device and its parent, which may be null.
fn locks(dev: &Device<Bound>) -> (*mut bindings::device, *mut bindings::device) {
    // SAFETY: By the type invariant of `Device`; the parent does not change.
    unsafe {
        (
            &raw mut (*dev.as_raw()).dev,
            (*dev.as_raw()).dev.parent, //
        )
    }
}

impl Device<Bound> {
    /// Tells the device that there is a driver, and which features the driver wants.
    pub(super) fn offer_features(&self) -> Result {
        self.add_status(bindings::VIRTIO_CONFIG_S_ACKNOWLEDGE as u8);
        self.add_status(bindings::VIRTIO_CONFIG_S_DRIVER as u8);
        let finalize = self.config_ops().finalize_features.ok_or(EINVAL)?;
        // SAFETY: The device is bound, so its transport's operations may be called.
        kernel::error::to_result(unsafe { finalize(self.as_raw()) })
    }

    fn negotiate_again(&self) -> Result {
        let features = self.features();
        let missing = features
            .words()
            .iter()
            .zip(self.offered())
            .any(|(ours, theirs)| ours & !theirs != 0);
        if missing {
            return Err(EINVAL);
        }
        self.offer_features()?;
        if self.features() != features {
            self.set_features(features);
            return Err(EINVAL);
        }
        if !features.has(Feature::VERSION_1) {
            return Ok(());
        }
        const FEATURES_OK: u8 = bindings::VIRTIO_CONFIG_S_FEATURES_OK as u8;
        self.add_status(FEATURES_OK);
        if self.status() & FEATURES_OK == 0 {
            return Err(ENODEV);
        }
        Ok(())
    }

    /// Returns the features that the device offers.
    fn offered(&self) -> [u64; 2] {
        let ops = self.config_ops();
        let mut words = [0; 2];
        if let Some(get) = ops.get_extended_features {
            // SAFETY: The device is bound; the array has as many bits as there are features.
            unsafe { get(self.as_raw(), words.as_mut_ptr()) };
        } else if let Some(get) = ops.get_features {
            // SAFETY: The device is bound.
            words[0] = unsafe { get(self.as_raw()) };
        }
        words
    }
}

/// The largest number of restarts in a row.
const MAX_IN_A_ROW: i32 = 5;
/// A device that has worked for this time starts a new row.
const ROW_ENDS_AFTER: Delta = Delta::from_secs(600);
/// The time between the first restart and the second. It doubles with each restart.
const FIRST_DELAY_MS: i64 = 250;

/// A counter of restarts, which also returns the delay before each. One for each binding.
///
/// Only one thread at a time may use it; concurrent calls may count one restart instead of two.
pub struct Restarts {
    count: Atomic<i32>,
    /// The time of the last restart, in nanoseconds since `begin`.
    last: Atomic<i64>,
    begin: Instant<Monotonic>,
}

impl Restarts {
    /// Returns a counter without restarts.
    pub fn new() -> Self {
        Self {
            count: Atomic::new(0),
            last: Atomic::new(0),
            begin: Instant::now(),
        }
    }

    /// Counts a restart. Returns the time to wait before it, or `None` if there were too many in a
    /// row (5, with less than ten minutes between them): then the driver should give the device up.
    pub fn next(&self) -> Option<Delta> {
        let now = self.begin.elapsed().as_nanos();
        let since = now.wrapping_sub(self.last.load(Relaxed));
        let mut count = self.count.load(Relaxed);
        if since > ROW_ENDS_AFTER.as_nanos() {
            count = 0;
        }
        if count >= MAX_IN_A_ROW {
            return None;
        }
        let delay = if count == 0 {
            0
        } else {
            // OVERFLOW: The count is small.
            let spacing = (FIRST_DELAY_MS << (count - 1)) * 1_000_000;
            (spacing - since).max(0)
        };
        self.count.store(count + 1, Relaxed);
        self.last.store(now + delay, Relaxed);
        Some(Delta::from_nanos(delay))
    }

    /// Returns whether the restart that was counted last is the first in a row.
    pub fn is_first(&self) -> bool {
        self.count.load(Relaxed) == 1
    }

    /// Forgets all restarts, so that the next one starts a new row.
    pub fn clear(&self) {
        self.count.store(0, Relaxed);
    }
}

impl Default for Restarts {
    fn default() -> Self {
        Self::new()
    }
}
