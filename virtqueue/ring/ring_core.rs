// SPDX-License-Identifier: GPL-2.0

//! The common part of both formats: tokens, ids, tables, and the start and end of a ring.

mod add;
mod drain;
mod get;
mod lend;
mod notify;

use super::{
    broken::Report,
    desc_state::{
        self,
        Slot,
        Unused, //
    },
    error::SetupError,
    flags::Flags,
    format::{
        Count,
        Format, //
    },
    in_order::Batch,
    indirect::IndirectRule,
    lockless::Control,
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
/// - `slots` has as many elements as `format` has descriptors. Every `next` and `tail` in them that
///   is the index of a slot, and `free_id`, are below that number.
/// - A slot has a token exactly if the buffer with that id is outstanding. Its `count` and `room`
///   then are the descriptors that the buffer takes, and the bytes that the device may write to it.
/// - Any order: the slots from `free_id` along `next` are the free ids. Where ids are linked, those
///   from the id of a buffer along `next` up to its `tail` are its chain.
/// - `count.made` - `count.done` buffers, less the `detached` ones, have a token, and `count.free`
///   descriptors are free.
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
    /// The number of slots that [`Frame::detach_unused`] has searched, and of the tokens that it
    /// took out.
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
    /// Creates an empty ring and initialises its memory. The device may get the memory afterwards.
    ///
    /// # Errors
    ///
    /// [`SetupError`]: no memory was written.
    ///
    /// # Safety
    ///
    /// - `memory` is mapped as its type says, as long as the ring or `control` is used; only the
    ///   device writes it besides.
    /// - `control` dereferences to the same control each time, which is that of this ring alone,
    ///   and there is no concurrent use of it during the call.
    /// - `slots` dereferences to the same slots each time, and they are of this ring alone.
    /// - The `tables` are for as many ids as the ring has descriptors. The ring is dropped only
    ///   when the device is done with the tables.
    pub unsafe fn new(
        memory: F::Memory,
        config: Config,
        slots: S,
        control: C,
        tables: L,
    ) -> Result<Self, SetupError> {
        // SAFETY: By the safety requirements, `memory` is mapped as its type says, and the slots
        // are for it.
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
        // SAFETY: By the safety requirements, there is no concurrent use of the control.
        unsafe { ring.attach() };
        ring.control.show();
        Ok(ring)
    }

    /// Creates the format of a ring on its memory.
    ///
    /// # Safety
    ///
    /// As [`Frame::new`].
    unsafe fn format(memory: &F::Memory, config: &Config, slots: &S) -> Result<F, SetupError> {
        F::check(memory)?;
        if slots.len() != usize::from(F::size_of(memory)) {
            return Err(SetupError::Slots);
        }
        // SAFETY: By the safety requirements, `memory` is mapped, and `F::check` accepted it.
        Ok(unsafe { F::new(memory, Flags::new(config)) })
    }

    /// Returns the rule by which buffers get tables. A ring without tables never asks for one.
    fn rule(config: &Config, tables: &L) -> IndirectRule {
        if tables.lends() {
            config.indirect
        } else {
            IndirectRule::LAST_RESORT
        }
    }

    /// Gives the control its view of the ring, and initialises the ring.
    ///
    /// # Safety
    ///
    /// There is no concurrent use of the control during the call.
    unsafe fn attach(&mut self) {
        // Slots may hold tokens of an earlier ring, and its device may still use those buffers:
        // forget the tokens instead of dropping them.
        self.slots.iter_mut().for_each(Slot::clear);
        // SAFETY: By the safety requirements, there is no concurrent use of the control.
        unsafe { self.control.attach(self.format.view(self.count.flags)) };
        self.start();
    }

    /// Initialises an empty ring, in private and in shared memory.
    fn start(&mut self) {
        desc_state::link(&mut self.slots);
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

    /// Takes back a buffer that the device has not used; buffers come in the order of their ids.
    /// After the last one the ring is as new, except that a broken queue stays broken.
    ///
    /// # Safety
    ///
    /// The device uses neither the ring nor any of its buffers: the device or the queue was reset
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

    /// Empties the ring, and initialises it in the same memory. The buffers that the device has not
    /// used go to `recycle`. A broken queue stays broken: see [`Control::unbreak`].
    ///
    /// # Safety
    ///
    /// As [`Frame::detach_unused`]. The device does not get the ring before this returns.
    pub unsafe fn reset(&mut self, mut recycle: impl FnMut(Unused<T>)) {
        // SAFETY: By the safety requirements, the device uses neither the ring nor its buffers.
        while let Some(unused) = unsafe { self.detach_unused() } {
            recycle(unused);
        }
        self.start();
    }

    /// As [`Frame::reset`], with other memory and tables: the ring may get another size. Returns
    /// the old slots.
    ///
    /// # Errors
    ///
    /// [`SetupError`], with the slots: the ring is unchanged.
    ///
    /// # Safety
    ///
    /// As [`Frame::reset`], and as [`Frame::new`] for the arguments.
    pub unsafe fn resize(
        &mut self,
        memory: F::Memory,
        slots: S,
        tables: L,
        recycle: impl FnMut(Unused<T>),
    ) -> Result<S, (SetupError, S)> {
        // SAFETY: By the safety requirements, `memory` is mapped as its type says, and the slots
        // are for it.
        let format = match unsafe { Self::format(&memory, &self.config, &slots) } {
            Ok(format) => format,
            Err(e) => return Err((e, slots)),
        };
        // SAFETY: By the safety requirements, the device uses neither the ring nor its buffers.
        unsafe { self.reset(recycle) };
        self.format = format;
        self.rule = Self::rule(&self.config, &tables);
        self.tables = tables;
        let old = core::mem::replace(&mut self.slots, slots);
        // SAFETY: By the safety requirements, there is no concurrent use of the control.
        unsafe { self.attach() };
        Ok(old)
    }

    /// Returns the number of descriptors.
    #[inline(always)]
    pub fn size(&self) -> u16 {
        self.format.size()
    }

    /// Returns the number of free descriptors. A buffer takes one for each segment, or a single one
    /// if it is described by a table.
    #[inline(always)]
    pub fn num_free(&self) -> u16 {
        self.count.free
    }

    /// Returns the id that the next added buffer gets.
    #[inline(always)]
    pub fn next_id(&self) -> u16 {
        self.format.next_id(self.free_id)
    }

    /// Returns the number of buffers that were added and not taken out again.
    #[inline(always)]
    pub fn in_flight(&self) -> u16 {
        // OVERFLOW: By the type invariants, not more buffers were detached than are in flight.
        self.count.in_flight().wrapping_sub(self.detached)
    }

    /// Sets whether an allocation for the next buffer's table may sleep.
    #[inline(always)]
    pub fn may_sleep(&mut self, sleeps: bool) {
        self.tables.may_sleep(sleeps);
    }

    /// Returns the part of the queue that needs no lock.
    #[inline(always)]
    pub fn control(&self) -> &C {
        &self.control
    }

    /// Returns the fault by which the device broke the queue, for the log: only once.
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
        desc_state::forget(&mut self.slots);
    }
}
