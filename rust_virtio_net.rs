// SPDX-License-Identifier: GPL-2.0

//! Virtio network driver (virtio spec §5.1).
//!
//! Replaces `drivers/net/virtio_net.c`: the same interfaces, features, statistics and parameters.
//! `docs/life-of-a-packet.md` follows a packet through these files.
//!
//! # Files
//!
//! | file | contents |
//! |---|---|
//! | [`driver`] | binding and unbinding a device |
//! | [`driver_data`] | state of a bound device |
//! | [`features`] | feature bits and their dependencies |
//! | [`config`] | fields of the configuration space |
//! | [`negotiated`] | the negotiated features, in the form that the data path needs |
//! | [`queues`], [`queue_index`] | the virtqueues: finding them, using more or fewer pairs |
//! | [`nic`] | the interface: the state that its queues share |
//! | [`ops`] | the operations that the stack calls |
//! | [`open`] | bringing the interface up and down |
//! | [`pause`] | pausing single queues |
//! | [`resize`], [`ring_size`] | sizes of the rings |
//! | [`tx`] | transmit path |
//! | [`rx`] | receive path; one file per kind of buffer in `rx/` |
//! | [`xdp`] | attaching and detaching an XDP program |
//! | [`xsk`] | AF_XDP sockets that use a pair of queues |
//! | [`header`] | the virtio header before every packet |
//! | [`ewma`] | average packet length, which sizes receive buffers |
//! | [`ctrl`] | the control queue |
//! | [`mod@coalesce`] | limits after which queues notify the driver |
//! | [`filter`] | receive modes, addresses, VLANs |
//! | [`rss`] | receive-side scaling and hash reports |
//! | [`link`] | link state, announcements |
//! | [`timeout`] | transmit queues that the watchdog found stuck |
//! | [`health`] | the failure of a device, and its restarts |
//! | [`recovery_work`] | the work that follows a failure |
//! | [`queue_restart`] | restart of a single transmit queue that is stuck |
//! | [`rx_restart`] | restarts of single receive queues by the core |
//! | [`restart`] | restart of a device, or the end of its use |
//! | [`power`] | sleep, wake-up and reset of the transport |
//! | [`settings`] | settings that are sent again after a reset, or later |
//! | [`stats`] | statistics |
//! | [`device_stats`] | statistics that the device counts |
//! | [`mod@ethtool`] | operations for `ethtool` |
//! | [`sysfs`] | attributes of receive queues |
//! | [`source`] | virtqueues as event sources of NAPI |
//!
//! # Locks
//!
//! The state of a transmit queue is protected by the lock that the stack has for that queue. The
//! state of a receive queue belongs to its NAPI instance. The RTNL protects the configuration, and
//! so does the lock of the device, if its queues can be restarted alone ([`rx_restart`]).
//! The mutex of [`ctrl::Control`] nests inside of the RTNL, and lets one command at a time onto the
//! control queue.

#![deny(unsafe_code)]

/// The files of the folder `net/`. The rest of the crate imports them by name.
#[path = "net"]
mod net {
    pub(crate) mod coalesce;
    pub(crate) mod config;
    pub(crate) mod ctrl;
    pub(crate) mod device_stats;
    pub(crate) mod driver;
    pub(crate) mod driver_data;
    pub(crate) mod ethtool;
    pub(crate) mod ewma;
    pub(crate) mod features;
    pub(crate) mod filter;
    pub(crate) mod header;
    pub(crate) mod health;
    pub(crate) mod link;
    pub(crate) mod negotiated;
    pub(crate) mod nic;
    pub(crate) mod open;
    pub(crate) mod ops;
    pub(crate) mod pause;
    pub(crate) mod power;
    pub(crate) mod queue_index;
    pub(crate) mod queue_restart;
    pub(crate) mod queues;
    pub(crate) mod recovery_work;
    pub(crate) mod resize;
    pub(crate) mod restart;
    pub(crate) mod ring_size;
    pub(crate) mod rss;
    pub(crate) mod rx;
    pub(crate) mod rx_restart;
    pub(crate) mod settings;
    pub(crate) mod source;
    pub(crate) mod stats;
    pub(crate) mod sysfs;
    pub(crate) mod timeout;
    pub(crate) mod tx;
    pub(crate) mod xdp;
    pub(crate) mod xsk;
}

use net::*;

use crate::driver::NetDriver;
use kernel::{
    driver::Registration,
    prelude::*, //
};

module! {
    type: NetModule,
    name: "rust_virtio_net",
    authors: ["The rust-virtio authors"],
    description: "Virtio network driver",
    license: "GPL",
}

/// The name of the driver.
pub(crate) const NAME: &CStr = c"rust_virtio_net";

virtio::module_param! {
    /// Weight of the NAPI instances.
    pub(crate) static NAPI_WEIGHT: i32 = netdev::napi::WEIGHT;
    module: "rust_virtio_net",
    name: "napi_weight",
    perm: 0o444,
    description: "Weight of the NAPI instances",
}

virtio::module_param! {
    /// Whether NAPI reaps transmitted packets.
    pub(crate) static NAPI_TX: bool = true;
    module: "rust_virtio_net",
    name: "napi_tx",
    perm: 0o644,
    description: "Reap transmitted packets by NAPI",
}

virtio::module_param! {
    /// Whether checksums are left to a device that supports this.
    pub(crate) static CSUM: bool = true;
    module: "rust_virtio_net",
    name: "csum",
    perm: 0o444,
    description: "Leave checksums to the device",
}

virtio::module_param! {
    /// Whether segmentation is left to a device that supports this.
    pub(crate) static GSO: bool = true;
    module: "rust_virtio_net",
    name: "gso",
    perm: 0o444,
    description: "Leave segmentation to the device",
}

virtio::module_param! {
    /// Whether a transmit queue that does not move is reset alone.
    pub(crate) static RESET_QUEUES: bool = false;
    module: "rust_virtio_net",
    name: "reset_queues",
    perm: 0o644,
    description: "Reset a transmit queue that does not move alone, if the device can do that",
}

/// The module.
#[pin_data]
struct NetModule {
    #[pin]
    _driver: Registration<virtio::Adapter<NetDriver>>,
}

impl kernel::InPlaceModule for NetModule {
    fn init(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            _driver <- Registration::new(NAME, module),
        }? Error)
    }
}
