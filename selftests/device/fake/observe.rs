// SPDX-License-Identifier: GPL-2.0

//! Observations of a fake device and its driver.

use super::Fake;
use crate::{
    device::PLUGGED,
    interrupt_line::Traffic, //
};
use kernel::{
    alloc::KVec,
    prelude::*,
    str::CString,
    sync::atomic::{
        Acquire,
        Relaxed, //
    },
};

impl Fake {
    /// Whether a driver is bound.
    pub fn is_bound(&self) -> bool {
        if self.0.stage.load(Acquire) != PLUGGED {
            return false;
        }
        // SAFETY: The device is valid; the device core may be about to change the pointer.
        let driver = unsafe { (&raw const (*self.0.vdev.get()).dev.driver).read_volatile() };
        !driver.is_null()
    }

    /// Returns the name of the bound driver, if there is one.
    pub fn driver(&self) -> Option<CString> {
        if !self.is_bound() {
            return None;
        }
        // SAFETY: The device is valid; a test does not unload the driver that it tests.
        let name = unsafe { CStr::from_char_ptr((*(*self.0.vdev.get()).dev.driver).name) };
        CString::try_from(name).ok()
    }

    /// Returns the index of the device on the bus.
    pub fn index(&self) -> i32 {
        // SAFETY: The device is valid; the index does not change once it is registered.
        unsafe { (*self.0.vdev.get()).index }
    }

    /// Returns the device status.
    pub fn status(&self) -> u8 {
        self.0.regs.lock().status
    }

    /// Returns the status values that were set, 0 for a reset.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn status_log(&self) -> Result<KVec<u8>> {
        let mut copy = KVec::with_capacity(64, GFP_KERNEL)?;
        for &status in &self.0.regs.lock().status_log {
            let _ = copy.push_within_capacity(status);
        }
        Ok(copy)
    }

    /// Returns the number of times that the device was reset.
    pub fn resets(&self) -> u32 {
        self.0.regs.lock().resets
    }

    /// Returns the number of times that the status was read.
    pub fn status_reads(&self) -> u32 {
        self.0.regs.lock().status_reads
    }

    /// Returns the number of resets of a single queue that began.
    pub fn queue_resets(&self) -> u32 {
        self.0.regs.lock().queue_resets
    }

    /// Returns the number of resets of single queues that failed.
    pub fn failed_queue_resets(&self) -> u32 {
        self.0.regs.lock().failed_queue_resets
    }

    /// Returns the features that the driver accepted.
    pub fn driver_features(&self) -> [u64; 2] {
        self.0.regs.lock().driver_features
    }

    /// Whether the driver accepted a feature.
    pub fn negotiated(&self, bit: u32) -> bool {
        self.driver_features()
            .get(bit as usize / 64)
            .is_some_and(|word| word >> (bit % 64) & 1 != 0)
    }

    /// Returns the number of accesses that read the configuration.
    pub fn config_reads(&self) -> u64 {
        self.0.regs.lock().config_reads
    }

    /// Returns the number of accesses that went beyond the configuration.
    pub fn out_of_range(&self) -> u64 {
        self.0.regs.lock().out_of_range
    }

    /// Returns the affinity hints in order: queue, and first CPU of the mask.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn affinity(&self) -> Result<KVec<(u32, Option<u32>)>> {
        let mut copy = KVec::with_capacity(64, GFP_KERNEL)?;
        for &hint in &self.0.regs.lock().affinity {
            let _ = copy.push_within_capacity(hint);
        }
        Ok(copy)
    }

    /// Returns the number of times that the driver broke a rule of the ring.
    pub fn violations(&self) -> u64 {
        self.0.violations.load(Relaxed)
    }

    /// Returns the number of notifications by the driver while `DRIVER_OK` was not set.
    pub fn early_kicks(&self) -> u64 {
        self.0.regs.lock().early_kicks
    }

    /// Whether allocations could do I/O when the driver found its queues, or at a later reset.
    pub fn may_do_io(&self) -> bool {
        self.0.regs.lock().may_do_io
    }

    /// Returns the number of queues that the driver found.
    pub fn queues(&self) -> usize {
        self.0.queues.lock().len()
    }

    /// Returns the kicks and interrupts of a queue so far; zero for a queue that does not exist.
    pub fn traffic(&self, queue: usize) -> Traffic {
        self.0
            .line(queue)
            .map(|line| line.traffic())
            .unwrap_or_default()
    }

    /// Returns the number of buffers of a queue that the device holds.
    pub fn held(&self, queue: usize) -> usize {
        self.0.queues.lock().get(queue).map_or(0, |q| q.held.len())
    }
}
