// SPDX-License-Identifier: GPL-2.0

//! Virtqueues (virtio spec §2.6).
//!
//! [`Device::find_vqs`](crate::Device::find_vqs) returns a set of [`Queues`]. A driver takes each
//! [`Virtqueue`] out of the set, with the type of buffers that the queue carries. When the last
//! queue is dropped, the transport deletes the set.
//!
//! A [`Buffer`] describes the memory that it gives to the device. It moves into the queue, and the
//! same value comes back. While the device owns the buffer, the driver cannot touch it.
//!
//! Each queue runs on one of the kinds of [`RingKind`], which is chosen when the queue is found.

mod add_error;
mod buffer;
mod c_ring;
mod doorbell;
mod handle;
mod message;
mod ops;
mod recycle;
mod rust_ring;
mod set;

pub use self::{
    add_error::AddError,
    buffer::{
        Buffer,
        RawToken,
        Segment,
        SegmentWriter,
        Segments,
        Unmapped, //
    },
    c_ring::CQueue,
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
        Look,
        QueueOps, //
    },
    recycle::Returned,
    rust_ring::RustQueue,
    set::{
        Affinity,
        QueueSpec,
        Queues, //
    },
};

pub(crate) use self::recycle::take_used;

use self::{
    c_ring::CRing,
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
    mem::ManuallyDrop,
    ptr::null_mut, //
};
use kernel::{
    device::Bound,
    prelude::*,
    sync::Arc, //
};
use vring::{
    AnyRing,
    Callbacks, //
};

/// A buffer that the device has used.
///
/// # Invariants
///
/// `buffer` was added to the queue, and `len` is at most its [`Buffer::writable_len`] at that time.
pub struct Used<T> {
    buffer: T,
    len: u32,
}

impl<T> Used<T> {
    /// Returns the number of bytes that the device reports as written, or 0 if the buffer has less
    /// room.
    ///
    /// Do not use it to decide whether a request succeeded if the device also writes a status: some
    /// devices leave a part out, count the bytes that they read, or report 0.
    #[inline(always)]
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Returns a reference to the buffer, as it was added.
    #[inline(always)]
    pub fn buffer(&self) -> &T {
        &self.buffer
    }

    /// Returns the buffer.
    #[inline(always)]
    pub fn into_buffer(self) -> T {
        self.buffer
    }
}

/// A buffer that the device has used, and that is still in the queue.
///
/// # Invariants
///
/// As those of [`Used`].
pub struct UsedRef<'a, T> {
    buffer: &'a T,
    len: u32,
}

impl<'a, T> UsedRef<'a, T> {
    /// Returns the number of bytes that the device reports as written, as [`Used::len`].
    #[inline(always)]
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Returns a reference to the buffer, as it was added.
    #[inline(always)]
    pub fn buffer(&self) -> &'a T {
        self.buffer
    }
}

/// The kind of ring that a queue runs on.
///
/// An enum, not a trait object: the choice is one predictable branch, and the code behind it can be
/// inlined into the driver.
///
/// PERF: The layout of a Rust ring, the C ring, and the `None` of an `Option<Virtqueue>` are values
/// of one byte. That saves one to four instructions at the start of a path.
enum RingKind {
    /// The Rust ring, of the crate `vring`.
    Rust(RustRing),
    /// The C ring, through its exported functions.
    ///
    /// PERF: Boxed, so that both arms of a match begin by loading a pointer from the same place.
    /// This saves an instruction on each path on the Rust ring.
    C(KBox<CRing>),
}

/// A virtqueue that carries buffers of type `T`.
///
/// `&mut self` is the serialisation that C asks of its callers for add, kick, get and callbacks.
/// Drivers keep the queue under the lock that the path holds anyway.
///
/// Dropping the queue resets the device, unless that was done already, and drops the buffers that
/// the device has not used. Process context, sleeps.
///
/// # Invariants
///
/// - The queue under `ring` belongs to `set` and no other [`Virtqueue`] has it.
/// - Every token in the ring came from [`Buffer::into_raw`] of a `T`.
pub struct Virtqueue<T: Buffer> {
    ring: RingKind,
    set: Arc<QueueSet>,
    _buffers: PhantomData<T>,
}

// SAFETY: The raw pointers in `ring` and `set` are to objects that any thread may use, if only one
// thread does at a time, which `&mut self` ensures. `T` is `Send`.
unsafe impl<T: Buffer> Send for Virtqueue<T> {}

/// Defines functions of a [`Virtqueue`] that look up the kind of ring, and call the function of
/// [`QueueOps`] of the same name.
macro_rules! operations {
    ($(
        fn $name:ident(&mut self $(, $arg:ident: $of:ty)?) -> $result:ty
        $(where $buffer:ident: $bound:ident)?;
    )*) => {
        $(
            #[doc = concat!("See [`QueueOps::", stringify!($name), "`].")]
            #[inline]
            #[allow(unused_mut)]
            pub fn $name(&mut self $(, $arg: $of)?) -> $result
            $(where $buffer: $bound)?
            {
                with_queue!(self, |mut queue| queue.$name($($arg)?))
            }
        )*
    };
}

