// SPDX-License-Identifier: GPL-2.0

//! The part of a queue that needs exclusion.
//!
//! Each call of [`Inner`] looks up the layout of the ring. The work is in [`live`](crate::live), in
//! a separate function for each layout, so that each has all registers for itself.

use crate::{
    live::{
        Live,
        LiveRing, //
    },
    platform::Kernel,
    ring::{
        packed,
        split,
        Armed,
        Control,
        Format,
        Frame, //
    },
    segment::RawToken,
    side::Side,
    tables::Tables, //
};
use core::ffi::c_void;
use kernel::sync::Arc;

/// The private state of the ids of a queue.
pub type Slots = kernel::alloc::KVVec<crate::ring::Slot<RawToken>>;

/// A ring of format `F`, in the kernel.
pub(crate) type RingOf<F> =
    Frame<F, RawToken, Slots, Arc<Control<Kernel, <F as Format>::View>>, Tables>;

type SplitRing<const IN_ORDER: bool> = RingOf<split::Format<Kernel, IN_ORDER>>;
type PackedRing<const IN_ORDER: bool> = RingOf<packed::Format<Kernel, IN_ORDER>>;

/// The ring of a queue: which one was negotiated.
///
/// An enum and not a trait object: the choice is one predictable branch, and what is behind it can
/// be inlined.
pub(crate) enum Ring {
    Split(SplitRing<false>),
    Packed(PackedRing<false>),
    SplitInOrder(SplitRing<true>),
    PackedInOrder(PackedRing<true>),
}

/// Does the same with the ring of whichever layout.
macro_rules! each_ring {
    ($ring:expr, $name:ident => $body:expr) => {
        match $ring {
            $crate::inner::Ring::Split($name) => $body,
            $crate::inner::Ring::Packed($name) => $body,
            $crate::inner::Ring::SplitInOrder($name) => $body,
            $crate::inner::Ring::PackedInOrder($name) => $body,
        }
    };
}
pub(crate) use each_ring;

/// The ring of a queue, by its layout, for as long as the queue is borrowed.
///
/// An expression that is to be compiled for each layout goes into
/// [`with_ring!`](crate::with_ring), which looks the layout up once.
pub enum AnyRing<'a> {
    /// A split ring.
    Split(Live<'a, split::Format<Kernel, false>>),
    /// A packed ring.
    Packed(Live<'a, packed::Format<Kernel, false>>),
    /// A split ring whose buffers are used in order.
    SplitInOrder(Live<'a, split::Format<Kernel, true>>),
    /// A packed ring whose buffers are used in order.
    PackedInOrder(Live<'a, packed::Format<Kernel, true>>),
}

/// Evaluates an expression with the ring of an [`Inner`], as a [`LiveRing`]. The expression is
/// compiled for each layout.
#[macro_export]
macro_rules! with_ring {
    ($inner:expr, |$ring:pat_param| $body:expr) => {
        match $inner.open() {
            $crate::AnyRing::Split($ring) => $body,
            $crate::AnyRing::Packed($ring) => $body,
            $crate::AnyRing::SplitInOrder($ring) => $body,
            $crate::AnyRing::PackedInOrder($ring) => $body,
        }
    };
}

/// The part of a queue that needs exclusion: only the holder of `&mut Inner` adds, kicks, gets and
/// switches callbacks.
pub struct Inner {
    pub(crate) ring: Ring,
    pub(crate) side: Side,
}

impl Inner {
    /// Notes how many segments a buffer of the driver may have, for [`Inner::max_segments`].
    pub fn set_max_segments(&mut self, most: u16) {
        self.side.max_segments = most;
    }

    /// The most segments that a buffer of the driver may have.
    #[inline(always)]
    pub fn max_segments(&self) -> u16 {
        self.side.max_segments
    }

    /// Looks up the layout of the ring.
    #[inline(always)]
    pub fn open(&mut self) -> AnyRing<'_> {
        let Self { ring, side } = self;
        match ring {
            Ring::Split(ring) => AnyRing::Split(Live { ring, side }),
            Ring::Packed(ring) => AnyRing::Packed(Live { ring, side }),
            Ring::SplitInOrder(ring) => AnyRing::SplitInOrder(Live { ring, side }),
            Ring::PackedInOrder(ring) => AnyRing::PackedInOrder(Live { ring, side }),
        }
    }

    /// Publishes what was added, and says whether the device wants to be notified of it, also if
    /// the queue is broken. One full barrier.
    #[inline]
    pub fn kick_prepare(&mut self) -> bool {
        with_ring!(self, |live| live.apart(|live| live.kick_prepare()))
    }

    /// Takes a buffer that the device has used, and how many bytes it wrote, as
    /// [`LiveRing::get`](crate::LiveRing::get) has it. `None` if there is none or the queue is
    /// broken: what a device did to break it is told here, once.
    #[inline]
    pub fn get(&mut self) -> Option<(RawToken, u32)> {
        with_ring!(self, |live| live.apart(|live| live.get()))
    }

    /// As [`Inner::get`], as C has it: returns the token or null, and writes the length, which is
    /// cut to what the buffer has room for, and, if there is a place for it, the context.
    ///
    /// # Safety
    ///
    /// `len`, and `ctx` if it is not null, are places to write to.
    #[inline(always)]
    pub unsafe fn get_raw(&mut self, len: *mut u32, ctx: *mut *mut c_void) -> *mut c_void {
        // SAFETY: `len` and `ctx` are places to write to, as the caller sees to.
        with_ring!(self, |live| unsafe { live.get_raw(len, ctx) })
    }

    /// First half of [`Inner::enable_cb`], without a barrier: [`Queue::poll`](crate::Queue::poll)
    /// is the second.
    #[inline]
    pub fn enable_cb_prepare(&mut self) -> Armed {
        each_ring!(&mut self.ring, ring => ring.enable_cb_prepare())
    }

    /// Asks for a callback at the next used buffer and looks again: false if there are used
    /// buffers by now. One full barrier.
    #[inline]
    pub fn enable_cb(&mut self) -> bool {
        with_ring!(self, |live| live.apart(|live| live.enable_cb().is_quiet()))
    }

    /// As [`Inner::enable_cb`], for when most of what the device has is used.
    #[inline]
    pub fn enable_cb_delayed(&mut self) -> bool {
        with_ring!(self, |live| live
            .apart(|live| live.enable_cb_delayed().is_quiet()))
    }

    /// Takes back a buffer that the device has not used.
    ///
    /// # Safety
    ///
    /// The device uses neither the ring nor any of its buffers: it, or the queue, was reset.
    pub unsafe fn detach_unused(&mut self) -> Option<RawToken> {
        // SAFETY: By the safety requirements, the device uses neither the ring nor its buffers.
        let unused = each_ring!(&mut self.ring, ring => unsafe { ring.detach_unused() })?;
        self.side.gone(unused.id);
        Some(unused.token)
    }

    /// Descriptors that are free. A buffer takes one for each segment, or one in all if it is
    /// described by a table.
    #[inline(always)]
    pub fn num_free(&self) -> u16 {
        each_ring!(&self.ring, ring => ring.num_free())
    }
}
