// SPDX-License-Identifier: GPL-2.0

//! Received packets.

use super::{
    DropReason,
    SkBuff,
    ETH_HLEN,
    MAX_SKB_FRAGS, //
};
use crate::{
    bindings,
    device::{
        Device,
        Operations, //
    },
    frag::RxData,
    napi::Napi, //
};
use core::{
    ops::Deref,
    ptr::NonNull, //
};
use kernel::{
    error::to_result,
    page::Page,
    page::PAGE_SIZE,
    prelude::*, //
};

/// The largest room that the head of a packet can be given: more than any packet has.
const MAX_HEAD: u32 = 1 << 16;

/// The checksum and the segmentation of a received packet as the device reports them, in terms of
/// virtio spec §5.1.6.
///
/// These values are not trusted: [`RxSkb::set_offload`] checks them against the packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RxOffload {
    /// `VIRTIO_NET_HDR_F_*`.
    pub flags: u8,
    /// `VIRTIO_NET_HDR_GSO_*`.
    pub gso_type: u8,
    /// Bytes of headers; not used.
    pub hdr_len: u16,
    /// Payload bytes of each packet.
    pub gso_size: u16,
    /// The offset of the first byte that the checksum covers.
    pub csum_start: u16,
    /// The offset of the checksum from `csum_start`.
    pub csum_offset: u16,
}

impl RxOffload {
    /// Returns the C structure, in the CPU's byte order.
    fn to_raw(self) -> bindings::virtio_net_hdr {
        bindings::virtio_net_hdr {
            flags: self.flags,
            gso_type: self.gso_type,
            hdr_len: self.hdr_len,
            gso_size: self.gso_size,
            csum_start: self.csum_start,
            csum_offset: self.csum_offset,
        }
    }
}

/// The UDP tunnel of a received packet that is to be segmented, as the device reports it, in terms
/// of virtio spec §5.1.6. Not trusted either.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RxTunnel {
    /// The offset of the UDP header of the tunnel.
    pub outer_transport: u16,
    /// The offset of the IP header of the packet in the tunnel.
    pub inner_network: u16,
    /// Whether datagrams of the tunnel may get checksums
    /// (`VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO_CSUM`).
    pub takes_csum: bool,
}

/// The part of a packet that a hash was calculated from (C: `enum pkt_hash_types`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum HashKind {
    /// The hash says nothing.
    None = bindings::pkt_hash_types_PKT_HASH_TYPE_NONE,
    /// The addresses.
    L3 = bindings::pkt_hash_types_PKT_HASH_TYPE_L3,
    /// The addresses and the ports.
    L4 = bindings::pkt_hash_types_PKT_HASH_TYPE_L4,
}

/// A packet under construction, with no other reference to it.
///
/// A packet that the stack sends may have other users: the device, if it was sent before, or its
/// clones, which have the same head. GRO links packets, and [`RxPacket`] writes to the head of a
/// packet. So both take packets of this type only, which are allocated, or built around a buffer.
///
/// # Invariants
///
/// This owns the only reference to the packet, its head, and the packets of its fragment list.
#[repr(transparent)]
pub struct RxSkb(SkBuff);

impl Deref for RxSkb {
    type Target = SkBuff;

    #[inline]
    fn deref(&self) -> &SkBuff {
        &self.0
    }
}

impl RxSkb {
    /// Allocates an empty packet with room for `size` bytes in its head.
    ///
    /// `None` if `size` is above 64 KiB, or if there is no memory.
    #[inline]
    pub fn alloc<T: Operations>(napi: Napi<'_, T>, size: u32) -> Option<Self> {
        // The kernel adds its headroom to the size, in 32 bits.
        if size > MAX_HEAD {
            return None;
        }
        // SAFETY: Called from the poll function of the instance.
        let skb = unsafe { bindings::napi_alloc_skb(napi.as_raw(), size) };
        // SAFETY: `skb` is a new packet, and this has its only reference.
        // INVARIANT: This has the only reference to the new packet.
        NonNull::new(skb).map(|skb| Self(unsafe { SkBuff::from_raw(skb) }))
    }

    /// Wraps a new packet.
    ///
    /// # Safety
    ///
    /// There is no other reference to the packet, to its head, and to the packets of its fragment
    /// list.
    #[inline]
    pub(crate) unsafe fn from_new(skb: SkBuff) -> Self {
        // INVARIANT: By the safety requirements.
        Self(skb)
    }

