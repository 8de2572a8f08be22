// SPDX-License-Identifier: GPL-2.0

//! The difference between the two formats of a virtqueue: the layout of descriptors, available
//! buffers and used buffers in memory.
//!
//! [`RingCore`](super::ring_core::RingCore) is the common part.

use super::{
    broken::BrokenReport,
    desc_state::DescState,
    error::SetupError,
    flags::Flags,
    in_order::Batch,
    indirect::Plan,
    lockless::{
        Armed,
        LocklessState, //
    },
    platform::Platform,
    segments::{
        Piece,
        Segments,
        Translate, //
    },
    shared::Word,
    writer::{
        Chain,
        NewBuffer, //
    },
};

/// The counts of a queue, and the negotiated flags, which a format needs along with them.
pub struct Count {
    pub(super) flags: Flags,
    /// The used event was written, and no full barrier was done since.
    pub(super) event_moved: bool,
    /// The number of free descriptors.
    pub(super) free: u16,
    /// The number of buffers that the driver has added since the ring was initialised. It wraps.
    pub(super) total_added: u16,
    /// The number of used buffers that the driver has taken since the ring was initialised. It
    /// wraps.
    pub(super) total_taken: u16,
    /// The number added since the last kick, in buffers or descriptors, which is the unit of the
    /// format's available event.
    pub(super) unkicked: u64,
}

impl Count {
    pub(super) const fn new(flags: Flags) -> Self {
        Self {
            flags,
            event_moved: false,
            free: 0,
            total_added: 0,
            total_taken: 0,
            unkicked: 0,
        }
    }

    /// Records a full barrier of a kick. Returns the number that was added since the last kick.
    #[inline(always)]
    pub(super) fn barrier_done(&mut self) -> u64 {
        self.event_moved = false;
        core::mem::replace(&mut self.unkicked, 0)
    }

    /// Returns the number of buffers that were added and not taken.
    #[inline(always)]
    pub(super) const fn outstanding(&self) -> u16 {
        self.total_added.wrapping_sub(self.total_taken)
    }
}

/// The result of a search for a used buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// There is no used buffer.
    Nothing,
    /// The ring shows a used buffer. The id is valid if the format reads it together with the
    /// flags, and 0 otherwise.
    Entry(u16),
    /// The next buffer of a batch is used, and has no entry of its own to read.
    InBatch,
}

/// A format, with the position of either side in the ring.
///
/// Code outside this crate uses [`Split`](super::Split) and [`Packed`](super::Packed).
///
/// # Safety
///
/// The result of [`Format::next_id`] is below [`Format::size`] if its argument is. If ids are
/// linked, `tail` and `after` of each [`Chain`] are below it if the ids in the descriptor states
/// are. The size does not change.
pub unsafe trait Format: Sized {
    /// The shared memory accesses and barriers.
    type Platform: Platform;
    /// The location of the ring in memory.
    type Memory: Copy;
    /// The facts about the ring that are available without a lock.
    type View: LayoutView<Self::Platform>;
    /// The position of the next used buffer. The caller keeps it in a local variable, because the
    /// compiler reads a field again after a barrier.
    type UsedPos: Copy;
    /// The position of the next buffer to add. The caller keeps it in a local variable, because the
    /// compiler reads a field again after a write to the ring.
    type AvailPos: Copy;

    /// Buffers are used in the order in which they were made available.
    const IN_ORDER: bool;
    /// Ids are descriptor indices, and the descriptor states link the ids to chains.
    const LINKED: bool;
    /// In order: the ring shows only the first buffer of a batch as used.
    const HIDES_BATCH: bool;
    /// The descriptors of a buffer stay where they are after it was used, so that [`Format::stage`]
    /// alone makes it available again.
    const KEEPS_DESCRIPTORS: bool;
    /// [`Format::arm_delayed`] counts every added buffer as outstanding, so that the caller
    /// publishes before.
    const DELAYS_BY_ADDED: bool;

