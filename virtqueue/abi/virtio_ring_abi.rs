// SPDX-License-Identifier: GPL-2.0

//! The functions of `virtio_ring.ko`, by which the kernel's transports and C drivers use queues,
//! on the ring of the crate `vring`.
//!
//! Names, arguments and contracts are those of the C ring. Where that calls `BUG()` on what a
//! driver did wrong, an error is returned here.
//!
//! C header: [`include/linux/virtio_ring.h`](srctree/include/linux/virtio_ring.h)

#![deny(unsafe_op_in_unsafe_fn)]
// C gives the contracts: each function says what differs from them.
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

/// The module holds no state: queues are their transports'.
struct RingModule;

impl Drop for RingModule {
    fn drop(&mut self) {
        // The crate `vring` may stay, and the next ring be the one in C.
        vring::create::no_provider();
    }
}

impl kernel::Module for RingModule {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Self)
    }
}
