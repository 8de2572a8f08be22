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

/// The kind of packets that a large packet is to be cut into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GsoKind {
    /// TCP over IPv4.
    TcpV4,
    /// TCP over IPv6.
    TcpV6,
    /// UDP.
    UdpL4,
}

/// The way in which a packet is to be cut into smaller ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gso {
    /// The kind of packets that it is cut into, if that is known here.
    pub kind: Option<GsoKind>,
    /// TCP with ECN: the congestion window reduced flag is of the first packet only.
    pub ecn: bool,
    /// Payload bytes of each packet.
    pub size: u16,
}

/// Bytes of the control buffer of a packet.
pub const CONTROL_BUFFER: usize = bindings::SKB_CONTROL_BUFFER;

/// A fragment of a packet: bytes behind the head.
#[derive(Clone, Copy)]
pub struct Fragment {
    /// The page, or the first of several. Null: the fragment is not in pages.
    pub page: *mut bindings::page,
    /// The offset of the fragment into the page.
    pub offset: u32,
    /// Bytes of the fragment.
    pub len: u32,
}

/// The name that bindgen has for the structure of `headers` in `struct sk_buff`.
type Headers = bindings::sk_buff__bindgen_ty_4__bindgen_ty_2;

impl SkBuff {
    /// Whether the device has anything to do besides sending the packet: it is to be
    /// [cut](SkBuff::gso), or its [checksum](SkBuff::partial_csum) filled in.
    #[inline]
    pub fn is_offloaded(&self) -> bool {
        // SAFETY: The packet and its shared part are valid (type invariant of `SkBuff`).
        self.partial_csum().is_some() || unsafe { (*self.shared_info()).gso_size } != 0
    }

    /// Returns how the packet is to be cut, if it is.
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

    /// Returns the offset at which the checksum that is to be filled in starts, and its own offset
    /// from there.
    #[inline]
    pub fn partial_csum(&self) -> Option<(u16, u16)> {
        // PERF: The fields are read here, as a C helper is a call where it cannot be inlined.
        let headers = self.headers();
        if u32::from(headers.ip_summed()) != bindings::CHECKSUM_PARTIAL {
            return None;
        }
        // SAFETY: Of a checksum that is to be filled in, the union has start and offset.
        let csum = unsafe { headers.__bindgen_anon_1.__bindgen_anon_1 };
        let skb = self.as_raw();
        // SAFETY: The packet is valid, as this owns a reference (type invariant of `SkBuff`).
        let headroom = unsafe { ((*skb).data as usize).wrapping_sub((*skb).head as usize) };
        // The start is as of the head, which has no more than 64 KiB before the checksum.
        let start = csum.csum_start.wrapping_sub(headroom as u16);
        Some((start, csum.csum_offset))
    }

    /// Whether the packet has another one in it (a tunnel).
    #[inline]
    pub fn is_encapsulated(&self) -> bool {
        self.headers().encapsulation() != 0
    }

    /// Returns the fields of the packet that a copy of it has as well (`headers` of the C
    /// structure).
    #[inline]
    fn headers(&self) -> &Headers {
        // SAFETY: By the type invariant of `SkBuff`. The group is a union of two structures with
        // the same fields, and nobody else writes to them while the packet is here.
        unsafe { (*self.as_raw()).__bindgen_anon_4.headers.as_ref() }
    }

    /// Returns the start of the data in the head.
    #[inline]
    pub fn data(&self) -> *mut u8 {
        // SAFETY: The packet is valid, as this owns a reference (type invariant of `SkBuff`).
        unsafe { (*self.as_raw()).data }
    }

    /// Bytes of the head before the data.
    #[inline]
    pub fn headroom(&self) -> usize {
        // SAFETY: The packet is valid, as this owns a reference (type invariant of `SkBuff`).
        let head = unsafe { (*self.as_raw()).head };
        (self.data() as usize).wrapping_sub(head as usize)
    }

    /// Whether the head is shared with another packet that needs what is before the data.
    #[inline]
    pub fn is_header_cloned(&self) -> bool {
        let skb = self.as_raw();
        // PERF: Most packets are no clones. A bit tells; the helper is a call on some kernels, of
        // 10 instructions.
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

    /// Whether there are bytes behind the head.
    #[inline]
    pub fn has_fragments(&self) -> bool {
        // SAFETY: The packet is valid, as this owns a reference (type invariant of `SkBuff`).
        unsafe { (*self.as_raw()).data_len != 0 }
    }

    /// Returns the number of fragments behind the head, those in other packets not counted.
    #[inline]
    pub fn fragment_count(&self) -> usize {
        if !self.has_fragments() {
            return 0;
        }
        // SAFETY: The packet and its shared part are valid (type invariant of `SkBuff`).
        let n = unsafe { (*self.shared_info()).nr_frags };
        usize::from(n).min(MAX_SKB_FRAGS)
    }

    /// Returns the fragments behind the head.
    #[inline]
    pub fn fragments(&self) -> impl Iterator<Item = Fragment> + '_ {
        let info = self.shared_info();
        (0..self.fragment_count()).map(move |i| {
            // SAFETY: The packet and its shared part are valid (type invariant of `SkBuff`), and
            // the latter has as many fragments.
            unsafe {
                let frag = (&raw const (*info).frags)
                    .cast::<bindings::skb_frag_t>()
                    .add(i);
                Fragment {
                    page: bindings::skb_frag_page(frag),
                    offset: (*frag).offset,
                    len: (*frag).len,
                }
            }
        })
    }

    /// Whether a part of the data is in other packets, that this one has a list of.
    #[inline]
    pub fn has_frag_list(&self) -> bool {
        // SAFETY: The packet and its shared part are valid (type invariant of `SkBuff`).
        !unsafe { (*self.shared_info()).frag_list }.is_null()
    }

    /// Whether the packet is cut in software if the device has `features`.
    #[inline]
    pub fn needs_gso(&self, features: Features) -> bool {
        // SAFETY: The packet is valid, as this owns a reference (type invariant of `SkBuff`).
        unsafe { bindings::netif_needs_gso(self.as_raw(), features.into_raw()) }
    }

    /// Takes the software transmit timestamp, if one is asked for. Before the packet is given to
    /// the device.
    #[inline]
    pub fn tx_timestamp(&self) {
        // SAFETY: The packet is valid, as this owns a reference (type invariant of `SkBuff`).
        unsafe { bindings::skb_tx_timestamp(self.as_raw()) };
    }

    /// Copies what user space still owns of the packet (zero-copy sends), so that it may be held
    /// for long. Any context.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn orphan_frags(&mut self) -> Result {
        // SAFETY: The packet is valid (type invariant of `SkBuff`); one that is shared is refused.
        to_result(unsafe { bindings::skb_orphan_frags(self.as_raw(), bindings::GFP_ATOMIC) })
    }
}

/// Releases what a packet holds of the stack, given its address.
///
/// # Safety
///
/// `skb` is valid and nobody else uses what it refers to.
#[inline]
pub unsafe fn detach(skb: *mut bindings::sk_buff) {
    // SAFETY: By the safety requirements, `skb` is valid, and nobody else uses what it refers to.
    unsafe { bindings::skb_detach(skb) };
}
