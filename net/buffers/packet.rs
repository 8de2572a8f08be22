// SPDX-License-Identifier: GPL-2.0

//! Packets to transmit, with the virtio header before them.

use core::{
    ffi::c_void,
    ptr::{
        null_mut,
        NonNull, //
    },
};
use kernel::prelude::*;
use netdev::{
    skb::{
        self,
        Fragment,
        CONTROL_BUFFER,
        MAX_SKB_FRAGS, //
    },
    Budget,
    SkBuff, //
};
use virtio::{
    AddError,
    Buffer,
    QueueOps,
    RawToken,
    Segment,
    SegmentWriter,
    Segments,
    Unmapped, //
};

/// Largest number of segments of a packet: the header, the head, and the fragments.
pub const TX_SEGMENTS: usize = MAX_SKB_FRAGS + 2;

/// Length of the longest header: that of the control buffer of a packet, which the driver may use
/// while it has the packet.
pub const MAX_HEADER: u32 = CONTROL_BUFFER as u32;

/// Marks the token of a packet that is not counted against the byte limit of its queue. Packets
/// are aligned to words.
const UNCOUNTED: usize = 1;

/// Clears a header, without a call for the usual length.
///
/// # Safety
///
/// `to` is followed by `len` writable bytes.
#[inline]
unsafe fn clear(to: *mut u8, len: usize) {
    // SAFETY: By the safety requirements, `to` is followed by `len` writable bytes.
    unsafe {
        if len == 12 {
            to.cast::<u64>().write_unaligned(0);
            to.add(8).cast::<u32>().write_unaligned(0);
        } else {
            to.write_bytes(0, len);
        }
    }
}

/// The layout of the header of packets to transmit.
///
/// # Invariants
///
/// `len` is at most [`MAX_HEADER`].
#[derive(Clone, Copy, Debug)]
pub struct HeaderLayout {
    len: u8,
    inline: bool,
}

impl HeaderLayout {
    /// Returns the layout of a header of `len` bytes. `inline` says that the header may be in one
    /// descriptor with the packet (`VIRTIO_F_ANY_LAYOUT`, virtio spec §2.7.4.3).
    ///
    /// Returns none if `len` is more than [`MAX_HEADER`].
    pub const fn new(len: u32, inline: bool) -> Option<Self> {
        if len > MAX_HEADER {
            return None;
        }
        // CAST: At most `MAX_HEADER`, as compared above.
        // INVARIANT: At most `MAX_HEADER`, as compared above.
        Some(Self {
            len: len as u8,
            inline,
        })
    }
}

/// The header length and flags of a packet. PERF: one word, so that a packet is passed in two
/// registers.
#[derive(Clone, Copy)]
struct HeaderInfo(u32);

impl HeaderInfo {
    /// The length of the header.
    const LEN: u32 = 0x3f;
    /// The header is in the headroom, directly before the data, and not in the control buffer.
    const IN_HEADROOM: u32 = 0x40;
    /// The packet is counted against the byte limit of its queue.
    const COUNTED: u32 = 0x80;

    #[inline]
    const fn new(len: u8, in_headroom: bool, counted: bool) -> Self {
        const {
            assert!(MAX_HEADER <= Self::LEN);
        }
        let mut bits = len as u32 & Self::LEN;
        if in_headroom {
            bits |= Self::IN_HEADROOM;
        }
        if counted {
            bits |= Self::COUNTED;
        }
        Self(bits)
    }

    #[inline]
    const fn header_len(self) -> u32 {
        self.0 & Self::LEN
    }

    #[inline]
    const fn is_in_headroom(self) -> bool {
        self.0 & Self::IN_HEADROOM != 0
    }

    #[inline]
    const fn is_counted(self) -> bool {
        self.0 & Self::COUNTED != 0
    }
}

/// A packet to transmit, with the header that goes before it.
///
/// # Invariants
///
/// The header, of the length in `info`, is initialised, and is in the headroom directly before the
/// data or in the control buffer. No other code uses that memory. A packet that was made from a
/// token has no header.
pub struct TxPacket {
    skb: SkBuff,
    info: HeaderInfo,
}

// SAFETY: The header belongs to the packet, which is `Send`.
unsafe impl Send for TxPacket {}

impl TxPacket {
    /// Makes room for the header of a packet, and clears it.
    ///
    /// The header is put directly before the packet if `layout` and the packet allow it. `counted`
    /// says whether the packet is counted against the byte limit of its queue.
    #[inline]
    pub fn new(skb: SkBuff, layout: HeaderLayout, counted: bool) -> Self {
        let len = usize::from(layout.len);
        let data = skb.data();
        // Aligned, for devices that access the header in place.
        let in_headroom = layout.inline
            && data as usize & 1 == 0
            && skb.headroom() >= len
            && !skb.is_header_cloned();
        // SAFETY: In the headroom, the header fits, as checked above, and no other packet shares
        // the headroom, because the head is not cloned. In the control buffer, the header fits in
        // `MAX_HEADER` bytes (type invariant of the layout), and the driver owns that buffer while
        // it has the packet.
        unsafe {
            if in_headroom {
                clear(data.sub(len), len);
            } else {
                clear(skb.control_buffer(), len);
            }
        }
        // INVARIANT: The bytes were cleared. The length fits, by the type invariant of the layout.
        Self {
            skb,
            info: HeaderInfo::new(layout.len, in_headroom, counted),
        }
    }

