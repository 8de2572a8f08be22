// SPDX-License-Identifier: GPL-2.0

//! Packets to transmit.

use super::{
    SkBuff,
    MAX_SKB_FRAGS, //
};
use crate::{
    bindings,
    features::Features, //
};
use kernel::{
    error::to_result,
    prelude::*, //
};

/// The kind of packets that a large packet is segmented into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GsoKind {
    /// TCP over IPv4.
    TcpV4,
    /// TCP over IPv6.
    TcpV6,
    /// UDP.
    UdpL4,
}

/// The segmentation of a packet into smaller ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gso {
    /// The kind of the smaller packets, if it is one of [`GsoKind`].
    pub kind: Option<GsoKind>,
    /// TCP with ECN: only the first packet has the congestion window reduced flag.
    pub ecn: bool,
    /// Payload bytes of each packet.
    pub size: u16,
}

/// The UDP tunnel that the packets to segment are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UdpTunnel {
    /// The tunnel is one over IPv6, and otherwise over IPv4.
    pub over_v6: bool,
    /// Each datagram of the tunnel gets a checksum, besides that of the packet in it.
    pub csum: bool,
    /// The offset of the UDP header of the tunnel.
    pub outer_transport: u16,
    /// The offset of the IP header of the packet in the tunnel.
    pub inner_network: u16,
}

/// Bytes of the control buffer of a packet.
pub const CONTROL_BUFFER: usize = bindings::SKB_CONTROL_BUFFER;

/// A fragment of a packet: bytes after the head.
#[derive(Clone, Copy)]
pub struct Fragment {
    /// The page, or the first of several pages. Null if the fragment is not in pages.
    pub page: *mut bindings::page,
    /// The offset of the fragment into the page.
    pub offset: u32,
    /// Bytes of the fragment.
    pub len: u32,
}

impl Fragment {
    /// Reads entry `i` of a list.
    ///
    /// # Safety
    ///
    /// The list has this entry, and belongs to a packet that the caller owns.
    #[inline]
    pub(crate) unsafe fn read(list: *const bindings::skb_frag_t, i: usize) -> Self {
        // SAFETY: By the safety requirements, the entry is valid.
        unsafe {
            let frag = list.add(i);
            Self {
                page: bindings::skb_frag_page(frag),
                offset: (*frag).offset,
                len: (*frag).len,
            }
        }
    }
}

/// The name that bindgen has for the structure of `headers` in `struct sk_buff`.
type Headers = bindings::sk_buff__bindgen_ty_4__bindgen_ty_2;

impl SkBuff {
    /// Whether the device has to [segment](SkBuff::gso) the packet, or to fill in its
    /// [checksum](SkBuff::partial_csum).
    #[inline]
    pub fn is_offloaded(&self) -> bool {
        // SAFETY: The packet and its shared part are valid (type invariant of `SkBuff`).
        self.partial_csum().is_some() || unsafe { (*self.shared_info()).gso_size } != 0
    }

    /// Returns the segmentation of the packet, if the device has to segment it.
    #[inline]
    pub fn gso(&self) -> Option<Gso> {
        let info = self.shared_info();
        // SAFETY: The packet and its shared part are valid (type invariant of `SkBuff`).
        let (size, kind) = unsafe { ((*info).gso_size, (*info).gso_type as i32) };
        if size == 0 {
            return None;
        }
        Some(Gso {
            kind: if kind & bindings::SKB_GSO_TCPV4 != 0 {
                Some(GsoKind::TcpV4)
            } else if kind & bindings::SKB_GSO_TCPV6 != 0 {
                Some(GsoKind::TcpV6)
            } else if kind & bindings::SKB_GSO_UDP_L4 != 0 {
                Some(GsoKind::UdpL4)
            } else {
                None
            },
            ecn: kind & bindings::SKB_GSO_TCP_ECN != 0,
            size,
        })
    }

