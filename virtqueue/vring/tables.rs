// SPDX-License-Identifier: GPL-2.0

//! The indirect tables of a queue.
//!
//! The table of an id is cut from a page: most requests have as many segments as it has room for,
//! and take nothing from an allocator. A page is allocated when the queue becomes as deep for the
//! first time, or, where memory is mapped for the device, with the queue.
//!
//! A buffer with more segments has a table of its own length from `kmalloc()`, as all have in C.
//! When it comes back, the table stays with its id, as long as not too much memory is kept that
//! way: a load of long requests allocates only at its beginning.

use crate::{
    area::Area,
    bindings,
    device::Virtio,
    direct,
    dma::{
        Mapper,
        TO_DEVICE, //
    },
    ring::{
        self,
        Desc,
        Lent,
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

/// Descriptors in the table of an id: as many segments as most requests have.
const OWN: u16 = 8;

/// Bytes of the table of an id.
const OWN_BYTES: usize = OWN as usize * size_of::<Desc>();

/// Tables of ids in a page.
const PER_PAGE: usize = tables_in(PAGE_SIZE);

/// Descriptors in the shortest table that is allocated for one buffer.
const SHORTEST: u16 = 16;

/// Bytes that tables take at most which stay with ids that have no buffer.
const IDLE_BYTES: usize = 64 << 10;

/// Makes allocations fail, for tests: so many more succeed. Negative: all.
#[cfg(CONFIG_RUST_VIRTIO_KUNIT_TEST)]
pub static ALLOCATIONS_LEFT: kernel::sync::atomic::Atomic<i32> =
    kernel::sync::atomic::Atomic::new(-1);

/// Whether a test wants the next allocation to fail.
fn is_to_fail() -> bool {
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

/// The tables of one queue, or of a queue without.
///
/// # Invariants
///
/// - Of the tables that `pages` have room for, the first `given` are those of ids.
/// - `idle` is the number of bytes of the tables that stay with ids without a buffer.
pub(crate) struct Tables {
    lends: bool,
    /// Whether the next buffer may wait for memory.
    sleeps: bool,
    mapper: Option<Mapper>,
    pages: KVec<Area>,
    given: usize,
    idle: usize,
    counters: Arc<Counters>,
}

/// Returns how many tables of ids a piece of `bytes` has room for.
const fn tables_in(bytes: usize) -> usize {
    bytes / OWN_BYTES
}

impl Tables {
    /// Makes tables for a queue of `size` descriptors; none, if not `lends`.
    ///
    /// Process context, sleeps.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: there is not even memory to remember them. A queue with fewer tables than ids is
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
        // INVARIANT: No id has one, and none is idle.
        let mut tables = Self {
            lends,
            sleeps: true,
            mapper: mapper.copied(),
            pages: KVec::with_capacity(count, GFP_KERNEL)?,
            given: 0,
            idle: 0,
            counters,
        };
        if mapper.is_some() {
            // Memory that both sides see cannot be allocated everywhere.
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

    /// Returns how many of `size` ids will have no table, for lack of memory: each of their buffers
    /// with more than one segment has one allocated.
    fn missing(&self, size: u16) -> usize {
        if !self.lends || self.mapper.is_none() {
            return 0;
        }
        let there: usize = self.pages.iter().map(|page| tables_in(page.size())).sum();
        usize::from(size).saturating_sub(there)
    }

    /// Tells if there are fewer tables than `size` ids in queue `index` of a device.
    pub(crate) fn tell(&self, vdev: Virtio, index: u32, size: u16) {
        let missing = self.missing(size);
        if missing != 0 {
            dev_warn!(
                vdev.dev(),
                "queue {}: no memory for {} of {} indirect tables, which are allocated as needed\n",
                index,
                missing,
                size
            );
        }
    }

    fn gfp(&self) -> u32 {
        // SAFETY: May be called anywhere.
        unsafe { bindings::rust_virtio_table_gfp(self.sleeps) }
    }

    /// Allocates `bytes` for the tables of further ids.
    fn add_page(&mut self, bytes: usize) -> Option<()> {
        if is_to_fail() {
            return None;
        }
        let page = Area::new(self.mapper, bytes, self.gfp()).ok()?;
        self.counters.tables.add(page.size());
        self.pages.push_within_capacity(page).ok()
    }

    /// Returns the table of a further id.
    fn own(&mut self) -> Option<TableMemory> {
        // All pages but the last are whole.
        let (page, at) = (self.given / PER_PAGE, self.given % PER_PAGE);
        if page == self.pages.len() {
            if self.mapper.is_some() || page == self.pages.capacity() {
                return None;
            }
            self.add_page(PAGE_SIZE)?;
        }
        let area = self.pages.get(page)?;
        if at >= tables_in(area.size()) {
            return None;
        }
        // INVARIANT: It is the next one.
        self.given += 1;
        let at = at * OWN_BYTES;
        Some(TableMemory {
            // SAFETY: As compared, the area has room for the table.
            base: unsafe { area.as_ptr().add(at) }.cast(),
            addr: area.addr() as u64 + at as u64,
            room: OWN,
        })
    }

    /// Allocates a table for one buffer of `segments`.
    fn once(&mut self, segments: u16) -> Option<TableMemory> {
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
        // SAFETY: May be called with any size.
        let ptr = unsafe { bindings::rust_virtio_alloc_table(bytes, self.gfp()) };
        let base = NonNull::new(ptr.cast())?;
        self.counters.tables.add(bytes);
        Some(TableMemory {
            base,
            addr: 0,
            room,
        })
    }
}

/// Returns how many bytes `segments` descriptors take.
fn bytes_of(segments: u16) -> usize {
    usize::from(segments) * size_of::<Desc>()
}

// SAFETY:
// - Each table of an id has its own part of an area, which is aligned to a page and stays as long
//   as `pages`; other tables are allocated one by one, and freed in `free`. `kmalloc()` aligns
//   powers of two to themselves, and everything to 16 that is a multiple of it.
// - The device finds an area at its address as long as there is one; a table that is lent once is
//   mapped in `expose`, or directly mapped memory, which is where its physical address says.
unsafe impl ring::Tables for Tables {
    fn lends(&self) -> bool {
        self.lends
    }

    #[inline(always)]
    fn may_sleep(&mut self, sleeps: bool) {
        self.sleeps = sleeps;
    }

    fn lend(&mut self, segments: u16) -> Option<Lent> {
        if !self.lends {
            return None;
        }
        if segments <= OWN {
            if let Some(table) = self.own() {
                return Some(Lent::Own(table));
            }
        }
        self.once(segments).map(Lent::Once)
    }

    fn expose(&mut self, table: TableMemory, segments: u16) -> Option<u64> {
        let ptr: *mut c_void = table.base.as_ptr().cast();
        let Some(mapper) = &self.mapper else {
            // SAFETY: It was allocated from a slab, or as pages.
            let phys = unsafe { direct::virt_to_phys(ptr) };
            let addr = phys as bindings::dma_addr_t;
            // A device whose addresses are shorter than the machine's cannot be given the memory.
            return (addr as u64 == phys).then_some(phys);
        };
        // SAFETY: As above; it is unmapped before it is freed.
        let addr = unsafe { mapper.map_virt(ptr, bytes_of(segments), TO_DEVICE, 0) };
        (!mapper.is_error(addr)).then_some(addr as u64)
    }

    fn conceal(&mut self, table: TableMemory, segments: u16) -> bool {
        if let Some(mapper) = &self.mapper {
            let addr = table.addr as bindings::dma_addr_t;
            // SAFETY: `expose` mapped it, of that size, and the device has done with it.
            unsafe { mapper.unmap_page(addr, bytes_of(segments), TO_DEVICE, 0) };
        }
        let stays = self.idle + bytes_of(table.room) <= IDLE_BYTES;
        if stays {
            // INVARIANT: It stays.
            self.idle += bytes_of(table.room);
        }
        stays
    }

    fn wake(&mut self, table: TableMemory) {
        // INVARIANT: It is not idle any more.
        self.idle = self.idle.saturating_sub(bytes_of(table.room));
    }

    fn free(&mut self, table: TableMemory) {
        self.counters.tables.sub(bytes_of(table.room));
        // SAFETY: `once` allocated it, and the ring does not use it any more.
        unsafe { bindings::rust_virtio_free_table(table.base.as_ptr().cast()) };
    }
}

impl Drop for Tables {
    fn drop(&mut self) {
        for page in &self.pages {
            self.counters.tables.sub(page.size());
        }
    }
}
