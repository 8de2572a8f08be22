// SPDX-License-Identifier: GPL-2.0

//! Bounded reset of a queue (virtio spec §2.6.1, §4.1.4.3).
//!
//! The transport's own reset of a queue waits for ever. So this file resets the queue first, with
//! a time limit, and calls the transport only if the device answers. A device that answers here,
//! and then does not answer the transport, blocks the thread in the transport.

use super::{
    pci::Function,
    reset::{
        wait_for_zero,
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

/// Resets a queue through the registers of the device, before the transport does. Only the
/// transport for modern PCI devices waits for ever, so others are left alone. `owner` is held, so
/// no other thread selects a queue. Process context, sleeps.
///
/// # Errors
///
/// - `ENOENT`: the device cannot reset a queue alone.
/// - `ENODEV`: the device is not there.
/// - `ETIMEDOUT`: the device does not complete the reset.
/// - `ENOMEM`.
pub(super) fn reset_with_limit(dev: &Device<Bound>, index: u32) -> Result {
    if !dev.has_feature(Feature::RING_RESET) {
        return Err(ENOENT);
    }
    let Some(function) = Function::of(dev) else {
        // Other transports do not wait.
        return Ok(());
    };
    if !function.is_present() {
        return Err(ENODEV);
    }
    let registers = QueueRegisters::map(&function).ok_or(ENOMEM)?;
    reset(&registers, u16::try_from(index).map_err(|_| ENOENT)?)
}

/// Registers of 16 bits in the common configuration, by their offsets.
trait Registers {
    /// Reads a register. A function that is gone reads as all ones.
    fn read(&self, offset: u32) -> u16;

    /// Writes a register.
    fn write(&self, offset: u32, value: u16);
}

/// Resets a queue by the registers, and waits until the reset is complete. Process context, sleeps.
///
/// # Errors
///
/// `ENODEV` and `ETIMEDOUT`, as [`reset_with_limit`].
fn reset(registers: &impl Registers, index: u16) -> Result {
    registers.write(QUEUE_SELECT, index);
    registers.write(QUEUE_RESET, 1);
    wait_for_zero(|| {
        Ok(
            match registers.read(QUEUE_RESET) | registers.read(QUEUE_ENABLE) {
                0 => 0,
                u16::MAX => ALL_ONES,
                _ => 1,
            },
        )
    })
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
        // INVARIANT: The registers were mapped up to `END`.
        let at = function.map_common(QUEUE_SELECT, END)?;
        Some(Self { function, at })
    }

    fn register(&self, offset: u32) -> *mut c_void {
        // OVERFLOW: `QUEUE_SELECT` is the smallest offset.
        let behind = offset.wrapping_sub(QUEUE_SELECT) as usize;
        self.at.as_ptr().wrapping_byte_add(behind)
    }
}

impl Registers for QueueRegisters<'_> {
    fn read(&self, offset: u32) -> u16 {
        // SAFETY: By the type invariant, the registers are mapped up to `END`. Each offset is that
        // of a register of 16 bits.
        unsafe { bindings::rust_virtio_ioread16(self.register(offset)) }
    }

    fn write(&self, offset: u32, value: u16) {
        // SAFETY: By the type invariant, the registers are mapped up to `END`.
        unsafe { bindings::rust_virtio_iowrite16(value, self.register(offset)) };
    }
}

impl Drop for QueueRegisters<'_> {
    fn drop(&mut self) {
        self.function.unmap(self.at);
    }
}

#[cfg(CONFIG_RUST_VIRTIO_KUNIT_TEST)]
#[kernel::prelude::kunit_tests(rust_virtio_queue_reset)]
mod tests {
    use super::*;
    use crate::time_limit::Haste;
    use core::cell::Cell;

    /// A device that completes the reset of a queue after a number of reads.
    struct Slow {
        selected: Cell<u16>,
        /// The number of reads that are left; `None`: the reset never completes.
        left: Cell<Option<u32>>,
        /// The value of `queue_enable` of the queue until the reset is complete.
        enabled: u16,
        /// The value of `queue_reset` from the write of 1 until the reset is complete.
        resetting: u16,
        asked: Cell<bool>,
    }

    impl Slow {
        fn new(left: Option<u32>, resetting: u16, enabled: u16) -> Self {
            Self {
                selected: Cell::new(0),
                left: Cell::new(left),
                enabled,
                resetting,
                asked: Cell::new(false),
            }
        }
    }

    impl Registers for Slow {
        fn read(&self, offset: u32) -> u16 {
            if self.asked.get() && self.left.get() == Some(0) {
                return 0;
            }
            match offset {
                QUEUE_RESET if !self.asked.get() => 0,
                QUEUE_RESET => {
                    self.left.set(self.left.get().map(|left| left - 1));
                    self.resetting
                }
                _ => self.enabled,
            }
        }

        fn write(&self, offset: u32, value: u16) {
            match offset {
                QUEUE_SELECT => self.selected.set(value),
                _ => self
                    .asked
                    .set(offset == QUEUE_RESET && value == 1 && self.selected.get() == 3),
            }
        }
    }

    /// A device may take its time.
    #[test]
    fn done_late() {
        for questions in [1, 2, 20] {
            assert_eq!(reset(&Slow::new(Some(questions), 1, 1), 3), Ok(()));
        }
    }

    /// H049: the reset ends, with an error, if the device never completes it, or goes on with the
    /// queue.
    #[test]
    fn h049_never_done() {
        let haste = Haste::new();
        let ends = [(1, 1), (1, 0), (0, 1)].map(|(resetting, enabled)| {
            let device = Slow::new(None, resetting, enabled);
            reset(&device, 3)
        });
        // Before the assertion: if it fails, no value is dropped.
        drop(haste);
        assert_eq!(ends, [Err(ETIMEDOUT); 3]);
    }

    /// A device that is gone is not waited for.
    #[test]
    fn gone() {
        let device = Slow::new(None, u16::MAX, u16::MAX);
        assert_eq!(reset(&device, 3), Err(ENODEV));
    }
}
