// SPDX-License-Identifier: GPL-2.0

//! Memory of an AF_XDP socket that has two owners, or is given to whichever device.

#[path = "common/nic.rs"]
mod nic;

use net_buffers::XskBuf;
use netdev::{
    Napi,
    XdpProg,
    XskBuffer,
    XskPacket,
    XskPool,
    XskRx, //
};
use nic::Nic;
use virtio::{
    QueueOps,
    Used, //
};

/// A buffer that came back from another device.
pub fn used(used: Used<XskBuf>, queue: &mut impl QueueOps<XskBuf>) {
    let _ = queue.add_buf(used.into_buffer()); //~ E0277
}

/// A packet after its program has decided.
pub fn twice<'a>(packet: XskPacket<'a, Nic<'a>>, prog: &XdpProg) -> u32 {
    let _ = packet.run(prog);
    packet.len() //~ E0382
}

/// A packet while buffers are returned.
pub fn both<'a>(rx: &'a mut XskRx, napi: Napi<'a, Nic<'a>>, one: XskBuffer, other: XskBuffer) {
    let packet = rx.received(napi, one, 100);
    rx.free(other); //~ E0499
    drop(packet);
}

/// A buffer after it was returned.
pub fn returned(rx: &mut XskRx, buffer: XskBuffer) -> u32 {
    rx.free(buffer);
    buffer.capacity() //~ E0382
}

/// A pool after the call in which the core offers it.
pub fn kept(pool: XskPool<'_>) -> XskPool<'static> {
    pool //~ lifetime may not live long enough
}
