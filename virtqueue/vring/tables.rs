// SPDX-License-Identifier: GPL-2.0

//! The indirect tables of a queue.
//!
//! Each id has a table, cut from a page. Most buffers fit into it and need no allocation. A page is
//! allocated when the queue reaches that depth for the first time. If memory is mapped for the
//! device, all pages are allocated together with the queue.
//!
//! A buffer with more segments [borrows](loans) a table of its own length.

mod loans;

use self::loans::Loans;
use crate::{
    bindings,
    device::Virtio,
    dma::Mapper,
    dma_buffer::DmaBuffer,
    ring::{
        self,
        Desc,
        Lent,
        Loan,
        TableMemory, //
    },
    stats::Counters, //
};
use core::ptr::NonNull;
use kernel::{
    page::PAGE_SIZE,
    prelude::*,
    sync::Arc, //
};

/// The number of descriptors in the table of an id: as many segments as most requests have.
const OWN: u16 = 8;

/// The size of the table of an id, in bytes.
const OWN_BYTES: usize = OWN as usize * size_of::<Desc>();

/// The number of tables of ids in a page.
const PER_PAGE: usize = tables_in(PAGE_SIZE);

/// The number of allocations that succeed before one fails, for tests. Negative: none fails.
#[cfg(CONFIG_RUST_VIRTIO_KUNIT_TEST)]
pub static ALLOCATIONS_LEFT: kernel::sync::atomic::Atomic<i32> =
    kernel::sync::atomic::Atomic::new(-1);

/// Returns whether a test wants the next allocation to fail.
pub(crate) fn is_to_fail() -> bool {
    #[cfg(CONFIG_RUST_VIRTIO_KUNIT_TEST)]
    {
        use kernel::sync::atomic::Relaxed;
        let left = ALLOCATIONS_LEFT.load(Relaxed);
        if left > 0 {
            ALLOCATIONS_LEFT.store(left - 1, Relaxed);
        }
        left == 0
    }
    #[cfg(not(CONFIG_RUST_VIRTIO_KUNIT_TEST))]
    false
}

/// The tables of one queue. A queue without indirect descriptors has none.
///
/// # Invariants
///
/// The tables of ids are cut from `pages` in order, and the first `given` of them are in use.
/// `places` has the table of each id that has one.
pub struct Tables {
    lends: bool,
    /// An allocation for the next buffer may sleep.
    sleeps: bool,
    /// The table of each id that has one. The other entries are never used.
    places: KVVec<TableMemory>,
    loans: Loans,
    mapper: Option<Mapper>,
    pages: KVec<DmaBuffer>,
    given: usize,
    counters: Arc<Counters>,
}

// SAFETY: The tables belong to this value, or to the ring that owns it.
unsafe impl Send for Tables {}

// SAFETY: No function changes a field through a shared reference.
unsafe impl Sync for Tables {}

/// Returns the number of tables of ids that a piece of `bytes` has room for.
const fn tables_in(bytes: usize) -> usize {
    bytes / OWN_BYTES
}

impl Tables {
    /// Creates the tables of a queue of `size` descriptors, or none if `lends` is false.
    ///
    /// Process context, sleeps.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: there is no memory for the list of tables. A queue with fewer tables than ids is
    /// no error: see [`Tables::missing`].
    pub(crate) fn new(
        lends: bool,
        mapper: Option<&Mapper>,
        size: u16,
        counters: Arc<Counters>,
    ) -> Result<Self> {
        let count = if lends {
            usize::from(size).div_ceil(PER_PAGE)
        } else {
            0
        };
        let places = if lends {
            let none = TableMemory {
                base: NonNull::dangling(),
                addr: 0,
            };
            KVVec::from_elem(none, size.into(), GFP_KERNEL)?
        } else {
            KVVec::new()
        };
        // INVARIANT: No table is in use.
        let mut tables = Self {
            lends,
            sleeps: true,
            places,
            loans: Loans::new(counters.clone()),
            mapper: mapper.copied(),
            pages: KVec::with_capacity(count, GFP_KERNEL)?,
            given: 0,
            counters,
        };
        if mapper.is_some() {
            // Coherent memory cannot be allocated in every context: allocate all of it here.
            let mut left = usize::from(size) * usize::from(lends);
            while left != 0 {
                let bytes = (left * OWN_BYTES).min(PAGE_SIZE);
                if tables.add_page(bytes).is_none() {
                    break;
                }
                left = left.saturating_sub(tables_in(bytes));
            }
        }
        tables.sleeps = false;
        Ok(tables)
    }

