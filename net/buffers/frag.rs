// SPDX-License-Identifier: GPL-2.0

//! Receive buffers that are fragments of pages of a page pool.

use core::ptr::without_provenance_mut;
use kernel::prelude::*;
use netdev::{
    pool::Frags,
    Gfp,
    Pool,
    RxData,
    RxDataRef,
    RxFrag,
    RxKind, //
};
use virtio::{
    shortage,
    Buffer,
    QueueOps,
    RawToken,
    Segment,
    SegmentWriter,
    Segments,
    Used,
    UsedRef, //
};

/// A fragment of a page to which a device receives.
///
/// The page may be mapped for a device, so only [`Filling`] adds the fragment to a queue.
pub struct FragBuf(RxFrag);

impl FragBuf {
    /// Returns the data that the device wrote to a buffer which is still in its queue.
    #[inline]
    pub fn seen(used: UsedRef<'_, Self>) -> RxDataRef<'_> {
        let len = used.len();
        // SAFETY: The length of a used buffer is at most its `writable_len`, which is the capacity
        // of the fragment.
        unsafe { used.buffer().0.data(len) }
    }

    /// As [`FragBuf::seen`], of a buffer that was seen before, whose data is visible to the CPU.
    #[inline]
    pub fn seen_again(used: UsedRef<'_, Self>) -> RxDataRef<'_> {
        let len = used.len();
        // SAFETY: The length of a used buffer is at most its `writable_len`, which is the capacity
        // of the fragment.
        unsafe { used.buffer().0.visible_data(len) }
    }

    /// Returns the fragment.
    #[inline]
    pub fn into_frag(self) -> RxFrag {
        self.0
    }

    /// Returns the data that the device wrote to a buffer.
    #[inline]
    pub fn received(used: Used<Self>) -> RxData {
        let len = used.len();
        // SAFETY: The length of a used buffer is at most its `writable_len`, which is the capacity
        // of the fragment.
        unsafe { RxData::new(used.into_buffer().0, len) }
    }
}

impl Segments<Segment> for FragBuf {
    #[inline(always)]
    fn write_segments<W: SegmentWriter<Segment>>(&self, writer: &mut W) -> Result {
        let len = self.0.capacity();
        writer.in_(match self.0.dma_addr() {
            Some(addr) => Segment::premapped(addr, len),
            None => Segment::virt(self.0.start().cast(), len),
        })
    }
}

// SAFETY:
// - The fragment owns its memory.
// - No reference to that memory exists.
// - It has no segment that the device reads.
// - The token is the address, and the context the sizes. A fragment whose sizes were lost has a
//   capacity of zero.
unsafe impl Buffer for FragBuf {
    const HAS_CTX: bool = true;
    const COMMON_COUNT: u16 = 1;

    #[inline]
    fn segment_count(&self) -> usize {
        1
    }

    #[inline]
    fn writable_len(&self) -> u32 {
        self.0.capacity()
    }

    #[inline]
    fn into_raw(self) -> RawToken {
        let (start, sizes) = self.0.into_raw();
        RawToken {
            data: start.cast(),
            ctx: without_provenance_mut(sizes as usize),
        }
    }

    #[inline]
    unsafe fn from_raw(raw: RawToken) -> Self {
        // SAFETY: By the safety requirements, both are of a fragment that `into_raw` gave up, or
        // the sizes were lost and are zero.
        Self(unsafe { RxFrag::from_raw(raw.data.cast(), raw.ctx.addr() as u32) })
    }
}

/// A queue that is being filled with receive buffers.
///
/// # Invariants
///
/// The memory of `frags` is not mapped, or is mapped for the device of `queue`.
pub struct Filling<'a, Q> {
    frags: Frags<'a>,
    queue: Q,
}

impl<'a, Q: QueueOps<FragBuf>> Filling<'a, Q> {
    /// Begins to fill a queue with buffers of a kind from a pool. Process context with
    /// [`Gfp::Kernel`].
    ///
    /// # Errors
    ///
    /// `EINVAL`: the pool maps its pages for another device than that of the queue.
    #[inline]
    pub fn new(pool: &'a mut Pool<'_>, queue: Q, kind: RxKind, gfp: Gfp) -> Result<Self> {
        // INVARIANT: `frags_for` returns fragments that are mapped for no other device than that of
        // the queue.
        Ok(Self {
            frags: pool.frags_for(queue.dma_dev(), kind, gfp)?,
            queue,
        })
    }

    /// Allocates a buffer and adds it to the queue. Does not notify the device.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, and those of [`Virtqueue::add_buf`](virtio::Virtqueue::add_buf). The buffer goes
    /// back to the pool.
    #[inline]
    pub fn add(&mut self) -> Result {
        if shortage::is_to_fail() {
            return Err(ENOMEM);
        }
        let frag = self.frags.alloc().ok_or(ENOMEM)?;
        // SAFETY: By the type invariant, `frags` are not mapped, or are mapped for the device of
        // `queue`.
        unsafe { self.queue.add_buf_unchecked(FragBuf(frag)) }?;
        Ok(())
    }

    /// Returns the queue.
    #[inline]
    pub fn finish(self) -> Q {
        self.queue
    }
}
