// SPDX-License-Identifier: GPL-2.0

//! Block requests as buffers of a virtqueue (virtio spec §5.2.6): the `unsafe` code of the block
//! driver.
//!
//! A driver uses a [`Command`] as the data of its requests: a header that the device reads, a
//! status that the device writes, and the ranges of operations that have ranges instead of data.
//! The segments of the data come directly from the bios of the request.

#![deny(unsafe_op_in_unsafe_fn)]

mod command;
mod memory;
mod request;

pub use crate::{
    command::{
        Command,
        NO_STATUS, //
    },
    request::RequestBuffer, //
};
