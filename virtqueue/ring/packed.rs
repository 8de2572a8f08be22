// SPDX-License-Identifier: GPL-2.0

//! The packed ring (virtio spec §2.8).

mod add;
mod desc_ref;
mod memory;
mod notify;
mod position;

pub use self::{
    desc_ref::Spot,
    memory::Memory,
    notify::View,
    position::{
        Place,
        Position, //
    },
};

use self::{
    memory::{
        Event,
        Ring, //
    },
    position::Cursor, //
};
use super::{
    broken::Report,
    desc_state::Slot,
    error::SetupError,
    flags::Flags,
    format::{
        self,
        Count,
        Found, //
    },
    in_order::Batch,
    indirect::Plan,
    lockless::{
        self,
        Armed, //
    },
    platform::Platform,
    ring_core::Frame,
    segments::{
        Piece,
        Segments,
        Translate, //
    },
    tables::NoTables,
    writer::{
        Chain,
        NewBuffer, //
    },
};

/// The part of a packed ring that needs no lock.
pub type Control<P> = lockless::Control<P, View<P>>;

/// The driver side of a packed ring that carries tokens of type `T`.
///
/// `S` holds one [`Slot`] for each descriptor, `C` refers to a [`Control`], and `L` provides
/// tables. `IN_ORDER` says that `VIRTIO_F_IN_ORDER` was negotiated.
pub type Packed<P, T, S, C, const IN_ORDER: bool, L = NoTables> =
    Frame<Format<P, IN_ORDER>, T, S, C, L>;

/// The format of a packed ring.
///
/// # Invariants
///
/// - `next` and `taken` are positions in `ring`: a buffer takes not more descriptors than it has.
/// - With `IN_ORDER`, the id of a buffer is the index of its first descriptor, and the oldest
///   outstanding buffer is at `taken`.
pub struct Format<P, const IN_ORDER: bool> {
    ring: Ring<P>,
    /// The position of the next buffer to add. C: `next_avail_idx`, `avail_wrap_counter`.
    next: Cursor,
    /// The position of the next used descriptor. C: `last_used_idx`.
    taken: Cursor,
    /// The position of the first descriptor that was added since the last kick decision.
    news: Place,
    /// The first descriptor that is not published yet, and its second half, or [`NONE_HELD`]. Only
    /// on machines on which stores may be seen out of order. The device does not look at the
    /// descriptors behind it before it is written (§2.8.21.1).
    held_at: Spot<P>,
    held: u64,
    driver: Event<P>,
    device: Event<P>,
}

/// All descriptors are published. No second half of a descriptor to make available has this value:
/// it has AVAIL or USED.
const NONE_HELD: u64 = 0;

// SAFETY: `next_id` returns its argument, or the index of the next buffer's position, which is
// below the size (type invariant). The size does not change, and ids are not linked.
unsafe impl<P: Platform, const IN_ORDER: bool> format::Format for Format<P, IN_ORDER> {
    type Platform = P;
    type Memory = Memory;
    type View = View<P>;
    type At = Spot<P>;
    type To = Spot<P>;

    const IN_ORDER: bool = IN_ORDER;
    const LINKED: bool = false;
    const HIDES_BATCH: bool = IN_ORDER;
    const DELAYS_BY_ADDED: bool = true;

    fn check(memory: &Memory) -> Result<(), SetupError> {
        memory.check()
    }

    fn size_of(memory: &Memory) -> u16 {
        memory.size
    }