    /// Returns the packet as a general one.
    #[inline]
    pub fn into_skb(self) -> SkBuff {
        self.0
    }

    /// Frees a packet that is dropped, as [`SkBuff::drop_with`].
    pub fn drop_with(self, reason: DropReason) {
        self.into_skb().drop_with(reason);
    }

    /// Copies `len` bytes at `src` to the end of the head.
    ///
    /// # Safety
    ///
    /// The head has room for `len` bytes, and nothing else refers to it. `len` bytes at `src` are
    /// readable. The device may change them during the call.
    #[inline]
    pub unsafe fn put(&mut self, src: *const u8, len: u32) {
        // SAFETY: By the safety requirements, there is room for `len` bytes, and as many at `src`.
        unsafe {
            let to = bindings::__skb_put(self.as_raw(), len).cast::<u8>();
            core::ptr::copy_nonoverlapping(src, to, len as usize);
        }
    }

    /// Records that the device has also checked the checksum of the packet in the UDP tunnel that
    /// this packet is.
    pub fn set_tunnel_checksum_unnecessary(&mut self) {
        // SAFETY: The packet is valid, and there is no other reference to it (type invariant).
        unsafe { bindings::skb_set_csum_level(self.as_raw(), 1) };
    }

    /// Records that the device has checked the checksum.
    #[inline]
    pub fn set_checksum_unnecessary(&mut self) {
        // SAFETY: The packet is valid, and there is no other reference to it (type invariant).
        unsafe { bindings::skb_set_checksum_unnecessary(self.as_raw()) };
    }

    /// Sets the hash of the packet. Of a packet without a hash, the stack calculates one when it
    /// needs it.
    #[inline]
    pub fn set_hash(&mut self, value: u32, kind: HashKind) {
        // SAFETY: The packet is valid, and there is no other reference to it (type invariant).
        unsafe { bindings::skb_set_hash(self.as_raw(), value, kind as u32) };
    }

    /// Sets checksum and segmentation as the device described them, after a check against the
    /// headers of the packet.
    ///
    /// # Errors
    ///
    /// `EINVAL`: the description does not fit the packet.
    pub fn set_offload<T: Operations>(&mut self, dev: &Device<T>, offload: &RxOffload) -> Result {
        if (self.head_len() as usize) < ETH_HLEN {
            return Err(EINVAL);
        }
        let hdr = offload.to_raw();
        // SAFETY: Nothing else refers to the packet (type invariant), and it has an Ethernet
        // header. `hdr` is in the CPU's byte order.
        to_result(unsafe {
            bindings::skb_set_rx_dev(self.as_raw(), dev.as_raw());
            bindings::virtio_net_hdr_to_skb(self.as_raw(), &hdr, cfg!(target_endian = "little"))
        })
    }

    /// As [`RxSkb::set_offload`], for a packet in a UDP tunnel, which the device has described too.
    ///
    /// # Errors
    ///
    /// `EINVAL`: the description does not fit the packet.
    pub fn set_tunnel_offload<T: Operations>(
        &mut self,
        dev: &Device<T>,
        offload: &RxOffload,
        tunnel: &RxTunnel,
    ) -> Result {
        if (self.head_len() as usize) < ETH_HLEN {
            return Err(EINVAL);
        }
        // SAFETY: Nothing else refers to the packet (type invariant), and it has an Ethernet
        // header. The fields are in the CPU's byte order.
        to_result(unsafe {
            bindings::skb_set_rx_dev(self.as_raw(), dev.as_raw());
            bindings::rust_tunnel_hdr_to_skb(
                self.as_raw(),
                &offload.to_raw(),
                tunnel.outer_transport,
                tunnel.inner_network,
                tunnel.takes_csum,
            )
        })
    }

    /// Adds bytes of a page at the end of the packet.
    ///
    /// # Errors
    ///
    /// Returns the page if the packet has the largest number of fragments, or the range is not in
    /// the page.
    pub fn add_page(&mut self, page: Page, offset: u32, len: u32) -> Result<(), Page> {
        let info = self.shared_info();
        // SAFETY: The `skb_shared_info` is in the head of the packet, which only this refers to
        // (type invariant).
        let n = unsafe { (*info).nr_frags } as usize;
        if n >= MAX_SKB_FRAGS || offset.saturating_add(len) as usize > PAGE_SIZE {
            return Err(page);
        }
        // SAFETY: The packet has room for a fragment, and takes over the reference to the page.
        unsafe {
            bindings::skb_add_rx_frag(
                self.as_raw(),
                n as i32,
                page.as_ptr(),
                offset as i32,
                len as i32,
                PAGE_SIZE as u32,
            )
        };
        core::mem::forget(page);
        Ok(())
    }
}

