// SPDX-License-Identifier: GPL-2.0

//! Buffers that the tables of their ids are too small for, or that come before those.

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
        debug_assert_eq!(slot.lent_used, 0);
        if let Some(table) = slot.lent() {
            self.tables.wake(table);
            if segments > table.room {
                slot.take_lent();
                self.tables.free(table);
            }
        }
        if slot.lent().is_none() {
            match self.tables.lend(segments)? {
                Lent::Own(table) => {
                    // SAFETY: By the contract of `Tables`, which the ring owns, as the slots.
                    unsafe { slot.set_own(table) };
                    return slot.own(segments);
                }
                // SAFETY: By the contract of `Tables`; taken from the slot before it is freed.
                Lent::Once(table) => unsafe { slot.set_lent(table) },
            }
        }
        let table = slot.lent()?;
        let addr = if segments > table.room {
            debug_assert!(false, "a table has the room that was asked for");
            None
        } else if later {
            Some(0)
        } else {
            self.tables.expose(table, segments)
        };
        let Some(addr) = addr else {
            slot.take_lent();
            self.tables.free(table);
            return None;
        };
        slot.show_lent(addr, segments);
        Some(slot.lent_table())
    }

    /// Shows the device the table that an id has borrowed for a buffer, which has been described.
    ///
    /// # Errors
    ///
    /// [`AddError::NoMemory`]: that cannot be done for now. The table was given back.
    #[cold]
    #[inline(never)]
    pub(super) fn show_table(&mut self, to: F::To, id: u16) -> Result<(), AddError> {
        let slot = self.slots.get_mut(usize::from(id));
        let shown = slot.and_then(|slot| {
            let addr = self.tables.expose(slot.lent()?, slot.lent_used)?;
            slot.show_lent(addr, slot.lent_used);
            Some(addr)
        });
        match shown {
            Some(addr) => {
                // SAFETY: The id is that which the buffer was described with, at `to`.
                unsafe { self.format.move_table(to, id, addr) };
                Ok(())
            }
            None => {
                self.put_back(id, true);
                Err(AddError::NoMemory)
            }
        }
    }

    /// Gives back the table, if there is one, that an id has borrowed for a buffer which is not
    /// added after all. The device sees it, or would have `later`.
    #[cold]
    #[inline(never)]
    pub(super) fn put_back(&mut self, id: u16, later: bool) {
        let Some(slot) = self.slots.get_mut(usize::from(id)) else {
            return;
        };
        if slot.lent_used == 0 {
            return;
        }
        if !later {
            self.return_table(id);
        } else if let Some(table) = slot.take_lent() {
            self.tables.free(table);
        }
    }

    /// Has the table come back that an id has borrowed for a buffer which the device does not have
    /// any more.
    #[cold]
    #[inline(never)]
    pub(super) fn return_table(&mut self, id: u16) {
        let Some(slot) = self.slots.get_mut(usize::from(id)) else {
            return;
        };
        let Some(table) = slot.lent() else {
            return;
        };
        let segments = core::mem::replace(&mut slot.lent_used, 0);
        if segments != 0 && !self.tables.conceal(table, segments) {
            slot.take_lent();
            self.tables.free(table);
        }
    }

    /// Gives back all tables that were borrowed. The ring is empty, or its device is done with it.
    pub(super) fn return_all(&mut self) {
        for slot in self.slots.iter_mut() {
            let segments = slot.lent_used;
            if let Some(table) = slot.take_lent() {
                if segments == 0 || self.tables.conceal(table, segments) {
                    self.tables.wake(table);
                }
                self.tables.free(table);
            }
        }
    }
}
