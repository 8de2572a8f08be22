// SPDX-License-Identifier: GPL-2.0

//! Replacing the ring of a queue, and emptying it.

use crate::{
    backing::Backing,
    bindings,
    create::{
        slots,
        MAX_SIZE, //
    },
    inner::{
        each_ring,
        Inner,
        Ring,
        Slots, //
    },
    mapped::Mapped,
    queue::Queue,
    stats::Stamps,
    tables::Tables, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

impl Inner {
    /// Empties the ring. What the device had not used was detached before.
    ///
    /// # Safety
    ///
    /// The device does not use the ring, and gets it back after this returned only.
    pub unsafe fn reset(&mut self) {
        let Self { ring, side } = self;
        // SAFETY: By the safety requirements, the device does not use the ring.
        each_ring!(ring, ring => unsafe {
            ring.reset(|unused| side.gone(unused.id))
        });
    }

    /// Moves the empty ring to other memory.
    ///
    /// # Errors
    ///
    /// `EINVAL`: the memory is none for the ring, which stays as it was.
    ///
    /// # Safety
    ///
    /// As [`Inner::reset`]; nobody uses the shared part of the queue meanwhile, and `backing`
    /// stays as long as the ring.
    unsafe fn move_to(&mut self, backing: &Backing, slots: Slots, tables: Tables) -> Result {
        // SAFETY: By the safety requirements, the device does not use the ring, nobody uses the
        // shared part, and the new memory stays.
        let moved = unsafe {
            match &mut self.ring {
                Ring::Split(ring) => ring.resize(backing.split(), slots, tables, drop),
                Ring::SplitInOrder(ring) => ring.resize(backing.split(), slots, tables, drop),
                Ring::Packed(ring) => ring.resize(backing.packed(), slots, tables, drop),
                Ring::PackedInOrder(ring) => ring.resize(backing.packed(), slots, tables, drop),
            }
        };
        match moved {
            Ok(_) => Ok(()),
            Err((error, _)) => Err(error.into()),
        }
    }
}

impl Queue {
    /// Gives the empty ring another size: `size`, or less, where memory for a split ring is short
    /// and [`Format::may_shrink`](crate::backing::Format::may_shrink) allows that.
    ///
    /// Process context, sleeps.
    ///
    /// # Errors
    ///
    /// - `EINVAL`: no ring of the layout has that size;
    /// - `ENOMEM`.
    ///
    /// The ring has its old size then.
    ///
    /// # Safety
    ///
    /// The caller is the only one who uses the queue; the device does not, and everything was
    /// [detached](Inner::detach_unused).
    pub unsafe fn resize(&self, size: u16) -> Result {
        // SAFETY: By the safety requirements, the caller is the only one that uses the queue.
        let inner = unsafe { self.inner() };
        let new = if self.format.packed {
            Backing::new(&self.format, self.mapper(), size, bindings::GFP_KERNEL)?
        } else {
            Backing::shrinking(&self.format, self.mapper(), size)?
        };
        let size = new.size();
        let mapped = match self.mapper() {
            Some(&mapper) => Some(Mapped::new(mapper, size)?),
            None => None,
        };
        let counters = self.counters.clone();
        let tables = Tables::new(self.format.tables, self.mapper(), size, counters)?;
        tables.tell(inner.side.vdev, inner.side.index, size);
        let stamps = Arc::new(Stamps::new(size)?, GFP_KERNEL)?;
        let slots = slots(size)?;
        // The vector of the queue stays: a device may interrupt that does not have the queue.
        self.begin_resize();
        // SAFETY: The caller is the only one who uses the queue. The device does not have it, and
        // handlers of interrupts are kept off. The memory is kept with the queue.
        let moved = unsafe { inner.move_to(&new, slots, tables) };
        self.end_resize();
        moved?;
        inner.side.mapped = mapped;
        inner.side.set_stamps(stamps);
        // SAFETY: By the safety requirements, nobody uses the queue. Readers of its file in
        // debugfs, which may come at any time, have gone when it is hidden, and see nothing but
        // what is complete when it is shown again.
        let old = unsafe {
            self.hide();
            let old = self.backing.get().replace(new);
            self.settle();
            old
        };
        // The old memory is used by nobody any more.
        drop(old);
        Ok(())
    }

    /// Whether the ring could have `size` descriptors at all.
    pub fn takes_size(&self, size: u32) -> bool {
        size != 0 && size <= MAX_SIZE && (self.format.packed || size.is_power_of_two())
    }
}
