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
use kernel::sync::Arc;

/// The private state of the ids of a queue.
pub type DescStates = kernel::alloc::KVVec<crate::ring::DescState<RawToken>>;

/// A ring of format `F`, in the kernel.
pub type RingOf<F> =
    RingCore<F, RawToken, DescStates, Arc<LocklessState<Kernel, <F as Format>::View>>, Tables>;

type SplitRing<const IN_ORDER: bool> = RingOf<split::SplitFormat<Kernel, IN_ORDER>>;
type PackedRing<const IN_ORDER: bool> = RingOf<packed::PackedFormat<Kernel, IN_ORDER>>;

/// The ring of a queue, of the layout that was negotiated.
///
/// An enum and not a trait object: the choice is one predictable branch, and the code behind it can
/// be inlined.
pub(crate) enum AnyLayout {
    Split(SplitRing<false>),
    Packed(PackedRing<false>),
    SplitInOrder(SplitRing<true>),
    PackedInOrder(PackedRing<true>),
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
    pub(crate) bookkeeping: Bookkeeping,
}

impl ExclusiveQueue {
    /// Sets the largest number of segments that a buffer of the driver may have, for
    /// [`RingRef::max_segments`].
    pub fn set_max_segments(&mut self, most: u16) {
        self.bookkeeping.max_segments = most;
    }

    /// Returns the ring by its layout: see [`with_ring!`](crate::with_ring).
    #[inline(always)]
    pub fn by_layout(&mut self) -> AnyRing<'_> {
        let Self { ring, bookkeeping } = self;
        match ring {
            AnyLayout::Split(core) => AnyRing::Split(RingRef { core, bookkeeping }),
            AnyLayout::Packed(core) => AnyRing::Packed(RingRef { core, bookkeeping }),
            AnyLayout::SplitInOrder(core) => AnyRing::SplitInOrder(RingRef { core, bookkeeping }),
            AnyLayout::PackedInOrder(core) => AnyRing::PackedInOrder(RingRef { core, bookkeeping }),
        }
    }
}
