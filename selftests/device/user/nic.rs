// SPDX-License-Identifier: GPL-2.0

//! The network interface that a driver made of a fake device.

use crate::{
    bindings,
    fake::Fake,
    user, //
};
use kernel::{
    error::to_result,
    prelude::*, //
};

/// The state of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NicState {
    /// Largest payload.
    pub mtu: u32,
    /// Largest payload that can be set.
    pub max_mtu: u32,
    /// Transmit queues in use.
    pub tx_queues: u32,
    /// Receive queues in use.
    pub rx_queues: u32,
    /// Hardware address.
    pub mac: [u8; 6],
    /// Whether the driver made the address up.
    pub random_mac: bool,
    /// Whether it is up.
    pub running: bool,
    /// Whether it has a link.
    pub carrier: bool,
    /// Whether the driver stopped the first transmit queue, or has it stopped as the interface is
    /// detached.
    pub tx_stopped: bool,
    /// The features that are on, `NETIF_F_...`.
    pub features: u64,
    /// Speed in Mbit/s, all ones if it is not known.
    pub speed: u32,
    /// 0 for half duplex, 1 for full, 0xff if it is not known.
    pub duplex: u8,
    /// Whether there is anything of XDP or AF_XDP.
    pub xdp: bool,
    /// Whether the address is checked when the interface goes up, and is a good one.
    pub checks_address: bool,
    /// The smallest weight of its NAPI instances, negative if there is none.
    pub napi_weight: i32,
}

/// The statistics that the tests look at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "the names are those of `struct rtnl_link_stats64`"
)]
pub struct NicStats {
    pub rx_packets: u64,
    pub rx_bytes: u64,
    pub rx_errors: u64,
    pub rx_dropped: u64,
    pub rx_length_errors: u64,
    pub rx_frame_errors: u64,
    pub tx_packets: u64,
    pub tx_bytes: u64,
    pub tx_errors: u64,
    pub tx_dropped: u64,
    pub tx_fifo_errors: u64,
}

/// The work that a frame leaves to the device.
#[derive(Clone, Copy, Debug, Default)]
pub struct Offload {
    /// The offset at which the checksum starts, and from there the offset at which it is stored.
    pub csum: Option<(u16, u16)>,
    /// Payload of a segment, if the device is to cut TCP over IPv4; 0 if not.
    pub gso_size: u16,
}

/// A network interface.
///
/// # Invariants
///
/// A reference to a `struct net_device` that was registered.
pub struct Nic(pub(super) *mut bindings::net_device);

// SAFETY: An interface may be used from any thread.
unsafe impl Send for Nic {}

// SAFETY: What is done to it takes the locks that it needs.
unsafe impl Sync for Nic {}

impl Nic {
    /// The interface of a fake device. As long as this exists, removal waits.
    ///
    /// # Errors
    ///
    /// `ENODEV`: no driver made an interface of it.
    pub fn of(fake: &Fake) -> Result<Self> {
        let child = user::child(fake, c"net").ok_or(ENODEV)?;
        // INVARIANT: The function takes a reference.
        // SAFETY: A device of class "net" is embedded in a `struct net_device`.
        Ok(Self(unsafe { bindings::rust_virtio_fake_netdev(child.0) }))
    }

    /// Returns the state of the interface.
    pub fn state(&self) -> NicState {
        let mut raw = bindings::rust_virtio_fake_nic::default();
        // SAFETY: This is a reference to the interface (type invariant); the helper takes the RTNL.
        unsafe { bindings::rust_virtio_fake_nic(self.0, &mut raw) };
        NicState {
            mtu: raw.mtu,
            max_mtu: raw.max_mtu,
            tx_queues: raw.tx_queues,
            rx_queues: raw.rx_queues,
            mac: raw.mac,
            random_mac: raw.assign_type == bindings::NET_ADDR_RANDOM as u8,
            running: raw.running,
            carrier: raw.carrier,
            tx_stopped: raw.tx_stopped,
            features: raw.features,
            speed: raw.speed,
            duplex: raw.duplex,
            xdp: raw.xdp,
            checks_address: raw.checks_address,
            napi_weight: raw.napi_weight,
        }
    }

