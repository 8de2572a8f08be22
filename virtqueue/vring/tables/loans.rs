// SPDX-License-Identifier: GPL-2.0

//! Tables for buffers with more segments than the table of an id has room for.
//!
//! Such a table comes from `kmalloc()`, as all tables do in C, with room for the segments of the
//! buffer. When the buffer comes back, the table is kept for a later buffer, up to a limit of
//! memory. So a load of long requests allocates only at its beginning.

use super::{
    bytes_of,
    gfp,
    is_to_fail, //
};
use crate::{
    bindings,
    direct,
    dma::{
        Mapper,
        TO_DEVICE, //
    },
    ring::{
        Desc,
        Lent,
        Loan,
        TableMemory, //
    },
    stats::Counters, //
};
use core::{
    ffi::c_void,
    ptr::NonNull, //
};
use kernel::{
    page::PAGE_SIZE,
    prelude::*,
    sync::Arc, //
};

/// The number of descriptors in the shortest table.
const SHORTEST: u16 = 16;

/// The limit for the bytes of tables that are kept without a buffer.
const IDLE_BYTES: usize = 64 << 10;

/// The number that means no record.
const NONE: u16 = u16::MAX;

/// A table, or an empty record for one.
struct Record {
    base: Option<NonNull<Desc>>,
    /// The address at which the device finds the table, if the table is `exposed`.
    addr: u64,
    /// The number of descriptors in the table.
    capacity: u16,
    /// The number of descriptors that the buffer needs.
    segments: u16,
    exposed: bool,
    /// The next record in the list that this record is in.
    next: u16,
}

impl Record {
    const EMPTY: Self = Self {
        base: None,
        addr: 0,
        capacity: 0,
        segments: 0,
        exposed: false,
        next: NONE,
    };
}

/// The tables that a queue has lent, and those that it keeps.
///
/// # Invariants
///
/// - A record with a `base` has a table of `capacity` descriptors from
///   [`allocate`](Self::allocate), which no other record has. A record without one has a `capacity`
///   of 0.
/// - The records in the list at `idle` have a table, and those in the list at `empty` have none. No
///   buffer has a record of either list, and `idle_bytes` is the size of the tables in the first.
pub(super) struct Loans {
    records: KVec<Record>,
    idle: u16,
    empty: u16,
    idle_bytes: usize,
    counters: Arc<Counters>,
}

impl Loans {
    pub(super) fn new(counters: Arc<Counters>) -> Self {
        // INVARIANT: There is no record, and both lists are empty.
        Self {
            records: KVec::new(),
            idle: NONE,
            empty: NONE,
            idle_bytes: 0,
            counters,
        }
    }

    /// Allocates a table for buffers of `segments` or more. Returns the table, and the number of
    /// its descriptors.
    fn allocate(&self, segments: u16, sleeps: bool) -> Option<(NonNull<Desc>, u16)> {
        if is_to_fail() {
            return None;
        }
        // Up to half a page, take the size that `kmalloc()` would round up to.
        let capacity = if bytes_of(segments) <= PAGE_SIZE / 2 {
            segments.next_power_of_two().max(SHORTEST)
        } else {
            segments
        };
        let bytes = bytes_of(capacity);
        // SAFETY: The function takes any size. `kmalloc()` aligns powers of two to themselves, and
        // every multiple of 16 to 16.
        let ptr = unsafe { bindings::rust_virtio_alloc_table(bytes, gfp(sleeps)) };
        let base = NonNull::new(ptr.cast())?;
        self.counters.tables.add(bytes);
        Some((base, capacity))
    }

    /// Returns the number of a record that no buffer has, with a table if possible.
    fn take_record(&mut self) -> Option<u16> {
        let list = if self.idle != NONE {
            &mut self.idle
        } else {
            &mut self.empty
        };
        let number = *list;
        let Some(record) = self.records.get(usize::from(number)) else {
            // Do not sleep for the memory of a record: the queue can work with the records that it
            // has.
            let number = u16::try_from(self.records.len()).ok()?;
            let pushed = self.records.push(Record::EMPTY, GFP_ATOMIC | __GFP_NOWARN);
            return pushed.ok().map(|()| number);
        };
        *list = record.next;
        if record.base.is_some() {
            // INVARIANT: The table is not idle from now on.
            self.idle_bytes = self.idle_bytes.saturating_sub(bytes_of(record.capacity));
        }
        Some(number)
    }