    unsafe fn new(memory: &Memory, _flags: Flags) -> Self {
        // SAFETY: By the safety requirements, the three areas are mapped, and `check` accepted the
        // size.
        let (ring, driver, device) = unsafe {
            (
                Ring::new(memory.desc, memory.size),
                Event::new(memory.driver),
                Event::new(memory.device),
            )
        };
        let next = Cursor::next(memory.size);
        Self {
            ring,
            next,
            taken: Cursor::taken(memory.size),
            news: next.place(),
            // SAFETY: A cursor starts at the first descriptor, which every ring has.
            held_at: unsafe { ring.spot(next.place()) },
            held: NONE_HELD,
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
        self.next = Cursor::next(self.ring.size());
        self.taken = Cursor::taken(self.ring.size());
        self.news = self.next.place();
        self.held = NONE_HELD;
    }

    #[inline(always)]
    fn size(&self) -> u16 {
        self.ring.size()
    }

    #[inline(always)]
    fn next_id(&self, free: u16) -> u16 {
        if IN_ORDER {
            self.next.place().slot()
        } else {
            free
        }
    }

    #[inline(always)]
    fn to(&self) -> Spot<P> {
        // SAFETY: By the type invariants, `next` is a position in the ring.
        unsafe { self.ring.spot(self.next.place()) }
    }

    #[inline(always)]
    unsafe fn describe<S, B, M, T, const COMMON: bool>(
        &self,
        to: Spot<P>,
        id: u16,
        plan: Plan<P>,
        _slots: &[Slot<T>],
        buffer: NewBuffer<'_, B, M, COMMON>,
    ) -> Result<Chain, S::Error>
    where
        S: Piece,
        B: Segments<S>,
        M: Translate<S>,
    {
        // SAFETY: By the type invariants, `next` is a position in the ring; `to` is that position.
        // By the safety requirements, a table has room for the buffer.
        unsafe { add::describe(&self.ring, to, self.next, id, plan, buffer) }
    }

    #[cold]
    unsafe fn move_table(&self, to: Spot<P>, _id: u16, addr: u64) {
        to.write_addr(addr);
    }

    #[inline(always)]
    fn post(&mut self, to: Spot<P>, _id: u16, chain: &Chain, count: &mut Count) {
        if P::STORES_IN_ORDER {
            // §2.8.21.1: Everything else is written before the flags, as in `publish` below.
            to.publish(chain.head, count.flags.strong());
        } else if self.held == NONE_HELD {
            self.held_at = to;
            self.held = chain.head;
        } else {
            // The device cannot pass the unpublished descriptor before this one.
            to.write_rest(chain.head);
        }
        self.next.go(to.place(), chain.count, self.ring.size());
        // OVERFLOW: 64 bits do not overflow by counting.
        count.added = count.added.wrapping_add(chain.count.into());
    }

    #[inline(always)]
    fn publish(&mut self, control: &Control<P>, count: &Count) {
        if P::STORES_IN_ORDER {
            control.next.set(self.next.place().into_raw());
        } else if self.held != NONE_HELD {
            // §2.8.21.1: Everything else is written before the flags of the first descriptor. Pairs
            // with the barrier of the device between reading the flags and reading the rest.
            self.held_at.publish(self.held, count.flags.strong());
            self.held = NONE_HELD;
            control.next.set(self.next.place().into_raw());
        }
    }

    #[inline(always)]
    fn wants_kick(&mut self, _count: &Count, added: u64) -> bool {
        self.wants(added)
    }

    #[inline(always)]
    fn at(&self, _count: &Count) -> Spot<P> {
        // SAFETY: By the type invariants, `taken` is a position in the ring.
        unsafe { self.ring.spot(self.taken.place()) }
    }

    #[inline(always)]
    fn look<const DRAIN: bool>(
        &mut self,
        at: Spot<P>,
        batch: &Batch,
        control: &Control<P>,
        count: &mut Count,
    ) -> Result<Found, Report> {
        if IN_ORDER && batch.goes_on() {
            return Ok(Found::InBatch);
        }
        let (used, id) = at.look();
        // A device can only have used an outstanding buffer.
        if used && (DRAIN || count.in_flight() != 0) {
            // §2.8.22: The flags are read before the rest of the descriptor and the contents of the
            // buffer. Pairs with the barrier of the device between writing those and the flags.
            P::rmb(count.flags.strong());
            return Ok(Found::Entry(id));
        }
        if !DRAIN {
            control.taken.set(at.place().into_raw());
        }
        if !count.event_moved {
            return Ok(Found::Nothing);
        }
        // §2.8.10: The used event was written before the flags are read. The device reads the event
        // after it wrote flags. Pairs with the barrier there: at least one of the two sees the
        // other's write.
        P::mb(count.flags.strong());
        count.event_moved = false;
        let (used, id) = at.look();
        // §2.8.22: The flags are read before the rest of the descriptor, as above.
        P::rmb(count.flags.strong());
        Ok(if used && (DRAIN || count.in_flight() != 0) {
            Found::Entry(id)
        } else {
            Found::Nothing
        })
    }

    #[inline(always)]
    fn used(&self, at: Spot<P>, id: u16) -> (u32, u32) {
        (id.into(), at.len())
    }

    #[inline(always)]
    fn oldest(&self, _free: u16, _count: &Count) -> u16 {
        self.taken.place().slot()
    }

    #[inline(always)]
    fn pending(&self, count: &Count) -> u16 {
        count.in_flight()
    }

    #[inline(always)]
    fn step<const QUIET: bool>(
        &mut self,
        at: Spot<P>,
        descs: u16,
        control: &Control<P>,
        count: &mut Count,
    ) {
        count.done = count.done.wrapping_add(1);
        self.taken.go(at.place(), descs, self.ring.size());
        // With callbacks enabled, asks for one at the next descriptor. Otherwise no other context
        // needs the position before callbacks are enabled, or the ring is found empty.
        if !QUIET && control.off.get() == 0 {
            control.taken.set(self.taken.place().into_raw());
            if count.flags.event_idx() {
                self.driver
                    .set_position(self.taken.place().position().into_raw());
                count.event_moved = true;
            }
        }
    }

    #[inline(always)]
    fn set_batched(control: &Control<P>, batched: bool) {
        control.batched.set(batched.into());
    }

    fn start_callbacks(&mut self, control: &Control<P>, count: &Count, on: bool) {
        control.next.set(self.next.place().into_raw());
        control.taken.set(self.taken.place().into_raw());
        self.start_with_callbacks(control, count, on);
    }

    #[inline(always)]
    fn arm(&mut self, control: &Control<P>, count: &Count) {
        self.arm_at(control, count, self.taken.place());
    }

    #[inline(always)]
    fn armed(&self, _count: &Count) -> Armed {
        Armed(self.taken.place().position().into_raw())
    }

    #[inline(always)]
    fn has_used(&self, count: &Count) -> bool {
        // A device can only have used an outstanding buffer. Anything else that it writes there is
        // ignored: `get` does not return it, so a driver that polls until the ring is empty must
        // not see it.
        self.shows_used() && !in_vain(count)
    }

    #[inline(always)]
    fn arm_delayed(&mut self, control: &Control<P>, count: &Count) -> u16 {
        self.arm_most(control, count);
        0
    }

    #[inline(always)]
    fn is_quiet(&self, _armed: u16, count: &Count) -> bool {
        !self.shows_used() || in_vain(count)
    }
}

/// Returns whether no buffer is outstanding, so that a descriptor which looks used cannot be.
#[cold]
#[inline]
fn in_vain(count: &Count) -> bool {
    count.in_flight() == 0
}
