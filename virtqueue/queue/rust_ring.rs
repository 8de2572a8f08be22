// SPDX-License-Identifier: GPL-2.0

//! A queue on the Rust ring (crate `vring`), without a call out of the driver's module.

use super::{
    add_error::AddError,
    buffer::{
        Buffer,
        RawToken, //
    },
    handle::Armed,
    ops::{
        dma_dev,
        Look,
        QueueOps, //
    },
    Used,
    UsedRef, //
};
use crate::bindings;
use core::{
    marker::PhantomData,
    mem::ManuallyDrop,
    ptr::null_mut, //
};
use kernel::{
    device::Device,
    prelude::*, //
};
use vring::{
    ring::Format,
    AnyRing,
    Callbacks,
    Kernel,
    LookAt,
    Looked,
    Queue,
    RingPtr,
    RingRef, //
};

/// The ring of a queue.
///
/// # Invariants
///
/// The pointer is to the ring of a valid queue of the crate `vring`. Only this value refers to the
/// queue, except for handles.
pub(super) struct RustRing(RingPtr);

impl RustRing {
    /// Wraps a queue for buffers of up to `max_segments` segments. Returns `None` if the C ring
    /// provides the queues.
    ///
    /// # Safety
    ///
    /// `vq` is a valid queue. Only the result refers to it, except for handles.
    pub(super) unsafe fn new(vq: *mut bindings::virtqueue, max_segments: usize) -> Option<Self> {
        if !vring::create::is_provider() {
            return None;
        }
        // SAFETY: By the safety requirements, `vq` is valid, and only the result refers to it. All
        // queues are of the ring that provides them.
        let ring = unsafe {
            let queue = Queue::from_raw(vq);
            let max_segments = u16::try_from(max_segments).unwrap_or(u16::MAX);
            queue.exclusive().set_max_segments(max_segments);
            queue.ring_ptr()
        };
        // INVARIANT: By the safety requirements, `vq` is valid, and only this value refers to it.
        Some(Self(ring))
    }

    #[inline(always)]
    pub(super) fn raw(&self) -> *mut bindings::virtqueue {
        // SAFETY: By the type invariant, the queue is valid.
        unsafe { self.0.vq() }
    }

    /// Returns the ring by its layout.
    #[inline(always)]
    pub(super) fn by_layout(&mut self) -> AnyRing<'_> {
        // SAFETY: By the type invariant, the queue is valid; `&mut self` excludes others.
        unsafe { self.0.by_layout() }
    }
}

/// A queue on a Rust ring of format `F`.
///
/// # Invariants
///
/// Every token in the ring came from [`Buffer::into_raw`] of a `T`.
pub struct RustQueue<'a, T, F: Format<Platform = Kernel>> {
    ring: RingRef<'a, F>,
    _buffers: PhantomData<T>,
}

impl<'a, T: Buffer, F: Format<Platform = Kernel>> RustQueue<'a, T, F> {
    /// # Safety
    ///
    /// Every token in the ring came from [`Buffer::into_raw`] of a `T`.
    #[inline(always)]
    pub(super) unsafe fn new(ring: RingRef<'a, F>) -> Self {
        // INVARIANT: By the safety requirements, the tokens came from a `T`.
        Self {
            ring,
            _buffers: PhantomData,
        }
    }

    /// See [`Virtqueue::enable_cb_prepare`](super::Virtqueue::enable_cb_prepare).
    #[inline(always)]
    pub(super) fn enable_cb_prepare(&mut self) -> Armed {
        Armed(self.ring.enable_cb_prepare().into_raw().into())
    }
}

/// Adds a buffer of any number of segments, and maps it for the device if necessary. If that fails,
/// the caller has the buffer: `buffer` is a copy of it.
///
/// PERF: All arguments are passed by value, so that the caller can keep them in registers for the
/// buffers that are added without a call of this function. So is the result, without the buffer.
#[inline(never)]
fn add_any<T: Buffer, F: Format<Platform = Kernel>>(
    mut ring: RingRef<'_, F>,
    buffer: ManuallyDrop<T>,
) -> Result {
    let segments = segments_of(&*buffer, ring.max_segments())?;
    let pending = PendingAdd::of(buffer);
    ring.add(pending.raw(), segments, pending.buffer(), 0)
}