    /// Returns the UDP tunnel that the packet is in, if the device has to segment the packet with
    /// the headers of the tunnel.
    #[inline]
    pub fn udp_tunnel(&self) -> Option<UdpTunnel> {
        // SAFETY: The packet and its shared part are valid (type invariant of `SkBuff`).
        let kind = unsafe { (*self.shared_info()).gso_type as i32 };
        if kind & (bindings::SKB_GSO_UDP_TUNNEL | bindings::SKB_GSO_UDP_TUNNEL_CSUM) == 0 {
            return None;
        }
        let headers = self.headers();
        // The offsets of the headers count from the beginning of the head, in 16 bits.
        let headroom = self.headroom() as u16;
        Some(UdpTunnel {
            over_v6: headers.protocol == (bindings::ETH_P_IPV6 as u16).to_be(),
            csum: kind & bindings::SKB_GSO_UDP_TUNNEL_CSUM != 0,
            outer_transport: headers.transport_header.wrapping_sub(headroom),
            inner_network: headers.inner_network_header.wrapping_sub(headroom),
        })
    }

    /// Returns the offset of the first byte that the checksum covers, and the offset of the
    /// checksum from there. `None` if the checksum need not be filled in.
    #[inline]
    pub fn partial_csum(&self) -> Option<(u16, u16)> {
        // PERF: Reads the fields here, because a C helper would be a function call in kernels that
        // cannot inline it.
        let headers = self.headers();
        if u32::from(headers.ip_summed()) != bindings::CHECKSUM_PARTIAL {
            return None;
        }
        // SAFETY: With `CHECKSUM_PARTIAL`, the union has start and offset.
        let csum = unsafe { headers.__bindgen_anon_1.__bindgen_anon_1 };
        let skb = self.as_raw();
        // SAFETY: The packet is valid, as this owns a reference (type invariant of `SkBuff`).
        let headroom = unsafe { ((*skb).data as usize).wrapping_sub((*skb).head as usize) };
        // The start counts from the beginning of the head, and the checksum is in the first 64 KiB
        // of the head.
        let start = csum.csum_start.wrapping_sub(headroom as u16);
        Some((start, csum.csum_offset))
    }

    /// Returns the length of the headers that each segment of the packet gets: all up to the end of
    /// the header of TCP or UDP. In a UDP tunnel, that is the header of the packet in it.
    ///
    /// `None` if that header is not known, or does not begin in the head.
    pub fn segment_header_len(&self, kind: GsoKind) -> Option<u32> {
        /// The offset of the length of a TCP header, in the upper half of a byte, in words.
        const TCP_LEN: usize = 12;
        const UDP_HEADER: usize = 8;
        // Unless the header is known, the offset is too large.
        let header = if self.udp_tunnel().is_some() {
            self.headers().inner_transport_header
        } else {
            self.headers().transport_header
        };
        let start = usize::from(header).checked_sub(self.headroom())?;
        let len = match kind {
            GsoKind::UdpL4 => UDP_HEADER,
            GsoKind::TcpV4 | GsoKind::TcpV6 => {
                let at = start + TCP_LEN;
                if at >= self.head_len() as usize {
                    return None;
                }
                // SAFETY: The byte is in the head, as compared above. The head is valid, as this
                // owns a reference to the packet (type invariant).
                let byte = unsafe { self.data().add(at).read() };
                usize::from(byte >> 4) * 4
            }
        };
        // CAST: The start is at most 65535.
        Some((start + len) as u32)
    }

    /// Whether the packet contains another packet (a tunnel).
    #[inline]
    pub fn is_encapsulated(&self) -> bool {
        self.headers().encapsulation() != 0
    }

    /// Returns the fields of the packet that a copy of it also has (`headers` of the C structure).
    #[inline]
    fn headers(&self) -> &Headers {
        // SAFETY: The packet is valid (type invariant of `SkBuff`). The group is a union of two
        // structures with the same fields, and no other code writes to them while this has the
        // packet.
        unsafe { (*self.as_raw()).__bindgen_anon_4.headers.as_ref() }
    }

    /// Returns the start of the data in the head.
    #[inline]
    pub fn data(&self) -> *mut u8 {
        // SAFETY: The packet is valid, as this owns a reference (type invariant of `SkBuff`).
        unsafe { (*self.as_raw()).data }
    }