/// Defines functions of a [`Virtqueue`] that call the function of [`QueueHandle`] of the same name.
/// None of them needs exclusion.
macro_rules! shared_operations {
    ($(fn $name:ident(&self $(, $arg:ident: $of:ty)?) $(-> $result:ty)?;)*) => {
        $(
            #[doc = concat!("See [`QueueHandle::", stringify!($name), "`].")]
            #[inline]
            pub fn $name(&self $(, $arg: $of)?) $(-> $result)? {
                self.borrow().$name($($arg)?)
            }
        )*
    };
}

impl<T: Buffer> Virtqueue<T> {
    operations! {
        fn add_buf(&mut self, buffer: T) -> Result<(), AddError<T>> where T: Unmapped;
        fn kick_prepare(&mut self) -> bool;
        fn get_buf(&mut self) -> Option<Used<T>>;
        fn enable_cb(&mut self) -> Callbacks;
        fn enable_cb_delayed(&mut self) -> Callbacks;
        fn num_free(&mut self) -> u32;
    }

    shared_operations! {
        fn notify(&self) -> bool;
        fn disable_cb(&self);
        fn poll(&self, armed: Armed) -> bool;
        fn is_broken(&self) -> bool;
    }

    /// Notifies the device of the added buffers if it wants a notification. Returns false if it
    /// does, and the queue is broken.
    #[inline]
    pub fn kick(&mut self) -> bool {
        !self.kick_prepare() || self.notify()
    }

    /// Enables callbacks, as the first half of [`QueueOps::enable_cb`], without a barrier.
    /// [`QueueHandle::poll`] is the second half.
    #[inline]
    pub fn enable_cb_prepare(&mut self) -> Armed {
        with_queue!(self, |mut queue| queue.enable_cb_prepare())
    }

    fn new(vq: *mut bindings::virtqueue, max_segments: usize, set: Arc<QueueSet>) -> Result<Self> {
        let max_segments = max_segments.max(T::COMMON_COUNT.into());
        // SAFETY: The caller takes the queue out of its set, so there is no other reference to it.
        let ring = match unsafe { RustRing::new(vq, max_segments) } {
            Some(ring) => RingKind::Rust(ring),
            None => RingKind::C(KBox::new(CRing::new(vq, max_segments)?, GFP_KERNEL)?),
        };
        // INVARIANT: The caller takes the queue out of its set. A new queue has no token.
        Ok(Self {
            ring,
            set,
            _buffers: PhantomData,
        })
    }

    #[inline(always)]
    fn raw(&self) -> *mut bindings::virtqueue {
        match &self.ring {
            RingKind::Rust(ring) => ring.raw(),
            RingKind::C(ring) => ring.raw(),
        }
    }

    /// Returns a handle, for the operations that need no exclusion.
    #[inline(always)]
    fn borrow(&self) -> QueueHandle {
        // SAFETY: By the type invariants, the queue is valid. Its ring is replaced by functions
        // that take `&mut self` only.
        unsafe { QueueHandle::borrowed(self.raw()) }
    }

    /// Returns the device, which is bound as long as it has queues. Not public: a `Device<Bound>`
    /// gives access to `Devres` resources, and these are gone while unbinding waits for the queue.
    fn dev(&self) -> &Device<Bound> {
        self.set.dev()
    }

