// SPDX-License-Identifier: GPL-2.0

//! Buffers in memory of user space: AF_XDP.

use crate::packet::{
    HeaderLayout,
    TxPacket, //
};
use core::ptr::null_mut;
use kernel::prelude::*;
use netdev::{
    device::Operations,
    xsk::{
        Taken,
        MAX_BEFORE, //
    },
    Napi,
    XskBuffer,
    XskCopy,
    XskPacket,
    XskRx,
    XskTx, //
};
use virtio::{
    shortage,
    Buffer,
    QueueOps,
    RawToken,
    Segment,
    SegmentWriter,
    Segments,
    Used, //
};

/// A buffer of user space to which a device receives.
///
/// The buffer is mapped for a device, so only [`fill`] adds it to a queue.
pub struct XskBuf(XskBuffer);

impl XskBuf {
    /// Returns the packet that begins in a buffer, as [`XskRx::received`] does.
    #[inline]
    pub fn received<'a, T: Operations>(
        used: Used<Self>,
        rx: &'a mut XskRx,
        napi: Napi<'a, T>,
    ) -> Option<XskPacket<'a, T>> {
        let len = used.len();
        rx.received(napi, used.into_buffer().0, len)
    }

    /// Returns the bytes of a packet that began in another buffer, as [`XskRx::received_more`]
    /// does.
    #[inline]
    pub fn received_more<'a, T: Operations>(
        used: Used<Self>,
        rx: &'a mut XskRx,
        napi: Napi<'a, T>,
    ) -> Option<XskPacket<'a, T>> {
        let len = used.len();
        rx.received_more(napi, used.into_buffer().0, len)
    }

    /// Returns the buffer to its pool.
    pub fn free(self, rx: &mut XskRx) {
        rx.free(self.0);
    }
}

/// Copies a packet for the stack, as [`XskPacket::copy`] does.
pub fn copy<T: Operations>(packet: XskPacket<'_, T>) -> Option<XskCopy> {
    if shortage::is_to_fail() {
        return None;
    }
    packet.copy()
}

/// Copies the bytes of a packet to the end of a copy, as [`XskPacket::copy_to`] does.
///
/// # Errors
///
/// Those of [`XskPacket::copy_to`].
pub fn append<T: Operations>(copy: &mut XskCopy, packet: XskPacket<'_, T>) -> Result {
    if shortage::is_to_fail() {
        return Err(ENOMEM);
    }
    packet.copy_to(copy)
}

impl Segments<Segment> for XskBuf {
    #[inline(always)]
    fn write_segments<W: SegmentWriter<Segment>>(&self, writer: &mut W) -> Result {
        let (addr, len) = self.0.dma();
        writer.in_(Segment::premapped(addr, len))
    }
}

// SAFETY:
// - The memory is that of a pool, which stays in place and mapped until the buffer comes back.
// - No reference to that memory exists: user space may write to it, too.
// - It has no segment that the device reads.
// - The token is the address of the buffer. The context is not used.
unsafe impl Buffer for XskBuf {
    // The context is null, but the queue may have other buffers before and after.
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
        RawToken {
            data: self.0.into_raw(),
            ctx: null_mut(),
        }
    }

    #[inline]
    unsafe fn from_raw(raw: RawToken) -> Self {
        // SAFETY: By the safety requirements, the token is of a buffer that `into_raw` gave up.
        Self(unsafe { XskBuffer::from_raw(raw.data) })
    }
}

/// Adds buffers of user space to a queue, at most `most`. Does not notify the device.
///
/// The result has the error `EINVAL` if the memory is mapped for another device than that of the
/// queue, and those of [`XskRx::take`] and [`QueueOps::add_buf`].
pub fn fill(queue: &mut impl QueueOps<XskBuf>, rx: &mut XskRx, most: u32) -> Taken {
    if !rx.is_for(queue.dma_dev()) {
        return Taken {
            buffers: 0,
            result: Err(EINVAL),
        };
    }
    rx.take(most, |buffer| {
        // SAFETY: The memory is mapped for the device of the queue, as compared.
        unsafe { queue.add_buf_unchecked(XskBuf(buffer)) }
            .map_err(|refused| (refused.error, refused.buffer.0))
    })
}

/// Adds packets of user space to a queue, at most `most`, each behind a header of zeroes. Does not
/// notify the device. Returns the number of packets that were added.
///
/// # Errors
///
/// Besides the number, the result has the error of [`QueueOps::add_buf`], or `EINVAL`: the memory
/// is mapped for another device than that of the queue. Packets that were taken and not added are
/// dropped.
pub fn send(
    queue: &mut impl QueueOps<TxPacket>,
    tx: &mut XskTx,
    layout: HeaderLayout,
    most: u32,
) -> (u32, Result) {
    if u32::from(layout.len()) > MAX_BEFORE || !tx.is_for(queue.dma_dev()) {
        return (0, Err(EINVAL));
    }
    tx.take(most, |frame| {
        let packet = TxPacket::from_xsk(frame, layout);
        // SAFETY: The memory is mapped for the device of the queue, as compared.
        unsafe { queue.add_buf_unchecked(packet) }?;
        Ok(())
    })
}
