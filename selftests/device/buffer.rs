// SPDX-License-Identifier: GPL-2.0

//! A buffer for the queue tests, with any segments, which counts its drop.

use core::{
    ffi::c_void,
    ptr::{
        null_mut,
        NonNull, //
    },
};
use kernel::{
    alloc::KVec,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
};
use virtio::{
    Buffer,
    RawToken,
    Segment,
    SegmentWriter,
    Segments,
    Unmapped, //
};

/// A counter of the [`TestBuffer`]s that were dropped.
#[derive(Clone)]
pub struct DropCounter(Arc<Atomic<u64>>);

impl DropCounter {
    /// Returns a counter at zero.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn new() -> Result<Self> {
        Ok(Self(Arc::new(Atomic::new(0), GFP_KERNEL)?))
    }

    /// Returns the number of values that were dropped.
    pub fn count(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// One segment of a [`TestBuffer`].
struct Part {
    bytes: KVec<u8>,
    writable: bool,
}

/// The contents of a [`TestBuffer`].
struct Contents {
    number: u64,
    parts: KVec<Part>,
    drops: DropCounter,
    stubborn: bool,
}

impl Drop for Contents {
    fn drop(&mut self) {
        self.drops.0.fetch_add(1, Relaxed);
    }
}

/// A buffer of any segments, with a number that identifies it.
///
/// With `CTX`, the number is also its context.
pub struct TestBuffer<const CTX: bool = false> {
    contents: KBox<Contents>,
    /// The context that came back with the buffer.
    ctx: Option<usize>,
}

impl<const CTX: bool> TestBuffer<CTX> {
    /// Returns a buffer without segments.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn new(number: u64, drops: &DropCounter) -> Result<Self> {
        let contents = Contents {
            number,
            parts: KVec::new(),
            drops: drops.clone(),
            stubborn: false,
        };
        Ok(Self {
            contents: KBox::new(contents, GFP_ATOMIC)?,
            ctx: None,
        })
    }

    /// Adds a segment for the device to read.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn out(mut self, bytes: &[u8]) -> Result<Self> {
        let mut copy = KVec::new();
        copy.extend_from_slice(bytes, GFP_ATOMIC)?;
        self.contents.parts.push(
            Part {
                bytes: copy,
                writable: false,
            },
            GFP_ATOMIC,
        )?;
        Ok(self)
    }

    /// Adds a segment of `len` bytes for the device to write.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn in_(mut self, len: usize) -> Result<Self> {
        self.contents.parts.push(
            Part {
                bytes: KVec::from_elem(0, len, GFP_ATOMIC)?,
                writable: true,
            },
            GFP_ATOMIC,
        )?;
        Ok(self)
    }

    /// Makes the buffer ignore errors when it writes its segments.
    #[must_use]
    pub fn stubborn(mut self) -> Self {
        self.contents.stubborn = true;
        self
    }

    /// Returns the number.
    pub fn number(&self) -> u64 {
        self.contents.number
    }

    /// Returns the context that came back with the buffer.
    pub fn ctx(&self) -> Option<usize> {
        self.ctx
    }

    /// Returns the bytes of a segment; none if there is no such segment.
    pub fn part(&self, index: usize) -> &[u8] {
        self.contents.parts.get(index).map_or(&[], |p| &p.bytes)
    }
}

impl<const CTX: bool> Segments<Segment> for TestBuffer<CTX> {
    fn write_segments<W: SegmentWriter<Segment>>(&self, writer: &mut W) -> Result {
        for part in &self.contents.parts {
            let segment = Segment::virt(part.bytes.as_ptr().cast(), part.bytes.len() as u32);
            let told = if part.writable {
                writer.in_(segment)
            } else {
                writer.out(segment)
            };
            if !self.contents.stubborn {
                told?;
            }
        }
        Ok(())
    }
}

// SAFETY:
// - The box owns its parts, which own their bytes on the heap, until it is dropped.
// - While the buffer is a token, there is no reference to the bytes.
// - The token is the address of the box, which owns the other fields.
unsafe impl<const CTX: bool> Buffer for TestBuffer<CTX> {
    const HAS_CTX: bool = CTX;

    fn segment_count(&self) -> usize {
        self.contents.parts.len()
    }

    fn writable_len(&self) -> u32 {
        self.contents
            .parts
            .iter()
            .filter(|p| p.writable)
            .map(|p| p.bytes.len() as u32)
            .sum()
    }

    fn into_raw(self) -> RawToken {
        let ctx = if CTX {
            self.contents.number as usize as *mut c_void
        } else {
            null_mut()
        };
        RawToken {
            // SAFETY: A box is never null.
            data: unsafe { NonNull::new_unchecked(KBox::into_raw(self.contents).cast()) },
            ctx,
        }
    }

    unsafe fn from_raw(raw: RawToken) -> Self {
        Self {
            // SAFETY: `data` came from a box in `into_raw`, and is converted once (safety
            // requirements).
            contents: unsafe { KBox::from_raw(raw.data.as_ptr().cast()) },
            ctx: (!raw.ctx.is_null()).then_some(raw.ctx as usize),
        }
    }
}

// SAFETY: Its segments are directly mapped memory.
unsafe impl<const CTX: bool> Unmapped for TestBuffer<CTX> {}
