// SPDX-License-Identifier: GPL-2.0

//! Virtqueues (virtio spec §2.6).
//!
//! [`Device::find_vqs`](crate::Device::find_vqs) returns a set of [`Queues`]. A driver takes each
//! [`Virtqueue`] out of the set, with the type of buffers that the queue carries. When the last
//! queue is dropped, the transport deletes the set.
//!
//! A [`Buffer`] describes the memory that it gives to the device. It moves into the queue, and the
//! same value comes back; the driver cannot touch it in between.
//!
//! Each queue runs on one of the rings of [`Ring`], chosen when the queue is found.

mod add_error;
mod buffer;
mod c_ring;
mod doorbell;
mod handle;
mod message;
mod ops;
mod raw;
mod recycle;
mod rust_ring;
mod set;

pub use self::{
    add_error::AddError,
    buffer::{
        Buffer,
        RawToken,
        Segment,
        SegmentSink,
        Unmapped, //
    },
    doorbell::Doorbell,
    handle::{
        Armed,
        QueueHandle, //
    },
    message::{
        Message,
        Request, //
    },
    ops::{
        AnyQueue,
        CQueue,
        QueueOps,
        RustQueue, //
    },
    recycle::Returned,
    set::{
        Affinity,
        QueueSpec,
        Queues, //
    },
};

pub(crate) use self::recycle::take_used;

use self::{
    c_ring::CRing,
    raw::RawQueue,
    rust_ring::RustRing,
    set::QueueSet, //
};
use crate::{
    bindings,
    device::Device,
    with_queue, //
};
use core::{
    marker::PhantomData,
    ptr::null_mut, //
};
use kernel::{
    device::Bound,
    prelude::*,
    sync::Arc, //
};
use vring::AnyRing;

/// A buffer that the device has used.
///
/// # Invariants
///
/// `buffer` is one that was added, and `len` not more than it told to be written then
/// ([`Buffer::writable_len`]).
pub struct Used<T> {
    buffer: T,
    len: u32,
}

impl<T> Used<T> {
    /// Bytes that the device says it wrote; 0 if it says more than the buffer has room for.
    ///
    /// A hint, where something else says whether the device did what it was asked: devices are
    /// known that leave out a part of what they wrote, count what they read, or count nothing.
    #[inline(always)]
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> u32 {
        self.len
    }

    /// The buffer, as it was added.
    #[inline(always)]
    pub fn buffer(&self) -> &T {
        &self.buffer
    }

    /// The buffer, to have.
    #[inline(always)]
    pub fn into_buffer(self) -> T {
        self.buffer
    }
}

/// The ring that a queue runs on.
///
/// An enum and not a trait object: the choice costs one predictable branch and everything behind
/// it can be inlined into the driver. With a tag of its own, which also says whether there is a
/// queue in an `Option` of one.
#[repr(u8)]
enum Ring {
    /// The ring of the crate `vring`, where that provides the queues.
    Rust(RustRing),
    /// The kernel's own ring, through its exported functions.
    ///
    /// PERF: In a box, so that what both arms of a match do first is to load a pointer from the
    /// same place: an instruction less for each path on the ring in Rust.
    C(KBox<CRing>),
}

/// A virtqueue that carries buffers of type `T`.
///
/// Whoever holds it exclusively may add, kick, get and switch callbacks: the serialisation that C
/// asks of its callers is that of `&mut`. Drivers put it under the lock that the path has
/// anyway.
///
/// Dropping it resets the device if need be, and drops the buffers that the device had not used:
/// process context, sleeps.
///
/// # Invariants
///
/// - The queue under `ring` belongs to `set` and no other [`Virtqueue`] has it.
/// - Every token in the ring came from [`Buffer::into_raw`] of a `T`.
pub struct Virtqueue<T: Buffer> {
    ring: Ring,
    set: Arc<QueueSet>,
    _buffers: PhantomData<T>,
}

