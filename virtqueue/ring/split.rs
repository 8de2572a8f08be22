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
    notify::View, //
};

use self::memory::Areas;
use super::{
    broken::{
        Broken,
        Report, //
    },
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

/// The part of a split ring that needs no lock.
pub type Control<P> = lockless::Control<P, View<P>>;

/// The driver side of a split ring that carries tokens of type `T`.
///
/// `S` holds one [`Slot`] for each descriptor, `C` refers to a [`Control`], and `L` provides
/// tables. `IN_ORDER` says that `VIRTIO_F_IN_ORDER` was negotiated.
pub type Split<P, T, S, C, const IN_ORDER: bool, L = NoTables> =
    Frame<Format<P, IN_ORDER>, T, S, C, L>;

/// The format of a split ring. The number of a buffer, in the order of adding, is the index of its
/// available entry; the number in the order of taking is the index of its used entry.
///
/// # Invariants
///
/// - With `IN_ORDER`, the descriptors in use follow each other up to the first free one, in the
///   order of their buffers.
/// - `used_seen` is ahead of the taken buffers by at most as many as are outstanding. The device
///   had written the used entries up to there before a barrier for loads.
pub struct Format<P, const IN_ORDER: bool> {
    areas: Areas<P>,
    /// The used index of the device when the driver last read it.
    used_seen: u16,
}

// SAFETY: `next_id` returns its argument. `tail` and `after` of a chain are below the size: by a
// mask in order, and otherwise because the links in the slots are.
unsafe impl<P: Platform, const IN_ORDER: bool> format::Format for Format<P, IN_ORDER> {
    type Platform = P;
    type Memory = Memory;
    type View = View<P>;
    type At = u16;
    type To = ();

    const IN_ORDER: bool = IN_ORDER;
    const LINKED: bool = true;
    // The used index counts every buffer of a batch.
    const HIDES_BATCH: bool = false;
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
    fn view(&self, flags: Flags) -> View<P> {
        View::new(self.areas, flags)
    }

    fn start(&mut self) {
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
    fn to(&self) {}

    #[inline(always)]
    unsafe fn describe<S, B, M, T, const COMMON: bool>(
        &self,
        (): (),
        id: u16,
        plan: Plan<P>,
        slots: &[Slot<T>],
        buffer: NewBuffer<'_, B, M, COMMON>,
    ) -> Result<Chain, S::Error>
    where
        S: Piece,
        B: Segments<S>,
        M: Translate<S>,
    {
        // SAFETY: By the safety requirements, there are as many slots as descriptors, `id` and the
        // links in the slots are below that number, and a table has room for the buffer.
        unsafe {
            add::describe::<_, _, _, _, _, IN_ORDER, COMMON>(&self.areas, id, plan, slots, buffer)
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
    fn post(&mut self, (): (), id: u16, _chain: &Chain, count: &mut Count) {
        // §2.7.13.2: The device reads the entry only once the index is past it.
        self.areas.set_entry(count.made, id);
        // OVERFLOW: 64 bits do not overflow by counting.
        count.added = count.added.wrapping_add(1);
    }

    #[inline(always)]
    fn publish(&mut self, control: &Control<P>, count: &Count) {
        if self.published(control) != count.made {
            // §2.7.13.3.1: Descriptors and entries are written before the index. Pairs with the
            // barrier of the device between reading the index and reading the entries.
            P::wmb(count.flags.strong());
            self.areas.set_index(count.made);
            control.next.set(count.made.into());
        }
    }

    #[inline(always)]
    fn wants_kick(&mut self, count: &Count, added: u64) -> bool {
        self.wants(count, added)
    }

    #[inline(always)]
    fn at(&self, count: &Count) -> u16 {
        count.done
    }

    #[inline(always)]
    fn look<const DRAIN: bool>(
        &mut self,
        at: u16,
        batch: &Batch,
        _control: &Control<P>,
        count: &mut Count,
    ) -> Result<Found, Report> {
        if at != self.used_seen {
            if IN_ORDER && batch.goes_on() {
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
        let seen = self.areas.index();
        if seen == at {
            return Ok(Found::Nothing);
        }
        if seen.wrapping_sub(at) > count.made.wrapping_sub(at) {
            return Err(Report {
                reason: Broken::IndexJump,
                value: seen.into(),
                limit: count.made.into(),
            });
        }
        // §2.7.14: The index is read before the entries and the contents of the buffers. Pairs with
        // the barrier of the device between writing those and the index (§2.7.8.2).
        P::rmb(count.flags.strong());
        self.used_seen = seen;
        Ok(Found::Entry(0))
    }

    #[inline(always)]
    fn used(&self, at: u16, _id: u16) -> (u32, u32) {
        self.areas.entry(at)
    }

    #[inline(always)]
    fn oldest(&self, free: u16, count: &Count) -> u16 {
        // The descriptors in use follow the free ones, of which `free` is the first.
        free.wrapping_add(count.free) & self.areas.mask()
    }

    #[inline(always)]
    fn pending(&self, count: &Count) -> u16 {
        self.used_seen.wrapping_sub(count.done)
    }

    #[inline(always)]
    fn step<const QUIET: bool>(
        &mut self,
        at: u16,
        _descs: u16,
        control: &Control<P>,
        count: &mut Count,
    ) {
        let done = at.wrapping_add(1);
        count.done = done;
        if QUIET {
            return;
        }
        // With callbacks enabled, asks for one at the next entry, once the last entry that was seen
        // is taken. Before that, the position makes no difference: more used buffers are there.
        if done == self.used_seen {
            control.taken.set(done.into());
            if count.flags.event_idx() && control.off.get() == 0 {
                self.areas.set_used_event(done);
                count.event_moved = true;
            }
        }
    }

    #[inline(always)]
    fn set_batched(_control: &Control<P>, _batched: bool) {
        // The used index shows every buffer of a batch.
    }

    fn start_callbacks(&mut self, control: &Control<P>, count: &Count, on: bool) {
        control.taken.set(0);
        self.start_with_callbacks(control, count, on);
    }

    #[inline(always)]
    fn arm(&mut self, control: &Control<P>, count: &Count) {
        self.arm_at(control, count, count.done);
    }

    #[inline(always)]
    fn armed(&self, count: &Count) -> Armed {
        Armed(count.done)
    }

    #[inline(always)]
    fn has_used(&self, count: &Count) -> bool {
        self.areas.index() != count.done
    }

    #[inline(always)]
    fn arm_delayed(&mut self, control: &Control<P>, count: &Count) -> u16 {
        self.arm_most(control, count)
    }

    #[inline(always)]
    fn is_quiet(&self, armed: u16, count: &Count) -> bool {
        self.areas.index().wrapping_sub(count.done) <= armed
    }
}
