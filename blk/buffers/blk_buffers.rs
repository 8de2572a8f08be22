// SPDX-License-Identifier: GPL-2.0

//! Block requests as buffers of a virtqueue (virtio spec §5.2.6): the `unsafe` code of the block
//! driver.
//!
//! A driver uses a [`Command`] as the data of its requests: a header that the device reads, a
//! status that the device writes, and the ranges of operations that have ranges instead of data.
//! The data itself is described straight from the bios of the request.

#![deny(unsafe_op_in_unsafe_fn)]

use blockdev::mq::{
    IdleRequest,
    Op,
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
    prelude::*,
    types::Opaque, //
};
use virtio::{
    Buffer,
    RawToken,
    Segment,
    SegmentSink,
    Unmapped, //
};

/// Memory that a device reads. It is aligned for its fields.
#[repr(C, align(8))]
struct DeviceReads<T>(Opaque<T>);

impl<T: Copy> DeviceReads<T> {
    fn new(value: T) -> Self {
        Self(Opaque::new(value))
    }

    #[inline(always)]
    fn set(&mut self, value: T) {
        // SAFETY: The memory is owned, and `&mut self` excludes others.
        unsafe { self.0.get().write(value) };
    }

    #[inline(always)]
    fn segment(&self) -> Segment {
        Segment::virt(self.0.get().cast(), size_of::<T>() as u32)
    }
}

/// Memory that a device writes, at any time. There is never a reference to it; each byte is
/// fetched once per use.
#[repr(C, align(8))]
struct DeviceWrites<const N: usize>(Opaque<[u8; N]>);

impl<const N: usize> DeviceWrites<N> {
    fn new() -> Self {
        Self(Opaque::new([0; N]))
    }

    #[inline(always)]
    fn byte(&self, at: usize) -> Option<*mut u8> {
        // The pointer is within the array, or not made.
        (at < N).then(|| self.0.get().cast::<u8>().wrapping_add(at))
    }

    #[inline(always)]
    fn set(&mut self, at: usize, value: u8) {
        if let Some(byte) = self.byte(at) {
            // SAFETY: `byte` is within the array.
            unsafe { byte.write_volatile(value) };
        }
    }

    #[inline(always)]
    fn get(&self, at: usize) -> Option<u8> {
        // SAFETY: `byte` is within the array.
        self.byte(at).map(|byte| unsafe { byte.read_volatile() })
    }

    #[inline(always)]
    fn segment(&self, len: u32) -> Segment {
        Segment::virt(self.0.get().cast(), len.min(N as u32))
    }
}

/// The data between header and status.
enum Payload<R> {
    /// The data of the request, if it has any.
    Data,
    /// One range, in place.
    One(DeviceReads<R>),
    /// Several ranges.
    Many(KVec<R>),
}

/// A status that no device is to give: what is found there if it did not write one.
pub const NO_STATUS: u8 = 0xff;

/// A block request as a device sees it.
///
/// `OUT` is the size of the header, `IN` the largest size of what the device writes after the
/// data, whose last byte is the status, and `R` a range; all as bytes in the device's order.
pub struct Command<const OUT: usize, const IN: usize, R: Copy> {
    header: DeviceReads<[u8; OUT]>,
    in_header: DeviceWrites<IN>,
    /// Bytes of `in_header` that are used, if that is not always [one](Command::in_len).
    in_len: u32,
    /// Bytes that the device says it wrote.
    written: u32,
    /// Bytes that it must have written for success to need no second look: the data, where that is
    /// asked for, or more than it can if there are ranges.
    enough: u64,
    payload: Payload<R>,
}

impl<const OUT: usize, const IN: usize, R: Copy> Command<OUT, IN, R> {
    /// A command that was not filled yet.
    pub fn new() -> Self {
        Self {
            header: DeviceReads::new([0; OUT]),
            in_header: DeviceWrites::new(),
            in_len: 1,
            written: 0,
            enough: 0,
            payload: Payload::Data,
        }
    }

    /// Sets the header.
    #[inline(always)]
    pub fn set_header(&mut self, header: [u8; OUT]) {
        self.header.set(header);
    }

