// SPDX-License-Identifier: GPL-2.0

//! Received packets.

use super::{
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
    frag::RxFrag,
    napi::Napi, //
};
use core::ptr::NonNull;
use kernel::{
    error::to_result,
    page::Page,
    page::PAGE_SIZE,
    prelude::*, //
};

/// What a device says of the checksum and the segmentation of a received packet, in terms of
/// virtio spec §5.1.6.
///
/// Not believed: [`SkBuff::set_offload`] checks it against the packet.
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
    /// Where the checksum starts.
    pub csum_start: u16,
    /// Where, as of there, it goes.
    pub csum_offset: u16,
}

impl SkBuff {
    /// A packet with no byte and room for `size` in its head.
    #[inline]
    pub fn alloc(napi: &Napi<'_>, size: u32) -> Option<Self> {
        // SAFETY: Called from the poll function of the instance.
        let skb = unsafe { bindings::napi_alloc_skb(napi.as_raw(), size) };
        // SAFETY: A new packet, whose only reference is ours.
        NonNull::new(skb).map(|skb| unsafe { Self::from_raw(skb) })
    }

    /// Bytes that can be added to the head.
    fn tailroom(&self) -> u32 {
        // SAFETY: By the type invariant.
        unsafe { bindings::skb_tailroom(self.as_raw()) as u32 }
    }

    /// Copies `len` bytes at `src` to the end of the head.
    ///
    /// # Errors
    ///
    /// `ENOSPC`: there is no room for them.
    ///
    /// # Safety
    ///
    /// `src` is followed by `len` readable bytes, which others may change meanwhile.
    pub(crate) unsafe fn put(&mut self, src: *const u8, len: u32) -> Result {
        if len > self.tailroom() {
            return Err(ENOSPC);
        }
        // SAFETY: There is room in the head, which nobody else refers to; `src` by the safety
        // requirements.
        unsafe {
            let to = bindings::__skb_put(self.as_raw(), len).cast::<u8>();
            core::ptr::copy_nonoverlapping(src, to, len as usize);
        }
        Ok(())
    }

    /// The device checked the checksum.
    #[inline]
    pub fn set_checksum_unnecessary(&mut self) {
        // SAFETY: By the type invariant, and the packet is not shared yet.
        unsafe { bindings::skb_set_checksum_unnecessary(self.as_raw()) };
    }

    /// Takes over checksum and segmentation as the device described them, after a check against
    /// the headers of the packet.
    ///
    /// # Errors
    ///
    /// `EINVAL`: the description does not fit the packet.
    pub fn set_offload<T: Operations>(&mut self, dev: &Device<T>, offload: &RxOffload) -> Result {
        if (self.head_len() as usize) < ETH_HLEN {
            return Err(EINVAL);
        }
        let hdr = bindings::virtio_net_hdr {
            flags: offload.flags,
            gso_type: offload.gso_type,
            hdr_len: offload.hdr_len,
            gso_size: offload.gso_size,
            csum_start: offload.csum_start,
            csum_offset: offload.csum_offset,
        };
        // SAFETY: By the type invariant, the packet is not shared yet and has an Ethernet
        // header; `hdr` is in the CPU's byte order.
        to_result(unsafe {
            bindings::skb_set_rx_dev(self.as_raw(), dev.as_raw());
            bindings::virtio_net_hdr_to_skb(self.as_raw(), &hdr, cfg!(target_endian = "little"))
        })
    }

