// SPDX-License-Identifier: GPL-2.0

//! A virtio device inside the kernel, for tests.
//!
//! A [`Fake`] is a transport and a device in one. It registers on the virtio bus, so the driver
//! under test binds to it as to any other device, and it serves the driver's rings with its own
//! code. A [`Spec`] has its features and queues, a [`Backend`] handles buffers, and [`Faults`] and
//! [`Fake::inject`] make it misbehave.
//!
//! By default the device only counts kicks, and the test makes it [serve](Fake::serve) a queue.
//! When that call returns, interrupts have been delivered. With [`Fake::set_auto`], a work item of
//! the device handles kicks, in parallel with the driver.
//!
//! Callbacks run in hard interrupt context. The device checks the rings strictly, and counts
//! violations of the specification by the driver ([`Fake::violations`]).

#![deny(unsafe_op_in_unsafe_fn)]

mod backend;
mod bindings;
mod buffer;
mod c_buffer;
mod c_queue;
mod chain;
mod cpu;
mod device;
mod fake;
mod interrupt_line;
mod maps;
mod mem;
pub mod messages;
mod packed;
mod preallocated;
mod ring;
mod scripted;
mod spec;
mod split;
mod task;
mod transport;
mod user;
#[cfg(any(CONFIG_VHOST_RING = "y", all(CONFIG_VHOST_RING = "m", MODULE)))]
mod vringh;
pub mod wait;

pub use crate::{
    backend::{
        Action,
        Backend,
        HoldAll, //
    },
    buffer::{
        DropCounter,
        TestBuffer, //
    },
    c_buffer::{
        CBuffer,
        SEGMENT, //
    },
    c_queue::{
        AddFn,
        CQueue,
        Completed,
        Recycled, //
    },
    chain::{
        Chain,
        GuestByte,
        GuestSegment, //
    },
    cpu::OnCpu,
    fake::{
        Fake,
        Plug, //
    },
    interrupt_line::Traffic,
    maps::{
        Addresses,
        MAX_MAPPING, //
    },
    mem::leave_dirt,
    packed::Packed,
    preallocated::PreallocatedQueue,
    ring::DeviceRing,
    scripted::{
        Scenario,
        Scripted,
        SCRIPTED_ID, //
    },
    spec::{
        Faults,
        Spec,
        ACCESS_PLATFORM,
        EVENT_IDX,
        INDIRECT_DESC,
        IN_ORDER,
        RING_PACKED,
        RING_RESET,
        VERSION_1, //
    },
    split::Split,
    task::Task,
    user::{
        capture::Capture,
        coalesce::Coalesce,
        disk::{
            Disk,
            Limits,
            ReadError, //
        },
        drops::{
            DropReason,
            Drops, //
        },
        failover::{
            OpensFirst,
            Place, //
        },
        nic::{
            Nic,
            NicState,
            NicStats,
            Offload,
            Rings, //
        },
        param::Param,
        rss::{
            RxFlow,
            Rxfh, //
        },
        rx_restart::RestartFault,
        stats::{
            EthtoolStats,
            RX_STATS,
            TX_STATS, //
        },
        tunnel::{
            Tunnel,
            TunnelFeatures, //
        },
        xdp::{
            XdpActions,
            XdpSeen,
            XdpTest,
            XdpVerdict,
            MAX_SKB_FRAGS, //
        },
        xdp_frames::RedirectedFrames,
        xsk::{
            Xsk,
            XskRing,
            XskSpec,
            XDP_COPY,
            XDP_USE_NEED_WAKEUP,
            XDP_ZEROCOPY, //
        },
    },
};

#[cfg(any(CONFIG_VHOST_RING = "y", all(CONFIG_VHOST_RING = "m", MODULE)))]
pub use crate::vringh::Vringh;

/// The prefix of messages of this crate, which has no `module!`.
const __LOG_PREFIX: &[u8] = b"virtio_fake\0";
