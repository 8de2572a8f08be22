// SPDX-License-Identifier: GPL-2.0

//! Operations on a queue whose kind of ring is known.
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
    Used, //
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
    Kernel, //
};

/// The operations on a queue that carries buffers of type `T`.
pub trait QueueOps<T: Buffer> {
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
    /// - `ENOMEM`: a mapping failed for now;
    /// - `EIO`: the queue is broken, or (packed ring in C) a mapping failed;
    /// - `EINVAL`: the buffer has no segment, more than the queue was found for, or gives memory
    ///   to read after memory to write.
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

    /// Whether buffers have to be mapped with the DMA API, and if so for which device.
    fn dma_dev(&self) -> Option<&Device>;

    /// Takes a buffer that the device has used.
    ///
    /// A device that claims to have written more than a buffer has room for is not believed: the
    /// buffer comes back as one with [nothing written](Used::len), which is told once for each
    /// queue. The queue goes on: devices that do what they are asked are known to count wrongly.
    ///
    /// Any context. `None` also when the queue is broken.
    fn get_buf(&mut self) -> Option<Used<T>>;

    /// Takes all buffers that the device has used, with callbacks off meanwhile, until there is
    /// none and callbacks are on again: what a callback does, in one. Returns whether the queue is
    /// broken.
    fn drain(&mut self, take: impl FnMut(Used<T>)) -> bool;

    /// Whether the device wants to be notified of what was added since the last time.
    ///
    /// One full barrier. Needs the exclusion that `add_buf` needs.
    fn kick_prepare(&mut self) -> bool;

    /// Notifies the device, which may trap to the hypervisor.
    ///
    /// Needs no exclusion: [`QueueHandle::notify`](super::QueueHandle::notify) does it outside of
    /// the lock. Returns false if the queue is broken.
    fn notify(&mut self) -> bool;

    /// Asks the device for no more callbacks. This is a hint: a callback may still come.
    fn disable_cb(&mut self);

    /// Enables callbacks at the next used buffer, then checks the ring again. The caller may sleep
    /// if the result [is quiet](Callbacks::is_quiet). Otherwise there are used buffers, and no
    /// callback may come for them: call [`QueueOps::get_buf`] again.
    ///
    /// One full barrier (§2.7.10).
    fn enable_cb(&mut self) -> Callbacks;

    /// As [`QueueOps::enable_cb`], with a callback only when the device has used most of the
    /// outstanding buffers.
    fn enable_cb_delayed(&mut self) -> Callbacks;

    /// Notifies the device if it wants to know, and enables callbacks for when most is used, with
    /// one barrier for both where the ring can. Returns whether the device was notified, and
    /// whether the caller may sleep ([`Callbacks::is_quiet`]).
    #[must_use = "buffers that were used meanwhile raise no callback"]
    fn kick_enable_cb_delayed(&mut self) -> (bool, bool);

    /// Descriptors that are free. A buffer takes one per segment, or one in all where it is
    /// described by an indirect table.
    fn num_free(&self) -> u32;

    /// Whether the device has no buffer.
    fn is_idle(&self) -> bool;

    /// Whether the queue is broken: it takes and gives nothing any more.
    fn is_broken(&self) -> bool;
}

/// A queue by its kind of ring, for as long as the queue is borrowed:
/// [`Virtqueue::by_ring`](super::Virtqueue::by_ring).
pub enum AnyQueue<'a, T: Buffer> {
    /// On a split ring in Rust.
    Split(RustQueue<'a, T, split::SplitFormat<Kernel, false>>),
    /// On a packed ring in Rust.
    Packed(RustQueue<'a, T, packed::PackedFormat<Kernel, false>>),
    /// On a split ring in Rust whose buffers are used in order.
    SplitInOrder(RustQueue<'a, T, split::SplitFormat<Kernel, true>>),
    /// On a packed ring in Rust whose buffers are used in order.
    PackedInOrder(RustQueue<'a, T, packed::PackedFormat<Kernel, true>>),
    /// On the ring in C.
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

/// The device that does the DMA of a queue, if memory is mapped for it with the DMA API.
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
