// SPDX-License-Identifier: GPL-2.0

//! Packets on their way to a device, with the header that goes before them.

use crate::{
    bindings,
    skb::{
        self,
        SkBuff,
        MAX_SKB_FRAGS, //
    },
};
use core::{
    ffi::c_void,
    ptr::{
        null_mut,
        NonNull, //
    },
};
use kernel::prelude::*;
use virtio::{
    Buffer,
    QueueOps,
    RawToken,
    Segment,
    SegmentSink, //
};

/// Most segments of a packet: the header, the head, and the fragments.
pub const TX_SEGMENTS: usize = MAX_SKB_FRAGS + 2;

/// Longest header: what fits the control buffer of a packet, which the driver may use while it
/// has the packet.
pub const MAX_HEADER: u32 = 48;

/// Marks the token of a packet that is not counted against the byte limit of its queue. Packets
/// are aligned to words.
const UNCOUNTED: usize = 1;

/// Clears a header, without a call for the usual lengths.
///
/// # Safety
///
/// `to` is followed by `len` writable bytes.
#[inline(always)]
unsafe fn clear(to: *mut u8, len: usize) {
    // SAFETY: By the safety requirements.
    unsafe {
        match len {
            12 => to.cast::<[u8; 12]>().write([0; 12]),
            10 => to.cast::<[u8; 10]>().write([0; 10]),
            _ => to.write_bytes(0, len),
        }
    }
}

/// How the header of packets to transmit is laid out.
#[derive(Clone, Copy, Debug)]
pub struct HeaderLayout {
    /// Its length in bytes, at most [`MAX_HEADER`].
    pub len: u32,
    /// It may be in one descriptor with the packet (`VIRTIO_F_ANY_LAYOUT`, virtio spec §2.7.4.3).
    pub inline: bool,
}

/// A packet to transmit, with the header that goes before it.
///
/// # Invariants
///
/// `header` is followed by `layout.len` initialised bytes in the headroom right before the data
/// (if `pushed`) or in the control buffer of the packet, which nobody else uses. For a packet that
/// was a token, it is none.
pub struct TxPacket {
    skb: SkBuff,
    header: Option<NonNull<u8>>,
    header_len: u32,
    pushed: bool,
    counted: bool,
}

// SAFETY: The header belongs to the packet, which is `Send`.
unsafe impl Send for TxPacket {}

impl TxPacket {
    /// Makes room for the header of a packet, all zeroes.
    ///
    /// The header is put right before the packet if `layout` and the packet allow it. `counted`
    /// says whether the packet is counted against the byte limit of its queue.
    ///
    /// # Errors
    ///
    /// `EINVAL`, with the packet, if the header is too long.
    #[inline(always)]
    pub fn new(skb: SkBuff, layout: HeaderLayout, counted: bool) -> Result<Self, (Error, SkBuff)> {
        if layout.len > MAX_HEADER {
            return Err((EINVAL, skb));
        }
        let raw = skb.as_raw();
        // SAFETY: By the type invariants of `SkBuff`.
        let (head, data) = unsafe { ((*raw).head as usize, (*raw).data) };
        // Aligned, so that devices which access the header in place may.
        let pushed = layout.inline
            && data as usize & 1 == 0
            && (data as usize).wrapping_sub(head) >= layout.len as usize
            // SAFETY: By the type invariants of `SkBuff`.
            && unsafe { !bindings::skb_header_cloned(raw) };
        let header = if pushed {
            // SAFETY: The headroom is as large.
            unsafe { data.sub(layout.len as usize) }
        } else {
            // SAFETY: By the type invariants of `SkBuff`.
            unsafe { (&raw mut (*raw).cb).cast() }
        };
        // SAFETY: The header is within the headroom, whose owner is the packet's, as its head is
        // not shared; or it is within the control buffer, which belongs to the driver for now.
        unsafe { clear(header, layout.len as usize) };
        // INVARIANT: The bytes are initialised.
        Ok(Self {
            skb,
            // SAFETY: The header is in memory of the packet.
            header: Some(unsafe { NonNull::new_unchecked(header) }),
            header_len: layout.len,
            pushed,
            counted,
        })
    }

    /// The packet.
    #[inline(always)]
    pub fn skb(&self) -> &SkBuff {
        &self.skb
    }

    /// The header of a packet that was not added to a queue yet.
    #[inline(always)]
    pub fn header(&mut self) -> &mut [u8] {
        match self.header {
            // SAFETY: By the type invariants.
            Some(header) => unsafe {
                core::slice::from_raw_parts_mut(header.as_ptr(), self.header_len as usize)
            },
            None => &mut [],
        }
    }

    /// Bytes of the packet, without the header.
    #[inline(always)]
    pub fn len(&self) -> u32 {
        self.skb.len()
    }

    /// Fragments behind the head.
    #[inline(always)]
    fn fragments(&self) -> usize {
        // SAFETY: By the type invariants of `SkBuff`.
        if unsafe { (*self.skb.as_raw()).data_len } == 0 {
            return 0;
        }
        // SAFETY: By the type invariants of `SkBuff`.
        let n = unsafe { (*self.skb.shared_info()).nr_frags };
        usize::from(n).min(MAX_SKB_FRAGS)
    }

