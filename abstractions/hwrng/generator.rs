// SPDX-License-Identifier: GPL-2.0

//! Generators, and the tasks that wait for their bytes.

use crate::{
    bytes::Bytes,
    readers::{
        should_leave,
        Readers,
        Waiter, //
    },
};
use core::ops::Deref;
use kernel::{
    prelude::*,
    sync::atomic::{
        Acquire,
        Atomic,
        Full,
        Release, //
    },
};

/// The generator is not registered.
const FREE: i32 = 0;
/// The generator is registered, or is being registered.
const OPEN: i32 = 1;
/// The registration is ending: all reads end.
const CLOSING: i32 = 2;

/// A device that makes random numbers.
pub trait Generator: Send + Sync + 'static {
    /// Bits of entropy in 1024 bits of the device, from 1 to 1024. 0 means 1024.
    const QUALITY: u16 = 0;

    /// Appends the bytes that the device has made so far, as many as there is room for. Then asks
    /// the device for more. Does not wait for the device.
    ///
    /// While a reader waits, this is called again after each [`Hwrng::wake`], until there is a
    /// byte. Process context, may sleep; one task at a time.
    ///
    /// # Errors
    ///
    /// The reader gets the error, unless bytes were appended.
    fn take(&self, bytes: &mut Bytes<'_>) -> Result;
}

/// A generator with the tasks that wait for its bytes.
#[pin_data]
pub struct Hwrng<G> {
    #[pin]
    readers: Readers,
    /// [`FREE`], [`OPEN`] or [`CLOSING`].
    state: Atomic<i32>,
    #[pin]
    generator: G,
}

impl<G: Generator> Hwrng<G> {
    /// Returns an initialiser for a generator. No task reads from it before it is
    /// [registered](crate::Registration).
    pub fn new<E>(generator: impl PinInit<G, E>) -> impl PinInit<Self, Error>
    where
        Error: From<E>,
    {
        try_pin_init!(Self {
            readers <- Readers::new(),
            state: Atomic::new(FREE),
            generator <- generator,
        }? Error)
    }

    /// Wakes the waiting readers, which call [`Generator::take`] again: the device has bytes, or
    /// will not have any. Any context.
    pub fn wake(&self) {
        self.readers.wake();
    }

    /// Claims the generator for a registration.
    ///
    /// # Errors
    ///
    /// `EBUSY`: the generator is registered.
    pub(crate) fn open(&self) -> Result {
        self.state.cmpxchg(FREE, OPEN, Full).map_err(|_| EBUSY)?;
        Ok(())
    }

    /// Ends all reads. Later ones fail.
    pub(crate) fn close(&self) {
        self.state.store(CLOSING, Release);
        self.wake();
    }

    /// Releases the generator for another registration. No task reads it.
    pub(crate) fn free(&self) {
        self.state.store(FREE, Release);
    }

    /// Takes bytes from the generator. If `wait` is set, waits for at least one byte.
    ///
    /// # Errors
    ///
    /// - `ENODEV`: the registration is ending.
    /// - `ERESTARTSYS`: the task has a signal.
    /// - Those of [`Generator::take`].
    pub(crate) fn fill(&self, bytes: &mut Bytes<'_>, wait: bool) -> Result {
        pin_init::stack_pin_init!(let waiter = Waiter::new(&self.readers));
        loop {
            if self.state.load(Acquire) != OPEN {
                return Err(ENODEV);
            }
            self.generator.take(bytes)?;
            if !bytes.is_empty() || !wait {
                return Ok(());
            }
            if should_leave() {
                return Err(ERESTARTSYS);
            }
            waiter.sleep();
        }
    }
}

impl<G> Deref for Hwrng<G> {
    type Target = G;

    fn deref(&self) -> &G {
        &self.generator
    }
}
