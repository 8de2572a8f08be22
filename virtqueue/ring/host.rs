// SPDX-License-Identifier: GPL-2.0

//! The platform of user space: atomics, so that a device may be another thread; and tables.

use crate::{
    Desc,
    Lent,
    Platform,
    TableMemory,
    Tables, //
};
use alloc::vec::Vec;
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

/// Relaxed atomic accesses and fences. Strong barriers are the weak ones.
///
/// `STORES_IN_ORDER`: whether rings take stores as seen in order. Barriers are there all the same.
#[derive(Clone, Copy)]
pub struct Machine<const STORES_IN_ORDER: bool>;

/// This machine, as the kernel has it.
pub type Host = Machine<{ cfg!(target_arch = "x86_64") }>;

/// As [`Host`], where rings do as if stores may be seen out of order.
pub type WeakHost = Machine<false>;

// SAFETY: Atomic accesses are whole, and the compiler neither drops nor merges them. A fence
// orders the atomic accesses around it as the barrier says; those for loads and for stores
// alone are acquire and release, which order more.
unsafe impl<const STORES_IN_ORDER: bool> Platform for Machine<STORES_IN_ORDER> {
    const STORES_IN_ORDER: bool = STORES_IN_ORDER;

    #[inline(always)]
    unsafe fn load16(ptr: *const u16) -> u16 {
        // SAFETY: By the safety requirements; all concurrent accesses are atomic.
        unsafe { AtomicU16::from_ptr(ptr.cast_mut()) }.load(Relaxed)
    }

    #[inline(always)]
    unsafe fn load32(ptr: *const u32) -> u32 {
        // SAFETY: By the safety requirements; all concurrent accesses are atomic.
        unsafe { AtomicU32::from_ptr(ptr.cast_mut()) }.load(Relaxed)
    }

    #[inline(always)]
    unsafe fn store16(ptr: *mut u16, value: u16) {
        // SAFETY: By the safety requirements; all concurrent accesses are atomic.
        unsafe { AtomicU16::from_ptr(ptr) }.store(value, Relaxed);
    }

    #[inline(always)]
    unsafe fn store32(ptr: *mut u32, value: u32) {
        // SAFETY: By the safety requirements; all concurrent accesses are atomic.
        unsafe { AtomicU32::from_ptr(ptr) }.store(value, Relaxed);
    }

    #[inline(always)]
    unsafe fn store64(ptr: *mut u64, value: u64) {
        // SAFETY: By the safety requirements; all concurrent accesses are atomic.
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
        // A release fence orders earlier accesses before later stores, which is more than asked.
        fence(Release);
    }
}

/// The number of tables, and their lengths.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shape {
    /// Descriptors in the table of an id, and how many ids there are. 0: they have none.
    pub own: (u16, u16),
    /// Descriptors in a table that is lent for one buffer, and how many of those there are.
    pub lent: (u16, u16),
    /// Whether such a table stays with its id afterwards.
    pub stays: bool,
    /// Whether those cannot be shown to the device.
    pub hidden: bool,
}

impl Shape {
    /// Returns how many bytes the tables take.
    pub const fn bytes(&self) -> usize {
        let own = self.own.0 as usize * self.own.1 as usize;
        let lent = self.lent.0 as usize * self.lent.1 as usize;
        (own + lent) * size_of::<Desc>()
    }
}

/// A fixed number of tables in memory that somebody else keeps.
#[derive(Debug)]
pub struct FixedTables {
    base: NonNull<Desc>,
    addr: u64,
    shape: Shape,
    /// The ids that have a table.
    made: u16,
    /// The tables that can be lent, by their places among all descriptors.
    free: Vec<usize>,
    /// The number of those that ids have kept.
    kept: u16,
}

// SAFETY: A pointer that only the ring uses.
unsafe impl Send for FixedTables {}

impl FixedTables {
    /// Makes tables of some memory, which the device finds at `addr`.
    ///
    /// # Safety
    ///
    /// `base` is aligned to 16 and has [`Shape::bytes`] bytes, which the ring alone writes as long
    /// as the result exists.
    pub unsafe fn new(base: NonNull<Desc>, addr: u64, shape: Shape) -> Self {
        let first = usize::from(shape.own.0) * usize::from(shape.own.1);
        let lent = (0..usize::from(shape.lent.1)).rev();
        Self {
            base,
            addr,
            shape,
            made: 0,
            free: lent
                .map(|n| first + n * usize::from(shape.lent.0))
                .collect(),
            kept: 0,
        }
    }

    /// No tables.
    pub const fn none() -> Self {
        Self {
            base: NonNull::dangling(),
            addr: 0,
            shape: Shape {
                own: (0, 0),
                lent: (0, 0),
                stays: false,
                hidden: false,
            },
            made: 0,
            free: Vec::new(),
            kept: 0,
        }
    }

    /// Returns how many tables can be lent at the moment.
    pub fn lendable(&self) -> usize {
        self.free.len()
    }

    fn table(&self, at: usize, room: u16) -> TableMemory {
        TableMemory {
            // SAFETY: A table starts in the memory.
            base: unsafe { self.base.add(at) },
            addr: self.addr + (at * size_of::<Desc>()) as u64,
            room,
        }
    }

    fn at(&self, table: TableMemory) -> usize {
        (table.base.as_ptr().addr() - self.base.as_ptr().addr()) / size_of::<Desc>()
    }
}

// SAFETY: Each table has its own part of the memory.
unsafe impl Tables for FixedTables {
    fn lends(&self) -> bool {
        self.shape.bytes() != 0
    }

    fn lend(&mut self, segments: u16) -> Option<Lent> {
        let (own, ids) = self.shape.own;
        if segments <= own && self.made < ids {
            let at = usize::from(self.made) * usize::from(own);
            self.made += 1;
            return Some(Lent::Own(self.table(at, own)));
        }
        if segments > self.shape.lent.0 {
            return None;
        }
        let at = self.free.pop()?;
        Some(Lent::Once(TableMemory {
            addr: 0,
            ..self.table(at, self.shape.lent.0)
        }))
    }

    fn expose(&mut self, table: TableMemory, segments: u16) -> Option<u64> {
        assert!(segments != 0 && segments <= table.room);
        let addr = self.table(self.at(table), table.room).addr;
        (!self.shape.hidden).then_some(addr)
    }

    fn conceal(&mut self, table: TableMemory, segments: u16) -> bool {
        assert!(segments != 0 && segments <= table.room);
        assert_eq!(table.addr, self.table(self.at(table), table.room).addr);
        self.kept += u16::from(self.shape.stays);
        self.shape.stays
    }

    fn wake(&mut self, _table: TableMemory) {
        assert!(self.kept != 0, "one that stayed");
        self.kept -= 1;
    }

    fn free(&mut self, table: TableMemory) {
        let at = self.at(table);
        assert!(!self.free.contains(&at), "it was lent");
        self.free.push(at);
    }
}

impl Drop for FixedTables {
    fn drop(&mut self) {
        assert_eq!(
            self.free.len(),
            usize::from(self.shape.lent.1),
            "all are back"
        );
        assert_eq!(self.kept, 0, "and none is kept");
    }
}