    /// Whether there is no byte.
    pub fn is_empty(&self) -> bool {
        self.skb.is_empty()
    }

    /// Whether the packet is counted against the byte limit of its queue.
    #[inline(always)]
    pub fn is_counted(&self) -> bool {
        self.counted
    }

    /// Adds the packet to a queue.
    ///
    /// One that is not counted may stay there for long, so it lets go of what it holds of the
    /// stack: its socket, its route and its connection.
    ///
    /// # Errors
    ///
    /// Those of [`Virtqueue::add_buf`](virtio::Virtqueue::add_buf).
    #[inline(always)]
    pub fn add_to(self, queue: &mut impl QueueOps<TxPacket>) -> Result<(), (Error, TxPacket)> {
        let (skb, counted) = (self.skb.as_raw(), self.counted);
        queue.add_buf(self)?;
        if !counted {
            // SAFETY: The queue has the packet, and nobody can take it out as it is borrowed
            // exclusively; the device uses nothing but the packet's data.
            unsafe { skb::detach(skb) };
        }
        Ok(())
    }

    /// The packet, for dropping it.
    pub fn into_skb(self) -> SkBuff {
        self.skb
    }

    /// Frees a packet that was transmitted. `budget` as for [`SkBuff::consume`].
    #[inline(always)]
    pub fn consume(self, budget: i32) {
        self.skb.consume(budget);
    }
}

// SAFETY:
// - The packet owns a reference to its head and its fragments, which stay until it is dropped; the
//   header is in one of them or in the packet itself.
// - It gives nothing to write.
// - The stack does not change packets that it gave to a driver.
// - The token is the address of the packet and, in the lowest bit, whether it is counted. The
//   header is not needed after `describe`.
unsafe impl Buffer for TxPacket {
    /// A small packet, with its header before it.
    const COMMON_COUNT: u16 = 1;

    #[inline(always)]
    fn describe_common<S: SegmentSink>(&self, sink: &mut S) -> Result {
        if !self.pushed {
            return self.describe(sink);
        }
        let len = self.header_len.wrapping_add(self.skb.head_len());
        let header = self.header.ok_or(EINVAL)?.as_ptr();
        sink.out(Segment::virt(header.cast(), len))
    }

    #[inline(always)]
    fn describe<S: SegmentSink>(&self, sink: &mut S) -> Result {
        let Some(header) = self.header else {
            return Err(EINVAL);
        };
        let header = header.as_ptr().cast();
        let raw = self.skb.as_raw();
        let head = self.skb.head_len();
        if self.pushed {
            sink.out(Segment::virt(header, self.header_len.wrapping_add(head)))?;
        } else {
            sink.out(Segment::virt(header, self.header_len))?;
            if head != 0 {
                // SAFETY: By the type invariants of `SkBuff`.
                sink.out(Segment::virt(unsafe { (*raw).data }.cast(), head))?;
            }
        }
        // SAFETY: By the type invariants of `SkBuff`.
        if unsafe { (*raw).data_len } == 0 {
            return Ok(());
        }
        let info = self.skb.shared_info();
        // SAFETY: By the type invariants of `SkBuff`.
        if !unsafe { (*info).frag_list }.is_null() {
            return Err(EINVAL);
        }
        let n = self.fragments();
        for i in 0..n {
            // SAFETY: There are as many fragments.
            let frag = unsafe {
                (&raw const (*info).frags)
                    .cast::<bindings::skb_frag_t>()
                    .add(i)
            };
            // SAFETY: `frag` is valid.
            let (page, offset, len) =
                unsafe { (bindings::skb_frag_page(frag), (*frag).offset, (*frag).len) };
            if page.is_null() {
                return Err(EINVAL);
            }
            sink.out(Segment::page(page, offset, len))?;
        }
        Ok(())
    }

    #[inline(always)]
    fn segment_count(&self) -> usize {
        let head = !self.pushed && self.skb.head_len() != 0;
        1 + usize::from(head) + self.fragments()
    }

    #[inline(always)]
    fn writable_len(&self) -> u32 {
        0
    }

    #[inline(always)]
    fn into_raw(self) -> RawToken {
        let tag = if self.counted { 0 } else { UNCOUNTED };
        let addr = self.skb.into_raw();
        RawToken {
            // SAFETY: The address is not null, and the tag fits below its alignment.
            data: unsafe { NonNull::new_unchecked(addr.cast::<c_void>().byte_add(tag)) },
            ctx: null_mut(),
        }
    }

    #[inline(always)]
    unsafe fn from_raw(raw: RawToken) -> Self {
        let tag = raw.data.as_ptr() as usize & UNCOUNTED;
        // SAFETY: By the safety requirements, taking off the tag gives the address of a packet,
        // whose reference the token was.
        let skb = unsafe { SkBuff::from_raw(raw.data.byte_sub(tag).cast()) };
        // INVARIANT: There is no header.
        Self {
            skb,
            header: None,
            header_len: 0,
            pushed: false,
            counted: tag == 0,
        }
    }
}
