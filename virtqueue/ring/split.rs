// SPDX-License-Identifier: GPL-2.0

//! The split ring (virtio spec §2.7).

mod add;
mod memory;
mod notify;

pub use self::{
    memory::{
        Layout,
        Memory, //
    },
    notify::SplitView, //
};

use self::memory::Areas;
use super::{
    broken::{
        BrokenReason,
        BrokenReport, //
    },
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

/// The part of a split ring that needs no lock.
pub type LocklessState<P> = lockless::LocklessState<P, SplitView<P>>;

/// The driver side of a split ring that carries tokens of type `T`.
///
/// `S` holds one [`DescState`] for each descriptor, `C` refers to a [`LocklessState`], and `L`
/// provides tables. `IN_ORDER` says that `VIRTIO_F_IN_ORDER` was negotiated.
pub type Split<P, T, S, C, const IN_ORDER: bool, L = NoTables> =
    RingCore<SplitFormat<P, IN_ORDER>, T, S, C, L>;

/// The format of a split ring. The number of a buffer, in the order of adding, is the index of its
/// available entry; the number in the order of taking is the index of its used entry.
///
/// # Invariants
///
/// - With `IN_ORDER`, the descriptors in use follow each other up to the first free one, in the
///   order of their buffers.
/// - `used_seen` is ahead of the taken buffers by at most as many as are outstanding. The device
///   had written the used entries up to there before a barrier for loads.
pub struct SplitFormat<P, const IN_ORDER: bool> {
    areas: Areas<P>,
    /// The used index of the device when the driver last read it.
    used_seen: u16,
}

// SAFETY: `next_id` returns its argument. `tail` and `after` of a chain are below the size: by a
// mask in order, and otherwise because the links in the descriptor states are.
unsafe impl<P: Platform, const IN_ORDER: bool> format::Format for SplitFormat<P, IN_ORDER> {
    type Platform = P;
    type Memory = Memory;
    type View = SplitView<P>;
    type UsedPos = u16;
    type AvailPos = ();

    const IN_ORDER: bool = IN_ORDER;
    const LINKED: bool = true;
    // The used index counts every buffer of a batch.
    const HIDES_BATCH: bool = false;
    // In order, the next buffer begins at the next descriptor.
    const KEEPS_DESCRIPTORS: bool = !IN_ORDER;
    const DELAYS_BY_ADDED: bool = false;

    fn check(memory: &Memory) -> Result<(), SetupError> {
        memory.check()
    }

    fn size_of(memory: &Memory) -> u16 {
        memory.size
    }

    unsafe fn new(memory: &Memory, flags: Flags) -> Self {
        Self {
            // SAFETY: By the safety requirements, `memory` is mapped, and `check` accepted its
            // size.
            areas: unsafe { Areas::new(memory, flags.endian()) },
            used_seen: 0,
        }
    }

    #[inline(always)]
    fn view(&self, flags: Flags) -> SplitView<P> {
        SplitView::new(self.areas, flags)
    }

    fn reinit(&mut self) {
        self.areas.clear();
        self.used_seen = 0;
    }

    #[inline(always)]
    fn size(&self) -> u16 {
        // OVERFLOW: At most 32768.
        self.areas.mask().wrapping_add(1)
    }

    #[inline(always)]
    fn next_id(&self, free: u16) -> u16 {
        free
    }

    #[inline(always)]
    fn avail_pos(&self) {}

    #[inline(always)]
    unsafe fn describe<S, B, M, T, const COMMON: bool>(
        &self,
        (): (),
        id: u16,
        plan: Plan<P>,
        states: &[DescState<T>],
        buffer: NewBuffer<'_, B, M, COMMON>,
    ) -> Result<Chain, S::Error>
    where
        S: Piece,
        B: Segments<S>,
        M: Translate<S>,
    {
        // SAFETY: By the safety requirements, there are as many descriptor states as descriptors,
        // `id` and the links in the descriptor states are below that number, and a table has room
        // for the buffer.
        unsafe {
            add::describe::<_, _, _, _, _, IN_ORDER, COMMON>(&self.areas, id, plan, states, buffer)
        }
    }

    #[cold]
    unsafe fn move_table(&self, (): (), id: u16, addr: u64) {
        let addr = self.areas.endian().u64(addr);
        // SAFETY: By the safety requirements, `id` is bounded: it is the head, and the only
        // descriptor of the buffer.
        unsafe { self.areas.desc().write_addr(id, addr) };
    }

    #[inline(always)]
    fn stage(&mut self, (): (), id: u16, _chain: &Chain, count: &mut Count) {
        // §2.7.13.2: The device reads the entry only once the index is past it.
        self.areas.set_avail_entry(count.total_added, id);
        // OVERFLOW: 64 bits do not overflow by counting.
        count.unkicked = count.unkicked.wrapping_add(1);
    }

    #[inline(always)]
    fn publish(&mut self, lockless: &LocklessState<P>, count: &Count) {
        // PERF: The index is written also if the device has it: most callers have just added a
        // buffer. That saves three instructions a kick.
        // §2.7.13.3.1: Descriptors and entries are written before the index. Pairs with the barrier
        // of the device between reading the index and reading the entries.
        P::wmb(count.flags.strong());
        self.areas.set_avail_index(count.total_added);
        lockless.next_avail.set(count.total_added.into());
    }

    #[inline(always)]
    fn wants_kick(&mut self, count: &Count, unkicked: u64) -> bool {
        self.wants(count, unkicked)
    }

    #[inline(always)]
    fn used_pos(&self, count: &Count) -> u16 {
        count.total_taken
    }

    #[inline(always)]
    fn peek_used<const DRAINING: bool>(
        &mut self,
        used_pos: u16,
        batch: &Batch,
        lockless: &LocklessState<P>,
        count: &mut Count,
    ) -> Result<Found, BrokenReport> {
        if used_pos != self.used_seen {
            if IN_ORDER && batch.has_more() {
                return Ok(Found::InBatch);
            }
            return Ok(Found::Entry(0));
        }
        if count.event_moved {
            // §2.7.7.1: The used event was written before the index is read. The device reads the
            // event after it wrote the index. Pairs with the barrier there: at least one of the two
            // sees the other's write.
            P::mb(count.flags.strong());
            count.event_moved = false;
        }
        let seen = self.areas.used_index();
        if seen == used_pos {
            if !DRAINING {
                lockless.next_used.set(used_pos.into());
            }
            return Ok(Found::Nothing);
        }
        // Not those that were added: some may be added again during a poll, and the device cannot
        // have found them.
        let published = self.published(lockless);
        if seen.wrapping_sub(used_pos) > published.wrapping_sub(used_pos) {
            return Err(BrokenReport {
                reason: BrokenReason::IndexJump,
                value: seen.into(),
                limit: published.into(),
            });
        }
        // §2.7.14: The index is read before the entries and the contents of the buffers. Pairs with
        // the barrier of the device between writing those and the index (§2.7.8.2).
        P::rmb(count.flags.strong());
        self.used_seen = seen;
        Ok(Found::Entry(0))
    }

    #[inline(always)]
    fn seen(&self, used_pos: u16) -> Option<Found> {
        // In order, the buffer may belong to a batch.
        (!IN_ORDER && used_pos != self.used_seen).then_some(Found::Entry(0))
    }

    #[inline(always)]
    fn used(&self, used_pos: u16, _id: u16) -> (u32, u32) {
        self.areas.used_entry(used_pos)
    }

    #[inline(always)]
    fn oldest(&self, free: u16, count: &Count) -> u16 {
        // The descriptors in use follow the free ones, of which `free` is the first.
        free.wrapping_add(count.free) & self.areas.mask()
    }

    #[inline(always)]
    fn pending(&self, count: &Count) -> u16 {
        self.used_seen.wrapping_sub(count.total_taken)
    }

    #[inline(always)]
    fn advance_used<const DRAINING: bool>(
        &mut self,
        used_pos: u16,
        _descs: u16,
        lockless: &LocklessState<P>,
        count: &mut Count,
    ) {
        let total_taken = used_pos.wrapping_add(1);
        count.total_taken = total_taken;
        if DRAINING {
            return;
        }
        // With callbacks enabled, asks for one at the next entry, once the last entry that was seen
        // is taken. Before that, the position makes no difference: more used buffers are there.
        // Otherwise no other context needs the position before callbacks are enabled, or the ring
        // is found empty.
        if lockless.cb_disabled.get() == 0 && total_taken == self.used_seen {
            lockless.next_used.set(total_taken.into());
            if count.flags.event_idx() {
                self.areas.set_used_event(total_taken);
                count.event_moved = true;
            }
        }
    }

    #[inline(always)]
    fn set_batched(_lockless: &LocklessState<P>, _batched: bool) {
        // The used index shows every buffer of a batch.
    }

    fn init_callbacks(&mut self, lockless: &LocklessState<P>, count: &Count, on: bool) {
        lockless.next_used.set(0);
        self.write_initial_cb(lockless, count, on);
    }

    #[inline(always)]
    fn arm(&mut self, lockless: &LocklessState<P>, count: &Count) {
        self.arm_at(lockless, count, count.total_taken);
    }

    #[inline(always)]
    fn armed(&self, count: &Count) -> Armed {
        Armed(count.total_taken)
    }

    #[inline(always)]
    fn has_used(&self, count: &Count) -> bool {
        self.areas.used_index() != count.total_taken
    }

    #[inline(always)]
    fn arm_delayed(&mut self, lockless: &LocklessState<P>, count: &Count) -> u16 {
        let published = self.published(lockless);
        self.arm_at_threshold(lockless, count, published)
    }

    #[inline(always)]
    fn is_quiet(&self, armed: u16, count: &Count) -> bool {
        self.areas.used_index().wrapping_sub(count.total_taken) <= armed
    }

    #[inline(always)]
    fn kick_and_arm_delayed(
        &mut self,
        lockless: &LocklessState<P>,
        count: &mut Count,
    ) -> (bool, bool) {
        self.publish_and_arm(lockless, count)
    }
}
