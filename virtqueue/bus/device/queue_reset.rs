// SPDX-License-Identifier: GPL-2.0

//! Bounded reset of a queue: it ends even if the device does not answer (virtio spec §2.6.1,
//! §4.1.4.3).

use super::{
    pci::Function,
    reset::{
        wait,
        ALL_ONES, //
    },
    Device, //
};
use crate::{
    bindings,
    feature::Feature, //
};
use core::{
    ffi::c_void,
    ptr::NonNull, //
};
use kernel::{
    device::Bound,
    prelude::*, //
};

/// Offset of `queue_select` in the common configuration.
const QUEUE_SELECT: u32 = 22;
/// Offset of `queue_enable`.
const QUEUE_ENABLE: u32 = 28;
/// Offset of `queue_reset`.
const QUEUE_RESET: u32 = 58;
/// Offset of the end of `queue_reset`.
const END: u32 = QUEUE_RESET + 2;

/// Resets a queue by the registers of the device, before the transport does: of the transports, the
/// one for modern PCI devices waits for that for ever. With the state's `owner` held: nobody else
/// selects a queue. Process context, sleeps.
///
/// # Errors
///
/// - `ENOENT`: the device cannot reset a queue alone.
/// - `ENODEV`: the device is not there.
/// - `ETIMEDOUT`: it does not do it.
/// - `ENOMEM`.
pub(super) fn ask(dev: &Device<Bound>, index: u32) -> Result {
    if !dev.has_feature(Feature::RING_RESET) {
        return Err(ENOENT);
    }
    let Some(function) = Function::of(dev) else {
        // No other transport waits.
        return Ok(());
    };
    if !function.is_present() {
        return Err(ENODEV);
    }
    let registers = QueueRegisters::map(&function).ok_or(ENOMEM)?;
    registers.ask(u16::try_from(index).map_err(|_| ENOENT)?);
    wait(|| registers.state())
}

/// The registers of a queue, mapped for the bus.
///
/// # Invariants
///
/// `at` is `queue_select`, mapped up to [`END`] for `function`.
struct QueueRegisters<'a> {
    function: &'a Function,
    at: NonNull<c_void>,
}

impl<'a> QueueRegisters<'a> {
    /// Maps the registers. Process context, sleeps.
    fn map(function: &'a Function) -> Option<Self> {
        // INVARIANT: They were mapped.
        let at = function.map_common(QUEUE_SELECT, END)?;
        Some(Self { function, at })
    }

    /// Asks for a reset of a queue.
    fn ask(&self, index: u16) {
        self.write(QUEUE_SELECT, index);
        self.write(QUEUE_RESET, 1);
    }

    /// Returns 0 when the reset is done, and all ones from a function that is gone.
    fn state(&self) -> u8 {
        match self.read(QUEUE_RESET) | self.read(QUEUE_ENABLE) {
            0 => 0,
            u16::MAX => ALL_ONES,
            _ => 1,
        }
    }

    fn read(&self, offset: u32) -> u16 {
        // SAFETY: By the type invariants; each offset is that of a register of 16 bits in there.
        unsafe { bindings::rust_virtio_ioread16(self.register(offset)) }
    }

    fn write(&self, offset: u32, value: u16) {
        // SAFETY: As in `read`.
        unsafe { bindings::rust_virtio_iowrite16(value, self.register(offset)) };
    }

    fn register(&self, offset: u32) -> *mut c_void {
        // OVERFLOW: All offsets are behind the first.
        let behind = offset.wrapping_sub(QUEUE_SELECT) as usize;
        self.at.as_ptr().wrapping_byte_add(behind)
    }
}

impl Drop for QueueRegisters<'_> {
    fn drop(&mut self) {
        self.function.unmap(self.at);
    }
}
