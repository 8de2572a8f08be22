// SPDX-License-Identifier: GPL-2.0

//! The part of a queue that needs exclusion.
//!
//! [`with_ring!`](crate::with_ring) looks up the layout of the ring. The operations are those of
//! [`RingRef`].

use crate::{
    bookkeeping::Bookkeeping,
    platform::Kernel,
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
use core::hint::unreachable_unchecked;
use kernel::sync::Arc;

/// The private state of the ids of a queue.
pub type DescStates = kernel::alloc::KVVec<crate::ring::DescState<RawToken>>;

/// A ring of format `F`, in the kernel.
pub type RingOf<F> =
    RingCore<F, RawToken, DescStates, Arc<LocklessState<Kernel, <F as Format>::View>>, Tables>;

/// A ring of format `F` with its bookkeeping.
///
/// PERF: In one structure, so that a [`RingRef`] is one pointer. Not measured by itself.
pub(crate) struct Ring<F: Format<Platform = Kernel>> {
    pub(crate) core: RingOf<F>,
    pub(crate) bookkeeping: Bookkeeping,
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

/// The layout of a ring, which does not change: [`ExclusiveQueue::layout`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RingLayout {
    /// A split ring.
    Split,
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

    /// Returns the layout of the ring.
    pub fn layout(&self) -> RingLayout {
        match &self.ring {
            AnyLayout::Split(_) => RingLayout::Split,
            AnyLayout::Packed(_) => RingLayout::Packed,
            AnyLayout::SplitInOrder(_) => RingLayout::SplitInOrder,
            AnyLayout::PackedInOrder(_) => RingLayout::PackedInOrder,
        }
    }

    /// As [`ExclusiveQueue::by_layout`], for a caller that keeps the layout beside its pointer to
    /// the queue.
    ///
    /// PERF: The layout in the queue is not read, so that a caller compares one byte of its own.
    ///
    /// # Safety
    ///
    /// `layout` is that of the ring: the result of [`ExclusiveQueue::layout`].
    #[inline(always)]
    pub unsafe fn by_known_layout(&mut self, layout: RingLayout) -> AnyRing<'_> {
        match (layout, &mut self.ring) {
            (RingLayout::Split, AnyLayout::Split(ring)) => AnyRing::Split(RingRef { ring }),
            (RingLayout::Packed, AnyLayout::Packed(ring)) => AnyRing::Packed(RingRef { ring }),
            (RingLayout::SplitInOrder, AnyLayout::SplitInOrder(ring)) => {
                AnyRing::SplitInOrder(RingRef { ring })
            }
            (RingLayout::PackedInOrder, AnyLayout::PackedInOrder(ring)) => {
                AnyRing::PackedInOrder(RingRef { ring })
            }
            // SAFETY: By the safety requirements, `layout` is that of the ring.
            _ => unsafe { unreachable_unchecked() },
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
