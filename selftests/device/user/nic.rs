// SPDX-License-Identifier: GPL-2.0

//! The network interface of a fake device.

use crate::{
    bindings,
    fake::Fake, //
};
use kernel::{
    error::to_result,
    prelude::*, //
};

/// The state of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NicState {
    /// The MTU.
    pub mtu: u32,
    /// The largest MTU that can be set.
    pub max_mtu: u32,
    /// The number of transmit queues in use.
    pub tx_queues: u32,
    /// The number of receive queues in use.
    pub rx_queues: u32,
    /// The hardware address.
    pub mac: [u8; 6],
    /// Whether the driver has chosen a random address.
    pub random_mac: bool,
    /// Whether the interface is up.
    pub running: bool,
    /// Whether the interface has a link.
    pub carrier: bool,
    /// Whether the first transmit queue is stopped, by the driver or because the interface is
    /// detached.
    pub tx_stopped: bool,
    /// The features that are on, `NETIF_F_...`.
    pub features: u64,
    /// The speed in Mbit/s; all ones if it is not known.
    pub speed: u32,
    /// The duplex: 0 for half, 1 for full, 0xff if it is not known.
    pub duplex: u8,
    /// Whether the interface has AF_XDP.
    pub af_xdp: bool,
    /// Whether the address is checked when the interface goes up, and is valid.
    pub checks_address: bool,
    /// The smallest weight of the NAPI instances; negative if there is none.
    pub napi_weight: i32,
    /// Bytes that the stack reserves before a packet that it sends (C: `LL_RESERVED_SPACE`).
    pub reserved: u32,
    /// Bytes in the first transmit queue that count against its limit (BQL); 0 on kernels without
    /// such limits.
    pub outstanding: u32,
}

/// The statistics that the tests use.
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
    /// The offset of the first byte that the checksum covers, and the offset of the checksum from
    /// there.
    pub csum: Option<(u16, u16)>,
    /// The payload of a segment, if the device should segment TCP over IPv4; otherwise 0.
    pub gso_size: u16,
}

/// Sizes of rings in descriptors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "the names are those of `struct ethtool_ringparam`"
)]
pub struct Rings {
    pub rx: u32,
    pub tx: u32,
    pub rx_mini: u32,
    pub rx_jumbo: u32,
}

/// A network interface.
///
/// # Invariants
///
/// The pointer is a reference to a `struct net_device` that was registered.
pub struct Nic(pub(super) *mut bindings::net_device);

// SAFETY: An interface may be used from any thread.
unsafe impl Send for Nic {}

// SAFETY: The operations take the locks that they need.
unsafe impl Sync for Nic {}