impl RxSkb {
    /// Builds a packet around the buffer that it was received in, without a copy. The packet has
    /// the bytes after the first `skip` bytes.
    ///
    /// `None` if the buffer has no room for the `skb_shared_info` ([`RxData::has_tailroom`]) or
    /// fewer than `skip` bytes, or if there is no memory.
    #[inline]
    pub fn build<T: Operations>(_napi: Napi<'_, T>, data: RxData, skip: u32) -> Option<Self> {
        let len = data.len().checked_sub(skip)?;
        if !data.has_tailroom() {
            return None;
        }
        let (frag, _) = data.into_parts();
        // SAFETY: The fragment is `truesize` bytes that this owns, with room for `struct
        // skb_shared_info` at the end. `_napi` shows that this is a poll function.
        let skb = unsafe { bindings::napi_build_skb(frag.base().cast(), frag.truesize()) };
        let skb = NonNull::new(skb)?;
        // OVERFLOW: Both are less than a page.
        let reserve = frag.headroom().wrapping_add(skip);
        // The packet owns the fragment now.
        core::mem::forget(frag);
        // SAFETY: By the type invariants of `RxData`, the new packet has room for the bytes, and
        // its memory is from a page pool. This has its only reference.
        // INVARIANT: This has the only reference to the new packet.
        unsafe {
            bindings::skb_rx_place(skb.as_ptr(), reserve, len);
            Some(Self(SkBuff::from_raw(skb)))
        }
    }
}

/// A packet with an Ethernet header.
///
/// # Invariants
///
/// The head has at least [`ETH_HLEN`] bytes.
#[repr(transparent)]
pub struct EthSkb(RxSkb);

impl EthSkb {
    /// Wraps a packet with an Ethernet header.
    ///
    /// # Errors
    ///
    /// Returns a packet without an Ethernet header in its head.
    #[inline]
    pub fn new(skb: RxSkb) -> Result<Self, RxSkb> {
        if (skb.head_len() as usize) < ETH_HLEN {
            return Err(skb);
        }
        // INVARIANT: The length of the head was compared.
        Ok(Self(skb))
    }

    /// Allocates a packet, and copies to it the bytes of a buffer after the first `skip` bytes.
    ///
    /// `None` if these are more than `ROOM` bytes or less than an Ethernet header, if the buffer
    /// has fewer than `skip` bytes, or if there is no memory.
    #[inline(always)]
    pub fn copy<const ROOM: u32, T: Operations>(
        napi: Napi<'_, T>,
        data: &RxData,
        skip: u32,
    ) -> Option<Self> {
        let len = data.len().checked_sub(skip)?;
        if len > ROOM || (len as usize) < ETH_HLEN {
            return None;
        }
        let skb = RxSkb::alloc(napi, ROOM)?;
        // SAFETY: The new packet has room for `ROOM` bytes, and this has its only reference. The
        // bytes are within the buffer, by the type invariants of `RxData`.
        unsafe {
            let to = bindings::skb_rx_put(skb.as_raw(), len).cast::<u8>();
            let from = data.start().add(skip as usize);
            core::ptr::copy_nonoverlapping(from, to, len as usize);
        }
        // INVARIANT: The head got `len` bytes, at least `ETH_HLEN`.
        Some(Self(skb))
    }

    /// Sets the hash of the packet, as [`RxSkb::set_hash`].
    #[inline]
    pub fn set_hash(&mut self, value: u32, kind: HashKind) {
        self.0.set_hash(value, kind);
    }

    /// Returns the packet.
    #[inline]
    pub fn into_rx(self) -> RxSkb {
        self.0
    }
}

/// A packet that is put together from several receive buffers.
///
/// # Invariants
///
/// `last` is `head` or the last packet of its fragment list.
pub struct RxPacket {
    head: RxSkb,
    last: NonNull<bindings::sk_buff>,
}

impl RxPacket {
    /// Returns a packet that starts with `head`.
    #[inline]
    pub fn new(head: RxSkb) -> Self {
        // INVARIANT: `last` is the head.
        Self {
            last: head.0 .0,
            head,
        }
    }

