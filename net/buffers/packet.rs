// SPDX-License-Identifier: GPL-2.0

//! Packets to transmit, with the virtio header before them: those of the stack, frames of XDP, and
//! packets of user space.

mod header;

pub use self::header::{
    HeaderLayout,
    MAX_HEADER, //
};

use self::header::{
    clear,
    HeaderInfo,
    FRAME,
    MARKS,
    UNCOUNTED,
    XSK, //
};
use core::{
    ffi::c_void,
    mem::ManuallyDrop,
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
        SkbRef,
        MAX_SKB_FRAGS, //
    },
    Budget,
    DropReason,
    SkBuff,
    XdpFrame,
    XskFrame, //
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

/// Returns the address of a packet, and releases the ownership.
#[inline(always)]
fn skb_object(skb: SkBuff) -> NonNull<c_void> {
    ManuallyDrop::new(skb).as_non_null().cast()
}

/// Returns the mark of a packet of the stack.
#[inline(always)]
const fn stack_mark(counted: bool) -> usize {
    if counted {
        0
    } else {
        UNCOUNTED
    }
}

/// Length of the usual header.
const USUAL_LEN: usize = HeaderLayout::USUAL.len() as usize;

/// Whether a header of `len` bytes can be put directly before a packet: it fits in the headroom,
/// which no other packet shares, and is aligned, for devices that access it in place.
#[inline(always)]
fn has_room(skb: &SkBuff, len: usize) -> bool {
    skb.data() as usize & 1 == 0 && skb.headroom() >= len && !skb.is_header_cloned()
}