/// As [`add_any`], of a [common](Buffer::is_common) buffer, on a queue that needs mappings.
#[inline(never)]
fn add_with_mappings<T: Buffer, F: Format<Platform = Kernel>>(
    mut ring: RingRef<'_, F>,
    buffer: ManuallyDrop<T>,
) -> Result {
    let pending = PendingAdd::of(buffer);
    if ring.try_add_with_mappings(pending.raw(), T::COMMON_COUNT, pending.buffer())? {
        return Ok(());
    }
    add_any(ring, pending.copy())
}

/// A look at a buffer, by its token.
///
/// # Invariants
///
/// The value is used for a ring whose tokens came from [`Buffer::into_raw`] of a `T`.
struct LookAtToken<L, T> {
    look: L,
    _buffers: PhantomData<T>,
}

impl<T: Buffer, L: Look<T>> LookAt for LookAtToken<L, T> {
    type Seen = L::Seen;
    type Again = L::Again;
    type Taken = L::Taken;

    #[inline(always)]
    fn look(&mut self, raw: RawToken, len: u32) -> Result<L::Seen, L::Taken> {
        // SAFETY: By the type invariant, the token came from `into_raw` of a `T`. The value is not
        // dropped, and it is gone before the ring returns the token or adds it again.
        let buffer = ManuallyDrop::new(unsafe { T::from_raw(raw) });
        // INVARIANT: The ring has compared the length with the room in the buffer.
        self.look.look(UsedRef {
            buffer: &buffer,
            len,
        })
    }

    #[inline(always)]
    fn read(self, raw: RawToken, len: u32, seen: L::Seen) -> L::Again {
        // SAFETY: As in `look`. The ring has the token, which it does not return before this
        // function has returned, and the value is not dropped.
        let buffer = ManuallyDrop::new(unsafe { T::from_raw(raw) });
        // INVARIANT: As in `look`. The device does not know that the buffer was added again.
        let used: UsedRef<'_, T> = UsedRef {
            buffer: &buffer,
            len,
        };
        self.look.read(used, seen)
    }
}

impl<T: Buffer, F: Format<Platform = Kernel>> QueueOps<T> for RustQueue<'_, T, F> {
    const ADDS_AGAIN: bool = F::KEEPS_DESCRIPTORS;

    #[inline(always)]
    fn reborrow(&mut self) -> impl QueueOps<T> + '_ {
        // INVARIANT: The result has the ring of `self`.
        RustQueue {
            ring: self.ring.reborrow(),
            _buffers: PhantomData,
        }
    }

    #[inline(always)]
    unsafe fn add_buf_unchecked(&mut self, buffer: T) -> Result<(), AddError<T>> {
        let pending = PendingAdd::new(buffer);
        let result = if !pending.buffer().is_common() {
            add_any(self.ring.reborrow(), pending.copy())
        } else if self.ring.needs_mapping() {
            add_with_mappings(self.ring.reborrow(), pending.copy())
        } else {
            // A common buffer is simple enough to be added inline.
            match self
                .ring
                .try_add_physical(pending.raw(), T::COMMON_COUNT, pending.buffer())
            {
                Ok(true) => Ok(()),
                Ok(false) => add_any(self.ring.reborrow(), pending.copy()),
                Err(error) => Err(error),
            }
        };
        result.map_err(|error| AddError {
            error,
            buffer: pending.take_back(),
        })
    }

    #[inline]
    fn dma_dev(&self) -> Option<&Device> {
        let mapper = self.ring.queue().mapper();
        // SAFETY: The device that the ring names outlives the queue.
        unsafe { dma_dev(mapper.map_or(null_mut(), |mapper| mapper.dma_dev())) }
    }

    #[inline(always)]
    fn get_buf(&mut self) -> Option<Used<T>> {
        let (raw, len) = self.ring.get()?;
        // SAFETY: By the type invariants, the token came from `into_raw` of a `T`. The ring returns
        // each token once.
        let buffer = unsafe { T::from_raw(raw) };
        // INVARIANT: The ring has compared the length with the room in the buffer.
        Some(Used { buffer, len })
    }

    #[inline(always)]
    fn get_buf_or_add_again<L: Look<T>>(&mut self, look: L) -> Looked<L::Again, L::Taken, Used<T>> {
        // INVARIANT: By the type invariants, the tokens of the ring came from `into_raw` of a `T`.
        let look = LookAtToken {
            look,
            _buffers: PhantomData,
        };
        match self.ring.get_or_add_again(look) {
            Looked::Nothing => Looked::Nothing,
            Looked::AddedAgain(seen) => Looked::AddedAgain(seen),
            Looked::Taken(seen, (raw, len)) => {
                // SAFETY: By the type invariants, the token came from `into_raw` of a `T`. The ring
                // returns each token once.
                let buffer = unsafe { T::from_raw(raw) };
                // INVARIANT: As in `get_buf`.
                Looked::Taken(seen, Used { buffer, len })
            }
            Looked::Unable => Looked::Unable,
        }
    }

    #[inline(always)]
    fn num_unkicked(&self) -> u64 {
        self.ring.core().num_unkicked()
    }

    #[inline(always)]
    fn drain(&mut self, mut take: impl FnMut(Used<T>)) -> bool {
        self.ring.drain(|raw, len| {
            // SAFETY: By the type invariants, the token came from `into_raw` of a `T`. The ring
            // returns each token once.
            let buffer = unsafe { T::from_raw(raw) };
            // INVARIANT: As in `get_buf`.
            take(Used { buffer, len });
        })
    }

    #[inline(always)]
    fn kick_prepare(&mut self) -> bool {
        self.ring.kick_prepare()
    }

    #[inline(always)]
    fn notify(&mut self) -> bool {
        self.ring.queue().notify()
    }

    #[inline(always)]
    fn disable_cb(&mut self) {
        self.ring.core().lockless().disable_cb();
    }

    #[inline(always)]
    fn enable_cb(&mut self) -> Callbacks {
        self.ring.enable_cb()
    }

    #[inline(always)]
    fn enable_cb_delayed(&mut self) -> Callbacks {
        self.ring.enable_cb_delayed()
    }

    #[inline(always)]
    fn kick_enable_cb_delayed(&mut self) -> (bool, bool) {
        let (kick, done) = self.ring.kick_prepare_enable_cb_delayed();
        // PERF: A broken queue is not kicked, so that is not asked again. That saves six
        // instructions a notification.
        (kick && self.ring.queue().notify_now(), done)
    }

    #[inline(always)]
    fn num_free(&self) -> u32 {
        self.ring.core().num_free().into()
    }

    #[inline(always)]
    fn is_idle(&self) -> bool {
        self.ring.core().outstanding() == 0
    }

    #[inline(always)]
    fn is_broken(&self) -> bool {
        self.ring.core().lockless().is_broken()
    }
}

