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
    SegmentSink, //
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
/// `out` has at least [`HEAD`] bytes, `ack` at least one.
struct Inner {
    out: KVec<u8>,
    /// An allocation of its own: it shares no cache line with what the device reads.
    ack: KVec<u8>,
}

impl Command {
    /// Most segments of a command.
    pub const SEGMENTS: usize = 3;

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
        let mut ack = KVec::with_capacity(1, GFP_KERNEL)?;
        ack.push(!0, GFP_KERNEL)?;
        // INVARIANT: They have as many bytes.
        Ok(Self(KBox::new(Inner { out, ack }, GFP_KERNEL)?))
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
        let out = self.0.out.as_ptr();
        let data = self.0.out.len().saturating_sub(HEAD);
        sink.out(Segment::virt(out.cast(), HEAD as u32))?;
        if data != 0 {
            // SAFETY: By the type invariant.
            let data_ptr = unsafe { out.add(HEAD) };
            sink.out(Segment::virt(
                data_ptr.cast(),
                u32::try_from(data).map_err(|_| EINVAL)?,
            ))?;
        }
        sink.in_(Segment::virt(self.0.ack.as_ptr().cast(), 1))
    }

    fn segment_count(&self) -> usize {
        3
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
