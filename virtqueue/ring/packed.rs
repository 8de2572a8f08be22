// SPDX-License-Identifier: GPL-2.0

//! The packed ring (virtio spec §2.8).

mod add;
mod memory;
mod notify;
mod position;

pub use self::{
    memory::Memory,
    notify::View,
    position::Position, //
};

use self::{
    memory::{
        Event,
        Ring, //
    },
    position::Cursor, //
};
use super::{
    broken::Fault,
    control::{
        self,
        Armed, //
    },
    error::SetupError,
    flags::Flags,
    format::{
        self,
        Count,
        Found, //
    },
    frame::Frame,
    in_order::Batch,
    indirect::Plan,
    platform::Platform,
    sink::{
        Chain,
        Describe, //
    },
    slot::Slot,
    tables::TableMemory, //
};

/// The part of a packed ring that needs no exclusion.
pub type Control<P> = control::Control<P, View<P>>;

/// The driver side of a packed ring that carries tokens of type `T`.
///
/// `S` holds one [`Slot`] for each descriptor, `C` refers to a [`Control`]. `IN_ORDER` says that
/// `VIRTIO_F_IN_ORDER` was negotiated.
pub type Packed<P, T, S, C, const IN_ORDER: bool> = Frame<Format<P, IN_ORDER>, T, S, C>;

/// The format of a packed ring.
///
/// # Invariants
///
/// - `next` and `taken` are places in `ring`: a buffer takes not more descriptors than it has.
/// - With `IN_ORDER`: the id of a buffer is the place of its first descriptor, and the oldest
///   buffer is at `taken`.
/// - `held_at` is a place in `ring`, or [`NONE_HELD`].
pub struct Format<P, const IN_ORDER: bool> {
    ring: Ring<P>,
    /// Where the next buffer goes.
    next: Cursor,
    /// Where the next used descriptor comes.
    taken: Cursor,
    /// The first descriptor of what is not published yet: place and second half. Before it is
    /// written, the device does not look at those behind it (§2.8.21.1).
    held_at: u16,
    held: u64,
    /// Where those begin that were published last, or are to be.
    published: Cursor,
    driver: Event<P>,
    device: Event<P>,
}

/// Everything is published.
const NONE_HELD: u16 = u16::MAX;

// SAFETY: Below the size are what `next_id` is given and, by the type invariant, the place of the
// next buffer. The size does not change, and ids are not linked.
unsafe impl<P: Platform, const IN_ORDER: bool> format::Format for Format<P, IN_ORDER> {
    type Platform = P;
    type Memory = Memory;
    type View = View<P>;
    type At = (Ring<P>, Cursor);

    const IN_ORDER: bool = IN_ORDER;
    const LINKED: bool = false;
    const HIDES_BATCH: bool = IN_ORDER;

    fn check(memory: &Memory) -> Result<(), SetupError> {
        memory.check()
    }

    fn parts(memory: &Memory) -> (u16, Option<TableMemory>) {
        (memory.size, memory.tables)
    }

    unsafe fn new(memory: &Memory, _flags: Flags) -> Self {
        // SAFETY: By the safety requirements; the size was checked.
        let (ring, driver, device) = unsafe {
            (
                Ring::new(memory.desc, memory.size),
                Event::new(memory.driver),
                Event::new(memory.device),
            )
        };
        Self {
            ring,
            next: Cursor::NEXT,
            taken: Cursor::TAKEN,
            held_at: NONE_HELD,
            held: 0,
            published: Cursor::NEXT,
            driver,
            device,
        }
    }

    #[inline(always)]
    fn view(&self, flags: Flags) -> View<P> {
        View::new(self.ring, self.driver, flags)
    }

    fn start(&mut self) {
        self.ring.clear();
        self.driver.clear();
        self.device.clear();
        self.next = Cursor::NEXT;
        self.taken = Cursor::TAKEN;
        self.published = Cursor::NEXT;
        self.held_at = NONE_HELD;
    }

    #[inline(always)]
    fn size(&self) -> u16 {
        self.ring.size()
    }

    #[inline(always)]
    fn next_id(&self, free: u16) -> u16 {
        if IN_ORDER {
            self.next.slot()
        } else {
            free
        }
    }

    #[inline(always)]
    unsafe fn describe<D: Describe, T>(
        &self,
        id: u16,
        segments: u16,
        plan: Plan<P>,
        _slots: &[Slot<T>],
        buffer: &mut D,
    ) -> Result<Chain, D::Error> {
        // SAFETY: By the type invariants.
        unsafe { add::describe(&self.ring, self.next, id, segments, plan, buffer) }
    }

    #[inline(always)]
    fn post(&mut self, _id: u16, chain: &Chain, count: &mut Count) {
        if self.held_at == NONE_HELD {
            self.held_at = self.next.slot();
            self.held = chain.head;
            self.published = self.next;
        } else {
            // Behind a descriptor that the device cannot pass yet.
            // SAFETY: By the type invariants.
            unsafe { self.ring.write_rest(self.next.slot(), chain.head) };
        }
        self.next = self.next.advance(chain.count, self.ring.size());
        // OVERFLOW: It is too large to.
        count.added = count.added.wrapping_add(chain.count.into());
    }

