// SPDX-License-Identifier: GPL-2.0

//! The part of a queue that needs exclusion.
//!
//! [`with_ring!`](crate::with_ring) looks up the layout of the ring. The operations are those of
//! [`RingRef`].

use crate::{
    bindings::virtqueue,
    bookkeeping::Bookkeeping,
    platform::Kernel,
    queue::Queue,
    ring::{
        packed,
        split,
        Format,
        LocklessState,
        RingCore, //
    },
    ring_ref::RingRef,
    segment::RawToken,
    tables::Tables, //
};
use core::ptr::NonNull;
use kernel::sync::Arc;

/// The private state of the ids of a queue.
pub type DescStates = kernel::alloc::KVVec<crate::ring::DescState<RawToken>>;

/// A ring of format `F`, in the kernel.
pub type RingOf<F> =
    RingCore<F, RawToken, DescStates, Arc<LocklessState<Kernel, <F as Format>::View>>, Tables>;

/// A ring of format `F` with its bookkeeping.
///
/// The bookkeeping is the first field, so that [`RingPtr`] finds it without the layout.
///
/// PERF: In one structure, so that a [`RingRef`] is one pointer. Not measured by itself.
#[repr(C)]
pub(crate) struct Ring<F: Format<Platform = Kernel>> {
    pub(crate) bookkeeping: Bookkeeping,
    pub(crate) core: RingOf<F>,
}

type SplitRing<const IN_ORDER: bool> = Ring<split::SplitFormat<Kernel, IN_ORDER>>;
type PackedRing<const IN_ORDER: bool> = Ring<packed::PackedFormat<Kernel, IN_ORDER>>;

/// The ring of a queue, of the layout that was negotiated, with its bookkeeping.
///
/// An enum and not a trait object: the choice is one predictable branch, and the code behind it can
/// be inlined.
pub(crate) enum AnyLayout {
    Split(SplitRing<false>),
    Packed(PackedRing<false>),
    SplitInOrder(SplitRing<true>),
    PackedInOrder(PackedRing<true>),
}

/// Whether the layout of a ring is the usual one. The first value is the usual one, because the
/// compiler compares with it first.
#[derive(Clone, Copy)]
enum Usual {
    /// The ring is split, and its buffers are used in any order.
    Yes,
    No,
}

/// A layout that is not the usual one.
#[derive(Clone, Copy)]
enum OtherLayout {
    /// A packed ring.
    Packed,
    /// A split ring whose buffers are used in order.
    SplitInOrder,
    /// A packed ring whose buffers are used in order.
    PackedInOrder,
}

