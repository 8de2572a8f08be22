// SPDX-License-Identifier: GPL-2.0

//! The handle of a test to a fake device, and the actions of the device.

use crate::{
    backend::{
        Action,
        Backend, //
    },
    bindings,
    chain::Chain,
    device::{
        FakeDevice,
        PLUGGED, //
    },
    ring::DeviceRing,
    spec::{
        Faults,
        Spec, //
    },
};
use kernel::{
    prelude::*,
    sync::{
        atomic::Acquire,
        Arc, //
    }, //
};

mod observe;
mod plug;

pub use plug::Plug;

/// A handle to a fake device. A clone refers to the same device.
#[derive(Clone)]
pub struct Fake(pub(crate) Arc<FakeDevice>);

impl Fake {
    /// Creates a device, which is not on the bus before it is [plugged](Fake::plug).
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn new(spec: Spec, backend: Arc<dyn Backend>) -> Result<Self> {
        FakeDevice::new(spec, backend).map(Self)
    }

    /// Sets whether the device handles kicks by itself, in a work item. Otherwise (the default) it
    /// handles buffers only when the test calls [`Fake::serve`].
    pub fn set_auto(&self, auto: bool) {
        self.0.set_auto(auto);
    }

    /// Handles the buffers that the driver made available in a queue, and delivers the interrupt.
    /// Returns the number of buffers.
    ///
    /// # Errors
    ///
    /// `EINVAL`, `EFAULT`: the driver broke a rule of the ring.
    pub fn serve(&self, queue: usize) -> Result<usize> {
        self.serve_some(queue, usize::MAX)
    }

    /// As [`Fake::serve`], for at most `limit` buffers.
    ///
    /// # Errors
    ///
    /// Those of [`Fake::serve`].
    pub fn serve_some(&self, queue: usize, limit: usize) -> Result<usize> {
        let done = self.0.serve(queue, limit)?;
        self.0.line(queue)?.sync();
        Ok(done)
    }

    /// Carries out an action on the oldest buffer that the device holds, and delivers the interrupt
    /// if the driver wants one.
    ///
    /// # Errors
    ///
    /// - `ENOENT`: the device holds no buffer.
    /// - `ENODEV`: the queue is in reset.
    pub fn finish(&self, queue: usize, f: impl FnOnce(&mut Chain) -> Action) -> Result {
        if self.0.finish(queue, f)? {
            self.0.raise(queue)?;
            self.0.line(queue)?.sync();
        }
        Ok(())
    }

    /// As [`Fake::finish`], but never interrupts.
    ///
    /// # Errors
    ///
    /// Those of [`Fake::finish`].
    pub fn finish_silently(&self, queue: usize, f: impl FnOnce(&mut Chain) -> Action) -> Result {
        self.0.finish(queue, f).map(|_| ())
    }

    /// Uses the `count` oldest buffers that the device holds in one batch, with `len` bytes written
    /// to the last one. Delivers the interrupt if the driver wants one.
    ///
    /// # Errors
    ///
    /// Those of [`Fake::finish`].
    pub fn finish_batch(&self, queue: usize, count: usize, len: u32) -> Result {
        if self.0.finish_batch(queue, count, len)? {
            self.interrupt(queue)?;
        }
        Ok(())
    }

    /// Repairs the device at the end of a test: clears the faults, unbreaks its queues, and uses
    /// all buffers that it has, with no byte written. So a driver that waits for the device goes
    /// on.
    pub fn rescue(&self) {
        if self.0.stage.load(Acquire) == PLUGGED {
            // SAFETY: The device is registered.
            unsafe { bindings::__virtio_unbreak_device(self.0.vdev.get()) };
        }
        self.0.rescue();
    }

    /// Makes the device ask for kicks of a queue, or suppress them.
    ///
    /// # Errors
    ///
    /// `ENOENT`, `ENODEV` as [`Fake::finish`].
    pub fn want_kicks(&self, queue: usize, wanted: bool) -> Result {
        self.0.ring(queue, |ring| ring.set_notify(wanted))
    }

    /// Changes the ring of a queue in a way that the specification does not allow.
    ///
    /// # Errors
    ///
    /// `ENOENT`, `ENODEV` as [`Fake::finish`], and those of `f`.
    pub fn inject<R>(
        &self,
        queue: usize,
        f: impl FnOnce(&mut DeviceRing) -> Result<R>,
    ) -> Result<R> {
        self.0.ring(queue, f)
    }

    /// Raises and delivers the interrupt of a queue, also without a reason.
    ///
    /// # Errors
    ///
    /// `ENOENT`: there is no such queue.
    pub fn interrupt(&self, queue: usize) -> Result {
        self.0.raise(queue)?;
        self.0.line(queue)?.sync();
        Ok(())
    }

    /// Changes the faults of the device.
    pub fn fault(&self, f: impl FnOnce(&mut Faults)) {
        f(&mut self.0.regs.lock().faults);
    }

    /// Changes the configuration without an interrupt. Ignores bytes beyond its end.
    pub fn set_config(&self, offset: usize, bytes: &[u8]) {
        let mut guard = self.0.regs.lock();
        let regs = &mut *guard;
        if let Some(to) = regs.config.get_mut(offset..offset + bytes.len()) {
            to.copy_from_slice(bytes);
            regs.generation = regs.generation.wrapping_add(1);
        }
    }

    /// Returns bytes of the configuration; zeroes if they are beyond its end.
    pub fn config<const N: usize>(&self, offset: usize) -> [u8; N] {
        let mut bytes = [0; N];
        if let Some(from) = self.0.regs.lock().config.get(offset..offset + N) {
            bytes.copy_from_slice(from);
        }
        bytes
    }

    /// Raises and delivers the configuration interrupt.
    pub fn config_interrupt(&self) {
        self.0.config_line.raise();
        self.0.config_line.sync();
    }

    /// Sets bits of the device status that only a driver may set.
    pub fn claim_status(&self, bits: u8) {
        self.0.regs.lock().status |= bits;
    }

    /// Sets `DEVICE_NEEDS_RESET`, with an interrupt.
    pub fn needs_reset(&self) {
        self.0.regs.lock().status |= bindings::VIRTIO_CONFIG_S_NEEDS_RESET as u8;
        self.config_interrupt();
    }
}
