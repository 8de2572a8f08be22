// SPDX-License-Identifier: GPL-2.0

//! Network devices, packets and NAPI for Rust drivers.
//!
//! A driver implements [`Operations`] and [`EthtoolOps`], makes a [`NetDevice`] with [`NewDevice`],
//! and registers it.
//!
//! Types express the locks of the network stack:
//!
//! - [`TxQueue`] is the lock that the stack holds while it calls the transmit function. It gives
//!   access to the state of that transmit queue.
//! - [`RxPoll`] is a running poll of a NAPI instance. It owns the state of the receive queue, and
//!   completing the poll uses it up.
//! - [`Rtnl`] proves that the lock of network configuration is held, and [`DevLock`] that the lock
//!   is held that protects the queues of a device.
//!
//! Packets and the memory to receive to are owned values.

#![deny(unsafe_op_in_unsafe_fn)]

pub mod addr;
pub mod affinity;
mod bindings;
mod context;
pub mod counter;
pub mod cpuhp;
pub mod device;
pub mod dim;
pub mod ethtool;
pub mod ext_ack;
pub mod features;
pub mod frag;
pub mod napi;
pub mod page;
pub mod pool;
pub mod rtnl;
pub mod skb;
pub mod stats;
pub mod sysfs;
#[cfg(CONFIG_RUST_VIRTIO_KUNIT_TEST)]
mod tests;
pub mod txq;
mod vlan;
mod workqueue;
pub mod xdp;
pub mod xsk;

pub use crate::{
    addr::{
        AddrList,
        MacAddr, //
    },
    counter::Counter,
    device::{
        Device,
        NetDevice,
        NewDevice,
        Operations, //
    },
    dim::Moderation,
    ethtool::EthtoolOps,
    ext_ack::ExtAck,
    features::Features,
    frag::{
        RxData,
        RxDataRef,
        RxFrag,
        RxKind, //
    },
    napi::{
        Budget,
        Napi,
        Polled,
        RxPoll,
        Source,
        TxPoll, //
    },
    pool::{
        Gfp,
        Pool,
        PoolSlot, //
    },
    rtnl::{
        DevLock,
        Rtnl, //
    },
    skb::{
        DropReason,
        EthSkb,
        RxOffload,
        RxPacket,
        RxSkb,
        RxTunnel,
        SkBuff, //
    },
    txq::{
        NetdevTx,
        StackQueue,
        TxGuard,
        TxQueue, //
    },
    workqueue::without_io,
    xdp::{
        XdpBuff,
        XdpFrame,
        XdpFrames,
        XdpProg, //
    },
    xsk::{
        XskBuffer,
        XskCopy,
        XskFrame,
        XskPacket,
        XskPool,
        XskRx,
        XskTx, //
    },
};
