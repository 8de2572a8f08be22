// SPDX-License-Identifier: GPL-2.0

//! The buffers of the network driver: what its virtqueues carry.
//!
//! A buffer is an owned value that tells a queue its segments, so its type promises things of
//! memory that only `unsafe` code can. The driver has none: it uses the types of this crate.
//!
//! Packets and memory are those of the crate `netdev`, which knows nothing of virtio. So the
//! interface, which may borrow for as long as a virtio device is bound, is made here, too.

#![deny(unsafe_op_in_unsafe_fn)]

mod big;
mod frag;
mod interface;
pub mod packet;

pub use crate::{
    big::BigBuf,
    frag::{
        Filling,
        FragBuf, //
    },
    interface::new_interface,
    packet::TxPacket, //
};
