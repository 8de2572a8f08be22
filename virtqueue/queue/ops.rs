// SPDX-License-Identifier: GPL-2.0

//! Operations on a queue with a known kind of ring.
//!
//! A path takes the queue as `impl QueueOps<T>`. [`with_queue!`](crate::with_queue) calls the path:
//! it looks up the kind of ring once, and has the path compiled for each. A
//! [`Virtqueue`](super::Virtqueue) has the operations too, and looks up the kind of ring for each.

use super::{
    add_error::AddError,
    buffer::{
        Buffer,
        Unmapped, //
    },
    c_ring::CQueue,
    rust_ring::RustQueue,
    Used,
    UsedRef, //
};
use crate::bindings;
use kernel::{
    device::Device,
    prelude::*, //
};
use vring::{
    ring::{
        packed,
        split, //
    },
    Callbacks,
    Kernel,
    Looked, //
};

/// A look at a used buffer before it is taken: [`QueueOps::get_buf_or_add_again`].
///
/// PERF: In two steps, so that the ring is done with the buffer before the driver reads the rest of
/// it, and few values have to be kept across the calls of that.
pub trait Look<T> {
    /// The result of the first step for a buffer that is added again.
    type Seen;
    /// The result for a buffer that is added again.
    type Again;
    /// The result for a buffer that is taken.
    type Taken;