/// A packet of the stack, a frame of XDP, or a packet of user space. Borrowed.
enum AnyPacket<'a> {
    Stack(&'a SkBuff),
    Frame(&'a XdpFrame),
    Xsk(&'a XskFrame),
}

/// A packet to transmit, with the header that goes before it.
///
/// # Invariants
///
/// `object` is the address of what `info` says: a packet of the stack, a frame of XDP, or a packet
/// of user space. In each case, this owns it, and the structure is aligned to words. A packet of
/// user space has a header as long as it was in no queue. Only [`xsk::send`](crate::xsk::send) has
/// such packets, which it adds to a queue of the device that they are mapped for.
///
/// The header, of the length in `info`, is initialised. It is at the start of a frame. For a packet
/// of the stack it is in the headroom directly before the data, or in the control buffer, and no
/// other code uses that memory. That of a packet of user space is shared. A packet that was made
/// from a token has no header.
///
/// PERF: A pointer and a word, which are passed in registers. Enums and unions are passed in
/// memory. That saves about 14 instructions a packet.
pub struct TxPacket {
    object: NonNull<c_void>,
    info: HeaderInfo,
}

// SAFETY: The header belongs to the packet or the frame, which are `Send`.
unsafe impl Send for TxPacket {}

impl TxPacket {
    /// As [`TxPacket::new`], of a packet before which the header of the usual layout can be put.
    ///
    /// PERF: The compiler knows the length and the place of the header of such a packet.
    ///
    /// # Errors
    ///
    /// Returns any other packet.
    #[inline(always)]
    pub fn usual(skb: SkBuff, layout: HeaderLayout, counted: bool) -> Result<Self, SkBuff> {
        if layout != HeaderLayout::USUAL || !has_room(&skb, USUAL_LEN) {
            return Err(skb);
        }
        // SAFETY: The header fits in the headroom, which no other packet shares.
        unsafe { clear(skb.data().sub(USUAL_LEN), USUAL_LEN) };
        // INVARIANT: The bytes were cleared.
        Ok(Self {
            object: skb_object(skb),
            info: HeaderInfo::new(HeaderLayout::USUAL.len(), true, stack_mark(counted)),
        })
    }

    /// Makes room for the header of a packet, and clears it.
    ///
    /// The header is put directly before the packet if `layout` and the packet allow it. `counted`
    /// says whether the packet is counted against the byte limit of its queue.
    #[inline]
    pub fn new(skb: SkBuff, layout: HeaderLayout, counted: bool) -> Self {
        let len = usize::from(layout.len());
        let in_headroom = layout.is_inline() && has_room(&skb, len);
        // SAFETY: In the headroom, the header fits, as checked above, and no other packet shares
        // the headroom, because the head is not cloned. In the control buffer, the header fits in
        // `MAX_HEADER` bytes (type invariant of the layout), and the driver owns that buffer while
        // it has the packet.
        unsafe {
            if in_headroom {
                clear(skb.data().sub(len), len);
            } else {
                clear(skb.control_buffer(), len);
            }
        }
        // INVARIANT: The bytes were cleared. The length fits, by the type invariant of the layout.
        Self {
            object: skb_object(skb),
            info: HeaderInfo::new(layout.len(), in_headroom, stack_mark(counted)),
        }
    }

    /// Puts a cleared header before a frame. The frame is not counted against the byte limit of its
    /// queue.
    ///
    /// # Errors
    ///
    /// Returns the frame if it has no room for the header.
    #[inline]
    pub fn from_frame(mut frame: XdpFrame, layout: HeaderLayout) -> Result<Self, XdpFrame> {
        if !frame.push_zeroes(layout.len().into()) {
            return Err(frame);
        }
        // INVARIANT: The header was added to the frame.
        Ok(Self {
            object: frame.into_raw().cast(),
            info: HeaderInfo::new(layout.len(), layout.is_inline(), FRAME),
        })
    }

    /// Puts a header of zeroes before a packet of user space.
    pub(crate) fn from_xsk(frame: XskFrame, layout: HeaderLayout) -> Self {
        // INVARIANT: The caller is `xsk::send`. The zeroes are those of the frame.
        Self {
            object: frame.into_raw(),
            info: HeaderInfo::new(layout.len(), false, XSK),
        }
    }

    /// Returns the frame, which may begin with the header, if this is one.
    pub fn into_frame(self) -> Option<XdpFrame> {
        if !self.info.is_foreign() || self.info.is_xsk() {
            return None;
        }
        let this = ManuallyDrop::new(self);
        // SAFETY: The object is a frame (type invariant), and is not used again.
        Some(unsafe { XdpFrame::from_raw(this.object.cast()) })
    }

    /// Returns the packet of the stack if it is counted against the byte limit of its queue.
    ///
    /// # Errors
    ///
    /// Returns any other packet or frame as it is.
    #[inline]
    pub fn into_counted(self) -> Result<SkBuff, Self> {
        if !self.is_counted() {
            return Err(self);
        }
        let this = ManuallyDrop::new(self);
        // SAFETY: A frame is not counted, so the object is a packet (type invariant), and is not
        // used again.
        Ok(unsafe { SkBuff::from_raw(this.object.cast()) })
    }

    /// Returns the packet or the frame.
    #[inline(always)]
    fn payload(&self) -> AnyPacket<'_> {
        let object = &raw const self.object;
        // SAFETY: `info` says what the object is (type invariant). All types are transparent
        // wrappers of such a pointer, and this owns the object.
        unsafe {
            if !self.info.is_foreign() {
                AnyPacket::Stack(&*object.cast())
            } else if self.info.is_xsk() {
                AnyPacket::Xsk(&*object.cast())
            } else {
                AnyPacket::Frame(&*object.cast())
            }
        }
    }

    /// Returns the start of the header of a packet of the stack.
    #[inline]
    fn header_ptr(&self, skb: &SkBuff) -> *mut u8 {
        if self.info.is_in_headroom() {
            // SAFETY: By the type invariant, the header is directly before the data.
            unsafe { skb.data().sub(self.info.header_len() as usize) }
        } else {
            skb.control_buffer()
        }
    }

    /// Returns the packet of the stack, unless this is a frame.
    #[inline]
    pub fn skb(&self) -> Option<&SkBuff> {
        match self.payload() {
            AnyPacket::Stack(skb) => Some(skb),
            AnyPacket::Frame(_) | AnyPacket::Xsk(_) => None,
        }
    }

    /// Returns a packet of the stack that was not added to a queue yet, and its header. None for
    /// others, whose header is all zeroes.
    #[inline]
    pub fn parts(&mut self) -> Option<(SkbRef<'_>, &mut [u8])> {
        let skb = self.skb()?.borrow();
        let start = self.header_ptr(&skb);
        // SAFETY: By the type invariant, the bytes are initialised and used by no other code. They
        // are borrowed with the packet.
        let header =
            unsafe { core::slice::from_raw_parts_mut(start, self.info.header_len() as usize) };
        Some((skb, header))
    }

    /// Returns the length of the packet in bytes: for a frame with the header, for others without
    /// it, as C counts.
    #[inline]
    pub fn len(&self) -> u32 {
        match self.payload() {
            AnyPacket::Stack(skb) => skb.len(),
            AnyPacket::Frame(frame) => frame.len(),
            AnyPacket::Xsk(frame) => frame.len(),
        }
    }

    /// Whether the packet has no byte.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
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
        let skb = if self.is_counted() {
            None
        } else {
            self.skb().map(SkBuff::as_raw)
        };
        queue.add_buf(self)?;
        if let Some(skb) = skb {
            // SAFETY: The queue has the packet, and no code can take it out, because the queue is
            // borrowed exclusively. The device uses nothing but the data of the packet.
            unsafe { skb::detach(skb) };
        }
        Ok(())
    }

    /// Frees a packet that was transmitted. `budget` as for [`SkBuff::consume`].
    #[inline]
    pub fn consume(self, budget: Budget<'_>) {
        if self.info.is_foreign() {
            return drop(self);
        }
        let this = ManuallyDrop::new(self);
        // SAFETY: The object is a packet of the stack (type invariant), and is not used again.
        unsafe { SkBuff::from_raw(this.object.cast()) }.consume(budget);
    }

    /// Frees a packet that was not transmitted. Tracing shows the reason for a packet of the stack.
    #[cold]
    pub fn drop_with(self, reason: DropReason) {
        if self.info.is_foreign() {
            return drop(self);
        }
        let this = ManuallyDrop::new(self);
        // SAFETY: The object is a packet of the stack (type invariant), and is not used again.
        unsafe { SkBuff::from_raw(this.object.cast()) }.drop_with(reason);
    }

    /// Whether this is a packet of user space that was in no queue.
    fn is_new_xsk(&self) -> bool {
        self.info.is_xsk() && self.info.header_len() != 0
    }

    fn write_xsk<W: SegmentWriter<Segment>>(&self, frame: &XskFrame, writer: &mut W) -> Result {
        if !self.is_new_xsk() {
            return Err(EINVAL);
        }
        let (addr, len) = frame.data();
        let header_len = self.info.header_len();
        writer.out(Segment::premapped(frame.zeroes(), header_len))?;
        writer.out(Segment::premapped(addr, len))
    }

    fn write_frame<W: SegmentWriter<Segment>>(&self, frame: &XdpFrame, writer: &mut W) -> Result {
        let (header, len) = (self.info.header_len(), frame.head_len());
        let start = frame.data();
        if self.info.is_in_headroom() {
            writer.out(Segment::virt(start.cast(), len))?;
        } else {
            let rest = len.checked_sub(header).ok_or(EINVAL)?;
            writer.out(Segment::virt(start.cast(), header))?;
            if rest != 0 {
                // SAFETY: The frame has `len` bytes, of which `header` are the header.
                let rest_start = unsafe { start.add(header as usize) };
                writer.out(Segment::virt(rest_start.cast(), rest))?;
            }
        }
        for Fragment { page, offset, len } in frame.fragments() {
            if page.is_null() {
                return Err(EINVAL);
            }
            writer.out(Segment::page(page, offset, len))?;
        }
        Ok(())
    }
}