// SAFETY: The raw pointers in `ring` and `set` are to objects that any thread may use as long as
// one at a time does, which `&mut self` sees to; `T` is `Send`.
unsafe impl<T: Buffer> Send for Virtqueue<T> {}

impl<T: Buffer> Virtqueue<T> {
    fn new(vq: *mut bindings::virtqueue, max_segments: usize, set: Arc<QueueSet>) -> Result<Self> {
        let max_segments = max_segments.max(T::COMMON_COUNT.into());
        // SAFETY: The caller takes the queue out of its set.
        let ring = match unsafe { RustRing::new(vq, max_segments) } {
            Some(ring) => Ring::Rust(ring),
            None => Ring::C(KBox::new(CRing::new(vq, max_segments)?, GFP_KERNEL)?),
        };
        // INVARIANT: As above.
        Ok(Self {
            ring,
            set,
            _buffers: PhantomData,
        })
    }

    #[inline(always)]
    fn raw(&self) -> *mut bindings::virtqueue {
        match &self.ring {
            Ring::Rust(ring) => ring.raw(),
            Ring::C(ring) => ring.raw(),
        }
    }

    #[inline(always)]
    fn unlocked(&self) -> RawQueue {
        // SAFETY: By the type invariants, the queue is valid.
        unsafe { RawQueue::new(self.raw()) }
    }

    /// The device of the queue, which is bound as long as it has queues: for the bus only. While
    /// unbinding waits for the queue, what drivers have by `Devres` is gone already, which the
    /// kernel takes a `Device<Bound>` for the proof of that it is there.
    fn dev(&self) -> &Device<Bound> {
        self.set.dev()
    }

    /// Gives a buffer to the device (virtio spec §2.7.13, §2.8.21). The device is not notified:
    /// see [`Virtqueue::kick`].
    ///
    /// Any context.
    ///
    /// # Errors
    ///
    /// The buffer comes back, in the error, with
    ///
    /// - `ENOSPC`: the ring is full; try again after [`Virtqueue::get_buf`] returned something;
    /// - `ENOMEM`: a mapping failed for now;
    /// - `EIO`: the queue is broken, or (packed ring in C) a mapping failed;
    /// - `EINVAL`: the buffer has no segment, more than the queue was found for, or gives memory
    ///   to read after memory to write.
    #[inline]
    pub fn add_buf(&mut self, buffer: T) -> Result<(), AddError<T>>
    where
        T: Unmapped,
    {
        with_queue!(self, |mut queue| queue.add_buf(buffer))
    }

    /// First half of [`Virtqueue::kick`]: whether the device wants to be notified of what was
    /// added since the last time.
    ///
    /// One full barrier. Needs the exclusion that `add_buf` needs.
    #[inline]
    pub fn kick_prepare(&mut self) -> bool {
        match &mut self.ring {
            Ring::Rust(ring) => ring.inner().kick_prepare(),
            Ring::C(ring) => ring.kick_prepare(),
        }
    }

    /// Second half of [`Virtqueue::kick`]: notifies the device, which may trap to the hypervisor.
    ///
    /// Needs no exclusion: [`QueueHandle::notify`] does it outside of the lock. Returns false if
    /// the queue is broken.
    #[inline]
    pub fn notify(&self) -> bool {
        self.unlocked().notify()
    }

    /// Notifies the device of the added buffers if it wants to know. Returns false if it does and
    /// the queue is broken.
    #[inline]
    pub fn kick(&mut self) -> bool {
        if self.kick_prepare() {
            self.notify()
        } else {
            true
        }
    }

