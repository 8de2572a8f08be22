// SPDX-License-Identifier: GPL-2.0

//! The functions of `virtio_ring.ko`, implemented by the crate `vring`: the interface to queues for
//! the kernel's transports and C drivers.
//!
//! Names, arguments and contracts are those of the C ring. If a driver breaks a contract, the C
//! ring calls `BUG()` in some places; these functions return an error there.
//!
//! C header: [`include/linux/virtio_ring.h`](srctree/include/linux/virtio_ring.h)

#![deny(unsafe_op_in_unsafe_fn)]
// The contracts are those of C. The documentation of each function says where it differs.
#![allow(clippy::missing_safety_doc)]

mod add;
mod broken;
mod callback;
mod get;
mod info;
mod kick;
mod lifecycle;
mod map;
mod reset;
mod scatter;

use kernel::prelude::*;

/// Checks that functions have the types that C declares for them.
macro_rules! as_declared {
    ($($name:ident),* $(,)?) => {
        $(
            const _: () = {
                let _ = if true { vring::bindings::$name } else { $name };
            };
        )*
    };
}
use as_declared;

module! {
    type: RingModule,
    name: "rust_virtio_ring",
    authors: ["The rust-virtio authors"],
    description: "Virtio ring implementation in Rust",
    license: "GPL",
}

/// The module. It has no state: each queue belongs to its transport.
struct RingModule;

impl Drop for RingModule {
    fn drop(&mut self) {
        // The crate `vring` may stay loaded, and the next ring may be the C ring.
        // SAFETY: Transports and drivers use the exported functions, so they were unloaded before.
        unsafe { vring::create::no_provider() };
    }
}

impl kernel::Module for RingModule {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Self)
    }
}