impl Drop for TxPacket {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: `info` says what the object is (type invariant), and it is not used again.
        unsafe {
            if !self.info.is_foreign() {
                // The packet was in a queue that is dropped: other code says why it drops one.
                SkBuff::from_raw(self.object.cast()).drop_with(DropReason::QueuePurge);
            } else if self.info.is_xsk() {
                drop(XskFrame::from_raw(self.object.cast()));
            } else {
                drop(XdpFrame::from_raw(self.object.cast()));
            }
        }
    }
}

impl Segments<Segment> for TxPacket {
    #[inline(always)]
    fn write_segments<W: SegmentWriter<Segment>>(&self, writer: &mut W) -> Result {
        let skb = match self.payload() {
            AnyPacket::Stack(skb) => skb,
            AnyPacket::Frame(frame) => return self.write_frame(frame, writer),
            AnyPacket::Xsk(frame) => return self.write_xsk(frame, writer),
        };
        let header = self.header_ptr(skb).cast();
        let header_len = self.info.header_len();
        let head = skb.head_len();
        if self.info.is_in_headroom() {
            writer.out(Segment::virt(header, header_len.wrapping_add(head)))?;
        } else {
            writer.out(Segment::virt(header, header_len))?;
            if head != 0 {
                writer.out(Segment::virt(skb.data().cast(), head))?;
            }
        }
        if !skb.has_fragments() {
            return Ok(());
        }
        if skb.has_frag_list() {
            return Err(EINVAL);
        }
        for Fragment { page, offset, len } in skb.fragments() {
            if page.is_null() {
                return Err(EINVAL);
            }
            writer.out(Segment::page(page, offset, len))?;
        }
        Ok(())
    }