    /// Checks the size and the alignment of the areas.
    fn check(memory: &Self::Memory) -> Result<(), SetupError>;

    /// Returns the number of descriptors that the memory has room for.
    fn size_of(memory: &Self::Memory) -> u16;

    /// Creates the format on memory that [`Format::check`] accepted.
    ///
    /// # Safety
    ///
    /// `memory` is mapped as its type says, as long as the result or a view of it is used.
    unsafe fn new(memory: &Self::Memory, flags: Flags) -> Self;

    /// Returns the view for the [`LocklessState`].
    fn view(&self, flags: Flags) -> Self::View;

    /// Initialises the private state and the shared memory.
    fn reinit(&mut self);

    /// Returns the number of descriptors, at least one.
    fn size(&self) -> u16;

    /// Returns the id of the next buffer; `free` is the first free id.
    fn next_id(&self, free: u16) -> u16;

    /// Returns the position of the next buffer to add.
    fn avail_pos(&self) -> Self::AvailPos;

    /// Writes the descriptors of a buffer, which gets the id `id`.
    ///
    /// # Errors
    ///
    /// As [`RingCore::add`](super::ring_core::RingCore::add).
    ///
    /// # Safety
    ///
    /// `avail_pos` is the result of [`Format::avail_pos`], and nothing was staged since. There are
    /// as many descriptor states as descriptors. `id` is below that number and, if ids are linked,
    /// so is `next` of every descriptor state.
    ///
    /// A table of `plan` has room for as many segments as `buffer` may have.
    unsafe fn describe<S, B, M, T, const COMMON: bool>(
        &self,
        avail_pos: Self::AvailPos,
        id: u16,
        plan: Plan<Self::Platform>,
        states: &[DescState<T>],
        buffer: NewBuffer<'_, B, M, COMMON>,
    ) -> Result<Chain, S::Error>
    where
        S: Piece,
        B: Segments<S>,
        M: Translate<S>;

    /// Writes the address of the table again for the buffer that was just described by it.
    ///
    /// # Safety
    ///
    /// As [`Format::describe`].
    unsafe fn move_table(&self, avail_pos: Self::AvailPos, id: u16, addr: u64);

    /// Adds a described buffer to those that the next [`Format::publish`] makes available, or makes
    /// it available at once. It is number `count.total_added`.
    fn stage(&mut self, avail_pos: Self::AvailPos, id: u16, chain: &Chain, count: &mut Count);

    /// Makes every staged buffer available to the device.
    fn publish(&mut self, lockless: &LocklessState<Self::Platform, Self::View>, count: &Count);

    /// Returns whether the device wants a notification of the last `unkicked` buffers or
    /// descriptors: all since the last call. The caller has done a full barrier.
    fn wants_kick(&mut self, count: &Count, unkicked: u64) -> bool;

    /// Returns the position of the next used buffer.
    fn used_pos(&self, count: &Count) -> Self::UsedPos;

    /// Looks for a used buffer. If there is one, later reads of it are ordered after the device's
    /// writes.
    ///
    /// `DRAINING` promises that buffers are outstanding, and that [`Format::arm`] follows unless
    /// the queue breaks.
    fn peek_used<const DRAINING: bool>(
        &mut self,
        used_pos: Self::UsedPos,
        batch: &Batch,
        lockless: &LocklessState<Self::Platform, Self::View>,
        count: &mut Count,
    ) -> Result<Found, BrokenReport>;

    /// Returns the buffer at `used_pos` if it is used according to the last [`Format::peek_used`],
    /// and no other check of that function applies to it. The ring is not read. A format may return
    /// `None` for any buffer.
    #[inline(always)]
    fn seen(&self, _used_pos: Self::UsedPos) -> Option<Found> {
        None
    }

    /// Returns the id and the length of the used buffer at `used_pos`, which [`Format::peek_used`]
    /// found with `id`.
    fn used(&self, used_pos: Self::UsedPos, id: u16) -> (u32, u32);