    /// Returns the queue by the kind of its ring: see [`with_queue!`](crate::with_queue).
    #[inline(always)]
    pub fn by_ring(&mut self) -> AnyQueue<'_, T> {
        // SAFETY: Every token in the ring came from `into_raw` of a `T` (type invariant).
        unsafe {
            match &mut self.ring {
                RingKind::Rust(ring) => match ring.by_layout() {
                    AnyRing::Split(ring) => AnyQueue::Split(RustQueue::new(ring)),
                    AnyRing::Packed(ring) => AnyQueue::Packed(RustQueue::new(ring)),
                    AnyRing::SplitInOrder(ring) => AnyQueue::SplitInOrder(RustQueue::new(ring)),
                    AnyRing::PackedInOrder(ring) => AnyQueue::PackedInOrder(RustQueue::new(ring)),
                },
                RingKind::C(ring) => AnyQueue::C(CQueue::new(ring)),
            }
        }
    }

    /// Takes back a buffer that the device has not used. Returns `None` unless the device is in
    /// [reset](Device::reset): before, the device owns the buffers.
    pub fn detach_unused_buf(&mut self) -> Option<T> {
        if !self.dev().bind_state().is_reset() {
            return None;
        }
        // SAFETY: By the type invariants, the queue is valid, and `&mut self` serialises. The
        // device is in reset, and gets no queue before this one is gone: see `BindState::reset`.
        let data = unsafe { bindings::virtqueue_detach_unused_buf(self.raw()) };
        // SAFETY: By the type invariants, the token came from `into_raw` of a `T`.
        RawToken::new(data, null_mut()).map(|raw| unsafe { T::from_raw(raw) })
    }

    /// Returns the largest size of the ring that the device offers.
    pub fn num_max(&self) -> u32 {
        // SAFETY: By the type invariants, the queue is valid.
        unsafe { (*self.raw()).num_max }
    }

    /// Returns the size of the ring in descriptors.
    pub fn ring_size(&self) -> u32 {
        // SAFETY: By the type invariants, the queue is valid.
        unsafe { bindings::virtqueue_get_vring_size(self.raw()) }
    }

    /// Returns the index of the queue on its device.
    pub fn index(&self) -> u32 {
        // SAFETY: By the type invariants, the queue is valid.
        unsafe { (*self.raw()).index }
    }

    /// Returns the device for which buffers have to be mapped by the DMA API, or `None`.
    ///
    /// A driver that maps its own buffers ([`Segment::premapped`]) maps them for this device.
    pub fn dma_dev(&self) -> Option<&kernel::device::Device> {
        // SAFETY: By the type invariants, the queue is valid.
        let dev = unsafe { bindings::virtqueue_dma_dev(self.raw()) };
        // SAFETY: The device that does DMA for the queue is the parent of the virtio device, or
        // another device that outlives it.
        unsafe { ops::dma_dev(dev) }
    }

    /// Returns a handle to the queue, for the operations that need no exclusion.
    pub fn handle(&self) -> QueueHandle {
        QueueHandle::new(self.raw(), self.set.clone())
    }

    /// Returns the queue for buffers of another type.
    ///
    /// # Errors
    ///
    /// Returns the queue if a buffer is outstanding.
    pub fn try_retype<U: Buffer>(mut self) -> Result<Virtqueue<U>, Self> {
        const {
            // The ring was made for buffers of `T`.
            assert!(T::HAS_CTX || !U::HAS_CTX);
            assert!(T::COMMON_COUNT >= U::COMMON_COUNT);
        }
        if !with_queue!(self, |queue| queue.is_idle()) {
            return Err(self);
        }
        let this = ManuallyDrop::new(self);
        // INVARIANT: The ring has no token, and this has the queue from here on.
        // SAFETY: Both are moved out once: the old value is not dropped.
        Ok(unsafe {
            Virtqueue {
                ring: core::ptr::read(&this.ring),
                set: core::ptr::read(&this.set),
                _buffers: PhantomData,
            }
        })
    }

    /// Changes the ring to `num` descriptors. Passes each buffer of the old ring to `take`.
    ///
    /// Buffers that the device uses until the reset is done are passed to `take` as used.
    ///
    /// During the call no other code may use the queue, callbacks included. `take` must not reset
    /// the device or a queue, and must not find or drop queues. Process context, sleeps.
    ///
    /// # Errors
    ///
    /// - `EINVAL`, `E2BIG`: `num` is 0, or more than [`Virtqueue::num_max`];
    /// - `ENOENT`: the transport cannot reset a queue (`VIRTIO_F_RING_RESET`);
    /// - `ENOMEM`: the ring has its old size, and is empty;
    /// - `EBUSY`: the device did not enable the queue again, which cannot be used;
    /// - `ENODEV`: the device is in [reset](Device::reset), or is not there. The queue cannot be
    ///   used again;
    /// - `ETIMEDOUT`: the device did not reset the queue within ten seconds. No buffer was passed
    ///   to `take`, and the driver has to reset the device.
    pub fn resize(&mut self, num: u32, take: impl FnMut(Returned<T>)) -> Result {
        self.with_recycler(take, |vq, f| {
            // SAFETY: The queue is valid, and `&mut self` excludes other users. `f` takes each
            // buffer that the queue returns.
            unsafe { bindings::virtqueue_resize(vq, num, f, None) }
        })
    }

    /// Resets the queue. Passes each buffer to `take`, as [`Virtqueue::resize`] does.
    ///
    /// Context and errors are those of [`Virtqueue::resize`].
    pub fn reset(&mut self, take: impl FnMut(Returned<T>)) -> Result {
        self.with_recycler(take, |vq, f| {
            // SAFETY: The queue is valid, and `&mut self` excludes other users. `f` takes each
            // buffer that the queue returns.
            unsafe { bindings::virtqueue_reset(vq, f, None) }
        })
    }
}

// A queue is a pointer, a byte for its kind, and its set.
const _: () = assert!(size_of::<Option<RingKind>>() == 2 * size_of::<usize>());

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
