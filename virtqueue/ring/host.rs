// SPDX-License-Identifier: GPL-2.0

//! The platform for user space: atomics, since the device may be another thread, segments, and
//! tables.

use crate::{
    AddError,
    Desc,
    Lent,
    Loan,
    Piece,
    Platform,
    SegmentWriter,
    Segments,
    TableMemory,
    Tables,
    Translate, //
};
use alloc::{
    vec,
    vec::Vec, //
};
use core::{
    ptr::NonNull,
    sync::atomic::{
        fence, AtomicU16, AtomicU32, AtomicU64,
        Ordering::{
            Acquire,
            Relaxed,
            Release,
            SeqCst, //
        },
    },
};

/// Relaxed atomic accesses, and fences. Strong barriers are the same as weak ones.
///
/// `STORES_IN_ORDER` is the value of the platform's constant of that name. The barriers are done in
/// either case.
#[derive(Clone, Copy)]
pub struct Machine<const STORES_IN_ORDER: bool>;

/// This machine, with the same promise about stores as in the kernel.
pub type Host = Machine<{ cfg!(target_arch = "x86_64") }>;

/// As [`Host`], without the promise that stores are seen in order.
pub type WeakHost = Machine<false>;

// SAFETY: Atomic accesses are whole, and the compiler neither drops nor merges them. A fence orders
// the atomic accesses around it as the barrier says. The barriers for loads alone and for stores
// alone are acquire and release fences, which order more.
unsafe impl<const STORES_IN_ORDER: bool> Platform for Machine<STORES_IN_ORDER> {
    const STORES_IN_ORDER: bool = STORES_IN_ORDER;

    #[inline(always)]
    unsafe fn load16(ptr: *const u16) -> u16 {
        // SAFETY: By the safety requirements, `ptr` is aligned and readable; all concurrent
        // accesses are atomic.
        unsafe { AtomicU16::from_ptr(ptr.cast_mut()) }.load(Relaxed)
    }

    #[inline(always)]
    unsafe fn load32(ptr: *const u32) -> u32 {
        // SAFETY: By the safety requirements, `ptr` is aligned and readable; all concurrent
        // accesses are atomic.
        unsafe { AtomicU32::from_ptr(ptr.cast_mut()) }.load(Relaxed)
    }

    #[inline(always)]
    unsafe fn store16(ptr: *mut u16, value: u16) {
        // SAFETY: By the safety requirements, `ptr` is aligned and writable; all concurrent
        // accesses are atomic.
        unsafe { AtomicU16::from_ptr(ptr) }.store(value, Relaxed);
    }

    #[inline(always)]
    unsafe fn store32(ptr: *mut u32, value: u32) {
        // SAFETY: By the safety requirements, `ptr` is aligned and writable; all concurrent
        // accesses are atomic.
        unsafe { AtomicU32::from_ptr(ptr) }.store(value, Relaxed);
    }

    #[inline(always)]
    unsafe fn store64(ptr: *mut u64, value: u64) {
        // SAFETY: By the safety requirements, `ptr` is aligned and writable; all concurrent
        // accesses are atomic.
        unsafe { AtomicU64::from_ptr(ptr) }.store(value, Relaxed);
    }

    #[inline(always)]
    fn mb(_strong: bool) {
        fence(SeqCst);
    }

    #[inline(always)]
    fn rmb(_strong: bool) {
        fence(Acquire);
    }

    #[inline(always)]
    fn wmb(_strong: bool) {
        // A release fence orders earlier accesses before later stores, which is more than required.
        fence(Release);
    }
}

/// An address of the device, and a length.
impl Piece for (u64, u32) {
    type Error = AddError;

    #[inline(always)]
    fn byte_len(self) -> u32 {
        self.1
    }
}

/// A list of segments to read and one of segments to write.
impl<S: Piece> Segments<S> for (&[S], &[S]) {
    #[inline]
    fn write_segments<W: SegmentWriter<S>>(&self, writer: &mut W) -> Result<(), S::Error> {
        for &segment in self.0 {
            writer.out(segment)?;
        }
        for &segment in self.1 {
            writer.in_(segment)?;
        }
        Ok(())
    }
}

/// Translates nothing: the addresses are those of the device. `MAPS` is that of [`Translate`].
#[derive(Clone, Copy, Debug, Default)]
pub struct AsGiven<const MAPS: bool = false>;

impl<const MAPS: bool> Translate<(u64, u32)> for AsGiven<MAPS> {
    const MAPS: bool = MAPS;

    #[inline(always)]
    fn address(&mut self, (addr, _): (u64, u32), _write: bool) -> Result<u64, AddError> {
        Ok(addr)
    }
}