    /// Returns the number of ids, out of `size`, that will have no table for lack of memory. For
    /// each of their buffers with more than one segment, a table is allocated.
    fn missing(&self, size: u16) -> usize {
        if !self.lends || self.mapper.is_none() {
            return 0;
        }
        let there: usize = self.pages.iter().map(|page| tables_in(page.size())).sum();
        usize::from(size).saturating_sub(there)
    }

    /// Logs if queue `index` of a device has fewer tables than its `size` ids.
    pub(crate) fn log_missing(&self, vdev: Virtio, index: u32, size: u16) {
        let missing = self.missing(size);
        if missing != 0 {
            dev_warn!(
                vdev.dev(),
                "queue {}: no memory for {} of {} indirect tables; a buffer without a table allocates one\n",
                index,
                missing,
                size
            );
        }
    }

    /// Allocates `bytes` for the tables of more ids.
    fn add_page(&mut self, bytes: usize) -> Option<()> {
        if is_to_fail() {
            return None;
        }
        let page = DmaBuffer::new(self.mapper, bytes, gfp(self.sleeps)).ok()?;
        self.counters.tables.add(page.size());
        self.pages.push_within_capacity(page).ok()
    }

    /// Assigns a table to an id that has none, and returns it.
    fn give(&mut self, id: u16) -> Option<TableMemory> {
        // All pages are full, except for the last one.
        let (page, at) = (self.given / PER_PAGE, self.given % PER_PAGE);
        if page == self.pages.len() {
            if self.mapper.is_some() || page == self.pages.capacity() {
                return None;
            }
            self.add_page(PAGE_SIZE)?;
        }
        let buffer = self.pages.get(page)?;
        if at >= tables_in(buffer.size()) {
            return None;
        }
        let place = self.places.get_mut(usize::from(id))?;
        let at = at * OWN_BYTES;
        // SAFETY: As compared, `at` is the number of a table that the DMA buffer has room for.
        let base = unsafe { buffer.as_ptr().add(at) }.cast();
        // `dma_addr_t` is shorter on some machines.
        #[allow(clippy::unnecessary_cast)]
        let addr = buffer.addr() as u64 + at as u64;
        // INVARIANT: The table is the next one of `pages`, and is in `places`.
        self.given += 1;
        *place = TableMemory { base, addr };
        Some(*place)
    }
}

/// Returns the allocation flags for the memory of a table.
pub(crate) fn gfp(sleeps: bool) -> u32 {
    // SAFETY: The function returns constants, and may be called in any context.
    unsafe { bindings::rust_virtio_table_gfp(sleeps) }
}

/// Returns the size of `segments` descriptors in bytes.
pub(crate) fn bytes_of(segments: u16) -> usize {
    usize::from(segments) * size_of::<Desc>()
}

// SAFETY:
// - Each table of an id has its own part of a DMA buffer, which is aligned to a page and stays as
//   long as `pages`; other tables are as `Loans` promises.
// - The device finds a DMA buffer at its address as long as the DMA buffer exists.
unsafe impl ring::Tables for Tables {
    fn lends(&self) -> bool {
        self.lends
    }

    #[inline(always)]
    fn may_sleep(&mut self, sleeps: bool) {
        self.sleeps = sleeps;
    }

    #[inline(always)]
    unsafe fn own(&self, id: u16) -> TableMemory {
        debug_assert!(usize::from(id) < self.places.len());
        // SAFETY: By the safety requirements, the id has a table, which `give` stored at its index.
        unsafe { *self.places.get_unchecked(usize::from(id)) }
    }

    fn lend(&mut self, id: u16, segments: u16) -> Option<Lent> {
        if !self.lends {
            return None;
        }
        if segments <= OWN {
            if let Some(table) = self.give(id) {
                return Some(Lent::Own(table, OWN));
            }
        }
        self.loans.lend(segments, self.sleeps)
    }

    fn expose(&mut self, loan: Loan) -> Option<u64> {
        self.loans.expose(loan, self.mapper.as_ref())
    }

    fn take_back(&mut self, loan: Loan) {
        self.loans.take_back(loan, self.mapper.as_ref());
    }
}

impl Drop for Tables {
    fn drop(&mut self) {
        for page in &self.pages {
            self.counters.tables.sub(page.size());
        }
    }
}