/// A reference to the ring of a queue, by its layout: [`ExclusiveQueue::by_layout`].
///
/// [`with_ring!`](crate::with_ring) compiles an expression for each layout, and looks up the layout
/// once.
pub enum AnyRing<'a> {
    /// A split ring.
    Split(RingRef<'a, split::SplitFormat<Kernel, false>>),
    /// A packed ring.
    Packed(RingRef<'a, packed::PackedFormat<Kernel, false>>),
    /// A split ring whose buffers are used in order.
    SplitInOrder(RingRef<'a, split::SplitFormat<Kernel, true>>),
    /// A packed ring whose buffers are used in order.
    PackedInOrder(RingRef<'a, packed::PackedFormat<Kernel, true>>),
}

/// Evaluates an expression with the ring of an [`ExclusiveQueue`], as a [`RingRef`]. The expression
/// is compiled for each layout.
#[macro_export]
macro_rules! with_ring {
    ($exclusive:expr, |$ring:pat_param| $body:expr) => {
        match $exclusive.by_layout() {
            $crate::AnyRing::Split($ring) => $body,
            $crate::AnyRing::Packed($ring) => $body,
            $crate::AnyRing::SplitInOrder($ring) => $body,
            $crate::AnyRing::PackedInOrder($ring) => $body,
        }
    };
}

/// The part of a queue that needs exclusion. Only the holder of `&mut ExclusiveQueue` adds, kicks,
/// gets, and enables or disables callbacks.
pub struct ExclusiveQueue {
    pub(crate) ring: AnyLayout,
}

impl ExclusiveQueue {
    /// Sets the largest number of segments that a buffer of the driver may have, for
    /// [`RingRef::max_segments`].
    pub fn set_max_segments(&mut self, most: u16) {
        self.bookkeeping().max_segments = most;
    }

    /// Returns the ring by its layout: see [`with_ring!`](crate::with_ring).
    #[inline(always)]
    pub fn by_layout(&mut self) -> AnyRing<'_> {
        match &mut self.ring {
            AnyLayout::Split(ring) => AnyRing::Split(RingRef { ring }),
            AnyLayout::Packed(ring) => AnyRing::Packed(RingRef { ring }),
            AnyLayout::SplitInOrder(ring) => AnyRing::SplitInOrder(RingRef { ring }),
            AnyLayout::PackedInOrder(ring) => AnyRing::PackedInOrder(RingRef { ring }),
        }
    }

    /// Returns the bookkeeping.
    pub(crate) fn bookkeeping(&mut self) -> &mut Bookkeeping {
        match &mut self.ring {
            AnyLayout::Split(ring) => &mut ring.bookkeeping,
            AnyLayout::Packed(ring) => &mut ring.bookkeeping,
            AnyLayout::SplitInOrder(ring) => &mut ring.bookkeeping,
            AnyLayout::PackedInOrder(ring) => &mut ring.bookkeeping,
        }
    }
}

/// A pointer to the ring of a queue, and its layout: [`Queue::ring_ptr`].
///
/// PERF: A driver compares one byte of its own to know the layout, and does not compute the place
/// of the ring in the queue for each operation. The usual layout is known by a byte apart, so that
/// it is found by one comparison and not by a binary search. That saves two instructions a path.
///
/// # Invariants
///
/// `ring` points to a [`Ring`] of the layout that `usual` says, or `other` if that says no. The
/// pointer is derived from one to the whole queue.
pub struct RingPtr {
    ring: NonNull<Bookkeeping>,
    usual: Usual,
    other: OtherLayout,
}

impl RingPtr {
    /// Returns the ring by its layout: see [`with_ring!`](crate::with_ring).
    ///
    /// # Safety
    ///
    /// The queue exists as long as the result is used, and no other code uses its ring.
    #[inline(always)]
    pub unsafe fn by_layout<'a>(&self) -> AnyRing<'a> {
        let ring = self.ring;
        // SAFETY: By the type invariant, `ring` points to a ring of that layout. By the safety
        // requirements, it is there, and no other code uses it.
        unsafe {
            match (self.usual, self.other) {
                (Usual::Yes, _) => AnyRing::Split(RingRef {
                    ring: ring.cast().as_mut(),
                }),
                (Usual::No, OtherLayout::Packed) => AnyRing::Packed(RingRef {
                    ring: ring.cast().as_mut(),
                }),
                (Usual::No, OtherLayout::SplitInOrder) => AnyRing::SplitInOrder(RingRef {
                    ring: ring.cast().as_mut(),
                }),
                (Usual::No, OtherLayout::PackedInOrder) => AnyRing::PackedInOrder(RingRef {
                    ring: ring.cast().as_mut(),
                }),
            }
        }
    }

    /// Returns the queue.
    ///
    /// # Safety
    ///
    /// The queue exists.
    #[inline(always)]
    pub unsafe fn vq(&self) -> *mut virtqueue {
        // SAFETY: By the type invariant, `ring` points to a ring, which begins with its
        // bookkeeping; by the safety requirements, it is there. The field does not change.
        unsafe { (&raw const (*self.ring.as_ptr()).vq).read() }
    }
}

impl Queue {
    /// Returns a pointer to the ring of the queue.
    ///
    /// # Safety
    ///
    /// No other code uses the ring during the call.
    pub unsafe fn ring_ptr(&self) -> RingPtr {
        fn start<F: Format<Platform = Kernel>>(ring: &Ring<F>) -> *const u8 {
            core::ptr::from_ref(ring).cast()
        }

        // SAFETY: By the safety requirements, no other code uses the ring.
        let (usual, other, ring) = match unsafe { &self.exclusive().ring } {
            // `other` has no meaning then.
            AnyLayout::Split(ring) => (Usual::Yes, OtherLayout::Packed, start(ring)),
            AnyLayout::Packed(ring) => (Usual::No, OtherLayout::Packed, start(ring)),
            AnyLayout::SplitInOrder(ring) => (Usual::No, OtherLayout::SplitInOrder, start(ring)),
            AnyLayout::PackedInOrder(ring) => (Usual::No, OtherLayout::PackedInOrder, start(ring)),
        };
        let vq = self.as_raw();
        // The reference to the ring is gone when the pointer is used, so the pointer is not
        // derived from it.
        let offset = ring.addr().wrapping_sub(vq.addr());
        // SAFETY: The ring is a part of the queue, and `as_raw` returns a pointer from which the
        // whole queue can be reached.
        let ring = unsafe { NonNull::new_unchecked(vq.wrapping_byte_add(offset)) };
        // INVARIANT: The ring is of that layout, and stays in its place in the queue.
        RingPtr {
            ring: ring.cast(),
            usual,
            other,
        }
    }
}
