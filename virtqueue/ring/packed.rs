// SPDX-License-Identifier: GPL-2.0

//! The packed ring (virtio spec §2.8).

mod add;
mod desc_ref;
mod memory;
mod notify;
mod position;

pub use self::{
    desc_ref::DescRef,
    memory::Memory,
    notify::PackedView,
    position::{
        RingPos,
        WireIndex, //
    },
};

use self::{
    memory::{
        DescRing,
        EventSuppression, //
    },
    position::RingCursor, //
};
use super::{
    broken::BrokenReport,
    desc_state::DescState,
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
    ring_core::RingCore,
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
pub type LocklessState<P> = lockless::LocklessState<P, PackedView<P>>;

/// The driver side of a packed ring that carries tokens of type `T`.
///
/// `S` holds one [`DescState`] for each descriptor, `C` refers to a [`LocklessState`], and `L`
/// provides tables. `IN_ORDER` says that `VIRTIO_F_IN_ORDER` was negotiated.
pub type Packed<P, T, S, C, const IN_ORDER: bool, L = NoTables> =
    RingCore<PackedFormat<P, IN_ORDER>, T, S, C, L>;

/// The format of a packed ring.
///
/// # Invariants
///
/// - `next_avail` and `next_used` are positions in `ring`: a buffer takes not more descriptors than
///   it has.
/// - With `IN_ORDER`, the id of a buffer is the index of its first descriptor, and the oldest
///   outstanding buffer is at `next_used`.
pub struct PackedFormat<P, const IN_ORDER: bool> {
    ring: DescRing<P>,
    /// The position of the next buffer to add. C: `next_avail_idx`, `avail_wrap_counter`.
    next_avail: RingCursor,
    /// The position of the next used descriptor. C: `last_used_idx`.
    next_used: RingCursor,
    /// The position of the first descriptor that was added since the last kick decision.
    first_unkicked: RingPos,
    /// The first descriptor that is not published yet, and its second half, or [`ALL_PUBLISHED`].
    /// Only on machines on which stores may be seen out of order. The device does not look at the
    /// descriptors behind it before it is written (§2.8.21.1).
    unpublished_at: DescRef<P>,
    unpublished_head: u64,
    driver: EventSuppression<P>,
    device: EventSuppression<P>,
}

/// All descriptors are published. No second half of a descriptor to make available has this value:
/// it has AVAIL or USED.
const ALL_PUBLISHED: u64 = 0;

// SAFETY: `next_id` returns its argument, or the index of the next buffer's position, which is
// below the size (type invariant). The size does not change, and ids are not linked.
unsafe impl<P: Platform, const IN_ORDER: bool> format::Format for PackedFormat<P, IN_ORDER> {
    type Platform = P;
    type Memory = Memory;
    type View = PackedView<P>;
    type UsedPos = DescRef<P>;
    type AvailPos = DescRef<P>;

    const IN_ORDER: bool = IN_ORDER;
    const LINKED: bool = false;
    const HIDES_BATCH: bool = IN_ORDER;
    const KEEPS_DESCRIPTORS: bool = false;
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
                DescRing::new(memory.desc, memory.size),
                EventSuppression::new(memory.driver),
                EventSuppression::new(memory.device),
            )
        };
        let next_avail = RingCursor::first_avail(memory.size);
        Self {
            ring,
            next_avail,
            next_used: RingCursor::first_used(memory.size),
            first_unkicked: next_avail.pos(),
            // SAFETY: A cursor starts at the first descriptor, which every ring has.
            unpublished_at: unsafe { ring.desc_at(next_avail.pos()) },
            unpublished_head: ALL_PUBLISHED,
            driver,
            device,
        }
    }

    #[inline(always)]
    fn view(&self, flags: Flags) -> PackedView<P> {
        PackedView::new(self.ring, self.driver, flags)
    }

    fn reinit(&mut self) {
        self.ring.clear();
        self.driver.clear();
        self.device.clear();
        self.next_avail = RingCursor::first_avail(self.ring.size());
        self.next_used = RingCursor::first_used(self.ring.size());
        self.first_unkicked = self.next_avail.pos();
        self.unpublished_head = ALL_PUBLISHED;
    }

    #[inline(always)]
    fn size(&self) -> u16 {
        self.ring.size()
    }

    #[inline(always)]
    fn next_id(&self, free: u16) -> u16 {
        if IN_ORDER {
            self.next_avail.pos().index()
        } else {
            free
        }
    }

    #[inline(always)]
    fn avail_pos(&self) -> DescRef<P> {
        // SAFETY: By the type invariants, `next_avail` is a position in the ring.
        unsafe { self.ring.desc_at(self.next_avail.pos()) }
    }

    #[inline(always)]
    unsafe fn describe<S, B, M, T, const COMMON: bool>(
        &self,
        avail_pos: DescRef<P>,
        id: u16,
        plan: Plan<P>,
        _states: &[DescState<T>],
        buffer: NewBuffer<'_, B, M, COMMON>,
    ) -> Result<Chain, S::Error>
    where
        S: Piece,
        B: Segments<S>,
        M: Translate<S>,
    {
        // SAFETY: By the type invariants, `next_avail` is a position in the ring; `avail_pos` is
        // that position. By the safety requirements, a table has room for the buffer.
        unsafe { add::describe(&self.ring, avail_pos, self.next_avail, id, plan, buffer) }
    }

    #[cold]
    unsafe fn move_table(&self, avail_pos: DescRef<P>, _id: u16, addr: u64) {
        avail_pos.write_addr(addr);
    }

    #[inline(always)]
    fn stage(&mut self, avail_pos: DescRef<P>, _id: u16, chain: &Chain, count: &mut Count) {
        if P::STORES_IN_ORDER {
            // §2.8.21.1: Everything else is written before the flags, as in `publish` below.
            avail_pos.publish(chain.head, count.flags.strong());
        } else if self.unpublished_head == ALL_PUBLISHED {
            self.unpublished_at = avail_pos;
            self.unpublished_head = chain.head;
        } else {
            // The device cannot pass the unpublished descriptor before this one.
            avail_pos.write_rest(chain.head);
        }
        self.next_avail
            .advance(avail_pos.pos(), chain.count, self.ring.size());
        // OVERFLOW: 64 bits do not overflow by counting.
        count.unkicked = count.unkicked.wrapping_add(chain.count.into());
    }

    #[inline(always)]
    fn publish(&mut self, lockless: &LocklessState<P>, count: &Count) {
        if P::STORES_IN_ORDER {
            lockless.next_avail.set(self.next_avail.pos().into_raw());
        } else if self.unpublished_head != ALL_PUBLISHED {
            // §2.8.21.1: Everything else is written before the flags of the first descriptor. Pairs
            // with the barrier of the device between reading the flags and reading the rest.
            self.unpublished_at
                .publish(self.unpublished_head, count.flags.strong());
            self.unpublished_head = ALL_PUBLISHED;
            lockless.next_avail.set(self.next_avail.pos().into_raw());
        }
    }

    #[inline(always)]
    fn wants_kick(&mut self, _count: &Count, unkicked: u64) -> bool {
        self.wants(unkicked)
    }

    #[inline(always)]
    fn used_pos(&self, _count: &Count) -> DescRef<P> {
        // SAFETY: By the type invariants, `next_used` is a position in the ring.
        unsafe { self.ring.desc_at(self.next_used.pos()) }
    }

    #[inline(always)]
    fn peek_used<const DRAINING: bool>(
        &mut self,
        used_pos: DescRef<P>,
        batch: &Batch,
        lockless: &LocklessState<P>,
        count: &mut Count,
    ) -> Result<Found, BrokenReport> {
        if IN_ORDER && batch.has_more() {
            return Ok(Found::InBatch);
        }
        let (used, id) = used_pos.read_used();
        // A device can only have used an outstanding buffer.
        if used && (DRAINING || count.outstanding() != 0) {
            // §2.8.22: The flags are read before the rest of the descriptor and the contents of the
            // buffer. Pairs with the barrier of the device between writing those and the flags.
            P::rmb(count.flags.strong());
            return Ok(Found::Entry(id));
        }
        if !DRAINING {
            lockless.next_used.set(used_pos.pos().into_raw());
        }
        if !count.event_moved {
            return Ok(Found::Nothing);
        }
        // §2.8.10: The used event was written before the flags are read. The device reads the event
        // after it wrote flags. Pairs with the barrier there: at least one of the two sees the
        // other's write.
        P::mb(count.flags.strong());
        count.event_moved = false;
        let (used, id) = used_pos.read_used();
        // §2.8.22: The flags are read before the rest of the descriptor, as above.
        P::rmb(count.flags.strong());
        Ok(if used && (DRAINING || count.outstanding() != 0) {
            Found::Entry(id)
        } else {
            Found::Nothing
        })
    }

    #[inline(always)]
    fn used(&self, used_pos: DescRef<P>, id: u16) -> (u32, u32) {
        (id.into(), used_pos.len())
    }

    #[inline(always)]
    fn oldest(&self, _free: u16, _count: &Count) -> u16 {
        self.next_used.pos().index()
    }

    #[inline(always)]
    fn pending(&self, count: &Count) -> u16 {
        count.outstanding()
    }

    #[inline(always)]
    fn advance_used<const DRAINING: bool>(
        &mut self,
        used_pos: DescRef<P>,
        descs: u16,
        lockless: &LocklessState<P>,
        count: &mut Count,
    ) {
        count.total_taken = count.total_taken.wrapping_add(1);
        self.next_used
            .advance(used_pos.pos(), descs, self.ring.size());
        // With callbacks enabled, asks for one at the next descriptor. Otherwise no other context
        // needs the position before callbacks are enabled, or the ring is found empty.
        if !DRAINING && lockless.cb_disabled.get() == 0 {
            lockless.next_used.set(self.next_used.pos().into_raw());
            if count.flags.event_idx() {
                self.driver
                    .set_off_wrap(self.next_used.pos().wire_index().into_raw());
                count.event_moved = true;
            }
        }
    }

    #[inline(always)]
    fn set_batched(lockless: &LocklessState<P>, batched: bool) {
        lockless.batched.set(batched.into());
    }

    fn init_callbacks(&mut self, lockless: &LocklessState<P>, count: &Count, on: bool) {
        lockless.next_avail.set(self.next_avail.pos().into_raw());
        lockless.next_used.set(self.next_used.pos().into_raw());
        self.write_initial_cb(lockless, count, on);
    }

    #[inline(always)]
    fn arm(&mut self, lockless: &LocklessState<P>, count: &Count) {
        self.arm_at(lockless, count, self.next_used.pos());
    }

    #[inline(always)]
    fn armed(&self, _count: &Count) -> Armed {
        Armed(self.next_used.pos().wire_index().into_raw())
    }

    #[inline(always)]
    fn has_used(&self, count: &Count) -> bool {
        // A device can only have used an outstanding buffer. Anything else that it writes there is
        // ignored: `get` does not return it, so a driver that polls until the ring is empty must
        // not see it.
        self.shows_used() && !none_outstanding(count)
    }

    #[inline(always)]
    fn arm_delayed(&mut self, lockless: &LocklessState<P>, count: &Count) -> u16 {
        self.arm_at_threshold(lockless, count);
        0
    }

    #[inline(always)]
    fn is_quiet(&self, _armed: u16, count: &Count) -> bool {
        !self.shows_used() || none_outstanding(count)
    }
}

/// Returns whether no buffer is outstanding, so that a descriptor which looks used cannot be.
#[cold]
#[inline]
fn none_outstanding(count: &Count) -> bool {
    count.outstanding() == 0
}