    /// Takes a buffer that the device has used.
    ///
    /// A device that claims to have written more than a buffer has room for is not believed: the
    /// buffer comes back as one with [nothing written](Used::len), which is told once for each
    /// queue. The queue goes on: devices that do what they are asked are known to count wrongly.
    ///
    /// Any context. `None` also when the queue is broken.
    #[inline]
    pub fn get_buf(&mut self) -> Option<Used<T>> {
        match &mut self.ring {
            Ring::Rust(ring) => {
                let (raw, len) = ring.get_buf()?;
                // SAFETY: By the type invariants, the token came from `into_raw` of a `T`; the
                // ring gives out each token once.
                let buffer = unsafe { T::from_raw(raw) };
                // INVARIANT: The ring compares it with what there was to write.
                Some(Used { buffer, len })
            }
            // SAFETY: By the type invariants, the tokens came from `into_raw` of a `T`.
            Ring::C(ring) => unsafe { ring.get_used() },
        }
    }

    /// Looks up the ring of the queue, for a path that uses the queue several times: see
    /// [`with_queue!`](crate::with_queue).
    #[inline(always)]
    pub fn open(&mut self) -> AnyQueue<'_, T> {
        // SAFETY: Every token in the ring came from `into_raw` of a `T` (type invariant).
        unsafe {
            match &mut self.ring {
                Ring::Rust(ring) => match ring.inner().open() {
                    AnyRing::Split(ring) => AnyQueue::Split(RustQueue::new(ring)),
                    AnyRing::Packed(ring) => AnyQueue::Packed(RustQueue::new(ring)),
                    AnyRing::SplitInOrder(ring) => AnyQueue::SplitInOrder(RustQueue::new(ring)),
                    AnyRing::PackedInOrder(ring) => AnyQueue::PackedInOrder(RustQueue::new(ring)),
                },
                Ring::C(ring) => AnyQueue::C(CQueue::new(ring)),
            }
        }
    }

    /// Asks the device for no more callbacks: a hint, a callback may still come.
    #[inline]
    pub fn disable_cb(&self) {
        self.unlocked().disable_cb()
    }

    /// Asks for a callback at the next used buffer and looks again, in one: false if there are
    /// used buffers by now, so that none is waited for in vain.
    ///
    /// One full barrier (§2.7.10).
    #[inline]
    #[must_use = "buffers that were used meanwhile raise no callback"]
    pub fn enable_cb(&mut self) -> bool {
        match &mut self.ring {
            Ring::Rust(ring) => ring.inner().enable_cb(),
            Ring::C(ring) => ring.enable_cb(),
        }
    }

    /// As [`Virtqueue::enable_cb`], for when the device has used most of what is outstanding.
    #[inline]
    #[must_use = "buffers that were used meanwhile raise no callback"]
    pub fn enable_cb_delayed(&mut self) -> bool {
        match &mut self.ring {
            Ring::Rust(ring) => ring.inner().enable_cb_delayed(),
            Ring::C(ring) => ring.enable_cb_delayed(),
        }
    }

    /// First half of [`Virtqueue::enable_cb`], without a barrier: the second is
    /// [`QueueHandle::poll`].
    #[inline]
    pub fn enable_cb_prepare(&mut self) -> Armed {
        Armed(match &mut self.ring {
            Ring::Rust(ring) => ring.enable_cb_prepare(),
            Ring::C(ring) => ring.enable_cb_prepare(),
        })
    }

    /// Second half of [`Virtqueue::enable_cb`]: whether there are used buffers by now.
    #[inline]
    pub fn poll(&self, armed: Armed) -> bool {
        self.unlocked().poll(armed.0)
    }

    /// Takes back a buffer that the device has not used. Only a device in
    /// [reset](Device::reset) owns none: before, there are none to take.
    pub fn detach_unused_buf(&mut self) -> Option<T> {
        if !self.dev().bind_state().is_reset() {
            return None;
        }
        // SAFETY: By the type invariants, the queue is valid; `&mut self` serialises. The device is
        // in reset, and gets no queue before this one is gone: see `BindState::reset`.
        let data = unsafe { bindings::virtqueue_detach_unused_buf(self.raw()) };
        // SAFETY: By the type invariants, the token came from `into_raw` of a `T`.
        RawToken::new(data, null_mut()).map(|raw| unsafe { T::from_raw(raw) })
    }

    /// Descriptors that are free. A buffer takes one per segment, or one in all where it is
    /// described by an indirect table.
    #[inline]
    pub fn num_free(&self) -> u32 {
        match &self.ring {
            Ring::Rust(ring) => ring.num_free(),
            Ring::C(ring) => ring.num_free(),
        }
    }

    /// Largest size of the ring that the device offers.
    pub fn num_max(&self) -> u32 {
        // SAFETY: By the type invariants, the queue is valid.
        unsafe { (*self.raw()).num_max }
    }

    /// Size of the ring in descriptors.
    pub fn ring_size(&self) -> u32 {
        // SAFETY: By the type invariants, the queue is valid.
        unsafe { bindings::virtqueue_get_vring_size(self.raw()) }
    }

    /// Index of the queue on its device.
    pub fn index(&self) -> u32 {
        // SAFETY: By the type invariants, the queue is valid.
        unsafe { (*self.raw()).index }
    }

    /// Whether the queue was declared broken: it takes and gives nothing any more.
    #[inline]
    pub fn is_broken(&self) -> bool {
        self.unlocked().is_broken()
    }

    /// Whether buffers have to be mapped with the DMA API, and if so for which device.
    ///
    /// Drivers that map by themselves ([`Segment::premapped`]) map for it.
    pub fn dma_dev(&self) -> Option<&kernel::device::Device> {
        // SAFETY: By the type invariants, the queue is valid.
        let dev = unsafe { bindings::virtqueue_dma_dev(self.raw()) };
        // SAFETY: The device that does DMA for the queue is the virtio device's parent or the
        // like and outlives it.
        unsafe { ops::dma_dev(dev) }
    }

    /// Returns the part of the queue that may be used without holding it.
    pub fn handle(&self) -> QueueHandle {
        QueueHandle::new(self.raw(), self.set.clone())
    }

    /// Makes the ring `num` descriptors large; its buffers go to `take`.
    ///
    /// Answers of the device are looked at once more when it has given the queue up.
    ///
    /// The caller keeps others from the queue, callbacks included. `take` resets neither the
    /// device nor a queue, and finds and drops none. Process context, sleeps.
    ///
    /// # Errors
    ///
    /// - `EINVAL`, `E2BIG`: `num` is 0, or more than [`Virtqueue::num_max`];
    /// - `ENOENT`: the transport cannot reset a queue (`VIRTIO_F_RING_RESET`);
    /// - `ENOMEM`: the ring has its old size, and is empty;
    /// - `EBUSY`: the device did not take the queue back; it is unusable;
    /// - `ENODEV`: the device is in [reset](Device::reset), and does not get the queue any more; or
    ///   it is not there;
    /// - `ETIMEDOUT`: the device does not reset the queue, within ten seconds. Nothing went to
    ///   `take`, and the device has to be reset.
    pub fn resize(&mut self, num: u32, take: impl FnMut(Returned<T>)) -> Result {
        self.with_recycler(take, |vq, f| {
            // SAFETY: The queue is valid and `&mut self` keeps others from it; `f` takes each
            // buffer that the queue gives up.
            unsafe { bindings::virtqueue_resize(vq, num, f, None) }
        })
    }

    /// Resets the queue; its buffers go to `take`, as with [`Virtqueue::resize`].
    ///
    /// Context and errors are those of [`Virtqueue::resize`].
    pub fn reset(&mut self, take: impl FnMut(Returned<T>)) -> Result {
        self.with_recycler(take, |vq, f| {
            // SAFETY: The queue is valid and `&mut self` keeps others from it; `f` takes each
            // buffer that the queue gives up.
            unsafe { bindings::virtqueue_reset(vq, f, None) }
        })
    }
}

impl<T: Buffer> Drop for Virtqueue<T> {
    fn drop(&mut self) {
        if !self.dev().bind_state().is_reset() {
            self.dev().reset();
        }
        while let Some(buffer) = self.detach_unused_buf() {
            drop(buffer);
        }
    }
}
