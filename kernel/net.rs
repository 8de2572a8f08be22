// SPDX-License-Identifier: GPL-2.0

//! Network devices, packets and NAPI for Rust drivers.
//!
//! A driver implements [`Operations`] and [`EthtoolOps`], makes a [`NetDevice`] with [`NewDevice`] and registers
//! it.
//!
//! Who may touch what of a device is in the types:
//!
//! - The state of a transmit queue is behind the lock that the core takes around the transmit
//!   function: [`TxQueue`] is that lock, held.
//! - The state of a receive queue belongs to its NAPI instance: [`RxPoll`] is a running poll, and
//!   is used up by completing it.
//! - Configuration takes [`Rtnl`], evidence of the lock of network configuration.
//!
//! Packets and receive buffers are owned values, and those that go to a device implement
//! [`virtio::Buffer`].

#![deny(unsafe_op_in_unsafe_fn)]

#[path = "net/addr.rs"]
pub mod addr;
#[path = "net/affinity.rs"]
pub mod affinity;
#[path = "net/big.rs"]
pub mod big;
#[path = "net/bindings.rs"]
mod bindings;
#[path = "net/command.rs"]
pub mod command;
#[path = "net/counter.rs"]
pub mod counter;
#[path = "net/cpuhp.rs"]
pub mod cpuhp;
#[path = "net/device.rs"]
pub mod device;
#[path = "net/ethtool.rs"]
pub mod ethtool;
#[path = "net/features.rs"]
pub mod features;
#[path = "net/frag.rs"]
pub mod frag;
#[path = "net/napi.rs"]
pub mod napi;
#[path = "net/packet.rs"]
pub mod packet;
#[path = "net/pool.rs"]
pub mod pool;
#[path = "net/rtnl.rs"]
pub mod rtnl;
#[path = "net/skb.rs"]
pub mod skb;
#[path = "net/source.rs"]
mod source;
#[path = "net/stats.rs"]
pub mod stats;
#[path = "net/sysfs.rs"]
pub mod sysfs;
#[cfg(CONFIG_RUST_VIRTIO_KUNIT_TEST)]
#[path = "net/tests.rs"]
mod tests;
#[path = "net/txq.rs"]
pub mod txq;
#[path = "net/vlan.rs"]
mod vlan;

pub use crate::{
    addr::{
        AddrList,
        MacAddr, //
    },
    big::BigBuf,
    command::Command,
    counter::Counter,
    device::{
        Device,
        NetDevice,
        NewDevice,
        Operations, //
    },
    ethtool::EthtoolOps,
    features::Features,
    frag::{
        RxData,
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
    packet::TxPacket,
    pool::{
        Gfp,
        Pool,
        PoolPlace, //
    },
    rtnl::Rtnl,
    skb::{
        EthSkb,
        RxOffload,
        RxPacket,
        RxSkb,
        SkBuff, //
    },
    txq::{
        NetdevTx,
        StackQueue,
        TxGuard,
        TxQueue, //
    },
};
