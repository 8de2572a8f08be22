// SPDX-License-Identifier: GPL-2.0

//! The split ring (virtio spec §2.7).

mod add;
mod get;
mod memory;
mod notify;

pub use self::{
    memory::{
        Layout,
        Memory, //
    },
    notify::View, //
};

use self::memory::{
    Avail,
    Used, //
};
use super::{
    broken::Report,
    control,
    error::SetupError,
    in_order::Batch,
    platform::Platform,
    shared::{
        Descs,
        Shared, //
    },
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

/// The part of a split ring that needs no exclusion.
pub type Control<P> = control::Control<P, View<P>>;

/// The driver side of a split ring that carries tokens of type `T`.
///
/// `S` holds one [`Slot`] for each descriptor, `C` refers to a [`Control`]. `IN_ORDER` says that
/// `VIRTIO_F_IN_ORDER` was negotiated.
///
/// # Invariants
///
/// - A slot has a token exactly if the device has the buffer with that head, and its `count` and
///   `room` are what the device was given.
/// - Without `IN_ORDER`: the slots from `free_head` along `next` are the free descriptors, and
///   those from a head along `next` up to its `tail` are its chain.
/// - With `IN_ORDER`: the descriptors from `batch.oldest` up to `free_head` are in use, in the
///   order of the buffers.
/// - `in_flight` buffers have a token, and `free` descriptors are free.
/// - `used_seen` is at most `in_flight` ahead of `last_used`, and the device had written the used
///   entries up to there before a barrier for loads.
pub struct Split<P, T, S, C, const IN_ORDER: bool>
where
    P: Platform,
    S: DerefMut<Target = [Slot<T>]>,
    C: Deref<Target = Control<P>>,
{
    desc: Descs<P, true>,
    avail: Avail<P>,
    used: Used<P>,
    tables: Tables,
    slots: S,
    control: C,
    config: Config,
    /// Number of descriptors less one.
    mask: u16,
    /// The first free descriptor.
    free_head: u16,
    /// Free descriptors.
    free: u16,
    /// Buffers that the device has.
    in_flight: u16,
    /// Index of the next available entry, which counts all buffers.
    next: u16,
    /// What of it the device knows.
    published: u16,
    /// Index of the next used entry to take.
    last_used: u16,
    /// What the device was last seen to have used.
    used_seen: u16,
    /// Whether the used event was moved with no barrier since.
    event_moved: bool,
    /// Buffers that were added since the last kick.
    added: u64,
    batch: Batch,
    /// Slots up to which [`Split::detach_unused`] found none.
    detached: u16,
    report: Option<Report>,
    _tokens: PhantomData<T>,
}

impl<P, T, S, C, const IN_ORDER: bool> Split<P, T, S, C, IN_ORDER>
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
        let mask = memory.size - 1;
        // SAFETY: By the safety requirements.
        let tables = unsafe { Tables::new(memory.tables, mask) }?;
        // SAFETY: By the safety requirements; the size was checked.
        let (desc, avail, used) = unsafe {
            (
                Descs::new(Shared::new(memory.desc), mask),
                Avail::new(memory.avail, mask, config.endian),
                Used::new(memory.used, mask, config.endian),
            )
        };
        let mut ring = Self {
            desc,
            avail,
            used,
            tables,
            slots,
            control,
            config,
            mask,
            free_head: 0,
            free: 0,
            in_flight: 0,
            next: 0,
            published: 0,
            last_used: 0,
            used_seen: 0,
            event_moved: false,
            added: 0,
            batch: Batch::default(),
            detached: 0,
            report: None,
            _tokens: PhantomData,
        };
        // What slots of an earlier use still held is not known to be free of the device.
        slot::forget(&mut ring.slots);
        // SAFETY: By the safety requirements.
        unsafe { ring.control.attach(View::new(avail, used, &config)) };
        ring.start();
        Ok(ring)
    }

    /// Brings an empty ring to its first state, in private and in shared memory.
    fn start(&mut self) {
        slot::link(&mut self.slots);
        self.tables.start(&mut self.slots);
        self.desc.clear();
        self.avail.clear();
        self.used.clear();
        self.free_head = 0;
        self.free = self.mask + 1;
        self.in_flight = 0;
        self.next = 0;
        self.published = 0;
        self.last_used = 0;
        self.used_seen = 0;
        self.event_moved = false;
        self.added = 0;
        self.batch = Batch::default();
        self.detached = 0;
        self.report = None;
        self.control.taken.set(0);
        self.control.next.set(0);
        self.control.triggered.set(0);
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
        while self.in_flight != 0 && self.detached <= self.mask {
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
    /// As [`Split::detach_unused`]; the device does not have the ring before this returns.
    pub unsafe fn reset(&mut self, mut recycle: impl FnMut(Unused<T>)) {
        // SAFETY: By the safety requirements.
        while let Some(unused) = unsafe { self.detach_unused() } {
            recycle(unused);
        }
        self.start();
    }

    /// As [`Split::reset`], with other memory: a ring of another size. Returns the old slots.
    ///
    /// # Errors
    ///
    /// [`SetupError`], with the slots: nothing has happened.
    ///
    /// # Safety
    ///
    /// As [`Split::reset`], and as [`Split::new`] for what is given.
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
        let mask = memory.size - 1;
        // SAFETY: By the safety requirements.
        let tables = match unsafe { Tables::new(memory.tables, mask) } {
            Ok(tables) => tables,
            Err(e) => return Err((e, slots)),
        };
        // SAFETY: By the safety requirements.
        unsafe { self.reset(recycle) };
        // SAFETY: By the safety requirements; the size was checked.
        unsafe {
            self.desc = Descs::new(Shared::new(memory.desc), mask);
            self.avail = Avail::new(memory.avail, mask, self.config.endian);
            self.used = Used::new(memory.used, mask, self.config.endian);
        }
        self.tables = tables;
        self.mask = mask;
        let old = core::mem::replace(&mut self.slots, slots);
        slot::forget(&mut self.slots);
        let view = View::new(self.avail, self.used, &self.config);
        // SAFETY: By the safety requirements.
        unsafe { self.control.attach(view) };
        self.start();
        Ok(old)
    }

    /// Number of descriptors.
    #[inline(always)]
    pub fn size(&self) -> u16 {
        // OVERFLOW: At most 32767.
        self.mask.wrapping_add(1)
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

impl<P, T, S, C, const IN_ORDER: bool> Drop for Split<P, T, S, C, IN_ORDER>
where
    P: Platform,
    S: DerefMut<Target = [Slot<T>]>,
    C: Deref<Target = Control<P>>,
{
    fn drop(&mut self) {
        slot::forget(&mut self.slots);
    }
}
