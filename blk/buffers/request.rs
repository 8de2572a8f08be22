// SPDX-License-Identifier: GPL-2.0

//! A request as a buffer of a virtqueue.

use crate::command::{
    Command,
    Payload, //
};
use blockdev::mq::{
    Operations,
    Request,
    RequestInfo, //
};
use core::{
    mem::size_of_val,
    ptr::NonNull, //
};
use kernel::{
    bindings,
    prelude::*, //
};
use virtio::{
    Buffer,
    RawToken,
    Segment,
    SegmentWriter,
    Segments,
    Unmapped, //
};

/// A started request as a buffer of a virtqueue.
#[repr(transparent)]
pub struct RequestBuffer<T: Operations>(Request<T>);

impl<T: Operations> RequestBuffer<T> {
    /// Returns the buffer of a request, whose command [is ready](Command::prepare).
    #[inline]
    pub fn new(rq: Request<T>) -> Self {
        Self(rq)
    }

    /// Returns the request.
    #[inline]
    pub fn into_request(self) -> Request<T> {
        self.0
    }
}

/// Writes the segments of any request.
///
/// PERF: Takes the `RequestInfo` and not the buffer, so that the buffer can stay in a register.
#[inline(never)]
fn write_any<T, const OUT: usize, const IN: usize, R, W>(
    rq: &RequestInfo<T>,
    writer: &mut W,
) -> Result
where
    T: Operations<RequestData = Command<OUT, IN, R>>,
    R: Copy + Send + 'static,
    W: SegmentWriter<Segment>,
{
    let command = rq.data();
    writer.out(command.header.segment())?;
    match &command.payload {
        Payload::Data if rq.op().is_write() => {
            for s in rq.segments() {
                writer.out(Segment::page(s.page, s.offset, s.len))?;
            }
        }
        Payload::Data => {
            for s in rq.segments() {
                writer.in_(Segment::page(s.page, s.offset, s.len))?;
            }
        }
        Payload::One(range) => writer.out(range.segment())?,
        Payload::Many(ranges) => {
            let len = u32::try_from(size_of_val(ranges.as_slice())).map_err(|_| EINVAL)?;
            writer.out(Segment::virt(ranges.as_ptr().cast(), len))?;
        }
    }
    writer.in_(command.in_header.segment(command.in_len()))
}

impl<T, const OUT: usize, const IN: usize, R> Segments<Segment> for RequestBuffer<T>
where
    T: Operations<RequestData = Command<OUT, IN, R>>,
    R: Copy + Send + 'static,
{
    #[inline(always)]
    fn write_segments<W: SegmentWriter<Segment>>(&self, writer: &mut W) -> Result {
        write_any(&self.0, writer)
    }

    #[inline(always)]
    fn write_common<W: SegmentWriter<Segment>>(&self, writer: &mut W) -> Result {
        let rq = &self.0;
        let command = rq.data();
        let (Payload::Data, Some(s)) = (&command.payload, rq.only_segment()) else {
            return Err(EINVAL);
        };
        writer.out(command.header.segment())?;
        let segment = Segment::page(s.page, s.offset, s.len);
        if rq.op().is_write() {
            writer.out(segment)?;
        } else {
            writer.in_(segment)?;
        }
        writer.in_(command.in_header.segment(command.in_len()))
    }
}

// SAFETY:
// - The header, the status and the ranges are in the request's data, or owned by it. The request,
//   its data, its bios and their pages do not move while the request is owned. The token owns the
//   request.
// - The device writes only to memory of the bios, to which there is no reference, and to a
//   `DeviceWritable`.
// - Only the owner changes header and ranges. The block layer does not change the data of a write.
// - The token is the request.
unsafe impl<T, const OUT: usize, const IN: usize, R> Buffer for RequestBuffer<T>
where
    T: Operations<RequestData = Command<OUT, IN, R>>,
    R: Copy + Send + 'static,
{
    /// The number of segments of a common buffer: header, one segment of data, and status.
    const COMMON_COUNT: u16 = 3;

    #[inline]
    fn segment_count(&self) -> usize {
        match self.0.data().payload {
            Payload::Data => self.0.phys_segments() + 2,
            Payload::One(_) | Payload::Many(_) => 3,
        }
    }

    /// Whether the request has one segment of data. Requests with ranges are rare, so they are not
    /// common buffers.
    #[inline]
    fn is_common(&self) -> bool {
        matches!(self.0.data().payload, Payload::Data) && self.0.phys_segments() == 1
    }

    #[inline]
    fn writable_len(&self) -> u32 {
        let rq = &self.0;
        let command = rq.data();
        match command.payload {
            Payload::Data if !rq.op().is_write() => rq.bytes().saturating_add(command.in_len()),
            _ => command.in_len(),
        }
    }

    #[inline]
    fn into_raw(self) -> RawToken {
        RawToken {
            data: Request::into_raw(self.0).cast(),
            ctx: core::ptr::null_mut(),
        }
    }

    #[inline]
    unsafe fn from_raw(raw: RawToken) -> Self {
        let rq: NonNull<bindings::request> = raw.data.cast();
        // SAFETY: By the safety requirements, `into_raw` gave the token: a request that it owned.
        Self(unsafe { Request::from_raw(rq) })
    }
}

// SAFETY: Its segments are directly mapped memory and pages.
unsafe impl<T, const OUT: usize, const IN: usize, R> Unmapped for RequestBuffer<T>
where
    T: Operations<RequestData = Command<OUT, IN, R>>,
    R: Copy + Send + 'static,
{
}
