// SPDX-License-Identifier: GPL-2.0

//! Buffers that need another table than that of their id, because it is too small or not allocated
//! yet.

use super::{
    super::{
        desc_state::DescState,
        error::AddError,
        format::Format,
        indirect::Plan,
        lockless::LocklessState,
        tables::{
            Lent,
            Table,
            TableMemory,
            Tables, //
        },
    },
    RingCore, //
};
use core::ops::{
    Deref,
    DerefMut, //
};

impl<F, T, S, C, L> RingCore<F, T, S, C, L>
where
    F: Format,
    S: DerefMut<Target = [DescState<T>]>,
    C: Deref<Target = LocklessState<F::Platform, F::View>>,
    L: Tables,
{
    /// Chooses the description of the next buffer, which gets the id `id`, if the fast path had
    /// none: another table, if there is one, or a chain, if it fits.
    ///
    /// A borrowed table is exposed to the device here, unless `later` says that the caller does so
    /// after the table was written.
    ///
    /// # Errors
    ///
    /// As [`RingCore::add`].
    #[cold]
    #[inline(never)]
    pub(super) fn plan_slow(
        &mut self,
        id: u16,
        segments: u16,
        later: bool,
    ) -> Result<Plan<F::Platform>, AddError> {
        if segments == 0 {
            return Err(AddError::Empty);
        }
        let free = self.count.free;
        if self.rule.wants(segments, free) && free != 0 {
            if let Some(table) = self.borrow_table(id, segments, later) {
                return Ok(Plan::Table(table));
            }
        }
        if segments <= free {
            Ok(Plan::Direct)
        } else if segments > self.size() && !self.tables.lends() {
            Err(AddError::TooMany)
        } else if segments <= self.size() || free == 0 {
            // Outstanding buffers take the room.
            Err(AddError::Full)
        } else {
            Err(AddError::NoMemory)
        }
    }

    /// Returns a table for the next buffer, which gets the id `id`.
    fn borrow_table(&mut self, id: u16, segments: u16, later: bool) -> Option<Table<F::Platform>> {
        let state = self.states.get_mut(usize::from(id))?;
        debug_assert_eq!(state.loan, None);
        let memory = match self.tables.lend(id, segments)? {
            Lent::Own(memory, capacity) => {
                // SAFETY: By the contract of `Tables`, the table of this id has `capacity`
                // descriptors; the descriptor state and the tables are those of one ring.
                unsafe { state.set_table_capacity(capacity) };
                memory
            }
            Lent::Once(loan, memory) => {
                let addr = if later {
                    Some(0)
                } else {
                    self.tables.expose(loan)
                };
                let Some(addr) = addr else {
                    self.tables.take_back(loan);
                    return None;
                };
                state.loan = Some(loan);
                TableMemory { addr, ..memory }
            }
        };
        // SAFETY: By the contract of `Tables`, the memory has room for `segments` descriptors, and
        // the ring alone writes it up to `take_back`, which follows when the buffer is refused or
        // comes back.
        Some(unsafe { Table::new(memory) })
    }

    /// Exposes the borrowed table of an id to the device, after the buffer was described by it.
    ///
    /// # Errors
    ///
    /// [`AddError::NoMemory`]: the table cannot be exposed for now, and was returned.
    #[cold]
    #[inline(never)]
    pub(super) fn expose_table(&mut self, avail_pos: F::AvailPos, id: u16) -> Result<(), AddError> {
        let state = self.states.get(usize::from(id));
        let loan = state.and_then(|state| state.loan);
        match loan.and_then(|loan| self.tables.expose(loan)) {
            Some(addr) => {
                // SAFETY: The buffer was just described at `avail_pos` with this id, so both are as
                // `Format::describe` asks.
                unsafe { self.format.move_table(avail_pos, id, addr) };
                Ok(())
            }
            None => {
                self.return_table(id);
                Err(AddError::NoMemory)
            }
        }
    }

    /// Returns the table that an id has borrowed, if there is one. The buffer came back from the
    /// device, or is not added after all.
    #[cold]
    #[inline(never)]
    pub(super) fn return_table(&mut self, id: u16) {
        let state = self.states.get_mut(usize::from(id));
        if let Some(loan) = state.and_then(|state| state.loan.take()) {
            self.tables.take_back(loan);
        }
    }
}