    /// Returns the start of the header.
    #[inline]
    fn header_ptr(&self) -> *mut u8 {
        if self.info.is_in_headroom() {
            // SAFETY: By the type invariant, the header is directly before the data.
            unsafe { self.skb.data().sub(self.info.header_len() as usize) }
        } else {
            self.skb.control_buffer()
        }
    }

    /// Returns the packet.
    #[inline]
    pub fn skb(&self) -> &SkBuff {
        &self.skb
    }

    /// Returns the header of a packet that was not added to a queue yet.
    #[inline]
    pub fn header(&mut self) -> &mut [u8] {
        // SAFETY: By the type invariant, the bytes are initialised and used by no other code. They
        // are borrowed with the packet.
        unsafe {
            core::slice::from_raw_parts_mut(self.header_ptr(), self.info.header_len() as usize)
        }
    }

    /// Returns the length of the packet in bytes, without the header.
    #[inline]
    pub fn len(&self) -> u32 {
        self.skb.len()
    }

    /// Whether the packet has no byte.
    pub fn is_empty(&self) -> bool {
        self.skb.is_empty()
    }

    /// Whether the packet is counted against the byte limit of its queue.
    #[inline]
    pub fn is_counted(&self) -> bool {
        self.info.is_counted()
    }

    /// Adds the packet to a queue.
    ///
    /// A packet that BQL does not count may stay in the queue for long, so it releases its socket,
    /// route and connection.
    ///
    /// # Errors
    ///
    /// Those of [`Virtqueue::add_buf`](virtio::Virtqueue::add_buf).
    #[inline(always)]
    pub fn add_to(self, queue: &mut impl QueueOps<TxPacket>) -> Result<(), AddError<TxPacket>> {
        let (skb, counted) = (self.skb.as_raw(), self.is_counted());
        queue.add_buf(self)?;
        if !counted {
            // SAFETY: The queue has the packet, and no code can take it out, because the queue is
            // borrowed exclusively. The device uses nothing but the data of the packet.
            unsafe { skb::detach(skb) };
        }
        Ok(())
    }

    /// Returns the packet, for dropping it.
    pub fn into_skb(self) -> SkBuff {
        self.skb
    }

    /// Frees a packet that was transmitted. `budget` as for [`SkBuff::consume`].
    #[inline]
    pub fn consume(self, budget: Budget<'_>) {
        self.skb.consume(budget);
    }
}

impl Segments<Segment> for TxPacket {
    #[inline(always)]
    fn write_segments<W: SegmentWriter<Segment>>(&self, writer: &mut W) -> Result {
        let header = self.header_ptr().cast();
        let header_len = self.info.header_len();
        let head = self.skb.head_len();
        if self.info.is_in_headroom() {
            writer.out(Segment::virt(header, header_len.wrapping_add(head)))?;
        } else {
            writer.out(Segment::virt(header, header_len))?;
            if head != 0 {
                writer.out(Segment::virt(self.skb.data().cast(), head))?;
            }
        }
        if !self.skb.has_fragments() {
            return Ok(());
        }
        if self.skb.has_frag_list() {
            return Err(EINVAL);
        }
        for Fragment { page, offset, len } in self.skb.fragments() {
            if page.is_null() {
                return Err(EINVAL);
            }
            writer.out(Segment::page(page, offset, len))?;
        }
        Ok(())
    }

    #[inline(always)]
    fn write_common<W: SegmentWriter<Segment>>(&self, writer: &mut W) -> Result {
        if !self.info.is_in_headroom() {
            return self.write_segments(writer);
        }
        let len = self.info.header_len().wrapping_add(self.skb.head_len());
        writer.out(Segment::virt(self.header_ptr().cast(), len))
    }
}

// SAFETY:
// - The packet owns a reference to its head and its fragments, which stay until it is dropped; the
//   header is in one of them or in the packet itself.
// - It has no segment that the device writes.
// - The stack does not change packets that it gave to a driver.
// - The token is the address of the packet and, in the lowest bit, whether the packet is counted.
//   The header is not needed after `write_segments`.
unsafe impl Buffer for TxPacket {
    /// The one segment of a small packet, with its header before it.
    const COMMON_COUNT: u16 = 1;

    #[inline]
    fn is_common(&self) -> bool {
        self.info.is_in_headroom() && !self.skb.has_fragments()
    }

    #[inline]
    fn segment_count(&self) -> usize {
        let head = !self.info.is_in_headroom() && self.skb.head_len() != 0;
        1 + usize::from(head) + self.skb.fragment_count()
    }

    #[inline]
    fn writable_len(&self) -> u32 {
        0
    }

    #[inline]
    fn into_raw(self) -> RawToken {
        let tag = if self.is_counted() { 0 } else { UNCOUNTED };
        let addr = self.skb.into_raw();
        RawToken {
            // SAFETY: The address is not null, and the tag fits below its alignment.
            data: unsafe { NonNull::new_unchecked(addr.cast::<c_void>().byte_add(tag)) },
            ctx: null_mut(),
        }
    }

    #[inline]
    unsafe fn from_raw(raw: RawToken) -> Self {
        let tag = raw.data.as_ptr() as usize & UNCOUNTED;
        // SAFETY: By the safety requirements, the address without the tag is that of a packet, and
        // the token owns a reference to that packet.
        let skb = unsafe { SkBuff::from_raw(raw.data.byte_sub(tag).cast()) };
        // INVARIANT: A packet that was made from a token has no header.
        Self {
            skb,
            info: HeaderInfo::new(0, false, tag == 0),
        }
    }
}

// SAFETY: Its segments are directly mapped memory and pages.
unsafe impl Unmapped for TxPacket {}
