// SPDX-License-Identifier: GPL-2.0

//! A ring whose layout is known.
//!
//! [`Inner`] looks at the layout with each call. What does much to a queue in one go has it looked
//! at once, and is compiled for each layout: see [`Inner::on_ring`].

use crate::{
    inner::{
        add_here,
        add_mapped,
        tell_if_broken,
        Inner,
        Ring,
        RingOf,
        Side,
        Then, //
    },
    platform::Kernel,
    queue::Queue,
    ring::Format,
    segment::{
        RawToken,
        Segments, //
    },
};
use kernel::prelude::*;

/// A ring of one of the layouts, with what goes with it. Each function is that of [`Inner`] or of
/// [`Queue`].
#[allow(missing_docs)]
pub trait LiveRing {
    /// Whether memory is mapped for the device.
    fn is_mapped(&self) -> bool;
    fn add<B: Segments>(&mut self, token: RawToken, segments: u16, buffer: &B) -> Result;
    /// [`LiveRing::add`], only where memory is not mapped for the device.
    fn add_physical<B: Segments>(&mut self, token: RawToken, segments: u16, buffer: &B) -> Result;
    fn get(&mut self) -> Option<(RawToken, u32)>;
    fn kick_prepare(&mut self) -> bool;
    fn notify(&self) -> bool;
    fn disable_cb(&mut self);
    fn enable_cb(&mut self) -> bool;
    fn enable_cb_delayed(&mut self) -> bool;
    fn kick_prepare_enable_cb_delayed(&mut self) -> (bool, bool);
    fn num_free(&self) -> u16;
    fn in_flight(&self) -> u16;
}

/// Something to do with a ring of whichever layout.
pub trait OnRing {
    /// What comes of it.
    type Output;

    /// Does it.
    fn run<R: LiveRing>(self, ring: R) -> Self::Output;
}

/// An [`Inner`] with a ring of format `F`.
struct Live<'a, F: Format<Platform = Kernel>> {
    ring: &'a mut RingOf<F>,
    side: &'a mut Side,
}

impl<F: Format<Platform = Kernel>> LiveRing for Live<'_, F> {
    #[inline(always)]
    fn is_mapped(&self) -> bool {
        self.side.mapped.is_some()
    }

    #[inline(always)]
    fn add<B: Segments>(&mut self, token: RawToken, segments: u16, buffer: &B) -> Result {
        if !self.is_mapped() {
            return self.add_physical(token, segments, buffer);
        }
        match add_mapped(self.ring, self.side, token, buffer, 0, Then::Wait) {
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        }
    }

    #[inline(always)]
    fn add_physical<B: Segments>(&mut self, token: RawToken, segments: u16, buffer: &B) -> Result {
        match add_here(self.ring, self.side, token, segments, buffer, Then::Wait) {
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        }
    }

    #[inline(always)]
    fn get(&mut self) -> Option<(RawToken, u32)> {
        let Some(used) = self.ring.get() else {
            tell_if_broken(self.ring, self.side);
            return None;
        };
        self.side.taken(used.id, used.len);
        Some((used.token, used.len))
    }

    #[inline(always)]
    fn kick_prepare(&mut self) -> bool {
        let notify = self.ring.kick_prepare();
        self.side.kicked(notify);
        notify
    }

    #[inline(always)]
    fn notify(&self) -> bool {
        // SAFETY: The queue that the ring is of is valid.
        unsafe { Queue::from_raw(self.side.vq) }.notify()
    }

    #[inline(always)]
    fn disable_cb(&mut self) {
        self.ring.disable_cb();
    }

    #[inline(always)]
    fn enable_cb(&mut self) -> bool {
        self.ring.enable_cb()
    }

    #[inline(always)]
    fn enable_cb_delayed(&mut self) -> bool {
        self.ring.enable_cb_delayed()
    }

    #[inline(always)]
    fn kick_prepare_enable_cb_delayed(&mut self) -> (bool, bool) {
        let (notify, quiet) = self.ring.kick_prepare_enable_cb_delayed();
        self.side.kicked(notify);
        (notify, quiet)
    }

    #[inline(always)]
    fn num_free(&self) -> u16 {
        self.ring.num_free()
    }

    #[inline(always)]
    fn in_flight(&self) -> u16 {
        self.ring.in_flight()
    }
}

impl Inner {
    /// Does something that is compiled for each layout of the ring, and so looks at it once.
    #[inline(always)]
    pub fn on_ring<V: OnRing>(&mut self, what: V) -> V::Output {
        let Self { ring, side } = self;
        match ring {
            Ring::Split(ring) => what.run(Live { ring, side }),
            Ring::Packed(ring) => what.run(Live { ring, side }),
            Ring::SplitInOrder(ring) => what.run(Live { ring, side }),
            Ring::PackedInOrder(ring) => what.run(Live { ring, side }),
        }
    }
}