impl Nic {
    /// Returns the interface of a fake device. Removal of the device waits until the result is
    /// dropped.
    ///
    /// # Errors
    ///
    /// `ENODEV`: the device has no interface.
    pub fn of(fake: &Fake) -> Result<Self> {
        Self::find(fake, false)
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
            af_xdp: raw.af_xdp,
            checks_address: raw.checks_address,
            napi_weight: raw.napi_weight,
            reserved: raw.reserved,
            outstanding: raw.bql,
        }
    }

    /// Returns the statistics of the interface.
    pub fn stats(&self) -> NicStats {
        let mut raw = bindings::rtnl_link_stats64::default();
        // SAFETY: This is a reference (type invariant). The driver waits for it before it frees its
        // statistics.
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

    /// Brings the interface up, or down.
    ///
    /// # Errors
    ///
    /// Any error of the driver.
    pub fn set_up(&self, up: bool) -> Result {
        // SAFETY: This is a reference (type invariant); the helper checks that it is registered.
        to_result(unsafe { bindings::rust_virtio_fake_set_up(self.0, up) })
    }

    /// Sets the MTU.
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
        // SAFETY: This is a reference (type invariant). The address has six bytes.
        to_result(unsafe { bindings::rust_virtio_fake_set_mac(self.0, mac.as_ptr()) })
    }

    /// Switches promiscuous mode on or off.
    ///
    /// # Errors
    ///
    /// Those of the core.
    pub fn set_promiscuous(&self, on: bool) -> Result {
        // SAFETY: This is a reference (type invariant); the helper checks that it is registered.
        to_result(unsafe { bindings::rust_virtio_fake_set_promisc(self.0, on) })
    }

    /// Adds a VLAN to the filter, or removes it.
    ///
    /// # Errors
    ///
    /// Those of the core and of the driver.
    pub fn set_vlan(&self, vid: u16, on: bool) -> Result {
        // SAFETY: This is a reference (type invariant); the helper checks that it is registered.
        to_result(unsafe { bindings::rust_virtio_fake_set_vlan(self.0, vid, on) })
    }

    /// Adds the VLANs 1 to `count` to the filter, or removes them, without releasing the RTNL.
    ///
    /// # Errors
    ///
    /// Those of the core and of the driver.
    pub fn set_vlans(&self, count: u16, on: bool) -> Result {
        // SAFETY: This is a reference (type invariant); the helper checks that it is registered.
        to_result(unsafe { bindings::rust_virtio_fake_set_vlans(self.0, count, on) })
    }

    /// Adds a group address to the filter.
    ///
    /// # Errors
    ///
    /// Those of the core.
    pub fn add_multicast(&self, addr: [u8; 6]) -> Result {
        // SAFETY: This is a reference (type invariant). The address has six bytes.
        to_result(unsafe { bindings::rust_virtio_fake_add_multicast(self.0, addr.as_ptr()) })
    }

    /// Detaches the interface, or attaches it, without telling the driver.
    ///
    /// # Errors
    ///
    /// `ENODEV`: the interface is not registered.
    pub fn set_present(&self, present: bool) -> Result {
        // SAFETY: This is a reference (type invariant); the helper checks that it is registered.
        to_result(unsafe { bindings::rust_virtio_fake_set_present(self.0, present) })
    }

    /// Switches hardware GRO on or off.
    ///
    /// # Errors
    ///
    /// `EIO`: the interface cannot switch it.
    pub fn set_gro_hw(&self, on: bool) -> Result {
        // SAFETY: This is a reference (type invariant); the helper checks that it is registered.
        to_result(unsafe { bindings::rust_virtio_fake_set_gro_hw(self.0, on) })
    }

    /// Has the stack send no frames of its own on the interface, which is down.
    ///
    /// # Errors
    ///
    /// `ENODEV`: the interface is no longer registered.
    pub fn disable_ipv6(&self) -> Result {
        // SAFETY: This is a reference (type invariant); the helper checks that it is registered.
        to_result(unsafe { bindings::rust_virtio_fake_disable_ipv6(self.0) })
    }

    /// Sets the time after which the watchdog takes a stopped transmit queue for stuck, in
    /// milliseconds. It counts from the next time that the interface comes up.
    ///
    /// # Errors
    ///
    /// `ENODEV`: the interface is no longer registered.
    pub fn set_watchdog(&self, millis: u32) -> Result {
        // SAFETY: This is a reference (type invariant); the helper checks that it is registered.
        to_result(unsafe { bindings::rust_virtio_fake_set_watchdog(self.0, millis) })
    }

    /// Switches the hashes of received packets on or off.
    ///
    /// # Errors
    ///
    /// `EIO`: the interface cannot switch them.
    pub fn set_rxhash(&self, on: bool) -> Result {
        // SAFETY: This is a reference (type invariant); the helper checks that it is registered.
        to_result(unsafe { bindings::rust_virtio_fake_set_rxhash(self.0, on) })
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

    /// Has the core refuse to use more than `count` receive queues, as if it had no memory for
    /// them. The test has to undo this, with the number of pairs of the device.
    ///
    /// # Errors
    ///
    /// `ENODEV`: the interface is no longer registered.
    pub fn limit_rx_queues(&self, count: u32) -> Result {
        // SAFETY: This is a reference (type invariant); the helper checks that it is registered.
        to_result(unsafe { bindings::rust_virtio_fake_limit_rx_queues(self.0, count) })
    }

    /// Sets the sizes of all rings.
    ///
    /// # Errors
    ///
    /// Any error of the driver.
    pub fn set_rings(&self, rings: Rings) -> Result {
        // SAFETY: This is a reference (type invariant); the helper checks that it is registered.
        to_result(unsafe {
            bindings::rust_virtio_fake_set_rings(
                self.0,
                rings.rx,
                rings.tx,
                rings.rx_mini,
                rings.rx_jumbo,
            )
        })
    }

    /// Returns the sizes of the receive and transmit rings, and the largest sizes.
    pub fn rings(&self) -> (Rings, Rings) {
        let mut all = [0; 4];
        // SAFETY: This is a reference (type invariant). The helper writes four numbers.
        unsafe { bindings::rust_virtio_fake_rings(self.0, all.as_mut_ptr()) };
        let [rx, rx_max, tx, tx_max] = all;
        let of = |rx, tx| Rings {
            rx,
            tx,
            ..Rings::default()
        };
        (of(rx, tx), of(rx_max, tx_max))
    }

    /// Sets the number of transmitted packets before an interrupt (`tx-frames`): 1, or 0 for no
    /// transmit interrupts.
    ///
    /// # Errors
    ///
    /// Any error of the driver.
    pub fn set_tx_frames(&self, frames: u32) -> Result {
        // SAFETY: This is a reference (type invariant); the helper checks that it is registered.
        to_result(unsafe { bindings::rust_virtio_fake_set_tx_frames(self.0, frames) })
    }

    /// Polls the queues as netpoll does. With `locked`, this CPU holds the lock of that transmit
    /// queue. The interface is up.
    pub fn netpoll(&self, locked: Option<u16>) {
        // SAFETY: This is a reference (type invariant). The driver waits for it before it deletes
        // NAPI instances. The helper locks only queues of the interface.
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
        // SAFETY: This is a reference (type invariant). The helper copies the frame, and checks
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

    /// Sends a frame that the device segments: TCP over IPv4 with ECN, or UDP. The stack chooses
    /// the queue, and segments the frame if the device cannot.
    ///
    /// # Errors
    ///
    /// Any error of the stack. `EINVAL`: the checksum is outside of the frame, or the size is 0.
    pub fn send_segments(&self, frame: &[u8], tcp: bool, csum: (u16, u16), size: u16) -> Result {
        if size == 0 {
            return Err(EINVAL);
        }
        // SAFETY: This is a reference (type invariant). The helper copies the frame.
        let ret = unsafe {
            bindings::rust_virtio_fake_send_segments(
                self.0,
                frame.as_ptr().cast(),
                frame.len() as u32,
                tcp,
                size,
                csum.0,
                csum.1,
            )
        };
        if ret > 0 {
            return Err(EBUSY);
        }
        to_result(ret)
    }

    /// Sends a frame through the first queue that has a route, and a page of user space besides
    /// these bytes. Returns whether the driver has given back the route, and the page.
    ///
    /// # Errors
    ///
    /// `ENOMEM`. `EBUSY`: the interface did not take the frame.
    pub fn send_owned(&self, frame: &[u8]) -> Result<(bool, bool)> {
        let (mut no_route, mut no_pages) = (false, false);
        // SAFETY: This is a reference (type invariant). The helper copies the frame, and writes
        // both answers.
        to_result(unsafe {
            bindings::rust_virtio_fake_send_owned(
                self.0,
                frame.as_ptr().cast(),
                frame.len() as u32,
                &mut no_route,
                &mut no_pages,
            )
        })?;
        Ok((no_route, no_pages))
    }

    /// Sends a clone of a frame through the first queue. Returns whether the driver wrote to the
    /// headroom, which the clone shares with the frame.
    ///
    /// # Errors
    ///
    /// `ENOMEM`. `EBUSY`: the interface did not take the clone.
    pub fn send_clone(&self, frame: &[u8]) -> Result<bool> {
        // SAFETY: This is a reference (type invariant). The helper copies the frame.
        let ret = unsafe {
            bindings::rust_virtio_fake_send_clone(self.0, frame.as_ptr().cast(), frame.len() as u32)
        };
        to_result(ret.min(0))?;
        Ok(ret != 0)
    }

    /// Returns whether the interface leaves the checksum of a packet to the device. The packet may
    /// contain another packet, and may have to be segmented, by the device or the stack.
    ///
    /// # Errors
    ///
    /// `ENOMEM`. `EINVAL`: the interface withdraws other offloads than that of checksums.
    pub fn completes_checksum(
        &self,
        encapsulated: bool,
        gso: bool,
        device_cuts: bool,
    ) -> Result<bool> {
        // SAFETY: This is a reference to an interface of a virtio driver, which has the operation.
        // It may be called in any state.
        let ret =
            unsafe { bindings::rust_virtio_fake_completes(self.0, encapsulated, gso, device_cuts) };
        to_result(ret.min(0))?;
        Ok(ret != 0)
    }

    /// Returns the number of sent frames that have released their sender so far: they were freed,
    /// or orphaned.
    pub fn let_go() -> u32 {
        // SAFETY: May be called at any time.
        unsafe { bindings::rust_virtio_fake_let_go() }
    }
}

impl Clone for Nic {
    fn clone(&self) -> Self {
        // SAFETY: This is a reference to the interface (type invariant).
        unsafe { bindings::rust_virtio_fake_dev_hold(self.0) };
        // INVARIANT: The reference was just taken.
        Self(self.0)
    }
}

impl Drop for Nic {
    fn drop(&mut self) {
        // SAFETY: This owns a reference to the interface (type invariant), which is not used again.
        unsafe { bindings::rust_virtio_fake_dev_put(self.0) };
    }
}