/// Returns the largest number of segments that the buffer has.
///
/// # Errors
///
/// `EINVAL`: the number is more than `most`.
#[inline(always)]
fn segments_of<T: Buffer>(buffer: &T, most: u16) -> Result<u16> {
    let segments = buffer.segment_count();
    if segments > most.into() {
        return Err(EINVAL);
    }
    // CAST: The number is at most `most`, which is a `u16`.
    Ok(segments as u16)
}

/// A buffer while it is added, together with its token. If the add succeeded, the ring owns the
/// buffer. If the add failed, [`PendingAdd::take_back`] returns the buffer.
struct PendingAdd<T> {
    buffer: ManuallyDrop<T>,
    raw: RawToken,
}

impl<T: Buffer> PendingAdd<T> {
    /// Makes a token of a buffer.
    #[inline(always)]
    fn new(buffer: T) -> Self {
        Self::of(ManuallyDrop::new(buffer))
    }

    /// Makes a token of a copy of a buffer.
    #[inline(always)]
    fn of(buffer: ManuallyDrop<T>) -> Self {
        // SAFETY: Only one of the two copies is used later: the token if the ring took it, and the
        // buffer otherwise. The memory that the buffer describes does not move.
        let raw = unsafe { core::ptr::read(&*buffer) }.into_raw();
        Self { buffer, raw }
    }

    /// Returns the token.
    #[inline(always)]
    fn raw(&self) -> RawToken {
        self.raw
    }

    /// Returns a reference to the buffer, for its segments.
    #[inline(always)]
    fn buffer(&self) -> &T {
        &self.buffer
    }

    /// Returns a copy of the buffer, which is used only to add the buffer.
    #[inline(always)]
    fn copy(&self) -> ManuallyDrop<T> {
        // SAFETY: The copy is not dropped, and only one of the two is used later: the token of the
        // copy if the ring took it, and this buffer otherwise.
        unsafe { core::ptr::read(&self.buffer) }
    }

    /// Returns the buffer, which the ring did not take.
    #[inline(always)]
    fn take_back(self) -> T {
        ManuallyDrop::into_inner(self.buffer)
    }
}
