// SPDX-License-Identifier: GPL-2.0

//! AF_XDP without copies: a device receives to memory of user space, and transmits from there.
//!
//! - An [`XskPool`] is the memory of a socket, which the core asks a driver to use on a queue. The
//!   driver [maps](XskPool::map) it for the device, and gets the two halves.
//! - [`XskRx`] is the half of the receive queue: it takes buffers from the fill ring of user space.
//!   An [`XskBuffer`] is such a buffer. When the device has received to it, it becomes an
//!   [`XskPacket`], which a program may pass to the socket.
//! - [`XskTx`] is the half of the transmit queue: it takes packets from the ring of user space,
//!   each as an [`XskFrame`]. User space gets a packet back when its frame was dropped.
//!
//! User space can read and write the memory at any time, and so can the device. It can also name
//! the same buffer twice: then the buffer is used once, unless chunks are unaligned and the names
//! differ, or two sockets have the memory. That harms user space only.
//!
//! When the core takes the memory back, it waits until the driver has dropped both halves, all
//! buffers and all frames.
//!
//! C header: [`include/net/xdp_sock_drv.h`](srctree/include/net/xdp_sock_drv.h)

mod binding;
mod buffer;
mod frame;
mod owned;
mod packet;
mod pool;
mod rx;
mod tx;

pub use self::{
    buffer::XskBuffer,
    frame::XskFrame,
    packet::{
        XskCopy,
        XskPacket,
        XskRedirection,
        XskVerdict, //
    },
    pool::{
        XskPool,
        MAX_BEFORE, //
    },
    rx::{
        Taken,
        XskRx, //
    },
    tx::XskTx, //
};

pub(crate) use self::{
    binding::Binding,
    pool::Bindings, //
};