    /// Bytes that the device writes after the data.
    #[inline(always)]
    fn in_len(&self) -> u32 {
        // Where there is no choice, nothing needs to be read.
        if IN == 1 {
            1
        } else {
            self.in_len
        }
    }

    /// Fetches byte `at` of what the device wrote after the data, if there is one.
    pub fn in_header(&self, at: usize) -> Option<u8> {
        self.in_header.get(at)
    }

    /// The status that the device gave, [`NO_STATUS`] if none. Fetched once: call it once.
    ///
    /// It decides whether the request went well, unless the command is a
    /// [strict](Command::prepare) one and the data [is short](Command::is_short).
    #[inline(always)]
    pub fn status(&self) -> u8 {
        let last = self.in_len().wrapping_sub(1) as usize;
        self.in_header.get(last).unwrap_or(NO_STATUS)
    }

    /// Takes note of how many bytes the device says that it has written (virtio spec §2.7.8).
    #[inline(always)]
    pub fn written(&mut self, len: u32) {
        self.written = len;
    }

    /// Whether the device says that it gave all data that it was to say so of, and there is nothing
    /// to [finish](Command::finish). If not, [`Command::is_short`] may say more.
    #[inline(always)]
    pub fn is_whole(&self) -> bool {
        u64::from(self.written) >= self.enough
    }

    /// Whether the device says that it gave less data than it should. Of a strict command only.
    pub fn is_short(&self) -> bool {
        matches!(self.payload, Payload::Data) && !self.is_whole()
    }

    /// Drops the ranges.
    #[inline(always)]
    pub fn finish(&mut self) {
        if !matches!(self.payload, Payload::Data) {
            self.drop_ranges();
        }
    }

    #[cold]
    fn drop_ranges(&mut self) {
        self.payload = Payload::Data;
    }
}

impl<const OUT: usize, const IN: usize, R: Copy> Default for Command<OUT, IN, R> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const OUT: usize, const IN: usize, R: Copy + Send + 'static> Command<OUT, IN, R> {
    /// Makes the command of a request ready for the device, for the data of the request; before
    /// each add, after the header was set.
    ///
    /// `in_len` bytes, 1 to `IN`, come after the data, with the status last. If `strict` is set,
    /// a read fails unless the device claims to have written as many bytes as there are of data.
    /// Whether it counts the bytes behind those does not matter: the status shows that it wrote
    /// them.
    #[inline(always)]
    pub fn prepare<T>(rq: &mut IdleRequest<T>, in_len: u32, strict: bool)
    where
        T: Operations<RequestData = Self>,
    {
        let data = if strict && rq.op() == Op::READ {
            Some(rq.bytes())
        } else {
            None
        };
        let command = rq.data_mut();
        if IN != 1 {
            command.in_len = in_len.clamp(1, IN as u32);
        }
        let in_len = command.in_len();
        command.enough = data.map_or(0, u64::from);
        command.in_header.set((in_len - 1) as usize, NO_STATUS);
        command.finish();
    }

    /// As [`Command::prepare`], with the ranges of the request instead of data, each made by
    /// `range` of a first sector and a number of sectors.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: there are several ranges and no memory for them right now.
    pub fn prepare_ranges<T>(
        rq: &mut IdleRequest<T>,
        in_len: u32,
        mut range: impl FnMut(u64, u32) -> R,
    ) -> Result
    where
        T: Operations<RequestData = Self>,
    {
        Self::prepare(rq, in_len, false);
        let mut ranges = rq.ranges();
        let (Some((sector, sectors)), rest) = (ranges.next(), ranges) else {
            return Ok(());
        };
        let first = range(sector, sectors);
        let payload = match rest.clone().count() {
            0 => Payload::One(DeviceReads::new(first)),
            more => {
                // The room is there: no push allocates.
                let mut many = KVec::with_capacity(1 + more, GFP_ATOMIC)?;
                many.push(first, GFP_ATOMIC)?;
                for (sector, sectors) in rest {
                    many.push(range(sector, sectors), GFP_ATOMIC)?;
                }
                Payload::Many(many)
            }
        };
        let command = rq.data_mut();
        command.payload = payload;
        command.enough = u64::MAX;
        Ok(())
    }
}