    #[inline(always)]
    fn publish(&mut self, control: &Control<P>, count: &Count) {
        if self.held_at != NONE_HELD {
            // §2.8.21.1: Everything else is written before the flags of the first descriptor.
            // Pairs with the barrier of the device between reading those and the rest.
            // SAFETY: By the type invariants.
            unsafe {
                self.ring
                    .publish(self.held_at, self.held, count.flags.strong())
            };
            self.held_at = NONE_HELD;
            control.next.set(self.next.into_raw());
        }
    }

    #[inline(always)]
    fn wants_kick(&self, _count: &Count, added: u64) -> bool {
        self.wants(added)
    }

    #[inline(always)]
    fn at(&self, _count: &Count) -> (Ring<P>, Cursor) {
        (self.ring, self.taken)
    }

    #[inline(always)]
    fn look(
        &mut self,
        (ring, at): (Ring<P>, Cursor),
        batch: &Batch,
        control: &Control<P>,
        count: &mut Count,
    ) -> Result<Found, Fault> {
        // A device can only have used what it has.
        if count.in_flight() == 0 {
            control.taken.set(at.into_raw());
            return Ok(Found::Nothing);
        }
        if IN_ORDER && batch.goes_on() {
            return Ok(Found::InBatch);
        }
        // SAFETY: By the type invariants.
        if at.matches(unsafe { ring.flags(at.slot()) }) {
            // §2.8.22: The flags are read before the rest of the descriptor and what is in the
            // buffer. Pairs with the barrier of the device between writing those and the flags.
            P::rmb(count.flags.strong());
            return Ok(Found::Entry);
        }
        control.taken.set(at.into_raw());
        if !count.event_moved {
            return Ok(Found::Nothing);
        }
        // §2.8.10: The used event was written before the flags are read, as the device reads the
        // event after it wrote flags. Pairs with the barrier there: one of the two sees what the
        // other wrote.
        P::mb(count.flags.strong());
        count.event_moved = false;
        // SAFETY: By the type invariants.
        let used = at.matches(unsafe { ring.flags(at.slot()) });
        // §2.8.22: As above.
        P::rmb(count.flags.strong());
        Ok(if used { Found::Entry } else { Found::Nothing })
    }

    #[inline(always)]
    fn used(&self, (ring, at): (Ring<P>, Cursor)) -> (u32, u32) {
        // SAFETY: By the type invariants.
        let (id, len) = unsafe { ring.used(at.slot()) };
        (id.into(), len)
    }

    #[inline(always)]
    fn oldest(&self, _free: u16, _count: &Count) -> u16 {
        self.taken.slot()
    }

    #[inline(always)]
    fn pending(&self, count: &Count) -> u16 {
        count.in_flight()
    }

    #[inline(always)]
    fn step<const QUIET: bool>(
        &mut self,
        (ring, at): (Ring<P>, Cursor),
        descs: u16,
        control: &Control<P>,
        count: &mut Count,
    ) {
        count.done = count.done.wrapping_add(1);
        self.taken = at.advance(descs, ring.size());
        // If callbacks are on, asks for one at the next. Otherwise nobody needs to know the place
        // before they are enabled, or there is nothing there.
        if !QUIET && control.off.get() == 0 {
            control.taken.set(self.taken.into_raw());
            if count.flags.event_idx() {
                self.driver.set_position(self.taken.position().into_raw());
                count.event_moved = true;
            }
        }
    }

    #[inline(always)]
    fn set_batched(control: &Control<P>, batched: bool) {
        control.batched.set(batched.into());
    }

    fn start_callbacks(&mut self, control: &Control<P>, count: &Count, on: bool) {
        control.next.set(self.next.into_raw());
        control.taken.set(self.taken.into_raw());
        self.start_with_callbacks(control, count, on);
    }

    #[inline(always)]
    fn arm(&mut self, control: &Control<P>, count: &Count) {
        self.arm_at(control, count, self.taken);
    }

    #[inline(always)]
    fn armed(&self, _count: &Count) -> Armed {
        Armed(self.taken.position().into_raw())
    }

    #[inline(always)]
    fn has_used(&self, count: &Count) -> bool {
        // A device can only have used what it has. What else it writes there nobody takes: who
        // looks until there is nothing must not see it.
        if count.in_flight() == 0 {
            return false;
        }
        // SAFETY: By the type invariants.
        let flags = unsafe { self.ring.flags(self.taken.slot()) };
        self.taken.matches(flags)
    }

    #[inline(always)]
    fn arm_delayed(&mut self, control: &Control<P>, count: &Count) -> u16 {
        // What the device does not know of it cannot use.
        self.publish(control, count);
        self.arm_most(control, count);
        0
    }

    #[inline(always)]
    fn is_quiet(&self, _armed: u16, count: &Count) -> bool {
        !self.has_used(count)
    }
}