    /// Adds a page to the packet, at the end.
    ///
    /// # Errors
    ///
    /// Gives the page back if the packet has all the fragments it may have, or the range is not
    /// in the page.
    pub(crate) fn add_page(&mut self, page: Page, offset: u32, len: u32) -> Result<(), Page> {
        let info = self.shared_info();
        // SAFETY: By the type invariant.
        let n = unsafe { (*info).nr_frags } as usize;
        if n >= MAX_SKB_FRAGS || offset.saturating_add(len) as usize > PAGE_SIZE {
            return Err(page);
        }
        // SAFETY: The packet has room for a fragment, and gets the reference to the page.
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

/// A packet that is put together from the fragments it was received in.
///
/// # Invariants
///
/// `last` is `head` or the last packet of its fragment list, and not shared.
pub struct RxPacket {
    head: SkBuff,
    last: NonNull<bindings::sk_buff>,
}

impl RxPacket {
    /// Builds a packet around the memory that it was received in, without a copy: its `len` bytes
    /// are `skip` bytes into the fragment.
    ///
    /// # Errors
    ///
    /// Gives the fragment back if it has no room for the administration of a packet
    /// ([`RxFrag::has_tailroom`]), if the range is not in it, or if memory is short.
    #[inline]
    pub fn build(_napi: &Napi<'_>, frag: RxFrag, skip: u32, len: u32) -> Result<Self, RxFrag> {
        if !frag.has_tailroom() || !frag.contains(skip, len) {
            return Err(frag);
        }
        // SAFETY: The fragment is `truesize` bytes that we own, the last of which are for
        // `struct skb_shared_info`; called from a poll function.
        let skb = unsafe { bindings::napi_build_skb(frag.base().cast(), frag.truesize()) };
        let Some(skb) = NonNull::new(skb) else {
            return Err(frag);
        };
        let reserve = frag.headroom() + skip;
        // The packet has the fragment now.
        core::mem::forget(frag);
        // SAFETY: A new packet with as much room; its memory is of a page pool.
        unsafe { bindings::skb_rx_place(skb.as_ptr(), reserve, len) };
        // SAFETY: Its only reference is ours.
        let head = unsafe { SkBuff::from_raw(skb) };
        // INVARIANT: There is no fragment list.
        Ok(Self { last: skb, head })
    }

    /// Allocates a packet and copies to its head: all `len` bytes that are `skip` bytes into the
    /// fragment if they are `copy` or less, else the Ethernet header, with the rest left in the
    /// fragment.
    ///
    /// # Errors
    ///
    /// Gives the fragment back if memory is short, or the range is not in it.
    #[inline]
    pub fn copy(
        napi: &Napi<'_>,
        frag: RxFrag,
        skip: u32,
        len: u32,
        copy: u32,
    ) -> Result<Self, RxFrag> {
        if !frag.contains(skip, len) {
            return Err(frag);
        }
        let Some(mut head) = SkBuff::alloc(napi, copy) else {
            return Err(frag);
        };
        let n = if len <= copy {
            len
        } else {
            len.min(ETH_HLEN as u32)
        };
        // SAFETY: The range is within the fragment, which we own.
        if unsafe { head.put(frag.start().add(skip as usize), n) }.is_err() {
            return Err(frag);
        }
        // INVARIANT: There is no fragment list.
        let mut packet = Self { last: head.0, head };
        if n < len {
            packet.append(frag, skip + n, len - n)?;
        }
        Ok(packet)
    }

    /// Adds `len` bytes that are `skip` bytes into a fragment.
    ///
    /// # Errors
    ///
    /// Gives the fragment back if the range is not in it, or if memory is short.
    #[inline]
    pub fn append(&mut self, frag: RxFrag, skip: u32, len: u32) -> Result<(), RxFrag> {
        if !frag.contains(skip, len) {
            return Err(frag);
        }
        let truesize = frag.truesize();
        let (page, offset) = frag.page(skip);

        // SAFETY: By the type invariants.
        let mut n = unsafe { (*bindings::skb_shinfo(self.last.as_ptr())).nr_frags } as usize;
        if n >= MAX_SKB_FRAGS {
            if self.extend().is_err() {
                return Err(frag);
            }
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
                // The packet has the fragment now.
                core::mem::forget(frag);
            }
        }
        Ok(())
    }

    /// Adds a packet to the fragment list.
    #[cold]
    fn extend(&mut self) -> Result {
        // SAFETY: May be called in any context.
        let skb = unsafe { bindings::alloc_skb(0, bindings::GFP_ATOMIC) };
        let skb = NonNull::new(skb).ok_or(ENOMEM)?;
        // SAFETY: By the type invariants; the list has the new packet's reference.
        unsafe {
            bindings::skb_mark_for_recycle(skb.as_ptr());
            if self.last == self.head.0 {
                (*self.head.shared_info()).frag_list = skb.as_ptr();
            } else {
                (*self.last.as_ptr()).__bindgen_anon_1.__bindgen_anon_1.next = skb.as_ptr();
            }
            (*self.head.as_raw()).truesize += (*skb.as_ptr()).truesize;
        }
        // INVARIANT: It is the last of the list.
        self.last = skb;
        Ok(())
    }

    /// Bytes so far.
    #[inline(always)]
    pub fn len(&self) -> u32 {
        self.head.len()
    }

    /// Whether there is no byte.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The packet is complete.
    #[inline(always)]
    pub fn finish(self) -> SkBuff {
        self.head
    }
}