/// A request that was started, as a buffer of a virtqueue.
#[repr(transparent)]
pub struct RequestBuffer<T: Operations>(Request<T>);

impl<T: Operations> RequestBuffer<T> {
    /// Returns the buffer of a request, whose command [is ready](Command::prepare).
    #[inline(always)]
    pub fn new(rq: Request<T>) -> Self {
        Self(rq)
    }

    /// Returns the request.
    #[inline(always)]
    pub fn into_request(self) -> Request<T> {
        self.0
    }
}

/// Tells the segments of any request. It is given what does not need the owner to be in memory.
#[inline(never)]
fn describe<T, const OUT: usize, const IN: usize, R, S>(rq: &RequestInfo<T>, sink: &mut S) -> Result
where
    T: Operations<RequestData = Command<OUT, IN, R>>,
    R: Copy + Send + 'static,
    S: SegmentSink,
{
    let command = rq.data();
    sink.out(command.header.segment())?;
    match &command.payload {
        Payload::Data if rq.op().is_write() => {
            for s in rq.segments() {
                sink.out(Segment::page(s.page, s.offset, s.len))?;
            }
        }
        Payload::Data => {
            for s in rq.segments() {
                sink.in_(Segment::page(s.page, s.offset, s.len))?;
            }
        }
        Payload::One(range) => sink.out(range.segment())?,
        Payload::Many(ranges) => {
            let len = u32::try_from(size_of_val(ranges.as_slice())).map_err(|_| EINVAL)?;
            sink.out(Segment::virt(ranges.as_ptr().cast(), len))?;
        }
    }
    sink.in_(command.in_header.segment(command.in_len()))
}

// SAFETY:
// - The header, the status and the ranges are in the request's data or owned by it; the request,
//   its data and its bios with their pages stay in place as long as the request is owned, which
//   the token stands for.
// - What the device writes is memory of the bios, to which nobody has a reference, and
//   `DeviceWrites`.
// - Header and ranges change only through the owner, and the data of a write is not changed by
//   the block layer.
// - The token is the request.
unsafe impl<T, const OUT: usize, const IN: usize, R> Buffer for RequestBuffer<T>
where
    T: Operations<RequestData = Command<OUT, IN, R>>,
    R: Copy + Send + 'static,
{
    /// Header, one segment of data, and status.
    const COMMON_COUNT: u16 = 3;

    #[inline(always)]
    fn describe<S: SegmentSink>(&self, sink: &mut S) -> Result {
        describe(&self.0, sink)
    }

    #[inline(always)]
    fn describe_common<S: SegmentSink>(&self, sink: &mut S) -> Result {
        let rq = &self.0;
        let command = rq.data();
        let (Payload::Data, Some(s)) = (&command.payload, rq.only_segment()) else {
            return Err(EINVAL);
        };
        sink.out(command.header.segment())?;
        let segment = Segment::page(s.page, s.offset, s.len);
        if rq.op().is_write() {
            sink.out(segment)?;
        } else {
            sink.in_(segment)?;
        }
        sink.in_(command.in_header.segment(command.in_len()))
    }

    #[inline(always)]
    fn segment_count(&self) -> usize {
        match self.0.data().payload {
            Payload::Data => self.0.phys_segments() + 2,
            Payload::One(_) | Payload::Many(_) => 3,
        }
    }

    /// With a range it is not: those are few.
    #[inline(always)]
    fn is_common(&self) -> bool {
        matches!(self.0.data().payload, Payload::Data) && self.0.phys_segments() == 1
    }

    #[inline(always)]
    fn writable_len(&self) -> u32 {
        let rq = &self.0;
        let command = rq.data();
        match command.payload {
            Payload::Data if !rq.op().is_write() => rq.bytes().saturating_add(command.in_len()),
            _ => command.in_len(),
        }
    }

    #[inline(always)]
    fn into_raw(self) -> RawToken {
        RawToken {
            data: Request::into_raw(self.0).cast(),
            ctx: core::ptr::null_mut(),
        }
    }

    #[inline(always)]
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
