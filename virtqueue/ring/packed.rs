// SPDX-License-Identifier: GPL-2.0

//! The packed ring (virtio spec §2.8).

mod add;
mod get;
mod memory;
mod notify;
mod position;

pub use self::{
    memory::Memory,
    notify::View,
    position::Position, //
};

use self::memory::{
    Event,
    Ring, //
};
use super::{
    broken::Report,
    control,
    error::SetupError,
    in_order::Batch,
    platform::Platform,
    slot::{
        self,
        Slot,
        Unused, //
    },
    tables::Tables,
    Config, //
};
use core::{
    marker::PhantomData,
    ops::{
        Deref,
        DerefMut, //
    },
};

/// The part of a packed ring that needs no exclusion.
pub type Control<P> = control::Control<P, View<P>>;

/// The driver side of a packed ring that carries tokens of type `T`.
///
/// `S` holds one [`Slot`] for each descriptor, `C` refers to a [`Control`]. `IN_ORDER` says that
/// `VIRTIO_F_IN_ORDER` was negotiated.
///
/// # Invariants
///
/// - A slot has a token exactly if the device has the buffer with that id, and its `count` and
///   `room` are what the device was given.
/// - Without `IN_ORDER`: the slots from `free_id` along `next` are the free ids; there are as many
///   as are not in flight.
/// - With `IN_ORDER`: the id of a buffer is the place of its first descriptor, and the oldest
///   buffer is at `taken`.
/// - `in_flight` buffers have a token, and the `free` descriptors from `next` on are free.
pub struct Packed<P, T, S, C, const IN_ORDER: bool>
where
    P: Platform,
    S: DerefMut<Target = [Slot<T>]>,
    C: Deref<Target = Control<P>>,
{
    ring: Ring<P>,
    driver: Event<P>,
    device: Event<P>,
    tables: Tables,
    slots: S,
    control: C,
    config: Config,
    /// Where the next buffer goes.
    next: Position,
    /// Where the next used descriptor comes.
    taken: Position,
    /// The first free id.
    free_id: u16,
    /// Free descriptors.
    free: u16,
    /// Buffers that the device has.
    in_flight: u16,
    /// The first descriptor of what is not published yet: place and second half. Before it is
    /// written, the device does not look at those behind it (§2.8.21.1).
    held: Option<(u16, u64)>,
    /// Whether the used event was moved with no barrier since.
    event_moved: bool,
    /// Descriptors that were made available since the last kick.
    added: u64,
    /// Number of the next buffer, and of the next one to take.
    made: u16,
    done: u16,
    batch: Batch,
    /// Slots up to which [`Packed::detach_unused`] found none.
    detached: u16,
    report: Option<Report>,
    _tokens: PhantomData<T>,
}