    /// In order: returns the id of the oldest outstanding buffer; `free` is the first free id.
    fn oldest(&self, free: u16, count: &Count) -> u16;

    /// In order: returns the number of buffers that the device may have used, according to the
    /// driver's last read.
    fn pending(&self, count: &Count) -> u16;

    /// Moves past a used buffer of `descs` descriptors, and counts it as taken.
    ///
    /// `DRAINING` promises that the device sends no callback for these buffers, and that
    /// [`Format::arm`] follows.
    fn advance_used<const DRAINING: bool>(
        &mut self,
        used_pos: Self::UsedPos,
        descs: u16,
        lockless: &LocklessState<Self::Platform, Self::View>,
        count: &mut Count,
    );

    /// In order: records whether buffers of a batch are left, which the ring does not show as used.
    fn set_batched(lockless: &LocklessState<Self::Platform, Self::View>, batched: bool);

    /// Enables or disables callbacks for a new queue, as its driver wants them.
    fn init_callbacks(
        &mut self,
        lockless: &LocklessState<Self::Platform, Self::View>,
        count: &Count,
        on: bool,
    );

    /// Asks for a callback at the next used buffer.
    fn arm(&mut self, lockless: &LocklessState<Self::Platform, Self::View>, count: &Count);

    /// Returns the position of the next used buffer, for [`LocklessState::poll`].
    fn armed(&self, count: &Count) -> Armed;

    /// Returns whether there is a used buffer. The caller has done a full barrier.
    fn has_used(&self, count: &Count) -> bool;

    /// Asks for a callback when the device has used most of the outstanding buffers. Returns the
    /// value to pass to [`Format::is_quiet`]. See [`Format::DELAYS_BY_ADDED`].
    fn arm_delayed(
        &mut self,
        lockless: &LocklessState<Self::Platform, Self::View>,
        count: &Count,
    ) -> u16;

    /// Returns whether fewer buffers were used than the delayed callback waits for. The caller has
    /// done a full barrier.
    fn is_quiet(&self, armed: u16, count: &Count) -> bool;

    /// Does [`Format::publish`], [`Format::arm_delayed`], [`Format::wants_kick`] and
    /// [`Format::is_quiet`], with one full barrier between the writes and the reads. Returns the
    /// results of the last two.
    #[inline(always)]
    fn kick_and_arm_delayed(
        &mut self,
        lockless: &LocklessState<Self::Platform, Self::View>,
        count: &mut Count,
    ) -> (bool, bool) {
        self.publish(lockless, count);
        let armed = self.arm_delayed(lockless, count);
        // §2.7.13.4.1, §2.8.21.3.1 and §2.7.7.1, §2.8.10: The index, and the flags or the used
        // event, are written before the suppression and the used index or flags are read, as in
        // `RingCore::kick_prepare` and `LocklessState::poll`.
        Self::Platform::mb(count.flags.strong());
        let unkicked = count.barrier_done();
        let kick = self.wants_kick(count, unkicked);
        (kick, self.is_quiet(armed, count))
    }
}

/// The facts about the ring that the part of a queue without a lock needs.
pub trait LayoutView<P>: Copy {
    /// Returns the negotiated flags.
    fn flags(&self) -> Flags;

    /// Asks the device for no more callbacks; `next_used` is the position of the next used buffer.
    fn write_cb_disabled(&self, next_used: u32);

    /// Returns the position of `armed`; any position in the ring if `armed` is not one.
    fn pos_of(&self, armed: Armed) -> u32;

    /// Returns a position in the form that notifications have (§2.9).
    fn wire_index(pos: u32) -> u16;

    /// Returns whether there is a used buffer at `used_pos`, or one that the ring does not show.
    ///
    /// # Safety
    ///
    /// `used_pos` is a position in the ring.
    unsafe fn has_used(&self, used_pos: u32, batched: &Word<P>) -> bool;
}
