// SPDX-License-Identifier: GPL-2.0

//! The memory between a ring and a device.

use std::{
    alloc::{alloc_zeroed, dealloc, Layout},
    any::Any,
    ptr::NonNull,
    sync::atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering::Relaxed},
};

/// A piece of memory, aligned to a page. The device finds it at consecutive addresses from `addr`
/// on.
pub struct Arena {
    base: NonNull<u8>,
    layout: Layout,
    addr: u64,
    /// The owner of memory that is not from the heap.
    keeper: Option<Box<dyn Any + Send + Sync>>,
}

// SAFETY: The pointer is to memory that is accessed atomically only.
unsafe impl Send for Arena {}
// SAFETY: All accesses to the memory are atomic.
unsafe impl Sync for Arena {}

impl Arena {
    pub fn new(bytes: usize) -> Self {
        let layout = Layout::from_size_align(bytes.next_multiple_of(4096), 4096).unwrap();
        // SAFETY: The layout is not empty.
        let base = NonNull::new(unsafe { alloc_zeroed(layout) }).unwrap();
        Self {
            base,
            layout,
            addr: 0x1_0000_0000,
            keeper: None,
        }
    }

    /// Creates an arena in memory that `keeper` owns, and that the device finds at `addr`.
    ///
    /// # Safety
    ///
    /// `base` is aligned to a page and valid for `bytes` as long as `keeper` lives, and only
    /// accessed atomically, or by another process.
    pub unsafe fn shared(
        base: NonNull<u8>,
        bytes: usize,
        addr: u64,
        keeper: impl Any + Send + Sync,
    ) -> Self {
        Self {
            base,
            layout: Layout::from_size_align(bytes, 4096).unwrap(),
            addr,
            keeper: Some(Box::new(keeper)),
        }
    }

    pub fn bytes(&self) -> usize {
        self.layout.size()
    }

    pub fn ptr<E>(&self, offset: usize) -> NonNull<E> {
        assert!(offset < self.layout.size());
        // SAFETY: As asserted, the offset is in the arena.
        unsafe { self.base.add(offset).cast() }
    }

    fn at<E>(&self, offset: usize) -> NonNull<E> {
        assert!(offset + size_of::<E>() <= self.layout.size());
        self.ptr(offset)
    }

    /// Returns the address at which the device finds an offset.
    pub fn addr(&self, offset: usize) -> u64 {
        self.addr + offset as u64
    }

    /// Returns the offset of an address that the device uses.
    pub fn offset(&self, addr: u64) -> usize {
        (addr - self.addr) as usize
    }

    pub fn read16(&self, offset: usize) -> u16 {
        // SAFETY: `at` returns a pointer into the arena, and all accesses are atomic.
        unsafe { AtomicU16::from_ptr(self.at(offset).as_ptr()) }.load(Relaxed)
    }

    pub fn read32(&self, offset: usize) -> u32 {
        // SAFETY: `at` returns a pointer into the arena, and all accesses are atomic.
        unsafe { AtomicU32::from_ptr(self.at(offset).as_ptr()) }.load(Relaxed)
    }

    pub fn read64(&self, offset: usize) -> u64 {
        // SAFETY: `at` returns a pointer into the arena, and all accesses are atomic.
        unsafe { AtomicU64::from_ptr(self.at(offset).as_ptr()) }.load(Relaxed)
    }

    pub fn write16(&self, offset: usize, value: u16) {
        // SAFETY: `at` returns a pointer into the arena, and all accesses are atomic.
        unsafe { AtomicU16::from_ptr(self.at(offset).as_ptr()) }.store(value, Relaxed);
    }

    pub fn write32(&self, offset: usize, value: u32) {
        // SAFETY: `at` returns a pointer into the arena, and all accesses are atomic.
        unsafe { AtomicU32::from_ptr(self.at(offset).as_ptr()) }.store(value, Relaxed);
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        if self.keeper.is_none() {
            // SAFETY: `new` allocated the memory with this layout.
            unsafe { dealloc(self.base.as_ptr(), self.layout) };
        }
    }
}
