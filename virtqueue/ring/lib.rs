// SPDX-License-Identifier: GPL-2.0

//! The root of the Cargo crate: the ring core of `mod.rs`, and a platform for user space.
//!
//! In the kernel, `mod.rs` is a module of the crate `vring`, and this file is not built.

#![no_std]
#![warn(missing_docs)]
#![deny(unsafe_op_in_unsafe_fn)]
#![warn(clippy::undocumented_unsafe_blocks)]

extern crate alloc;

#[path = "mod.rs"]
mod ring;

pub mod host;
pub use ring::*;
