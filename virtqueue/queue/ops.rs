// SPDX-License-Identifier: GPL-2.0

//! Operations on a queue whose kind of ring is known.
//!
//! Each call of [`Virtqueue`](super::Virtqueue) looks up the kind of ring. A path that uses a queue
//! several times takes the queue as `impl QueueOps<T>`. [`with_queue!`](crate::with_queue) calls
//! the path: it looks up the kind of ring once, and has the path compiled for each.

use super::{
    add_error::AddError,
    buffer::{
        Buffer,
        Unmapped, //
    },
    c_ring::CRing,
    rust_ring::{
        segments_of,
        Given, //
    },
    Used, //
};
use crate::bindings;
use core::marker::PhantomData;
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
    Live,
    LiveRing, //
};

/// A queue that carries buffers of type `T`. Each function is that of
/// [`Virtqueue`](super::Virtqueue).
#[allow(missing_docs)]
pub trait QueueOps<T: Buffer> {
    /// The same queue, for a while. Small: for functions that are not inlined to take by value.
    fn again(&mut self) -> impl QueueOps<T> + '_;
    #[inline(always)]
    fn add_buf(&mut self, buffer: T) -> Result<(), AddError<T>>
    where
        T: Unmapped,
    {
        // SAFETY: Nothing of it is mapped.
        unsafe { self.add_premapped(buffer) }
    }
    /// [`QueueOps::add_buf`] of a buffer that may be mapped already.
    ///
    /// # Safety
    ///
    /// The memory of the buffer is mapped, if at all, for the device of [`QueueOps::dma_dev`].
    unsafe fn add_premapped(&mut self, buffer: T) -> Result<(), AddError<T>>;
    fn dma_dev(&self) -> Option<&Device>;
    fn get_buf(&mut self) -> Option<Used<T>>;
    /// Takes all buffers that the device has used, with callbacks off meanwhile, until there is
    /// none and callbacks are on again: what a callback does, in one. Returns whether the queue is
    /// broken.
    fn drain(&mut self, take: impl FnMut(Used<T>)) -> bool;
    fn kick_prepare(&mut self) -> bool;
    fn notify(&mut self) -> bool;
    fn disable_cb(&mut self);
    /// Says also whether the queue is broken.
    fn enable_cb(&mut self) -> Callbacks;
    /// Says also whether the queue is broken.
    fn enable_cb_delayed(&mut self) -> Callbacks;
    /// Notifies the device if it wants to know, and enables callbacks for when most is used, with
    /// one barrier for both where the ring can. Returns whether the device was notified, and what
    /// [`Virtqueue::enable_cb_delayed`](super::Virtqueue::enable_cb_delayed) would.
    #[must_use = "buffers that were used meanwhile raise no callback"]
    fn kick_enable_cb_delayed(&mut self) -> (bool, bool);
    fn num_free(&self) -> u32;
    /// Whether the device has no buffer.
    fn is_idle(&self) -> bool;
    /// Whether the queue is broken: it takes and gives nothing any more.
    fn is_broken(&self) -> bool;
}

/// The functions that the ring has by the same name.
macro_rules! same_on_ring {
    () => {
        same_on_ring!(kick_prepare -> bool, notify -> bool, disable_cb -> ());
    };
    ($($name:ident -> $kind:ty),*) => {
        $(
            #[inline(always)]
            fn $name(&mut self) -> $kind {
                self.ring.$name()
            }
        )*
    };
}

