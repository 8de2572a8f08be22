// SPDX-License-Identifier: GPL-2.0

//! The difference between the two formats of a virtqueue: the layout of descriptors, available
//! buffers and used buffers in memory.
//!
//! [`Frame`](super::frame::Frame) is the common part.

use super::{
    broken::Fault,
    control::{
        Armed,
        Control, //
    },
    error::SetupError,
    flags::Flags,
    in_order::Batch,
    indirect::Plan,
    platform::Platform,
    shared::Word,
    sink::{
        Chain,
        Describe, //
    },
    slot::Slot,
};

/// The counts that a format keeps of a queue, with the facts that it needs for them.
pub struct Count {
    pub(super) flags: Flags,
    /// Whether the used event was moved with no barrier since.
    pub(super) event_moved: bool,
    /// Free descriptors.
    pub(super) free: u16,
    /// Number of the next buffer to add, and of the next one to take. They wrap.
    pub(super) made: u16,
    pub(super) done: u16,
    /// The number added since the last kick, in the unit in which the format suppresses kicks.
    pub(super) added: u64,
}

impl Count {
    pub(super) const fn new(flags: Flags) -> Self {
        Self {
            flags,
            event_moved: false,
            free: 0,
            made: 0,
            done: 0,
            added: 0,
        }
    }

    /// Buffers that were added and not taken.
    #[inline(always)]
    pub(super) const fn in_flight(&self) -> u16 {
        self.made.wrapping_sub(self.done)
    }
}

/// The answer to a search for a used buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing.
    Nothing,
    /// A used buffer, as the ring has it. With its id, if the format reads that together with what
    /// says that there is one.
    Entry(u16),
    /// The next buffer of a batch: there is nothing to read.
    InBatch,
}

/// A format, with the place of each side in the ring.
///
/// For this crate: the names to use are [`Split`](super::Split) and [`Packed`](super::Packed).
///
/// # Safety
///
/// [`Format::next_id`], if what it is given is, and where ids are linked `tail` and `after` of
/// [`Chain`]s, if what is in the slots is, are below [`Format::size`], which does not change.
pub unsafe trait Format: Sized {
    /// Memory and barriers.
    type Platform: Platform;
    /// The place of the ring.
    type Memory: Copy;
    /// The facts of the ring that are known without exclusion.
    type View: View<Self::Platform>;
    /// The place of the next used buffer, kept because a barrier would have it read again.
    type At: Copy;
    /// The place of the next buffer, kept because writing to the ring would have it read again.
    type To: Copy;

    /// Whether buffers are used in the order in which they were made available.
    const IN_ORDER: bool;
    /// Whether ids are descriptors, linked by the slots to chains.
    const LINKED: bool;
    /// In order: whether the ring shows only the first buffer of a batch as used.
    const HIDES_BATCH: bool;
    /// Whether [`Format::arm_delayed`] takes all that was added for what the device has: it is
    /// published before.
    const DELAYS_BY_ADDED: bool;

    /// Checks the size and the alignment of the areas.
    fn check(memory: &Self::Memory) -> Result<(), SetupError>;

    /// Number of descriptors that some memory has.
    fn size_of(memory: &Self::Memory) -> u16;

    /// Takes over memory that was checked.
    ///
    /// # Safety
    ///
    /// It is what it says, and stays so as long as the result or a view of it is used.
    unsafe fn new(memory: &Self::Memory, flags: Flags) -> Self;

    /// Returns the view that the control is to have.
    fn view(&self, flags: Flags) -> Self::View;

    /// Brings everything to its first state, in shared memory too.
    fn start(&mut self);

    /// Number of descriptors, at least one.
    fn size(&self) -> u16;

    /// The id of the next buffer, `free` being the first that is free.
    fn next_id(&self, free: u16) -> u16;

    /// Returns the place of the next buffer.
    fn to(&self) -> Self::To;

    /// Writes descriptors for a buffer with that id, and as many segments as `segments` at most.
    ///
    /// # Safety
    ///
    /// `to` is what [`Format::to`] returns. There are as many slots as descriptors. `id`, and where
    /// ids are linked `next` of the slots, are below that number.
    unsafe fn describe<D: Describe, T>(
        &self,
        to: Self::To,
        id: u16,
        segments: u16,
        plan: Plan<Self::Platform>,
        slots: &[Slot<T>],
        buffer: &mut D,
    ) -> Result<Chain, D::Error>;

