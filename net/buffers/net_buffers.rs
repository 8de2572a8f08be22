// SPDX-License-Identifier: GPL-2.0

//! The buffers of the network driver: what its virtqueues carry.
//!
//! A buffer is an owned value that names its segments. Its type makes promises about memory that
//! only `unsafe` code can make. The driver has no `unsafe` and uses the types of this crate.
//!
//! Packets and pages come from the crate `netdev`, which does not depend on virtio. This crate also
//! makes the interface, because the interface holds the binding of a virtio device.

#![deny(unsafe_op_in_unsafe_fn)]

mod big;
mod frag;
mod interface;
pub mod packet;
pub mod xsk;

pub use crate::{
    big::BigBuf,
    frag::{
        Filling,
        FragBuf, //
    },
    interface::new_interface,
    packet::TxPacket,
    xsk::XskBuf, //
};