    /// Looks at a buffer. Returns `Ok` if it is to be added again.
    ///
    /// # Errors
    ///
    /// The buffer is to be taken.
    fn look(&mut self, used: UsedRef<'_, T>) -> Result<Self::Seen, Self::Taken>;

    /// Reads a buffer that was just added again. The device does not get it before the next kick.
    fn read(self, used: UsedRef<'_, T>, seen: Self::Seen) -> Self::Again;
}

/// The operations on a queue that carries buffers of type `T`.
pub trait QueueOps<T: Buffer> {
    /// Whether [`QueueOps::get_buf_or_add_again`] adds buffers again, unless it has to map them.
    const ADDS_AGAIN: bool = false;

    /// Reborrows the queue. The result has the size of a few pointers, so functions that are not
    /// inlined can take it by value.
    fn reborrow(&mut self) -> impl QueueOps<T> + '_;

    /// Gives a buffer to the device (virtio spec §2.7.13, §2.8.21). The device is not notified:
    /// see [`QueueOps::kick_prepare`].
    ///
    /// Any context.
    ///
    /// # Errors
    ///
    /// The buffer comes back, in the error, with
    ///
    /// - `ENOSPC`: the ring is full; try again after [`QueueOps::get_buf`] returned something;
    /// - `ENOMEM`: the buffer cannot be mapped for now;
    /// - `EIO`: the queue is broken, or (packed C ring) a mapping failed;
    /// - `EINVAL`: the buffer has no segment, has more segments than the queue was found for, or
    ///   gives memory to read after memory to write.
    #[inline(always)]
    fn add_buf(&mut self, buffer: T) -> Result<(), AddError<T>>
    where
        T: Unmapped,
    {
        // SAFETY: An `Unmapped` buffer has no premapped segment.
        unsafe { self.add_buf_unchecked(buffer) }
    }

    /// As [`QueueOps::add_buf`], also for a buffer with [premapped](super::Segment::premapped)
    /// segments.
    ///
    /// # Errors
    ///
    /// As [`QueueOps::add_buf`].
    ///
    /// # Safety
    ///
    /// Premapped segments are mapped for the device of [`QueueOps::dma_dev`].
    unsafe fn add_buf_unchecked(&mut self, buffer: T) -> Result<(), AddError<T>>;

    /// Returns the device for which buffers have to be mapped by the DMA API, or `None`.
    fn dma_dev(&self) -> Option<&Device>;

    /// Takes a buffer that the device has used.
    ///
    /// If the device reports more bytes than the buffer has room for, the length is [0](Used::len),
    /// and one message per queue is logged. The queue goes on, because some working devices report
    /// wrong lengths.
    ///
    /// Any context. Returns `None` also if the queue is broken.
    fn get_buf(&mut self) -> Option<Used<T>>;

    /// As [`QueueOps::get_buf`], but shows the buffer to `look` before it is taken. If `look`
    /// returns `Ok`, the buffer is added again instead, as it is. The device gets it with the next
    /// kick.
    ///
    /// A queue whose ring would have to describe the buffer again, or to map it, is
    /// [unable](Looked::Unable) to do that.
    ///
    /// PERF: A buffer that is added again is neither taken out of the ring nor described.
    #[inline(always)]
    fn get_buf_or_add_again<L: Look<T>>(
        &mut self,
        _look: L,
    ) -> Looked<L::Again, L::Taken, Used<T>> {
        Looked::Unable
    }

    /// Returns the number of buffers, or of descriptors, that were added since the last kick; 0 on
    /// the C ring.
    #[inline(always)]
    fn num_unkicked(&self) -> u64 {
        0
    }

    /// Does the work of a callback: disables callbacks, passes all used buffers to `take`, enables
    /// callbacks, and repeats until no used buffer is left. Returns whether the queue is broken.
    fn drain(&mut self, take: impl FnMut(Used<T>)) -> bool;

    /// Makes the added buffers available to the device, and returns whether the device wants a
    /// notification. On the C ring, the add itself makes a buffer available.
    ///
    /// One full barrier. Needs the exclusion that [`QueueOps::add_buf`] needs.
    fn kick_prepare(&mut self) -> bool;

    /// Notifies the device, which may trap to the hypervisor.
    ///
    /// Needs no exclusion: a handle can notify
    /// ([`QueueHandle::notify`](super::QueueHandle::notify)) without the lock of the queue. Returns
    /// false if the queue is broken.
    fn notify(&mut self) -> bool;

    /// Asks the device for no more callbacks. This is a hint: a callback may still come.
    fn disable_cb(&mut self);

    /// Enables callbacks at the next used buffer, then checks the ring again. The caller may sleep
    /// if the result [is quiet](Callbacks::is_quiet). Otherwise there are used buffers, and no
    /// callback may come for them: call [`QueueOps::get_buf`] again.
    ///
    /// One full barrier (§2.7.10).
    fn enable_cb(&mut self) -> Callbacks;

    /// As [`QueueOps::enable_cb`], with a callback only after the device has used most of the
    /// outstanding buffers.
    fn enable_cb_delayed(&mut self) -> Callbacks;

    /// Notifies the device if it wants a notification, and enables a delayed callback
    /// ([`QueueOps::enable_cb_delayed`]), with one barrier for both on the Rust ring. Returns two
    /// values: whether the device was notified, and whether the caller may sleep
    /// ([`Callbacks::is_quiet`]).
    #[must_use = "buffers that were used before raise no callback"]
    fn kick_enable_cb_delayed(&mut self) -> (bool, bool);

    /// Returns the number of free descriptors. A buffer takes one per segment, or one in all if an
    /// indirect table describes it.
    fn num_free(&self) -> u32;

    /// Returns whether no buffer is outstanding.
    fn is_idle(&self) -> bool;

    /// Returns whether the queue is broken: it no longer accepts or returns buffers.
    fn is_broken(&self) -> bool;
}

/// A queue by its kind of ring, borrowed from a [`Virtqueue`](super::Virtqueue):
/// [`Virtqueue::by_ring`](super::Virtqueue::by_ring).
pub enum AnyQueue<'a, T: Buffer> {
    /// On a split Rust ring.
    Split(RustQueue<'a, T, split::SplitFormat<Kernel, false>>),
    /// On a packed Rust ring.
    Packed(RustQueue<'a, T, packed::PackedFormat<Kernel, false>>),
    /// On a split Rust ring whose buffers are used in order.
    SplitInOrder(RustQueue<'a, T, split::SplitFormat<Kernel, true>>),
    /// On a packed Rust ring whose buffers are used in order.
    PackedInOrder(RustQueue<'a, T, packed::PackedFormat<Kernel, true>>),
    /// On the C ring.
    C(CQueue<'a, T>),
}

/// Evaluates an expression with a [`Virtqueue`](crate::Virtqueue) as a
/// [`QueueOps`](crate::QueueOps). The expression is compiled for each kind of ring.
#[macro_export]
macro_rules! with_queue {
    ($vq:expr, |$queue:pat_param| $body:expr) => {
        match $vq.by_ring() {
            $crate::AnyQueue::Split($queue) => $body,
            $crate::AnyQueue::Packed($queue) => $body,
            $crate::AnyQueue::SplitInOrder($queue) => $body,
            $crate::AnyQueue::PackedInOrder($queue) => $body,
            $crate::AnyQueue::C($queue) => $body,
        }
    };
}

/// Returns the device that does the DMA of a queue, if its memory is mapped by the DMA API.
///
/// # Safety
///
/// `dev` is null, or a device that is valid for `'a`.
#[inline]
pub(super) unsafe fn dma_dev<'a>(dev: *mut bindings::device) -> Option<&'a Device> {
    if dev.is_null() {
        return None;
    }
    // SAFETY: By the safety requirements, the device, which is not null, is valid for `'a`.
    Some(unsafe { Device::from_raw(dev) })
}
