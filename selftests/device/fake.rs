// SPDX-License-Identifier: GPL-2.0

//! The handle that tests have on a fake device: what they have the device do.

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

/// A fake device; a clone is the same device.
#[derive(Clone)]
pub struct Fake(pub(crate) Arc<FakeDevice>);

impl Fake {
    /// Makes a device, which nobody sees before it is [plugged](Fake::plug).
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn new(spec: Spec, backend: Arc<dyn Backend>) -> Result<Self> {
        FakeDevice::new(spec, backend).map(Self)
    }

    /// Whether the device answers kicks by itself, from a work item; otherwise (as in the
    /// beginning) only when the test says [`Fake::serve`].
    pub fn set_auto(&self, auto: bool) {
        self.0.set_auto(auto);
    }

    /// Handles what the driver made available in a queue, with its interrupt delivered when this
    /// returns. Returns the number of buffers.
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

    /// Decides about the oldest buffer that the device holds, with the interrupt delivered if the
    /// driver wants one.
    ///
    /// # Errors
    ///
    /// - `ENOENT`: there is none.
    /// - `ENODEV`: the queue is in reset.
    pub fn finish(&self, queue: usize, f: impl FnOnce(&mut Chain) -> Action) -> Result {
        if self.0.finish(queue, f)? {
            self.0.raise(queue)?;
            self.0.line(queue)?.sync();
        }
        Ok(())
    }

    /// As [`Fake::finish`], and never interrupts.
    ///
    /// # Errors
    ///
    /// Those of [`Fake::finish`].
    pub fn finish_silently(&self, queue: usize, f: impl FnOnce(&mut Chain) -> Action) -> Result {
        self.0.finish(queue, f).map(|_| ())
    }

    /// Uses the `count` oldest buffers that the device holds, in order and in one, with `len` bytes
    /// written to the last one; the interrupt is delivered if the driver wants one.
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

    /// Makes the device good for its end: it is there, loses no interrupt, and has used up with
    /// nothing written whatever it had. A driver that waits for it goes on then.
    pub fn rescue(&self) {
        if self.0.stage.load(Acquire) == PLUGGED {
            // SAFETY: The device is registered.
            unsafe { bindings::__virtio_unbreak_device(self.0.vdev.get()) };
        }
        self.0.rescue();
    }

    /// Has the device ask for kicks in a queue, or ask for none.
    ///
    /// # Errors
    ///
    /// `ENOENT`, `ENODEV` as [`Fake::finish`].
    pub fn want_kicks(&self, queue: usize, wanted: bool) -> Result {
        self.0.ring(queue, |ring| ring.set_notify(wanted))
    }

    /// Does to the ring of a queue what a device should not.
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

    /// Raises a queue's interrupt whether there is reason or not; it was delivered when this
    /// returns.
    ///
    /// # Errors
    ///
    /// `ENOENT`: there is no such queue.
    pub fn interrupt(&self, queue: usize) -> Result {
        self.0.raise(queue)?;
        self.0.line(queue)?.sync();
        Ok(())
    }

    /// Changes what is wrong with the device.
    pub fn fault(&self, f: impl FnOnce(&mut Faults)) {
        f(&mut self.0.regs.lock().faults);
    }

    /// Changes the configuration, without an interrupt; what is beyond its end is ignored.
    pub fn set_config(&self, offset: usize, bytes: &[u8]) {
        let mut guard = self.0.regs.lock();
        let regs = &mut *guard;
        if let Some(to) = regs.config.get_mut(offset..offset + bytes.len()) {
            to.copy_from_slice(bytes);
            regs.generation = regs.generation.wrapping_add(1);
        }
    }

    /// Bytes of the configuration; zeroes beyond its end.
    pub fn config<const N: usize>(&self, offset: usize) -> [u8; N] {
        let mut bytes = [0; N];
        if let Some(from) = self.0.regs.lock().config.get(offset..offset + N) {
            bytes.copy_from_slice(from);
        }
        bytes
    }

    /// Raises the configuration interrupt; it was delivered when this returns.
    pub fn config_interrupt(&self) {
        self.0.config_line.raise();
        self.0.config_line.sync();
    }

    /// Sets bits of the device status that only a driver may set.
    pub fn claim_status(&self, bits: u8) {
        self.0.regs.lock().status |= bits;
    }

    /// Says `DEVICE_NEEDS_RESET`, with an interrupt.
    pub fn needs_reset(&self) {
        self.0.regs.lock().status |= bindings::VIRTIO_CONFIG_S_NEEDS_RESET as u8;
        self.config_interrupt();
    }
}