    #[inline(always)]
    fn write_common<W: SegmentWriter<Segment>>(&self, writer: &mut W) -> Result {
        match self.payload() {
            AnyPacket::Stack(skb) if self.info.is_in_headroom() => {
                let len = self.info.header_len().wrapping_add(skb.head_len());
                writer.out(Segment::virt(self.header_ptr(skb).cast(), len))
            }
            _ => self.write_segments(writer),
        }
    }
}

// SAFETY:
// - The packet owns a reference to its head and its fragments, which stay until it is dropped; the
//   header is in one of them or in the packet itself. A frame owns its buffers. The memory of a
//   packet of user space stays in place and mapped until the packet is dropped.
// - It has no segment that the device writes.
// - The stack does not change packets that it gave to a driver. No code changes a frame. User space
//   may change its packet, which no code of the kernel reads.
// - The token is the address of the packet or of the frame. Its lowest bits say which of these it
//   is, and whether the packet is counted. The header is not needed after `write_segments`.
unsafe impl Buffer for TxPacket {
    /// The one segment of a small packet, with its header before it.
    const COMMON_COUNT: u16 = 1;

    #[inline]
    fn is_common(&self) -> bool {
        match self.payload() {
            AnyPacket::Stack(skb) => self.info.is_in_headroom() && !skb.has_fragments(),
            AnyPacket::Frame(_) => self.segment_count() == 1,
            AnyPacket::Xsk(_) => false,
        }
    }

    #[inline]
    fn segment_count(&self) -> usize {
        let apart = !self.info.is_in_headroom();
        match self.payload() {
            AnyPacket::Stack(skb) => {
                let head = apart && skb.head_len() != 0;
                1 + usize::from(head) + skb.fragment_count()
            }
            AnyPacket::Frame(frame) => {
                let rest = apart && frame.head_len() > self.info.header_len();
                1 + usize::from(rest) + frame.fragment_count()
            }
            // Header and packet. One that was in a queue is refused.
            AnyPacket::Xsk(_) if self.is_new_xsk() => 2,
            AnyPacket::Xsk(_) => 0,
        }
    }

    #[inline]
    fn writable_len(&self) -> u32 {
        0
    }

    #[inline]
    fn into_raw(self) -> RawToken {
        let this = ManuallyDrop::new(self);
        RawToken {
            // SAFETY: The mark fits below the alignment of the structure (type invariant).
            data: unsafe { this.object.byte_add(this.info.mark()) },
            ctx: null_mut(),
        }
    }

    #[inline]
    unsafe fn from_raw(raw: RawToken) -> Self {
        let mark = raw.data.as_ptr() as usize & MARKS;
        // SAFETY: By the safety requirements, `into_raw` added the mark to the address of a packet
        // to which the token owns a reference, or of a frame of XDP or user space that it owns.
        let object = unsafe { raw.data.byte_sub(mark) };
        // INVARIANT: The mark says what the object is, and so does `info`, which has the mark. A
        // packet that was made from a token has no header.
        Self {
            object,
            info: HeaderInfo::new(0, false, mark),
        }
    }
}

// SAFETY: Its segments are directly mapped memory and pages, but for packets of user space that
// were in no queue, which only `xsk::send` has (type invariant).
unsafe impl Unmapped for TxPacket {}