    /// Allocates a packet with room for `copy` bytes in its head. Copies the Ethernet header, which
    /// is after the first `skip` bytes of a buffer, to the head, and adds the rest of the buffer as
    /// a fragment.
    ///
    /// `None` if the buffer has no Ethernet header after `skip` bytes, or if there is no memory.
    pub fn split<T: Operations>(
        napi: Napi<'_, T>,
        data: RxData,
        skip: u32,
        copy: u32,
    ) -> Option<Self> {
        let start = skip.checked_add(ETH_HLEN as u32)?;
        if data.len() < start {
            return None;
        }
        let mut head = RxSkb::alloc(napi, copy.max(ETH_HLEN as u32))?;
        // SAFETY: The new packet has room for a header. The bytes are within the buffer, by the
        // type invariants of `RxData`.
        unsafe { head.put(data.start().add(skip as usize), ETH_HLEN as u32) };
        let mut packet = Self::new(head);
        if data.len() > start {
            packet.append(data, start).ok()?;
        }
        Some(packet)
    }

    /// Adds the bytes of a buffer after the first `skip` bytes.
    ///
    /// # Errors
    ///
    /// `EINVAL`: the buffer has fewer than `skip` bytes, or the packet was put together before and
    /// has no more room. `ENOMEM`. The buffer is dropped.
    pub fn append(&mut self, data: RxData, skip: u32) -> Result {
        let len = data.len().checked_sub(skip).ok_or(EINVAL)?;
        let (frag, _) = data.into_parts();
        let truesize = frag.truesize();
        let (page, offset) = frag.page(skip);

        // SAFETY: `last` is the head or in its list, which only this refers to (type invariants).
        let mut n = unsafe { (*bindings::skb_shinfo(self.last.as_ptr())).nr_frags } as usize;
        if n >= MAX_SKB_FRAGS {
            self.extend()?;
            n = 0;
        }
        let (head, last) = (self.head.as_raw(), self.last.as_ptr());
        // SAFETY: By the type invariants; `last` has room for a fragment.
        unsafe {
            if last != head {
                (*head).data_len += len;
                (*head).len += len;
                (*head).truesize += truesize;
            }
            if bindings::skb_can_coalesce(last, n as i32, page, offset as i32) {
                bindings::skb_coalesce_rx_frag(last, n as i32 - 1, len as i32, truesize);
                // The packet has a reference to the page already.
                drop(frag);
            } else {
                bindings::skb_add_rx_frag(
                    last,
                    n as i32,
                    page,
                    offset as i32,
                    len as i32,
                    truesize,
                );
                bindings::skb_mark_for_recycle(last);
                // The packet owns the fragment now.
                core::mem::forget(frag);
            }
        }
        Ok(())
    }

    /// Adds a packet to the fragment list.
    #[cold]
    fn extend(&mut self) -> Result {
        let info = self.head.shared_info();
        let first = self.last == self.head.0 .0;
        // A list from an earlier [`RxPacket`] is not replaced: the length of the packet includes
        // it.
        // SAFETY: By the type invariants of `RxSkb`, this is the only user of the head.
        if first && !unsafe { (*info).frag_list }.is_null() {
            return Err(EINVAL);
        }
        // SAFETY: May be called in any context.
        let skb = unsafe { bindings::alloc_skb(0, bindings::GFP_ATOMIC) };
        let skb = NonNull::new(skb).ok_or(ENOMEM)?;
        // SAFETY: Only this refers to the packets (type invariants). The list takes over the
        // reference to the new packet.
        unsafe {
            bindings::skb_mark_for_recycle(skb.as_ptr());
            if first {
                (*info).frag_list = skb.as_ptr();
            } else {
                (*self.last.as_ptr()).__bindgen_anon_1.__bindgen_anon_1.next = skb.as_ptr();
            }
            (*self.head.as_raw()).truesize += (*skb.as_ptr()).truesize;
        }
        // INVARIANT: The new packet is the last of the list.
        self.last = skb;
        Ok(())
    }

    /// Returns the length of the packet so far.
    #[inline]
    pub fn len(&self) -> u32 {
        self.head.len()
    }

    /// Whether there is no byte.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the complete packet.
    #[inline]
    pub fn finish(self) -> RxSkb {
        self.head
    }
}
