// SPDX-License-Identifier: GPL-2.0

//! Packets in UDP tunnels.

use super::nic::Nic;
use crate::bindings;
use kernel::{
    error::to_result,
    prelude::*, //
};

/// The UDP tunnel of a packet, with a TCP packet in it. Offsets count from the start of the frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tunnel {
    /// Whether the packet is marked as one with another packet in it.
    pub encapsulated: bool,
    /// The offset of the UDP header of the tunnel.
    pub outer_transport: u16,
    /// The offset of the IP header of the packet in the tunnel.
    pub inner_network: u16,
    /// The offset of the TCP header of that packet.
    pub inner_transport: u16,
    /// The payload of a segment, if the packet is to be segmented; otherwise 0.
    pub gso_size: u16,
    /// Whether the segments get the headers of the tunnel.
    pub in_tunnel: bool,
    /// Whether each datagram of the tunnel gets a checksum.
    pub csum: bool,
    /// The number of checksums that were checked, without the first one.
    pub csum_level: u8,
}

/// The features of an interface for packets in tunnels: those that are on, and those that also
/// apply to the packet in a tunnel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of `NETIF_F_...`")]
pub struct TunnelFeatures {
    pub gso: bool,
    pub gso_csum: bool,
    pub inner_gso: bool,
    pub inner_gso_csum: bool,
    pub inner_tso: bool,
    pub inner_csum: bool,
}

impl Tunnel {
    /// Returns the description in C of a received packet.
    pub(super) fn from_raw(raw: &bindings::rust_virtio_fake_tunnel) -> Self {
        Self {
            encapsulated: raw.encapsulated,
            outer_transport: raw.outer_transport,
            inner_network: raw.inner_network,
            inner_transport: raw.inner_transport,
            gso_size: raw.gso_size,
            in_tunnel: raw.in_tunnel,
            csum: raw.csum,
            csum_level: raw.csum_level,
        }
    }
}

impl Nic {
    /// Sends a frame, a TCP packet in a tunnel that is to be segmented. The stack chooses the
    /// queue, and segments the packet if the device cannot.
    ///
    /// # Errors
    ///
    /// Any error of the stack. `EINVAL`: a header is outside of the frame, or the size is 0.
    pub fn send_tunnel(&self, frame: &[u8], tunnel: &Tunnel) -> Result {
        let headers = usize::from(tunnel.inner_transport) + 20;
        if tunnel.gso_size == 0
            || frame.len() < headers
            || tunnel.inner_network > tunnel.inner_transport
            || tunnel.outer_transport > tunnel.inner_network
        {
            return Err(EINVAL);
        }
        let raw = bindings::rust_virtio_fake_tunnel {
            outer_transport: tunnel.outer_transport,
            inner_network: tunnel.inner_network,
            inner_transport: tunnel.inner_transport,
            gso_size: tunnel.gso_size,
            csum: tunnel.csum,
            ..Default::default()
        };
        // SAFETY: This is a reference (type invariant). The helper copies the frame, which has the
        // headers.
        let ret = unsafe {
            bindings::rust_virtio_fake_send_tunnel(
                self.0,
                frame.as_ptr().cast(),
                frame.len() as u32,
                &raw,
            )
        };
        if ret > 0 {
            return Err(EBUSY);
        }
        to_result(ret)
    }

    /// Returns the features of the interface for packets in tunnels.
    pub fn tunnel_features(&self) -> TunnelFeatures {
        let mut raw = bindings::rust_virtio_fake_tunnel_features::default();
        // SAFETY: This is a reference to the interface (type invariant).
        unsafe { bindings::rust_virtio_fake_tunnel_features(self.0, &mut raw) };
        TunnelFeatures {
            gso: raw.gso,
            gso_csum: raw.gso_csum,
            inner_gso: raw.inner_gso,
            inner_gso_csum: raw.inner_gso_csum,
            inner_tso: raw.inner_tso,
            inner_csum: raw.inner_csum,
        }
    }
}
