// SPDX-License-Identifier: GPL-2.0

//! Virtio block driver (virtio spec §5.2).
//!
//! Replaces `drivers/block/virtio_blk.c`: the same disks, names, attributes, limits and parameters.
//! `docs/life-of-a-packet.md` follows a request through these files.
//!
//! # Files
//!
//! | file | contents |
//! |---|---|
//! | [`driver`] | binding and unbinding a device |
//! | [`driver_data`] | state of a bound device |
//! | [`disk_data`] | state that a disk keeps until its last close |
//! | [`globals`] | state that devices share |
//! | [`features`] | feature bits |
//! | [`config`] | fields of the configuration space |
//! | [`negotiated`] | the configuration that was negotiated |
//! | [`limits`] | queue limits, computed from the configuration |
//! | [`ops`] | the operations that the block layer calls |
//! | [`request`] | writing a request for the device, and reading its status |
//! | [`header`] | the header of a request |
//! | [`status`] | the status of a request |
//! | [`queue`] | a virtqueue with its lock: adding, completing, stopping |
//! | [`queues`] | number and use of the queues; the tag set |
//! | [`timeout`] | requests that were not answered in time |
//! | [`health`] | the health of the device, and the phase of its life |
//! | [`recovery`] | scheduling of the recovery work |
//! | [`recovery_work`] | the work: configuration changes, broken queues, late requests |
//! | [`restart`] | restart of a device, or the end of its use |
//! | [`removal`] | removal of a disk whose device does not answer |
//! | [`queue_restart`] | restart of a single queue |
//! | [`requeue`] | the fate of requests that a device had |
//! | [`message_limit`] | a limit for messages that a device can cause |
//! | [`resize`] | changes of capacity |
//! | [`cache`] | the write cache and its mode |
//! | [`geometry`] | disk geometry |
//! | [`power`] | sleep, wake-up and reset of the transport |
//! | [`name`], [`sysfs`] | disk names, attributes in sysfs |
//!
//! The folder `buffers/` is the crate [`blk_buffers`]: requests as buffers of a virtqueue.
//!
//! # Locks
//!
//! Each virtqueue has a spinlock. Requests are added and taken under it, with interrupts off, and
//! it nests in no other lock. Requests are completed, and devices notified, outside of it. The
//! [`virtio::WeakDevice`] of a disk has a sleeping lock, and no code waits for I/O under this lock.
//! Queues are taken away and put back with this lock held, or after the reference was revoked.

#![deny(unsafe_code)]

/// The files of the folder `blk/`. The rest of the crate imports them by name.
#[path = "blk"]
mod blk {
    pub(crate) mod cache;
    pub(crate) mod config;
    pub(crate) mod disk_data;
    pub(crate) mod driver;
    pub(crate) mod driver_data;
    pub(crate) mod features;
    pub(crate) mod geometry;
    pub(crate) mod globals;
    pub(crate) mod header;
    pub(crate) mod health;
    pub(crate) mod limits;
    pub(crate) mod message_limit;
    pub(crate) mod name;
    pub(crate) mod negotiated;
    pub(crate) mod ops;
    pub(crate) mod power;
    pub(crate) mod queue;
    pub(crate) mod queue_restart;
    pub(crate) mod queues;
    pub(crate) mod recovery;
    pub(crate) mod recovery_work;
    pub(crate) mod removal;
    pub(crate) mod request;
    pub(crate) mod requeue;
    pub(crate) mod resize;
    pub(crate) mod restart;
    pub(crate) mod status;
    pub(crate) mod sysfs;
    pub(crate) mod timeout;
}

use blk::*;

use crate::globals::Globals;
use blockdev::state::{
    ModuleState,
    Published, //
};
use kernel::{
    driver::Registration,
    prelude::*, //
};

module! {
    type: BlkModule,
    name: "rust_virtio_blk",
    authors: ["The rust-virtio authors"],
    description: "Virtio block driver",
    license: "GPL",
}

virtio::module_param! {
    /// The largest number of virtqueues per device, polled ones included.
    static NUM_REQUEST_QUEUES: u32 = 0;
    module: "rust_virtio_blk",
    name: "num_request_queues",
    perm: 0o644,
    description: "Limit the number of request queues to use for blk device. 0 for no limit. Values > nr_cpu_ids truncated to nr_cpu_ids.",
}

virtio::module_param! {
    /// Number of the virtqueues of a device that are polled.
    static POLL_QUEUES: u32 = 0;
    module: "rust_virtio_blk",
    name: "poll_queues",
    perm: 0o644,
    description: "The number of dedicated virtqueues for polling I/O",
}

virtio::module_param! {
    /// Number of requests per virtqueue. The default is the number that fits the ring.
    static QUEUE_DEPTH: u32 = 0;
    module: "rust_virtio_blk",
    name: "queue_depth",
    perm: 0o444,
    description: "Requests per queue. 0 for as many as fit the ring.",
}

virtio::module_param! {
    /// Whether a read fails if the device does not report that it has written the data.
    static STRICT_LENGTHS: bool = false;
    module: "rust_virtio_blk",
    name: "strict_lengths",
    perm: 0o444,
    description: "Fail reads whose data the device does not claim to have written. Always on in guests with encrypted memory.",
}

virtio::module_param! {
    /// Whether a stuck queue is restarted alone, if the device can reset a single queue.
    static RESET_QUEUES: bool = false;
    module: "rust_virtio_blk",
    name: "reset_queues",
    perm: 0o644,
    description: "Start a stuck queue anew alone where the device can (VIRTIO_F_RING_RESET). Off for devices that go on with the requests of a queue that was reset, such as QEMU's.",
}

/// The driver: it implements [`virtio::Driver`] for devices, and [`Operations`] for disks.
pub(crate) struct Blk;

/// The state that the devices of the module share.
static GLOBALS: ModuleState<Globals> = ModuleState::empty();

/// The module, from load to unload. Fields are dropped in order. The driver is first: after that,
/// no device uses the globals. The globals are dropped after the last close of a disk.
#[pin_data]
struct BlkModule {
    #[pin]
    _driver: Registration<virtio::Adapter<Blk>>,
    _globals: Published<Globals>,
}

impl kernel::InPlaceModule for BlkModule {
    fn init(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        pin_init::pin_init_scope(move || {
            let globals = GLOBALS.publish(Globals::new)?;
            Ok(pin_init!(Self {
                _driver <- Registration::new(<Self as kernel::ModuleMetadata>::NAME, module),
                _globals: globals,
            }? Error))
        })
    }
}
