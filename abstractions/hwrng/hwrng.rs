// SPDX-License-Identifier: GPL-2.0

//! Generators of random numbers behind `/dev/hwrng`.
//!
//! The `kernel` crate has no such wrapper. A driver implements [`Generator`] for its device, and
//! puts it into a [`Hwrng`], whose [`wake`](Hwrng::wake) it calls when the device has more bytes. A
//! [`Registration`] registers it with the core. Readers wait in this crate. Their reads end with
//! the registration, without code of the driver.
//!
//! C header: [`include/linux/hw_random.h`](srctree/include/linux/hw_random.h)

#![deny(unsafe_op_in_unsafe_fn)]

mod bindings;
mod bytes;
mod generator;
mod readers;
mod registration;
#[cfg(CONFIG_RUST_VIRTIO_KUNIT_TEST)]
mod tests;

pub use crate::{
    bytes::Bytes,
    generator::{
        Generator,
        Hwrng, //
    },
    registration::Registration, //
};
