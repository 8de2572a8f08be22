// SPDX-License-Identifier: GPL-2.0

//! The common part of both formats: tokens, ids, tables, and the start and end of a ring.

mod add;
mod drain;
mod get;
mod lend;
mod notify;

use super::{
    broken::Report,
    control::Control,
    error::SetupError,
    flags::Flags,
    format::{
        Count,
        Format, //
    },
    in_order::Batch,
    indirect::IndirectRule,
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

/// The driver side of a ring of format `F` that carries tokens of type `T`.
///
/// [`Split`](super::Split) and [`Packed`](super::Packed) are the names of its two formats. `S`
/// holds one [`Slot`] for each descriptor, `C` refers to a [`Control`], `L` gives tables.
///
/// # Invariants
///
/// - `slots` has as many elements as `format` has descriptors, and every `next` and `tail` in
///   them that is the place of a slot, as `free_id`, is one of them.
/// - A slot has a token exactly if the device has the buffer with that id, and its `count` and
///   `room` are what the device was given.
/// - Any order: the slots from `free_id` along `next` are the free ids; where ids are linked,
///   those from the id of a buffer along `next` up to its `tail` are its chain.
/// - `count.made` - `count.done` buffers, less the `detached` ones, have a token, and
///   `count.free` descriptors are free.
pub struct Frame<F, T, S, C, L>
where
    F: Format,
    S: DerefMut<Target = [Slot<T>]>,
    C: Deref<Target = Control<F::Platform, F::View>>,
    L: Tables,
{
    format: F,
    count: Count,
    /// The first free id.
    free_id: u16,
    rule: IndirectRule,
    batch: Batch,
    slots: S,
    control: C,
    tables: L,
    /// Slots up to which [`Frame::detach_unused`] found none, and how many it found.
    scanned: u16,
    detached: u16,
    config: Config,
    report: Option<Report>,
    _tokens: PhantomData<T>,
}

impl<F, T, S, C, L> Frame<F, T, S, C, L>
where
    F: Format,
    S: DerefMut<Target = [Slot<T>]>,
    C: Deref<Target = Control<F::Platform, F::View>>,
    L: Tables,
{
    /// Makes an empty ring. The memory is written here; the device may have it afterwards.
    ///
    /// # Errors
    ///
    /// [`SetupError`]: nothing was written.
    ///
    /// # Safety
    ///
    /// - `memory` is what its type says, and stays so as long as the ring or `control` is used;
    ///   but for the device, nobody else writes it.
    /// - `control` gives the same control each time, that of this ring alone, and nobody else uses
    ///   it meanwhile.
    /// - `slots` gives the same slots each time, and they are of this ring alone.
    /// - The `tables` are for as many ids as the ring has descriptors; it is dropped when the
    ///   device is done with them.
    pub unsafe fn new(
        memory: F::Memory,
        config: Config,
        slots: S,
        control: C,
        tables: L,
    ) -> Result<Self, SetupError> {
        // SAFETY: By the safety requirements, `memory` is what its type says, and the slots are for
        // it.
        let format = unsafe { Self::format(&memory, &config, &slots) }?;
        let mut ring = Self {
            format,
            count: Count::new(Flags::new(&config)),
            free_id: 0,
            rule: Self::rule(&config, &tables),
            batch: Batch::default(),
            slots,
            control,
            tables,
            scanned: 0,
            detached: 0,
            config,
            report: None,
            _tokens: PhantomData,
        };
        // SAFETY: By the safety requirements, nobody else uses the control yet.
        unsafe { ring.attach() };
        ring.control.show();
        Ok(ring)
    }

    /// Returns the format of a ring in some memory.
    ///
    /// # Safety
    ///
    /// As [`Frame::new`].
    unsafe fn format(memory: &F::Memory, config: &Config, slots: &S) -> Result<F, SetupError> {
        F::check(memory)?;
        if slots.len() != usize::from(F::size_of(memory)) {
            return Err(SetupError::Slots);
        }
        // SAFETY: By the safety requirements; it was checked.
        Ok(unsafe { F::new(memory, Flags::new(config)) })
    }

    /// Returns the rule of a ring: one without tables does not look for them.
    fn rule(config: &Config, tables: &L) -> IndirectRule {
        if tables.lends() {
            config.indirect
        } else {
            IndirectRule::LAST_RESORT
        }
    }

    /// Has the control know of the ring, and starts.
    ///
    /// # Safety
    ///
    /// Nobody else uses the control meanwhile.
    unsafe fn attach(&mut self) {
        // What slots of an earlier use still held is not known to be free of the device.
        self.slots.iter_mut().for_each(Slot::clear);
        // SAFETY: By the safety requirements, nobody else uses the control meanwhile.
        unsafe { self.control.attach(self.format.view(self.count.flags)) };
        self.start();
    }

    /// Brings an empty ring to its first state, in private and in shared memory.
    fn start(&mut self) {
        slot::link(&mut self.slots);
        self.format.start();
        self.count = Count::new(self.count.flags);
        self.count.free = self.format.size();
        self.free_id = 0;
        self.batch = Batch::default();
        self.scanned = 0;
        self.detached = 0;
        self.control.start();
        self.format
            .start_callbacks(&self.control, &self.count, self.config.callbacks);
    }

    /// Takes back a buffer that the device had not used; they come in the order of their ids.
    /// After the last one the ring is as new, but for a queue that is broken, which stays so.
    ///
    /// # Safety
    ///
    /// The device uses neither the ring nor any of its buffers: it, or the queue, was reset
    /// (§2.4, §2.6.1).
    pub unsafe fn detach_unused(&mut self) -> Option<Unused<T>> {
        while self.in_flight() != 0 && self.scanned < self.size() {
            let id = self.scanned;
            self.scanned += 1;
            let Some(slot) = self.slots.get_mut(usize::from(id)) else {
                continue;
            };
            if let Some(token) = slot.token.take() {
                if slot.loan.is_some() {
                    self.return_table(id);
                }
                self.detached += 1;
                if self.in_flight() == 0 {
                    self.start();
                }
                return Some(Unused { token, id });
            }
        }
        None
    }

    /// Empties the ring and starts again with the same memory; what the device had not used goes
    /// to `recycle`. A broken queue stays broken: see [`Control::unbreak`].
    ///
    /// # Safety
    ///
    /// As [`Frame::detach_unused`]; the device does not have the ring before this returns.
    pub unsafe fn reset(&mut self, mut recycle: impl FnMut(Unused<T>)) {
        // SAFETY: By the safety requirements, the device has neither the ring nor its buffers.
        while let Some(unused) = unsafe { self.detach_unused() } {
            recycle(unused);
        }
        self.start();
    }

    /// As [`Frame::reset`], with other memory and tables: a ring of another size. Returns the old
    /// slots.
    ///
    /// # Errors
    ///
    /// [`SetupError`], with the slots: nothing has happened.
    ///
    /// # Safety
    ///
    /// As [`Frame::reset`], and as [`Frame::new`] for what is given.
    pub unsafe fn resize(
        &mut self,
        memory: F::Memory,
        slots: S,
        tables: L,
        recycle: impl FnMut(Unused<T>),
    ) -> Result<S, (SetupError, S)> {
        // SAFETY: By the safety requirements, `memory` is what its type says, and the slots are for
        // it.
        let format = match unsafe { Self::format(&memory, &self.config, &slots) } {
            Ok(format) => format,
            Err(e) => return Err((e, slots)),
        };
        // SAFETY: By the safety requirements, the device has neither the ring nor its buffers.
        unsafe { self.reset(recycle) };
        self.format = format;
        self.rule = Self::rule(&self.config, &tables);
        self.tables = tables;
        let old = core::mem::replace(&mut self.slots, slots);
        // SAFETY: By the safety requirements, nobody else uses the control meanwhile.
        unsafe { self.attach() };
        Ok(old)
    }

    /// Number of descriptors.
    #[inline(always)]
    pub fn size(&self) -> u16 {
        self.format.size()
    }

    /// Descriptors that are free. A buffer takes one for each segment, or one in all if it is
    /// described by a table.
    #[inline(always)]
    pub fn num_free(&self) -> u16 {
        self.count.free
    }

    /// The id that the next buffer gets, if it is added.
    #[inline(always)]
    pub fn next_id(&self) -> u16 {
        self.format.next_id(self.free_id)
    }

    /// Buffers that were added and not taken out again.
    #[inline(always)]
    pub fn in_flight(&self) -> u16 {
        // OVERFLOW: By the type invariants.
        self.count.in_flight().wrapping_sub(self.detached)
    }

    /// Says whether the next buffer may wait for the memory of a table.
    #[inline(always)]
    pub fn may_sleep(&mut self, sleeps: bool) {
        self.tables.may_sleep(sleeps);
    }

    /// The part of the queue that needs no exclusion.
    #[inline(always)]
    pub fn control(&self) -> &C {
        &self.control
    }

    /// Takes the report of the fault by which the device broke the queue: once, for one message.
    #[inline]
    pub fn take_report(&mut self) -> Option<Report> {
        self.report.take()
    }
}

impl<F, T, S, C, L> Drop for Frame<F, T, S, C, L>
where
    F: Format,
    S: DerefMut<Target = [Slot<T>]>,
    C: Deref<Target = Control<F::Platform, F::View>>,
    L: Tables,
{
    fn drop(&mut self) {
        for slot in self.slots.iter_mut() {
            if let Some(loan) = slot.loan.take() {
                self.tables.take_back(loan);
            }
        }
        slot::forget(&mut self.slots);
    }
}
