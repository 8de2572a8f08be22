// SPDX-License-Identifier: GPL-2.0

//! Generators of random numbers behind `/dev/hwrng`.
//!
//! The `kernel` crate has nothing of the kind so far. A driver implements [`Generator`] for its
//! device, puts it into a [`Hwrng`], whose [`wake`](Hwrng::wake) it calls when the device has more,
//! and makes it known to the core by a [`Registration`]. A read that waits does so in this crate,
//! and ends when the registration does: no driver has to see to that.
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
