// SPDX-License-Identifier: GPL-2.0

//! Tables for buffers with more segments than the table of an id has room for.
//!
//! Such a table comes from `kmalloc()`, as all tables do in C, with room for the segments of the
//! buffer. When the buffer comes back, the table is kept for the next one, up to a limit of memory.
//! So a load of long requests allocates only at its beginning.

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

/// Descriptors in the shortest table.
const SHORTEST: u16 = 16;

/// Bytes that tables take at most which are kept without a buffer.
const IDLE_BYTES: usize = 64 << 10;

/// The number of no record.
const NONE: u16 = u16::MAX;

/// A table, or the place for one.
struct Record {
    base: Option<NonNull<Desc>>,
    /// The address at which the device finds it, if it is `shown`.
    addr: u64,
    /// The number of descriptors that it has.
    room: u16,
    /// The number of those that the buffer needs.
    segments: u16,
    shown: bool,
    /// The next record in the list that this is in.
    next: u16,
}

impl Record {
    const EMPTY: Self = Self {
        base: None,
        addr: 0,
        room: 0,
        segments: 0,
        shown: false,
        next: NONE,
    };
}

/// The tables that a queue has lent, and those that it keeps.
///
/// # Invariants
///
/// - A record with a `base` has a table of `room` descriptors from [`allocate`](Self::allocate),
///   which no other record has; one without has a `room` of 0.
/// - The records from `idle` on have a table and those from `empty` on have none. No buffer has one
///   of either, and `idle_bytes` are the bytes of those tables.
pub(super) struct Loans {
    records: KVec<Record>,
    idle: u16,
    empty: u16,
    idle_bytes: usize,
    counters: Arc<Counters>,
}

impl Loans {
    pub(super) fn new(counters: Arc<Counters>) -> Self {
        // INVARIANT: There is no record.
        Self {
            records: KVec::new(),
            idle: NONE,
            empty: NONE,
            idle_bytes: 0,
            counters,
        }
    }

    /// Allocates a table for buffers of `segments` or more. Returns it, and how many it has room
    /// for.
    fn allocate(&self, segments: u16, sleeps: bool) -> Option<(NonNull<Desc>, u16)> {
        if is_to_fail() {
            return None;
        }
        // What `kmalloc()` would round up to, up to a page.
        let room = if bytes_of(segments) <= PAGE_SIZE / 2 {
            segments.next_power_of_two().max(SHORTEST)
        } else {
            segments
        };
        let bytes = bytes_of(room);
        // SAFETY: May be called with any size. `kmalloc()` aligns powers of two to themselves, and
        // everything to 16 that is a multiple of it.
        let ptr = unsafe { bindings::rust_virtio_alloc_table(bytes, gfp(sleeps)) };
        let base = NonNull::new(ptr.cast())?;
        self.counters.tables.add(bytes);
        Some((base, room))
    }

    /// Returns the number of a record that no buffer has: one with a table, if there is one.
    fn take_record(&mut self) -> Option<u16> {
        let list = if self.idle != NONE {
            &mut self.idle
        } else {
            &mut self.empty
        };
        let number = *list;
        let Some(record) = self.records.get(usize::from(number)) else {
            // Their memory is not waited for: that of the first few is short, and is all that is
            // needed to go on.
            let number = u16::try_from(self.records.len()).ok()?;
            let pushed = self.records.push(Record::EMPTY, GFP_ATOMIC | __GFP_NOWARN);
            return pushed.ok().map(|()| number);
        };
        *list = record.next;
        if record.base.is_some() {
            // INVARIANT: It is not idle any more.
            self.idle_bytes = self.idle_bytes.saturating_sub(bytes_of(record.room));
        }
        Some(number)
    }

    /// Puts a record that no buffer has any more into the list for it.
    fn put_record(&mut self, number: u16) {
        let Some(record) = self.records.get_mut(usize::from(number)) else {
            return;
        };
        let list = if record.base.is_some() {
            // INVARIANT: It is idle from now on.
            self.idle_bytes += bytes_of(record.room);
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
            self.counters.tables.sub(bytes_of(record.room));
            // INVARIANT: There is none any more.
            record.room = 0;
            // SAFETY: `allocate` made it, and nobody has it any more.
            unsafe { bindings::rust_virtio_free_table(base.as_ptr().cast()) };
        }
    }

    /// Lends a table for one buffer of `segments`. `None`: there is no memory for one.
    pub(super) fn lend(&mut self, segments: u16, sleeps: bool) -> Option<Lent> {
        let number = self.take_record()?;
        let lent = self.lend_record(number, segments, sleeps);
        if lent.is_none() {
            self.put_record(number);
        }
        lent
    }

    /// Lends the table of a record, or a longer one in place of that.
    fn lend_record(&mut self, number: u16, segments: u16, sleeps: bool) -> Option<Lent> {
        if self.records.get(usize::from(number))?.room < segments {
            self.free(number);
            let (base, room) = self.allocate(segments, sleeps)?;
            let record = self.records.get_mut(usize::from(number))?;
            // INVARIANT: It was just allocated.
            record.base = Some(base);
            record.room = room;
        }
        let record = self.records.get_mut(usize::from(number))?;
        record.segments = segments;
        record.shown = false;
        let base = record.base?;
        Some(Lent::Once(
            Loan::new(number)?,
            TableMemory { base, addr: 0 },
        ))
    }

    /// Lets the device see a table. Returns the address. `None`: that cannot be done for now.
    // `dma_addr_t` is shorter on some machines.
    #[allow(clippy::unnecessary_cast)]
    pub(super) fn expose(&mut self, loan: Loan, mapper: Option<&Mapper>) -> Option<u64> {
        let record = self.records.get_mut(usize::from(loan.number()))?;
        let ptr: *mut c_void = record.base?.as_ptr().cast();
        let addr = if let Some(mapper) = mapper {
            let bytes = bytes_of(record.segments);
            // SAFETY: It was allocated from a slab, or as pages; it is unmapped before it is freed.
            let addr = unsafe { mapper.map_virt(ptr, bytes, TO_DEVICE, 0) };
            (!mapper.is_error(addr)).then_some(addr as u64)
        } else {
            // SAFETY: The memory was allocated from a slab, or as pages: it is directly mapped.
            let phys = unsafe { direct::virt_to_phys(ptr) };
            // A device whose addresses are shorter than the machine's cannot be given the memory.
            ((phys as bindings::dma_addr_t) as u64 == phys).then_some(phys)
        };
        record.addr = addr?;
        record.shown = true;
        addr
    }

    /// Takes a table back. The device has done with it, or cannot see it.
    pub(super) fn take_back(&mut self, loan: Loan, mapper: Option<&Mapper>) {
        let number = loan.number();
        let Some(record) = self.records.get_mut(usize::from(number)) else {
            return;
        };
        if let (true, Some(mapper)) = (record.shown, mapper) {
            let addr = record.addr as bindings::dma_addr_t;
            // SAFETY: `expose` mapped it, of that size, and the device has done with it.
            unsafe { mapper.unmap_page(addr, bytes_of(record.segments), TO_DEVICE, 0) };
        }
        record.shown = false;
        if self.idle_bytes + bytes_of(record.room) > IDLE_BYTES {
            self.free(number);
        }
        self.put_record(number);
    }
}

impl Drop for Loans {
    fn drop(&mut self) {
        // What was lent has come back: the ring goes first.
        // CAST: By what `take_record` makes.
        for number in 0..self.records.len() as u16 {
            self.free(number);
        }
    }
}
