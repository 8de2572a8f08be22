// SPDX-License-Identifier: GPL-2.0

//! A buffer for a request to the device and its reply.

use super::{
    buffer::{
        Buffer,
        RawToken,
        Segment,
        SegmentWriter,
        Segments,
        Unmapped, //
    },
    Used, //
};
use core::{
    cell::UnsafeCell,
    ptr::{
        null_mut,
        NonNull, //
    },
};
use kernel::{
    alloc::KVec,
    prelude::*,
    transmute::{
        AsBytes,
        FromBytes, //
    },
};

/// The request of a [`Message`], which the device reads: bytes on the heap, or a tuple of such,
/// with a segment for each. An empty part has no segment.
///
/// # Safety
///
/// [`Request::write_segments`] gives memory to [`SegmentWriter::out`] only. This memory is in the
/// kernel's direct mapping, and the value owns it. It does not move and does not change as long as
/// the value exists and is not borrowed exclusively, also while the value itself moves.
pub unsafe trait Request: Send + 'static {
    /// Writes the segments.
    ///
    /// # Errors
    ///
    /// The errors of `writer`; `EINVAL`: a segment is too long for a descriptor.
    fn write_segments<W: SegmentWriter<Segment>>(&self, writer: &mut W) -> Result;

    /// Returns the number of segments.
    fn segment_count(&self) -> usize;
}

/// Writes the segment of bytes that a [`Request`] owns.
fn write_bytes<W: SegmentWriter<Segment>>(bytes: &[u8], writer: &mut W) -> Result {
    if bytes.is_empty() {
        return Ok(());
    }
    let len = u32::try_from(bytes.len()).map_err(|_| EINVAL)?;
    writer.out(Segment::virt(bytes.as_ptr().cast(), len))
}

// SAFETY: The value gives no memory.
unsafe impl Request for () {
    fn write_segments<W: SegmentWriter<Segment>>(&self, _writer: &mut W) -> Result {
        Ok(())
    }

    fn segment_count(&self) -> usize {
        0
    }
}

// SAFETY: The box owns its bytes, which `kmalloc()` made. A value that is `AsBytes` changes through
// an exclusive reference only.
unsafe impl<T: AsBytes + Send + 'static> Request for KBox<T> {
    fn write_segments<W: SegmentWriter<Segment>>(&self, writer: &mut W) -> Result {
        write_bytes((**self).as_bytes(), writer)
    }

    fn segment_count(&self) -> usize {
        usize::from(size_of::<T>() != 0)
    }
}

// SAFETY: The vector owns its bytes, which `kmalloc()` made, and which change through an exclusive
// reference only.
unsafe impl Request for KVec<u8> {
    fn write_segments<W: SegmentWriter<Segment>>(&self, writer: &mut W) -> Result {
        write_bytes(self, writer)
    }

    fn segment_count(&self) -> usize {
        usize::from(!self.is_empty())
    }
}

/// Implements [`Request`] for a tuple.
macro_rules! tuple_request {
    ($($part:ident $index:tt),*) => {
        // SAFETY: The memory is that of the parts, which are requests themselves.
        unsafe impl<$($part: Request),*> Request for ($($part,)*) {
            fn write_segments<W: SegmentWriter<Segment>>(&self, writer: &mut W) -> Result {
                $(self.$index.write_segments(writer)?;)*
                Ok(())
            }

            fn segment_count(&self) -> usize {
                0 $(+ self.$index.segment_count())*
            }
        }
    };
}

tuple_request!(A 0, B 1);
tuple_request!(A 0, B 1, C 2);

/// A request for the device to read and its reply, which the device writes: a ready-made [`Buffer`]
/// for drivers that send commands.
///
/// There is no reference to the memory of the reply. [`Message::reply`] returns a copy. A
/// reply of any length has a [tail](Message::with_tail) behind the fixed part.
///
/// The driver of a device that takes a code of two bytes and data, and answers with a status:
///
/// ```
/// # use virtio::Virtqueue;
/// # const CLASS: u8 = 1;
/// # const NUMBER: u8 = 0;
/// # const NO_ANSWER: u8 = 0xff;
/// type Command = virtio::Message<(KBox<[u8; 2]>, KVec<u8>), u8>;
///
/// fn send(queue: &mut Virtqueue<Command>, data: KVec<u8>) -> Result {
///     let code = KBox::new([CLASS, NUMBER], GFP_KERNEL)?;
///     queue.add_buf(Command::new((code, data), NO_ANSWER)?)?;
///     queue.kick();
///     Ok(())
/// }
///
/// /// Called after the callback of the queue.
/// fn status(queue: &mut Virtqueue<Command>) -> Option<u8> {
///     queue.get_buf().map(|used| used.buffer().reply())
/// }
/// ```
pub struct Message<Out, In>(KBox<MessageParts<Out, In>>);

/// The request of a [`Message`], and the place for the reply.
struct MessageParts<Out, In> {
    request: Out,
    /// A separate allocation, so that it shares no cache line with memory that the device reads.
    reply: KBox<UnsafeCell<In>>,
    /// The bytes of the reply behind `reply`, if there are any. At most `u32::MAX`, with `reply`.
    tail: KVec<UnsafeCell<u8>>,
}