    /// Returns the statistics of the interface.
    pub fn stats(&self) -> NicStats {
        let mut raw = bindings::rtnl_link_stats64::default();
        // SAFETY: This is a reference (type invariant), for which the driver waits before it frees
        // what it is asked for.
        unsafe { bindings::dev_get_stats(self.0, &mut raw) };
        NicStats {
            rx_packets: raw.rx_packets,
            rx_bytes: raw.rx_bytes,
            rx_errors: raw.rx_errors,
            rx_dropped: raw.rx_dropped,
            rx_length_errors: raw.rx_length_errors,
            rx_frame_errors: raw.rx_frame_errors,
            tx_packets: raw.tx_packets,
            tx_bytes: raw.tx_bytes,
            tx_errors: raw.tx_errors,
            tx_dropped: raw.tx_dropped,
            tx_fifo_errors: raw.tx_fifo_errors,
        }
    }

    /// Brings it up, or down.
    ///
    /// # Errors
    ///
    /// Any error of the driver.
    pub fn set_up(&self, up: bool) -> Result {
        // SAFETY: This is a reference (type invariant); the helper checks that it is registered.
        to_result(unsafe { bindings::rust_virtio_fake_set_up(self.0, up) })
    }

    /// Sets the largest payload.
    ///
    /// # Errors
    ///
    /// Any error of the driver.
    pub fn set_mtu(&self, mtu: i32) -> Result {
        // SAFETY: This is a reference (type invariant); the helper checks that it is registered.
        to_result(unsafe { bindings::rust_virtio_fake_set_mtu(self.0, mtu) })
    }

    /// Sets the hardware address.
    ///
    /// # Errors
    ///
    /// Any error of the driver.
    pub fn set_mac(&self, mac: [u8; 6]) -> Result {
        // SAFETY: By the type invariant; the address has six bytes.
        to_result(unsafe { bindings::rust_virtio_fake_set_mac(self.0, mac.as_ptr()) })
    }

    /// Asks for the frames of others too, or takes it back.
    ///
    /// # Errors
    ///
    /// Those of the core.
    pub fn set_promiscuous(&self, on: bool) -> Result {
        // SAFETY: This is a reference (type invariant); the helper checks that it is registered.
        to_result(unsafe { bindings::rust_virtio_fake_set_promisc(self.0, on) })
    }

    /// Asks for the frames of a VLAN, or takes it back.
    ///
    /// # Errors
    ///
    /// Those of the core and of the driver.
    pub fn set_vlan(&self, vid: u16, on: bool) -> Result {
        // SAFETY: This is a reference (type invariant); the helper checks that it is registered.
        to_result(unsafe { bindings::rust_virtio_fake_set_vlan(self.0, vid, on) })
    }

    /// Asks for the frames to a group address.
    ///
    /// # Errors
    ///
    /// Those of the core.
    pub fn add_multicast(&self, addr: [u8; 6]) -> Result {
        // SAFETY: By the type invariant; the address has six bytes.
        to_result(unsafe { bindings::rust_virtio_fake_add_multicast(self.0, addr.as_ptr()) })
    }

    /// Takes the interface from the stack, or gives it back, with the driver unaware of it.
    ///
    /// # Errors
    ///
    /// `ENODEV`: it is not registered any more.
    pub fn set_present(&self, present: bool) -> Result {
        // SAFETY: This is a reference (type invariant); the helper checks that it is registered.
        to_result(unsafe { bindings::rust_virtio_fake_set_present(self.0, present) })
    }