    /// Corrects the address of the table of a buffer that was just described by one.
    ///
    /// # Safety
    ///
    /// As [`Format::describe`].
    unsafe fn move_table(&self, to: Self::To, id: u16, addr: u64);

    /// Has a buffer that was described among the next ones to be published, if it is not published
    /// at once. It is number `count.made`.
    fn post(&mut self, to: Self::To, id: u16, chain: &Chain, count: &mut Count);

    /// Tells the device of what was posted, as far as it was not told yet.
    fn publish(&mut self, control: &Control<Self::Platform, Self::View>, count: &Count);

    /// Whether the device wants to be notified of the last `added`, all since this was asked last.
    /// A full barrier was done.
    fn wants_kick(&mut self, count: &Count, added: u64) -> bool;

    /// Returns the place of the next used buffer.
    fn at(&self, count: &Count) -> Self::At;

    /// Looks for used buffers. If there are, they are read after they were written.
    ///
    /// `DRAIN` says that the device has buffers, and that [`Format::arm`] follows, if the queue
    /// does not break.
    fn look<const DRAIN: bool>(
        &mut self,
        at: Self::At,
        batch: &Batch,
        control: &Control<Self::Platform, Self::View>,
        count: &mut Count,
    ) -> Result<Found, Fault>;

    /// Reads id and length of the next used buffer, which there is; `id` is what was read of it.
    fn used(&self, at: Self::At, id: u16) -> (u32, u32);

    /// In order: the id of the oldest buffer, `free` being the first free id.
    fn oldest(&self, free: u16, count: &Count) -> u16;

    /// In order: how many buffers the device may have used, as far as was looked.
    fn pending(&self, count: &Count) -> u16;

    /// Goes past a used buffer of so many descriptors, and has it counted as done.
    ///
    /// `QUIET` says that the device calls for none of those, and that [`Format::arm`] follows.
    fn step<const QUIET: bool>(
        &mut self,
        at: Self::At,
        descs: u16,
        control: &Control<Self::Platform, Self::View>,
        count: &mut Count,
    );

    /// In order: says whether there are more buffers than the ring shows.
    fn set_batched(control: &Control<Self::Platform, Self::View>, batched: bool);

    /// Callbacks as the driver of a new queue wants them.
    fn start_callbacks(
        &mut self,
        control: &Control<Self::Platform, Self::View>,
        count: &Count,
        on: bool,
    );

    /// Asks for a callback at the next used buffer.
    fn arm(&mut self, control: &Control<Self::Platform, Self::View>, count: &Count);

    /// The place of the next used buffer.
    fn armed(&self, count: &Count) -> Armed;

    /// Whether there is a used buffer. A full barrier was done.
    fn has_used(&self, count: &Count) -> bool;

    /// Asks for a callback when the device has used most of what it has, and returns what
    /// [`Format::is_quiet`] is to be told. See [`Format::DELAYS_BY_ADDED`].
    fn arm_delayed(&mut self, control: &Control<Self::Platform, Self::View>, count: &Count) -> u16;

    /// Whether less was used than callbacks wait for. A full barrier was done.
    fn is_quiet(&self, armed: u16, count: &Count) -> bool;
}

/// The facts of the ring that the shared part of a queue knows.
pub trait View<P>: Copy {
    /// Returns the negotiated flags.
    fn flags(&self) -> Flags;

    /// Asks the device for no more callbacks, the place of the next used buffer being `taken`.
    fn turn_off(&self, taken: u32);

    /// The place that [`Armed`] stands for; some other in the ring, if that is none there.
    fn place(&self, armed: Armed) -> u32;

    /// A place as the specification has it in notifications (§2.9).
    fn word(place: u32) -> u16;

    /// Whether a used buffer is at a place, or one that the ring does not show.
    ///
    /// # Safety
    ///
    /// `at` is a place in the ring.
    unsafe fn has_used(&self, at: u32, batched: &Word<P>) -> bool;
}
