// SPDX-License-Identifier: GPL-2.0

//! Buffers that need another table than that of their id: it is too small, or not there yet.

use super::{
    super::{
        control::Control,
        error::AddError,
        format::Format,
        indirect::Plan,
        slot::Slot,
        tables::{
            Lent,
            Table,
            TableMemory,
            Tables, //
        },
    },
    Frame, //
};
use core::ops::{
    Deref,
    DerefMut, //
};

impl<F, T, S, C, L> Frame<F, T, S, C, L>
where
    F: Format,
    S: DerefMut<Target = [Slot<T>]>,
    C: Deref<Target = Control<F::Platform, F::View>>,
    L: Tables,
{
    /// Plans for the next buffer, which is to have the id `id`, where there is no plan at hand: by
    /// another table, if there is one, or else by a chain, if it fits.
    ///
    /// A table that was borrowed is shown to the device here, unless that is for later, when it has
    /// been written.
    ///
    /// # Errors
    ///
    /// As [`Frame::add`].
    #[cold]
    #[inline(never)]
    pub(super) fn plan_apart(
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
            // Something is in flight that takes the room.
            Err(AddError::Full)
        } else {
            Err(AddError::NoMemory)
        }
    }

    /// Finds a table for the next buffer, which is to have the id `id`.
    fn borrow_table(&mut self, id: u16, segments: u16, later: bool) -> Option<Table<F::Platform>> {
        let slot = self.slots.get_mut(usize::from(id))?;
        debug_assert_eq!(slot.loan, None);
        let memory = match self.tables.lend(id, segments)? {
            Lent::Own(memory, room) => {
                // SAFETY: By the contract of `Tables`, which are the ring's, as the slot.
                unsafe { slot.set_own_room(room) };
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
                slot.loan = Some(loan);
                TableMemory { addr, ..memory }
            }
        };
        // SAFETY: By the contract of `Tables`: it has room for as many segments, and is the ring's
        // up to `take_back`, when the buffer is not added or comes back.
        Some(unsafe { Table::new(memory) })
    }

    /// Shows the device the table that an id has borrowed for a buffer, which has been described.
    ///
    /// # Errors
    ///
    /// [`AddError::NoMemory`]: that cannot be done for now. The table was given back.
    #[cold]
    #[inline(never)]
    pub(super) fn show_table(&mut self, to: F::To, id: u16) -> Result<(), AddError> {
        let slot = self.slots.get(usize::from(id));
        let loan = slot.and_then(|slot| slot.loan);
        match loan.and_then(|loan| self.tables.expose(loan)) {
            Some(addr) => {
                // SAFETY: The id is that which the buffer was described with, at `to`.
                unsafe { self.format.move_table(to, id, addr) };
                Ok(())
            }
            None => {
                self.return_table(id);
                Err(AddError::NoMemory)
            }
        }
    }

    /// Gives back the table, if there is one, that an id has borrowed for a buffer which the device
    /// does not have any more, or which is not added after all.
    #[cold]
    #[inline(never)]
    pub(super) fn return_table(&mut self, id: u16) {
        let slot = self.slots.get_mut(usize::from(id));
        if let Some(loan) = slot.and_then(|slot| slot.loan.take()) {
            self.tables.take_back(loan);
        }
    }
}
