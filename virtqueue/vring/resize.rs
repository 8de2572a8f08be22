// SPDX-License-Identifier: GPL-2.0

//! Replacement and reset of the ring of a queue.

use crate::{
    bindings,
    create::{
        new_states,
        MAX_SIZE, //
    },
    dma_mappings::DmaMappings,
    exclusive::{
        AnyLayout,
        DescStates,
        ExclusiveQueue,
        Ring, //
    },
    queue::Queue,
    ring_memory::RingMemory,
    stats::Stamps,
    tables::Tables,
    with_ring, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

impl ExclusiveQueue {
    /// Detaches every outstanding buffer, and resets the ring to its first state.
    ///
    /// # Safety
    ///
    /// The device does not use the ring. It gets the ring only after this function has returned.
    pub unsafe fn reset(&mut self) {
        with_ring!(self, |ring| {
            let Ring { core, bookkeeping } = ring.ring;
            // SAFETY: By the safety requirements, the device does not use the ring.
            unsafe { core.reset(|unused| bookkeeping.released(unused.id)) };
        });
    }

    /// Moves the empty ring to other memory.
    ///
    /// # Errors
    ///
    /// `EINVAL`: the memory does not suit the ring, which is unchanged.
    ///
    /// # Safety
    ///
    /// As [`ExclusiveQueue::reset`]. No other context reads the ring through the lockless part of
    /// the queue, and the memory of `ring_memory` stays as long as the ring.
    unsafe fn move_to(
        &mut self,
        ring_memory: &RingMemory,
        states: DescStates,
        tables: Tables,
    ) -> Result {
        // SAFETY: By the safety requirements, the device does not use the ring, no other context
        // reads it through its lockless part, and the new memory stays.
        let moved = unsafe {
            match &mut self.ring {
                AnyLayout::Split(ring) => {
                    ring.core.resize(ring_memory.split(), states, tables, drop)
                }
                AnyLayout::SplitInOrder(ring) => {
                    ring.core.resize(ring_memory.split(), states, tables, drop)
                }
                AnyLayout::Packed(ring) => {
                    ring.core.resize(ring_memory.packed(), states, tables, drop)
                }
                AnyLayout::PackedInOrder(ring) => {
                    ring.core.resize(ring_memory.packed(), states, tables, drop)
                }
            }
        };
        match moved {
            Ok(_) => Ok(()),
            Err((error, _)) => Err(error.into()),
        }
    }
}

impl Queue {
    /// Gives the empty ring another size: `size`, or less, if memory for a split ring is short and
    /// [`RingParams::may_shrink`](crate::ring_memory::RingParams::may_shrink) is set.
    ///
    /// Process context, sleeps.
    ///
    /// # Errors
    ///
    /// - `EINVAL`: the layout has no such size;
    /// - `ENOMEM`.
    ///
    /// On an error, the ring keeps its size.
    ///
    /// # Safety
    ///
    /// The caller is the only user of the queue. The device does not use it, and every outstanding
    /// buffer was [detached](crate::RingRef::detach_unused).
    pub unsafe fn resize(&self, size: u16) -> Result {
        // SAFETY: By the safety requirements, the caller is the only user of the queue.
        let exclusive = unsafe { self.exclusive() };
        let new = if self.params.packed {
            RingMemory::new(&self.params, self.mapper(), size, bindings::GFP_KERNEL)?
        } else {
            RingMemory::new_or_smaller(&self.params, self.mapper(), size)?
        };
        let size = new.size();
        let mappings = match self.mapper() {
            Some(&mapper) => Some(DmaMappings::new(mapper, size)?),
            None => None,
        };
        let counters = self.counters.clone();
        let tables = Tables::new(self.params.tables, self.mapper(), size, counters)?;
        let bookkeeping = exclusive.bookkeeping();
        tables.log_missing(bookkeeping.vdev, bookkeeping.index, size);
        let stamps = Arc::new(Stamps::new(size)?, GFP_KERNEL)?;
        let states = new_states(size)?;
        // The interrupt vector of the queue still exists, and a device may raise it without having
        // the queue. So keep handlers off the ring.
        self.begin_resize();
        // SAFETY: By the safety requirements, the caller is the only user of the queue, and the
        // device does not use it. `begin_resize` keeps interrupt handlers off. The new memory is
        // stored in the queue below.
        let moved = unsafe { exclusive.move_to(&new, states, tables) };
        // SAFETY: The ring was replaced, or will not be.
        unsafe { self.end_resize() };
        moved?;
        let bookkeeping = exclusive.bookkeeping();
        bookkeeping.mappings = mappings;
        bookkeeping.set_stamps(stamps);
        // SAFETY: By the safety requirements, there is no other user of the queue, except for
        // readers of its debugfs file. `remove_debugfs` waits for them, and `init_in_place` allows
        // them again when the queue is complete.
        let old = unsafe {
            self.remove_debugfs();
            let old = self.ring_memory.get().replace(new);
            self.init_in_place();
            old
        };
        // There is no other reference to the old memory.
        drop(old);
        Ok(())
    }

    /// Returns whether a ring of this layout can have `size` descriptors.
    pub fn takes_size(&self, size: u32) -> bool {
        size != 0 && size <= MAX_SIZE && (self.params.packed || size.is_power_of_two())
    }
}