    /// Puts a record that no buffer has from now on into its list.
    fn put_record(&mut self, number: u16) {
        let Some(record) = self.records.get_mut(usize::from(number)) else {
            return;
        };
        let list = if record.base.is_some() {
            // INVARIANT: The table is idle from now on.
            self.idle_bytes += bytes_of(record.capacity);
            &mut self.idle
        } else {
            &mut self.empty
        };
        record.next = core::mem::replace(list, number);
    }

    /// Frees the table of a record, if it has one.
    fn free(&mut self, number: u16) {
        let Some(record) = self.records.get_mut(usize::from(number)) else {
            return;
        };
        if let Some(base) = record.base.take() {
            self.counters.tables.sub(bytes_of(record.capacity));
            // INVARIANT: The record has no table from now on.
            record.capacity = 0;
            // SAFETY: `allocate` made the table, and this record was the only one that had it.
            unsafe { bindings::rust_virtio_free_table(base.as_ptr().cast()) };
        }
    }

    /// Lends a table for one buffer of `segments`. Returns `None` if there is no memory for one.
    pub(super) fn lend(&mut self, segments: u16, sleeps: bool) -> Option<Lent> {
        let number = self.take_record()?;
        let lent = self.lend_record(number, segments, sleeps);
        if lent.is_none() {
            self.put_record(number);
        }
        lent
    }

    /// Lends the table of a record, or replaces it by a longer one before.
    fn lend_record(&mut self, number: u16, segments: u16, sleeps: bool) -> Option<Lent> {
        if self.records.get(usize::from(number))?.capacity < segments {
            self.free(number);
            let (base, capacity) = self.allocate(segments, sleeps)?;
            let record = self.records.get_mut(usize::from(number))?;
            // INVARIANT: `allocate` just made the table.
            record.base = Some(base);
            record.capacity = capacity;
        }
        let record = self.records.get_mut(usize::from(number))?;
        record.segments = segments;
        record.exposed = false;
        let base = record.base?;
        Some(Lent::Once(
            Loan::new(number)?,
            TableMemory { base, addr: 0 },
        ))
    }

    /// Exposes a table to the device and returns its address. Returns `None` if that cannot be done
    /// for now.
    // `dma_addr_t` is shorter on some machines.
    #[allow(clippy::unnecessary_cast)]
    pub(super) fn expose(&mut self, loan: Loan, mapper: Option<&Mapper>) -> Option<u64> {
        let record = self.records.get_mut(usize::from(loan.number()))?;
        let ptr: *mut c_void = record.base?.as_ptr().cast();
        let addr = if let Some(mapper) = mapper {
            let bytes = bytes_of(record.segments);
            // SAFETY: The table was allocated from a slab, or as pages. It is unmapped before it is
            // freed.
            let addr = unsafe { mapper.map_virt(ptr, bytes, TO_DEVICE, 0) };
            (!mapper.is_error(addr)).then_some(addr as u64)
        } else {
            // SAFETY: The table was allocated from a slab, or as pages, so it is directly mapped.
            let phys = unsafe { direct::virt_to_phys(ptr) };
            // The device cannot address the table if its addresses are shorter than the machine's.
            ((phys as bindings::dma_addr_t) as u64 == phys).then_some(phys)
        };
        record.addr = addr?;
        record.exposed = true;
        addr
    }

    /// Takes back a table. The device no longer uses it, or cannot see it.
    pub(super) fn take_back(&mut self, loan: Loan, mapper: Option<&Mapper>) {
        let number = loan.number();
        let Some(record) = self.records.get_mut(usize::from(number)) else {
            return;
        };
        if let (true, Some(mapper)) = (record.exposed, mapper) {
            let addr = record.addr as bindings::dma_addr_t;
            // SAFETY: `expose` mapped the table with this size, and the device is done with it.
            unsafe { mapper.unmap_page(addr, bytes_of(record.segments), TO_DEVICE, 0) };
        }
        record.exposed = false;
        if self.idle_bytes + bytes_of(record.capacity) > IDLE_BYTES {
            self.free(number);
        }
        self.put_record(number);
    }
}

impl Drop for Loans {
    fn drop(&mut self) {
        // Every lent table has come back, since the ring is dropped before.
        // CAST: `take_record` makes at most 65535 records.
        for number in 0..self.records.len() as u16 {
            self.free(number);
        }
    }
}
