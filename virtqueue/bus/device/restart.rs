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

/// A device that one thread has to itself: as long as this exists, its driver is neither probed nor
/// removed, the device does not go to sleep nor wake up, its function is not reset, and the machine
/// does not go down.
///
/// # Invariants
///
/// The device and its parent are locked, and the device is bound and awake.
pub struct Exclusive<'a> {
    dev: &'a Device<Bound>,
    _thread: kernel::types::NotThreadSafe,
}

impl<'a> Exclusive<'a> {
    /// Takes a device, if nobody has it. Process context.
    ///
    /// # Errors
    ///
    /// `EBUSY`: somebody has it, or it sleeps.
    pub(super) fn try_take(dev: &'a Device<Bound>) -> Result<Self> {
        let (device, parent) = locks(dev);
        // SAFETY: Both are valid, as long as the device is bound. The order is that of the core;
        // with a trial of the lock it would not matter.
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
        // INVARIANT: Both are locked; whether the device is awake is seen below.
        let this = Self {
            dev,
            _thread: kernel::types::NotThreadSafe,
        };
        if dev.bind_state().is_asleep() {
            return Err(EBUSY);
        }
        Ok(this)
    }

    /// Brings the device to where its queues can be found, with the features as before. It is in
    /// reset, and has no queue. Process context, sleeps.
    ///
    /// # Errors
    ///
    /// The device is told that its driver has failed.
    ///
    /// - `EBUSY`: the device is not in reset.
    /// - `EINVAL`: it does not have the features any more.
    /// - `ENODEV`: it refuses them, or was given up.
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
        // SAFETY: By the type invariant, the device and its parent are locked; the locks end with
        // this.
        unsafe {
            bindings::rust_virtio_device_unlock(device);
            if !parent.is_null() {
                bindings::rust_virtio_device_unlock(parent);
            }
        }
    }
}

/// The device and its parent, or null.
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
    /// Tells the device that there is a driver, and which features it wants.
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

    /// The features that the device offers.
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

/// Restarts in a row that a device gets.
const MAX_IN_A_ROW: i32 = 5;
/// A device that has worked for so long is no longer in that row.
const ROW_ENDS_AFTER: Delta = Delta::from_secs(600);
/// Time between the first restart and the second; it doubles with each.
const FIRST_DELAY_MS: i64 = 250;

/// Counts the restarts of a device, and spaces them. One for each binding.
///
/// For one thread at a time: of several, one may not be counted.
pub struct Restarts {
    count: Atomic<i32>,
    /// When the last one was, in nanoseconds since `begin`.
    last: Atomic<i64>,
    begin: Instant<Monotonic>,
}

impl Restarts {
    /// None so far.
    pub fn new() -> Self {
        Self {
            count: Atomic::new(0),
            last: Atomic::new(0),
            begin: Instant::now(),
        }
    }

    /// Counts another restart: the driver should wait for so long, and then do it. `None`: there
    /// were too many in a row (5, with less than ten minutes in between), and the device should be
    /// given up.
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
}

impl Restarts {
    /// Whether the restart that was counted last is the first in a row.
    pub fn is_first(&self) -> bool {
        self.count.load(Relaxed) == 1
    }

    /// Forgets all so far: the device is as good as new.
    pub fn clear(&self) {
        self.count.store(0, Relaxed);
    }
}

impl Default for Restarts {
    fn default() -> Self {
        Self::new()
    }
}
