// SPDX-License-Identifier: GPL-2.0

//! The common part of both formats: tokens, ids, tables, and the start and end of a ring.

mod add;
mod again;
mod drain;
mod get;
mod lend;
mod notify;

pub use self::again::{
    Broken,
    Shown, //
};

use super::{
    broken::BrokenReport,
    desc_state::{
        self,
        DescState,
        Ids,
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
    lockless::LocklessState,
    tables::Tables,
    RingConfig, //
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
/// holds one [`DescState`] for each descriptor, `C` refers to a [`LocklessState`], `L` gives
/// tables.
///
/// # Invariants
///
/// - `states` has as many elements as `format` has descriptors. Every `next` and `tail` in them
///   that is the index of a descriptor state, and `free_head`, are below that number.
/// - A descriptor state has a token exactly if the buffer with that id is outstanding. Its `count`
///   and `writable_len` then are the descriptors that the buffer takes, and the bytes that the
///   device may write to it.
/// - Any order: the descriptor states from `free_head` along `next` are the free ids. Where ids are
///   linked, those from the id of a buffer along `next` up to its `tail` are its chain.
/// - `count.total_added` - `count.total_taken` buffers, less the `detached` ones, have a token,
///   and `count.free` descriptors are free.
pub struct RingCore<F, T, S, C, L>
where
    F: Format,
    S: DerefMut<Target = [DescState<T>]>,
    C: Deref<Target = LocklessState<F::Platform, F::View>>,
    L: Tables,
{
    format: F,
    count: Count,
    /// The first free id.
    free_head: u16,
    rule: IndirectRule,
    batch: Batch,
    ids: Ids,
    states: S,
    lockless: C,
    tables: L,
    /// The number of descriptor states that [`RingCore::detach_unused`] has searched, and of the
    /// tokens that it took out.
    scanned: u16,
    detached: u16,
    config: RingConfig,
    report: Option<BrokenReport>,
    _tokens: PhantomData<T>,
}

impl<F, T, S, C, L> RingCore<F, T, S, C, L>
where
    F: Format,
    S: DerefMut<Target = [DescState<T>]>,
    C: Deref<Target = LocklessState<F::Platform, F::View>>,
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
    /// - `memory` is mapped as its type says, as long as the ring or `lockless` is used; only the
    ///   device writes it besides.
    /// - `lockless` dereferences to the same lockless state each time, which is that of this ring
    ///   alone, and there is no concurrent use of it during the call.
    /// - `states` dereferences to the same descriptor states each time, and they are of this ring
    ///   alone.
    /// - The `tables` are for as many ids as the ring has descriptors. The ring is dropped only
    ///   when the device is done with the tables.
    pub unsafe fn new(
        memory: F::Memory,
        config: RingConfig,
        states: S,
        lockless: C,
        tables: L,
    ) -> Result<Self, SetupError> {
        // SAFETY: By the safety requirements, `memory` is mapped as its type says, and the
        // descriptor states are for it.
        let format = unsafe { Self::format(&memory, &config, &states) }?;
        let mut ring = Self {
            format,
            count: Count::new(Flags::new(&config)),
            free_head: 0,
            rule: Self::rule(&config, &tables),
            batch: Batch::default(),
            ids: Ids::new(F::size_of(&memory)),
            states,
            lockless,
            tables,
            scanned: 0,
            detached: 0,
            config,
            report: None,
            _tokens: PhantomData,
        };
        // SAFETY: By the safety requirements, there is no concurrent use of the lockless state.
        unsafe { ring.install() };
        // SAFETY: The ring is complete, and its owner has to disable it before it replaces it.
        unsafe { ring.lockless.enable_ring() };
        Ok(ring)
    }

    /// Creates the format of a ring on its memory.
    ///
    /// # Safety
    ///
    /// As [`RingCore::new`].
    unsafe fn format(memory: &F::Memory, config: &RingConfig, states: &S) -> Result<F, SetupError> {
        F::check(memory)?;
        if states.len() != usize::from(F::size_of(memory)) {
            return Err(SetupError::DescStates);
        }
        // SAFETY: By the safety requirements, `memory` is mapped, and `F::check` accepted it.
        Ok(unsafe { F::new(memory, Flags::new(config)) })
    }

    /// Returns the rule by which buffers get tables. A ring without tables never asks for one.
    fn rule(config: &RingConfig, tables: &L) -> IndirectRule {
        if tables.lends() {
            config.indirect
        } else {
            IndirectRule::LAST_RESORT
        }
    }

    /// Gives the lockless state its view of the ring, and initialises the ring.
    ///
    /// # Safety
    ///
    /// There is no concurrent reader of the view during the call.
    unsafe fn install(&mut self) {
        // Descriptor states may hold tokens of an earlier ring, and its device may still use those
        // buffers: forget the tokens instead of dropping them.
        self.states.iter_mut().for_each(DescState::clear);
        self.ids = Ids::new(self.format.size());
        // SAFETY: By the safety requirements, there is no concurrent reader of the view.
        unsafe { self.lockless.set_view(self.format.view(self.count.flags)) };
        self.reinit();
    }

    /// Initialises an empty ring, in private and in shared memory.
    fn reinit(&mut self) {
        desc_state::link_free(&mut self.states);
        self.format.reinit();
        self.count = Count::new(self.count.flags);
        self.count.free = self.format.size();
        self.free_head = 0;
        self.batch = Batch::default();
        self.scanned = 0;
        self.detached = 0;
        self.lockless.reinit(self.count.flags.event_idx());
        self.format
            .init_callbacks(&self.lockless, &self.count, self.config.callbacks);
    }

    /// Takes back a buffer that the device has not used; buffers come in the order of their ids.
    /// After the last one the ring is as new, except that a broken queue stays broken.
    ///
    /// # Safety
    ///
    /// The device uses neither the ring nor any of its buffers: the device or the queue was reset
    /// (§2.4, §2.6.1).
    pub unsafe fn detach_unused(&mut self) -> Option<Unused<T>> {
        while self.outstanding() != 0 && self.scanned < self.size() {
            let id = self.scanned;
            self.scanned += 1;
            let Some(state) = self.states.get_mut(usize::from(id)) else {
                continue;
            };
            if let Some(token) = state.token.take() {
                if state.loan.is_some() {
                    self.return_table(id);
                }
                self.detached += 1;
                if self.outstanding() == 0 {
                    self.reinit();
                }
                return Some(Unused { token, id });
            }
        }
        None
    }

    /// Empties the ring, and initialises it in the same memory. The buffers that the device has not
    /// used go to `recycle`. A broken queue stays broken: see [`LocklessState::unbreak`].
    ///
    /// # Safety
    ///
    /// As [`RingCore::detach_unused`]. The device does not get the ring before this returns.
    pub unsafe fn reset(&mut self, mut recycle: impl FnMut(Unused<T>)) {
        // SAFETY: By the safety requirements, the device uses neither the ring nor its buffers.
        while let Some(unused) = unsafe { self.detach_unused() } {
            recycle(unused);
        }
        self.reinit();
    }

    /// As [`RingCore::reset`], with other memory and tables: the ring may get another size. Returns
    /// the old descriptor states.
    ///
    /// # Errors
    ///
    /// [`SetupError`], with the descriptor states: the ring is unchanged.
    ///
    /// # Safety
    ///
    /// As [`RingCore::reset`], and as [`RingCore::new`] for the arguments. No other context reads
    /// the ring through its lockless state during the call: see [`LocklessState::disable_ring`].
    pub unsafe fn resize(
        &mut self,
        memory: F::Memory,
        states: S,
        tables: L,
        recycle: impl FnMut(Unused<T>),
    ) -> Result<S, (SetupError, S)> {
        // SAFETY: By the safety requirements, `memory` is mapped as its type says, and the
        // descriptor states are for it.
        let format = match unsafe { Self::format(&memory, &self.config, &states) } {
            Ok(format) => format,
            Err(e) => return Err((e, states)),
        };
        // SAFETY: By the safety requirements, the device uses neither the ring nor its buffers.
        unsafe { self.reset(recycle) };
        self.format = format;
        self.rule = Self::rule(&self.config, &tables);
        self.tables = tables;
        let old = core::mem::replace(&mut self.states, states);
        // SAFETY: By the safety requirements, there is no concurrent reader of the view.
        unsafe { self.install() };
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

    /// Returns the number of buffers, or of descriptors, that were added since the last kick.
    #[inline(always)]
    pub fn num_unkicked(&self) -> u64 {
        self.count.unkicked
    }

    /// Returns the id that the next added buffer gets.
    #[inline(always)]
    pub fn next_id(&self) -> u16 {
        self.format.next_id(self.free_head)
    }

    /// Returns the number of buffers that were added and not taken out again.
    #[inline(always)]
    pub fn outstanding(&self) -> u16 {
        // OVERFLOW: By the type invariants, no more buffers were detached than are outstanding.
        self.count.outstanding().wrapping_sub(self.detached)
    }

    /// Sets whether an allocation for the next buffer's table may sleep.
    #[inline(always)]
    pub fn may_sleep(&mut self, sleeps: bool) {
        self.tables.may_sleep(sleeps);
    }

    /// Returns the part of the queue that needs no lock.
    #[inline(always)]
    pub fn lockless(&self) -> &C {
        &self.lockless
    }

    /// Returns the fault by which the device broke the queue, for the log: only once.
    #[inline]
    pub fn take_broken_report(&mut self) -> Option<BrokenReport> {
        self.report.take()
    }
}

impl<F, T, S, C, L> Drop for RingCore<F, T, S, C, L>
where
    F: Format,
    S: DerefMut<Target = [DescState<T>]>,
    C: Deref<Target = LocklessState<F::Platform, F::View>>,
    L: Tables,
{
    fn drop(&mut self) {
        for state in self.states.iter_mut() {
            if let Some(loan) = state.loan.take() {
                self.tables.take_back(loan);
            }
        }
        desc_state::forget_tokens(&mut self.states);
    }
}