/// A queue by its kind of ring, for as long as the queue is borrowed:
/// [`Virtqueue::open`](super::Virtqueue::open).
pub enum AnyQueue<'a, T: Buffer> {
    /// On a split ring in Rust.
    Split(RustQueue<T, Live<'a, split::Format<Kernel, false>>>),
    /// On a packed ring in Rust.
    Packed(RustQueue<T, Live<'a, packed::Format<Kernel, false>>>),
    /// On a split ring in Rust whose buffers are used in order.
    SplitInOrder(RustQueue<T, Live<'a, split::Format<Kernel, true>>>),
    /// On a packed ring in Rust whose buffers are used in order.
    PackedInOrder(RustQueue<T, Live<'a, packed::Format<Kernel, true>>>),
    /// On the ring in C.
    C(CQueue<'a, T>),
}

/// Evaluates an expression with a [`Virtqueue`](crate::Virtqueue) as a
/// [`QueueOps`](crate::QueueOps). The expression is compiled for each kind of ring.
#[macro_export]
macro_rules! with_queue {
    ($vq:expr, |$queue:pat_param| $body:expr) => {
        match $vq.open() {
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

/// A queue on a ring of the crate `vring`.
///
/// # Invariants
///
/// Every token in the ring came from [`Buffer::into_raw`] of a `T`.
pub struct RustQueue<T, R> {
    ring: R,
    _buffers: PhantomData<T>,
}

impl<T: Buffer, R: LiveRing> RustQueue<T, R> {
    /// # Safety
    ///
    /// Every token in the ring came from [`Buffer::into_raw`] of a `T`.
    #[inline(always)]
    pub(super) unsafe fn new(ring: R) -> Self {
        // INVARIANT: The tokens are as the caller says.
        Self {
            ring,
            _buffers: PhantomData,
        }
    }
}

/// Adds a buffer of any number of segments, mapped for the device if need be.
///
/// All that it is given it is given by value, so that none of that has to be in memory for the
/// buffers that are added otherwise.
#[inline(never)]
fn add_any<T: Buffer>(mut ring: impl LiveRing, buffer: T) -> Result<(), AddError<T>> {
    let segments = match segments_of(&buffer, ring.max_segments()) {
        Ok(segments) => segments,
        Err(error) => return Err(AddError { error, buffer }),
    };
    let given = Given::new(buffer);
    let added = ring.add(given.raw(), segments, &given.described(), 0);
    added.map_err(|error| AddError {
        error,
        buffer: given.take_back(),
    })
}

/// As [`add_any`], of the common number of segments, which are mapped for the device.
#[inline(never)]
fn add_mapped<T: Buffer>(mut ring: impl LiveRing, buffer: T) -> Result<(), AddError<T>> {
    let given = Given::new(buffer);
    match ring.map_at_hand(given.raw(), T::COMMON_COUNT, &given.common()) {
        Ok(true) => Ok(()),
        Ok(false) => add_any(ring, given.take_back()),
        Err(error) => Err(AddError {
            error,
            buffer: given.take_back(),
        }),
    }
}

impl<T: Buffer, R: LiveRing> QueueOps<T> for RustQueue<T, R> {
    #[inline(always)]
    fn again(&mut self) -> impl QueueOps<T> + '_ {
        // INVARIANT: It is the same ring.
        RustQueue {
            ring: self.ring.again(),
            _buffers: PhantomData,
        }
    }

    #[inline(always)]
    unsafe fn add_premapped(&mut self, buffer: T) -> Result<(), AddError<T>> {
        if !buffer.is_common() {
            return add_any(self.ring.again(), buffer);
        }
        if self.ring.is_mapped() {
            return add_mapped(self.ring.again(), buffer);
        }
        // What has the common number of segments is simple enough to be done here.
        let given = Given::new(buffer);
        match self
            .ring
            .add_at_hand(given.raw(), T::COMMON_COUNT, &given.common())
        {
            Ok(true) => Ok(()),
            Ok(false) => add_any(self.ring.again(), given.take_back()),
            Err(error) => Err(AddError {
                error,
                buffer: given.take_back(),
            }),
        }
    }

    #[inline]
    fn dma_dev(&self) -> Option<&Device> {
        // SAFETY: The device that the ring names outlives the queue.
        unsafe { dma_dev(self.ring.dma_dev()) }
    }

    #[inline(always)]
    fn get_buf(&mut self) -> Option<Used<T>> {
        let (raw, len) = self.ring.get()?;
        // SAFETY: By the type invariants; the ring gives out each token once.
        let buffer = unsafe { T::from_raw(raw) };
        // INVARIANT: The ring compares it with what there was to write.
        Some(Used { buffer, len })
    }

    #[inline(always)]
    fn drain(&mut self, mut take: impl FnMut(Used<T>)) -> bool {
        self.ring.drain(|raw, len| {
            // SAFETY: By the type invariants, the token came from `into_raw` of a `T`; the ring
            // gives it once.
            let buffer = unsafe { T::from_raw(raw) };
            // INVARIANT: As in `get_buf`.
            take(Used { buffer, len });
        })
    }

    same_on_ring!();
    same_on_ring!(enable_cb -> Callbacks, enable_cb_delayed -> Callbacks);

    #[inline(always)]
    fn kick_enable_cb_delayed(&mut self) -> (bool, bool) {
        let (kick, done) = self.ring.kick_prepare_enable_cb_delayed();
        (kick && self.ring.notify(), done)
    }

    #[inline(always)]
    fn num_free(&self) -> u32 {
        self.ring.num_free().into()
    }

    #[inline(always)]
    fn is_idle(&self) -> bool {
        self.ring.in_flight() == 0
    }

    #[inline(always)]
    fn is_broken(&self) -> bool {
        self.ring.is_broken()
    }
}

/// A queue on the kernel's own ring.
///
/// # Invariants
///
/// Every token in the ring came from [`Buffer::into_raw`] of a `T`.
pub struct CQueue<'a, T> {
    ring: &'a mut CRing,
    _buffers: PhantomData<T>,
}

impl<'a, T> CQueue<'a, T> {
    /// # Safety
    ///
    /// Every token in the ring came from [`Buffer::into_raw`] of a `T`.
    #[inline(always)]
    pub(super) unsafe fn new(ring: &'a mut CRing) -> Self {
        // INVARIANT: The tokens are as the caller says.
        Self {
            ring,
            _buffers: PhantomData,
        }
    }

    /// Returns what came of asking for callbacks; `quiet` is what the ring returned.
    #[inline(always)]
    fn callbacks(&self, quiet: bool) -> Callbacks {
        if !quiet {
            Callbacks::Missed
        } else if self.ring.is_broken() {
            Callbacks::Broken
        } else {
            Callbacks::On
        }
    }
}

impl<T: Buffer> QueueOps<T> for CQueue<'_, T> {
    #[inline(always)]
    fn again(&mut self) -> impl QueueOps<T> + '_ {
        // INVARIANT: It is the same ring.
        CQueue {
            ring: self.ring,
            _buffers: PhantomData,
        }
    }

    #[inline(always)]
    unsafe fn add_premapped(&mut self, buffer: T) -> Result<(), AddError<T>> {
        self.ring.add_buf(buffer)
    }

    #[inline]
    fn dma_dev(&self) -> Option<&Device> {
        // SAFETY: The queue is valid, by the type invariants of the ring. Its device outlives it.
        unsafe { dma_dev(bindings::virtqueue_dma_dev(self.ring.raw())) }
    }

    #[inline(always)]
    fn get_buf(&mut self) -> Option<Used<T>> {
        // SAFETY: By the type invariants, every token in the ring came from `into_raw` of a `T`.
        unsafe { self.ring.get_used() }
    }

    #[inline(always)]
    fn drain(&mut self, mut take: impl FnMut(Used<T>)) -> bool {
        // The free descriptors when there was to be more, as the device said: no number of them.
        let mut before = u32::MAX;
        loop {
            self.ring.disable_cb();
            while let Some(used) = self.get_buf() {
                take(used);
            }
            if self.ring.enable_cb() {
                break;
            }
            // A device that takes back what it said does not keep the driver here: nothing was
            // taken. PERF: That is asked only where there is more: nothing is noted for each
            // buffer.
            let free = self.num_free();
            if free == before {
                break;
            }
            before = free;
        }
        self.ring.is_broken()
    }

    same_on_ring!();

    #[inline(always)]
    fn enable_cb(&mut self) -> Callbacks {
        let quiet = self.ring.enable_cb();
        self.callbacks(quiet)
    }

    #[inline(always)]
    fn enable_cb_delayed(&mut self) -> Callbacks {
        let quiet = self.ring.enable_cb_delayed();
        self.callbacks(quiet)
    }

    #[inline(always)]
    fn kick_enable_cb_delayed(&mut self) -> (bool, bool) {
        let notified = self.ring.kick_prepare() && self.ring.notify();
        (notified, self.ring.enable_cb_delayed())
    }

    #[inline(always)]
    fn num_free(&self) -> u32 {
        self.ring.num_free()
    }

    #[inline(always)]
    fn is_idle(&self) -> bool {
        self.ring.is_idle()
    }

    #[inline(always)]
    fn is_broken(&self) -> bool {
        self.ring.is_broken()
    }
}