    /// Has received packets come merged by the device, or takes it back.
    ///
    /// # Errors
    ///
    /// `EIO`: the interface does not do that.
    pub fn set_gro_hw(&self, on: bool) -> Result {
        // SAFETY: This is a reference (type invariant); the helper checks that it is registered.
        to_result(unsafe { bindings::rust_virtio_fake_set_gro_hw(self.0, on) })
    }

    /// Sets the number of queue pairs.
    ///
    /// # Errors
    ///
    /// Any error of the driver.
    pub fn set_pairs(&self, pairs: u32) -> Result {
        // SAFETY: This is a reference (type invariant); the helper checks that it is registered.
        to_result(unsafe { bindings::rust_virtio_fake_set_channels(self.0, pairs) })
    }

    /// Sets how many transmitted packets there may be before an interrupt: one, or with 0 none at
    /// all, as transmitted packets are looked for at other times.
    ///
    /// # Errors
    ///
    /// Any error of the driver.
    pub fn set_tx_frames(&self, frames: u32) -> Result {
        // SAFETY: This is a reference (type invariant); the helper checks that it is registered.
        to_result(unsafe { bindings::rust_virtio_fake_set_tx_frames(self.0, frames) })
    }

    /// Polls the queues as netpoll does, if wanted while a transmit queue is locked by this CPU.
    /// The interface is up.
    pub fn netpoll(&self, locked: Option<u16>) {
        // SAFETY: This is a reference (type invariant), for which the driver waits before it
        // deletes NAPI instances. The helper locks no queue that the interface has not.
        unsafe {
            bindings::rust_virtio_fake_netpoll(self.0, locked.is_some(), locked.unwrap_or(0))
        };
    }

    /// Sends a frame through a queue.
    ///
    /// # Errors
    ///
    /// Any error of the interface; `EINVAL`: the checksum is outside of the frame, or there is no
    /// such queue.
    pub fn send(&self, frame: &[u8], queue: u16, offload: Offload) -> Result {
        let (start, offset) = offload
            .csum
            .map_or((-1, 0), |(start, offset)| (i32::from(start), offset));
        // SAFETY: This is a reference (type invariant); the frame is copied, and the helper checks
        // that the interface has the queue.
        let ret = unsafe {
            bindings::rust_virtio_fake_send(
                self.0,
                frame.as_ptr().cast(),
                frame.len() as u32,
                queue,
                offload.gso_size,
                start,
                offset,
            )
        };
        if ret > 0 {
            return Err(EBUSY);
        }
        to_result(ret)
    }

    /// Returns whether the interface leaves the checksum of a packet to the device. The packet may
    /// have another one in it, and may have to be cut into segments, by the device or the stack.
    ///
    /// # Errors
    ///
    /// `ENOMEM`. `EINVAL`: the interface takes back other offloads than that of checksums.
    pub fn completes_checksum(
        &self,
        encapsulated: bool,
        gso: bool,
        device_cuts: bool,
    ) -> Result<bool> {
        // SAFETY: This is a reference to an interface of a virtio driver, which has the operation
        // and may be asked in any state.
        let ret =
            unsafe { bindings::rust_virtio_fake_completes(self.0, encapsulated, gso, device_cuts) };
        to_result(ret.min(0))?;
        Ok(ret != 0)
    }

    /// Returns how many frames that were sent so far hold nothing of the stack any more: they were
    /// freed, or let go of their sender.
    pub fn let_go() -> u32 {
        // SAFETY: May be called at any time.
        unsafe { bindings::rust_virtio_fake_let_go() }
    }
}

impl Clone for Nic {
    fn clone(&self) -> Self {
        // SAFETY: This is a reference to the interface (type invariant).
        unsafe { bindings::rust_virtio_fake_dev_hold(self.0) };
        // INVARIANT: It was just taken.
        Self(self.0)
    }
}

impl Drop for Nic {
    fn drop(&mut self) {
        // SAFETY: This owns a reference to the interface (type invariant), and gives it up.
        unsafe { bindings::rust_virtio_fake_dev_put(self.0) };
    }
}
