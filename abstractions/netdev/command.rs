// SPDX-License-Identifier: GPL-2.0

//! Commands for a control queue (virtio spec §5.1.6.5).

use core::{
    ffi::c_void,
    ptr::{
        null_mut,
        NonNull, //
    },
};
use kernel::{
    alloc::KVec,
    prelude::*, //
};
use virtio::{
    Buffer,
    RawToken,
    Segment,
    SegmentSink,
    Unmapped, //
};

/// Bytes of class and command.
const HEAD: usize = 2;

/// A command: class, command and data for the device to read, an acknowledgement for it to write.
///
/// It is on the heap, and belongs to the queue from the time it is added until the device gives it
/// back or is reset.
pub struct Command(KBox<Inner>);

/// # Invariants
///
/// `out` has at least [`HEAD`] bytes, `ack` at least one. `second` is from [`HEAD`] to the length
/// of `out`.
struct Inner {
    out: KVec<u8>,
    /// Offset in `out` of the second part of the data, if there is one.
    second: usize,
    /// An allocation of its own: it shares no cache line with what the device reads.
    ack: KVec<u8>,
}

impl Command {
    /// Most segments of a command.
    pub const SEGMENTS: usize = 4;

    /// A command whose data is what `fill` appends. Until the device says otherwise, it failed.
    ///
    /// Process context.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, and those of `fill`; `EINVAL`: it took class or command away.
    pub fn new(class: u8, command: u8, fill: impl FnOnce(&mut KVec<u8>) -> Result) -> Result<Self> {
        let mut out = KVec::with_capacity(HEAD, GFP_KERNEL)?;
        out.push(class, GFP_KERNEL)?;
        out.push(command, GFP_KERNEL)?;
        fill(&mut out)?;
        if out.get(..HEAD) != Some(&[class, command]) {
            return Err(EINVAL);
        }
        let second = out.len();
        let mut ack = KVec::with_capacity(1, GFP_KERNEL)?;
        ack.push(!0, GFP_KERNEL)?;
        // INVARIANT: They have as many bytes.
        Ok(Self(KBox::new(Inner { out, second, ack }, GFP_KERNEL)?))
    }

    /// The command with a second part of its data, which is what `fill` appends to the first and is
    /// in a segment of its own.
    ///
    /// Process context.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, and those of `fill`.
    pub fn with_second(mut self, fill: impl FnOnce(&mut KVec<u8>) -> Result) -> Result<Self> {
        let mut part = KVec::new();
        fill(&mut part)?;
        // INVARIANT: The second part starts where the first ends.
        self.0.second = self.0.out.len();
        self.0.out.extend_from_slice(&part, GFP_KERNEL)?;
        Ok(self)
    }

    /// The acknowledgement.
    pub fn ack(&self) -> u8 {
        // SAFETY: By the type invariant. The device may write meanwhile, and any value will do.
        unsafe { self.0.ack.as_ptr().read_volatile() }
    }
}

// SAFETY:
// - The command owns its vectors, on the heap; they are not changed after it was made.
// - There is no reference to the acknowledgement.
// - What is read does not change.
// - The token is the address of the box.
unsafe impl Buffer for Command {
    fn describe<S: SegmentSink>(&self, sink: &mut S) -> Result {
        let Inner { out, second, .. } = &*self.0;
        for (start, end) in [(0, HEAD), (HEAD, *second), (*second, out.len())] {
            let len = end.saturating_sub(start);
            if len == 0 {
                continue;
            }
            // SAFETY: By the type invariant, the bytes from `start` on are in the vector.
            let part = unsafe { out.as_ptr().add(start) };
            let len = u32::try_from(len).map_err(|_| EINVAL)?;
            sink.out(Segment::virt(part.cast(), len))?;
        }
        sink.in_(Segment::virt(self.0.ack.as_ptr().cast(), 1))
    }

    fn segment_count(&self) -> usize {
        let Inner { out, second, .. } = &*self.0;
        2 + usize::from(*second > HEAD) + usize::from(out.len() > *second)
    }

    fn writable_len(&self) -> u32 {
        1
    }

    fn into_raw(self) -> RawToken {
        RawToken {
            // SAFETY: A box is never null.
            data: unsafe { NonNull::new_unchecked(KBox::into_raw(self.0).cast::<c_void>()) },
            ctx: null_mut(),
        }
    }

    unsafe fn from_raw(raw: RawToken) -> Self {
        // SAFETY: By the safety requirements.
        Self(unsafe { KBox::from_raw(raw.data.as_ptr().cast()) })
    }
}

// SAFETY: Its segments are directly mapped memory.
unsafe impl Unmapped for Command {}