/// The number of tables, and their lengths.
#[derive(Clone, Copy, Debug, Default)]
pub struct TableCounts {
    /// The number of descriptors in the table of an id, and the number of ids. 0: ids have no
    /// tables.
    pub own: (u16, u16),
    /// The number of descriptors in a table that is lent for one buffer, and the number of such
    /// tables.
    pub lent: (u16, u16),
    /// The lent tables cannot be exposed to the device.
    pub unexposable: bool,
}

impl TableCounts {
    /// Returns the number of bytes that the tables take.
    pub const fn bytes(&self) -> usize {
        let own = self.own.0 as usize * self.own.1 as usize;
        let lent = self.lent.0 as usize * self.lent.1 as usize;
        (own + lent) * size_of::<Desc>()
    }
}

/// A fixed number of tables, in memory that the caller keeps.
#[derive(Debug)]
pub struct FixedTables {
    base: NonNull<Desc>,
    addr: u64,
    counts: TableCounts,
    /// For each id, whether it has its table.
    made: Vec<bool>,
    /// The numbers of the tables that are not lent.
    free: Vec<u16>,
    /// For each table, the number of segments that it was lent for (0: it is not lent), and whether
    /// it is exposed to the device.
    loans: Vec<(u16, bool)>,
}

// SAFETY: The pointer is to memory that the ring with the tables alone writes.
unsafe impl Send for FixedTables {}

impl FixedTables {
    /// Creates tables in memory which the device finds at `addr`.
    ///
    /// # Safety
    ///
    /// `base` is aligned to 16 and has [`TableCounts::bytes`] bytes, which the ring alone writes as
    /// long as the result exists.
    pub unsafe fn new(base: NonNull<Desc>, addr: u64, counts: TableCounts) -> Self {
        Self {
            base,
            addr,
            counts,
            made: vec![false; counts.own.1.into()],
            free: (0..counts.lent.1).rev().collect(),
            loans: vec![(0, false); counts.lent.1.into()],
        }
    }

    /// Creates a set of no tables.
    pub const fn none() -> Self {
        Self {
            base: NonNull::dangling(),
            addr: 0,
            counts: TableCounts {
                own: (0, 0),
                lent: (0, 0),
                unexposable: false,
            },
            made: Vec::new(),
            free: Vec::new(),
            loans: Vec::new(),
        }
    }

    /// Returns the number of tables that can be lent at the moment.
    pub fn lendable(&self) -> usize {
        self.free.len()
    }

    /// Returns the table that starts at descriptor `at`.
    fn table(&self, at: usize) -> TableMemory {
        TableMemory {
            // SAFETY: Every table starts within the memory (`new`).
            base: unsafe { self.base.add(at) },
            addr: self.addr + (at * size_of::<Desc>()) as u64,
        }
    }

    fn own_table(&self, id: u16) -> TableMemory {
        self.table(usize::from(id) * usize::from(self.counts.own.0))
    }

    fn lent_table(&self, loan: Loan) -> TableMemory {
        let first = usize::from(self.counts.own.0) * usize::from(self.counts.own.1);
        self.table(first + usize::from(loan.number()) * usize::from(self.counts.lent.0))
    }

    /// Returns the record of a lent table.
    fn loan(&mut self, loan: Loan) -> &mut (u16, bool) {
        let found = &mut self.loans[usize::from(loan.number())];
        assert!(found.0 != 0, "it was lent");
        found
    }
}

// SAFETY: Each table has its own part of the memory, which `new` promises to be aligned and large
// enough.
unsafe impl Tables for FixedTables {
    fn lends(&self) -> bool {
        self.counts.bytes() != 0
    }

    unsafe fn own(&self, id: u16) -> TableMemory {
        assert!(self.made[usize::from(id)], "it has one");
        self.own_table(id)
    }

    fn lend(&mut self, id: u16, segments: u16) -> Option<Lent> {
        if segments <= self.counts.own.0 {
            if let Some(made) = self.made.get_mut(usize::from(id)) {
                assert!(!*made, "it is not asked for twice");
                *made = true;
                return Some(Lent::Own(self.own_table(id), self.counts.own.0));
            }
        }
        if segments > self.counts.lent.0 {
            return None;
        }
        let number = self.free.pop()?;
        self.loans[usize::from(number)] = (segments, false);
        let loan = Loan::new(number)?;
        let table = self.lent_table(loan);
        Some(Lent::Once(loan, TableMemory { addr: 0, ..table }))
    }

    fn expose(&mut self, loan: Loan) -> Option<u64> {
        let unexposable = self.counts.unexposable;
        let (_, exposed) = self.loan(loan);
        assert!(!*exposed, "it is exposed once");
        *exposed = !unexposable;
        (!unexposable).then(|| self.lent_table(loan).addr)
    }

    fn take_back(&mut self, loan: Loan) {
        *self.loan(loan) = (0, false);
        self.free.push(loan.number());
    }
}

impl Drop for FixedTables {
    fn drop(&mut self) {
        assert_eq!(
            self.free.len(),
            usize::from(self.counts.lent.1),
            "all are back"
        );
    }
}
