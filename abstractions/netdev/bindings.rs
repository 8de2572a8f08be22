// SPDX-License-Identifier: GPL-2.0

//! Bindings that bindgen makes from `bindings_helper.h`.
//!
//! They contain only items that `kernel::bindings` lacks. All others come from `kernel::bindings`,
//! so that a type is the same in every crate.

#![allow(
    clippy::all,
    clippy::cast_lossless,
    clippy::ptr_as_ptr,
    clippy::undocumented_unsafe_blocks,
    dead_code,
    improper_ctypes,
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    unsafe_op_in_unsafe_fn,
    unused_imports,
    unreachable_pub
)]

pub(crate) use kernel::bindings::*;
use kernel::ffi;

include!(concat!(
    env!("RUST_VIRTIO_OBJ"),
    "/abstractions/netdev/bindings_generated.rs"
));