    /// Returns the number of bytes of the head before the data.
    #[inline]
    pub fn headroom(&self) -> usize {
        // SAFETY: The packet is valid, as this owns a reference (type invariant of `SkBuff`).
        let head = unsafe { (*self.as_raw()).head };
        (self.data() as usize).wrapping_sub(head as usize)
    }

    /// Whether the head is shared with another packet, so that the bytes before the data must not
    /// be written.
    #[inline]
    pub fn is_header_cloned(&self) -> bool {
        let skb = self.as_raw();
        // PERF: Most packets are no clones, which a bit says. The helper is a function call of 10
        // instructions in some kernels.
        // SAFETY: The packet is valid, as this owns a reference (type invariant of `SkBuff`).
        unsafe { (*skb).cloned() != 0 && bindings::skb_header_cloned(skb) }
    }

    /// Returns the start of the control buffer, [`CONTROL_BUFFER`] bytes that belong to the owner
    /// of the packet.
    #[inline]
    pub fn control_buffer(&self) -> *mut u8 {
        // SAFETY: The packet is valid, as this owns a reference (type invariant of `SkBuff`).
        unsafe { (&raw mut (*self.as_raw()).cb).cast() }
    }

    /// Whether there are bytes after the head.
    #[inline]
    pub fn has_fragments(&self) -> bool {
        // SAFETY: The packet is valid, as this owns a reference (type invariant of `SkBuff`).
        unsafe { (*self.as_raw()).data_len != 0 }
    }

    /// Returns the number of fragments after the head. Fragments of packets in the fragment list do
    /// not count.
    #[inline]
    pub fn fragment_count(&self) -> usize {
        if !self.has_fragments() {
            return 0;
        }
        // SAFETY: The packet and its shared part are valid (type invariant of `SkBuff`).
        let n = unsafe { (*self.shared_info()).nr_frags };
        usize::from(n).min(MAX_SKB_FRAGS)
    }

    /// Returns the fragments after the head.
    #[inline]
    pub fn fragments(&self) -> impl Iterator<Item = Fragment> + '_ {
        let info = self.shared_info();
        (0..self.fragment_count()).map(move |i| {
            // SAFETY: The packet and its `skb_shared_info` are valid (type invariant of `SkBuff`),
            // and the latter has `fragment_count()` fragments.
            unsafe { Fragment::read((&raw const (*info).frags).cast(), i) }
        })
    }

    /// Whether a part of the data is in other packets, in the fragment list of this one.
    #[inline]
    pub fn has_frag_list(&self) -> bool {
        // SAFETY: The packet and its shared part are valid (type invariant of `SkBuff`).
        !unsafe { (*self.shared_info()).frag_list }.is_null()
    }

    /// Whether the stack segments the packet in software if the device has `features`.
    #[inline]
    pub fn needs_gso(&self, features: Features) -> bool {
        // SAFETY: The packet is valid, as this owns a reference (type invariant of `SkBuff`).
        unsafe { bindings::netif_needs_gso(self.as_raw(), features.into_raw()) }
    }

    /// Takes the software transmit timestamp, if the sender asks for it. Called before the packet
    /// is given to the device.
    #[inline]
    pub fn tx_timestamp(&self) {
        // SAFETY: The packet is valid, as this owns a reference (type invariant of `SkBuff`).
        unsafe { bindings::skb_tx_timestamp(self.as_raw()) };
    }

    /// Copies the data that user space still owns (zero-copy sends), so that the packet may be held
    /// for long. Any context.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn orphan_frags(&mut self) -> Result {
        // SAFETY: The packet is valid (type invariant of `SkBuff`). The function refuses a shared
        // packet.
        to_result(unsafe { bindings::skb_orphan_frags(self.as_raw(), bindings::GFP_ATOMIC) })
    }
}

/// Releases the socket, the route and the connection of a packet, given its address.
///
/// # Safety
///
/// `skb` is valid, and no other code uses its references.
#[inline]
pub unsafe fn detach(skb: *mut bindings::sk_buff) {
    // SAFETY: By the safety requirements, `skb` is valid, and no other code uses its references.
    unsafe { bindings::skb_detach(skb) };
}