impl<Out: Request, In: FromBytes + Copy + Send + 'static> Message<Out, In> {
    /// Returns a message with a request. [`Message::reply`] returns `reply` until the device writes
    /// one: choose a value that no device answers, to tell whether the device wrote.
    ///
    /// Process context.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn new(request: Out, reply: In) -> Result<Self> {
        Self::with_tail(request, reply, 0)
    }

    /// As [`Message::new`], with a place for `tail` more bytes behind the reply, in a segment of
    /// their own. They are 0 until the device writes them. [`Used::tail`] returns a copy.
    ///
    /// # Errors
    ///
    /// `EINVAL`: the tail is too long for a descriptor. `ENOMEM`.
    pub fn with_tail(request: Out, reply: In, tail: usize) -> Result<Self> {
        u32::try_from(tail)
            .ok()
            .and_then(|tail| tail.checked_add(size_of::<In>() as u32))
            .ok_or(EINVAL)?;
        let reply = KBox::new(UnsafeCell::new(reply), GFP_KERNEL)?;
        let tail = KVec::zeroed(tail, GFP_KERNEL)?;
        Ok(Self(KBox::new(
            MessageParts {
                request,
                reply,
                tail,
            },
            GFP_KERNEL,
        )?))
    }

    /// Returns the request.
    pub fn request(&self) -> &Out {
        &self.0.request
    }

    /// Returns the reply.
    ///
    /// The device may have written less than it should have: see [`Used::len`](super::Used::len).
    pub fn reply(&self) -> In {
        // SAFETY: The pointer is to a value in the box. Only the device writes this value, possibly
        // at this time. Each bit pattern is a value of the type.
        unsafe { self.0.reply.get().read_volatile() }
    }
}

impl<Out: Request, In: FromBytes + Copy + Send + 'static> Used<Message<Out, In>> {
    /// Returns a copy of the tail of the reply, as far as the device reports to have written it.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn tail(&self) -> Result<KVec<u8>> {
        let tail = &self.buffer().0.tail;
        let written = (self.len() as usize).saturating_sub(size_of::<In>());
        let mut copy = KVec::with_capacity(written.min(tail.len()), GFP_KERNEL)?;
        for byte in tail.iter().take(written) {
            // SAFETY: The pointer is to a byte of the vector. Only the device writes this byte,
            // possibly at this time.
            copy.push(unsafe { byte.get().read_volatile() }, GFP_KERNEL)?;
        }
        Ok(copy)
    }
}

impl<Out: Request, In: FromBytes + Copy + Send + 'static> Segments<Segment> for Message<Out, In> {
    fn write_segments<W: SegmentWriter<Segment>>(&self, writer: &mut W) -> Result {
        self.0.request.write_segments(writer)?;
        // CAST: `with_tail` has checked the sum of both lengths.
        let (reply_len, tail_len) = (size_of::<In>() as u32, self.0.tail.len() as u32);
        if reply_len != 0 {
            let reply = self.0.reply.get().cast_const();
            writer.in_(Segment::virt(reply.cast(), reply_len))?;
        }
        if tail_len != 0 {
            writer.in_(Segment::virt(self.0.tail.as_ptr().cast(), tail_len))?;
        }
        Ok(())
    }
}

// SAFETY:
// - The message owns its request, the box of the reply and the vector of its tail. Boxes and
//   vectors stay in place while the message moves; so does the request itself, in a box.
// - The only references to reply and tail are those to an `UnsafeCell`. A message that was added is
//   in the queue, so no code can ask it for the reply before the device has used it. The reply is
//   a volatile copy.
// - The request does not change: there is no exclusive reference to it.
// - The token is the address of the box, which is all of the value.
unsafe impl<Out: Request, In: FromBytes + Copy + Send + 'static> Buffer for Message<Out, In> {
    fn segment_count(&self) -> usize {
        self.0.request.segment_count()
            + usize::from(size_of::<In>() != 0)
            + usize::from(!self.0.tail.is_empty())
    }

    fn writable_len(&self) -> u32 {
        // CAST: `with_tail` has checked the sum.
        (size_of::<In>() + self.0.tail.len()) as u32
    }

    fn into_raw(self) -> RawToken {
        RawToken {
            // SAFETY: A box is never null.
            data: unsafe { NonNull::new_unchecked(KBox::into_raw(self.0).cast()) },
            ctx: null_mut(),
        }
    }

    unsafe fn from_raw(raw: RawToken) -> Self {
        // SAFETY: By the safety requirements, the token came from `into_raw`, that is from a box.
        Self(unsafe { KBox::from_raw(raw.data.as_ptr().cast()) })
    }
}

// SAFETY: `Request` and the reply give segments of kind `Segment::virt` only.
unsafe impl<Out: Request, In: FromBytes + Copy + Send + 'static> Unmapped for Message<Out, In> {}