impl<P, T, S, C, const IN_ORDER: bool> Packed<P, T, S, C, IN_ORDER>
where
    P: Platform,
    S: DerefMut<Target = [Slot<T>]>,
    C: Deref<Target = Control<P>>,
{
    /// Makes an empty ring. The memory is written here; the device may have it afterwards.
    ///
    /// # Errors
    ///
    /// [`SetupError`]: nothing was written.
    ///
    /// # Safety
    ///
    /// - `memory` is what [`Memory`] says, and stays so as long as the ring or `control` is used;
    ///   but for the device, nobody else writes it.
    /// - `control` is that of this ring alone, and nobody else uses it meanwhile.
    pub unsafe fn new(
        memory: Memory,
        config: Config,
        slots: S,
        control: C,
    ) -> Result<Self, SetupError> {
        memory.check()?;
        if slots.len() != usize::from(memory.size) {
            return Err(SetupError::Slots);
        }
        // SAFETY: By the safety requirements.
        let tables = unsafe { Tables::new(memory.tables, memory.size - 1) }?;
        // SAFETY: By the safety requirements; the size was checked.
        let (ring, driver, device) = unsafe {
            (
                Ring::new(memory.desc, memory.size),
                Event::new(memory.driver),
                Event::new(memory.device),
            )
        };
        let mut queue = Self {
            ring,
            driver,
            device,
            tables,
            slots,
            control,
            config,
            next: Position::START,
            taken: Position::START,
            free_id: 0,
            free: 0,
            in_flight: 0,
            held: None,
            event_moved: false,
            added: 0,
            made: 0,
            done: 0,
            batch: Batch::default(),
            detached: 0,
            report: None,
            _tokens: PhantomData,
        };
        // What slots of an earlier use still held is not known to be free of the device.
        slot::forget(&mut queue.slots);
        // SAFETY: By the safety requirements.
        unsafe { queue.control.attach(View::new(ring, driver, &config)) };
        queue.start();
        Ok(queue)
    }

    /// Brings an empty ring to its first state, in private and in shared memory.
    fn start(&mut self) {
        slot::link(&mut self.slots);
        self.tables.start(&mut self.slots);
        self.ring.clear();
        self.driver.clear();
        self.device.clear();
        self.next = Position::START;
        self.taken = Position::START;
        self.free_id = 0;
        self.free = self.ring.size();
        self.in_flight = 0;
        self.held = None;
        self.event_moved = false;
        self.added = 0;
        self.made = 0;
        self.done = 0;
        self.batch = Batch::default();
        self.detached = 0;
        self.report = None;
        self.control.taken.set(self.taken.into_raw());
        self.control.next.set(self.next.into_raw());
        self.control.triggered.set(0);
        self.control.batched.set(0);
        self.control.unbreak();
        self.start_callbacks();
    }

    /// Takes back a buffer that the device had not used; they come in the order of their ids.
    /// After the last one the ring is as new.
    ///
    /// # Safety
    ///
    /// The device uses neither the ring nor any of its buffers: it, or the queue, was reset
    /// (§2.4, §2.6.1).
    pub unsafe fn detach_unused(&mut self) -> Option<Unused<T>> {
        while self.in_flight != 0 && self.detached < self.ring.size() {
            let id = self.detached;
            self.detached += 1;
            let slot = self.slots.get_mut(usize::from(id));
            if let Some(token) = slot.and_then(|slot| slot.token.take()) {
                self.in_flight -= 1;
                if self.in_flight == 0 {
                    self.start();
                }
                return Some(Unused { token, id });
            }
        }
        None
    }

    /// Empties the ring and starts again with the same memory; what the device had not used goes
    /// to `recycle`. A broken queue is one no more.
    ///
    /// # Safety
    ///
    /// As [`Packed::detach_unused`]; the device does not have the ring before this returns.
    pub unsafe fn reset(&mut self, mut recycle: impl FnMut(Unused<T>)) {
        // SAFETY: By the safety requirements.
        while let Some(unused) = unsafe { self.detach_unused() } {
            recycle(unused);
        }
        self.start();
    }

    /// As [`Packed::reset`], with other memory: a ring of another size. Returns the old slots.
    ///
    /// # Errors
    ///
    /// [`SetupError`], with the slots: nothing has happened.
    ///
    /// # Safety
    ///
    /// As [`Packed::reset`], and as [`Packed::new`] for what is given.
    pub unsafe fn resize(
        &mut self,
        memory: Memory,
        slots: S,
        recycle: impl FnMut(Unused<T>),
    ) -> Result<S, (SetupError, S)> {
        if let Err(e) = memory.check() {
            return Err((e, slots));
        }
        if slots.len() != usize::from(memory.size) {
            return Err((SetupError::Slots, slots));
        }
        let last = memory.size - 1;
        // SAFETY: By the safety requirements.
        let tables = match unsafe { Tables::new(memory.tables, last) } {
            Ok(tables) => tables,
            Err(e) => return Err((e, slots)),
        };
        // SAFETY: By the safety requirements.
        unsafe { self.reset(recycle) };
        // SAFETY: By the safety requirements; the size was checked.
        unsafe {
            self.ring = Ring::new(memory.desc, memory.size);
            self.driver = Event::new(memory.driver);
            self.device = Event::new(memory.device);
        }
        self.tables = tables;
        let old = core::mem::replace(&mut self.slots, slots);
        slot::forget(&mut self.slots);
        let view = View::new(self.ring, self.driver, &self.config);
        // SAFETY: By the safety requirements.
        unsafe { self.control.attach(view) };
        self.start();
        Ok(old)
    }

    /// Number of descriptors.
    #[inline]
    pub fn size(&self) -> u16 {
        self.ring.size()
    }

    /// Descriptors that are free. A buffer takes one for each segment, or one in all if it is
    /// described by a table.
    #[inline(always)]
    pub fn num_free(&self) -> u16 {
        self.free
    }

    /// Buffers that were added and not taken out again.
    #[inline(always)]
    pub fn in_flight(&self) -> u16 {
        self.in_flight
    }

    /// The part of the queue that needs no exclusion.
    #[inline(always)]
    pub fn control(&self) -> &C {
        &self.control
    }

    /// Whether wrong used lengths are cut from now on, or break the queue
    /// ([`Config::trim_lengths`]).
    #[inline]
    pub fn trim_lengths(&mut self, trim: bool) {
        self.config.trim_lengths = trim;
    }

    /// What the device did to break the queue: once, to be told in one message.
    #[inline]
    pub fn take_report(&mut self) -> Option<Report> {
        self.report.take()
    }
}

impl<P, T, S, C, const IN_ORDER: bool> Drop for Packed<P, T, S, C, IN_ORDER>
where
    P: Platform,
    S: DerefMut<Target = [Slot<T>]>,
    C: Deref<Target = Control<P>>,
{
    fn drop(&mut self) {
        slot::forget(&mut self.slots);
    }
}
