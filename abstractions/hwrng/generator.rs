// SPDX-License-Identifier: GPL-2.0

//! Generators, and the tasks that wait for their bytes.

use crate::{
    bytes::Bytes,
    readers::Readers, //
};
use core::ops::Deref;
use kernel::prelude::*;

/// A device that makes random numbers.
pub trait Generator: Send + Sync + 'static {
    /// Bits of entropy in 1024 bits of what the device makes, from 1 to 1024. 0 means 1024.
    const QUALITY: u16 = 0;

    /// Appends the bytes that the device has made so far, as many as there is room for, and sees to
    /// it that the device makes more. Does not wait for those.
    ///
    /// A reader that waits has this called again whenever [`Hwrng::wake`] is, until there is a
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
    pub(crate) readers: Readers,
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
            generator <- generator,
        }? Error)
    }

    /// Has the readers that wait look for bytes again: the device has some, or will have none. Any
    /// context.
    pub fn wake(&self) {
        self.readers.wake();
    }
}

impl<G> Deref for Hwrng<G> {
    type Target = G;

    fn deref(&self) -> &G {
        &self.generator
    }
}
