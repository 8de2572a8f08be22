// SPDX-License-Identifier: GPL-2.0

//! Memory that a ring shares with a hostile device, and a platform that checks each access of the
//! ring.

use ring_core::{host::Host, Platform};
use std::{
    alloc::{alloc_zeroed, dealloc, Layout},
    cell::RefCell,
    collections::VecDeque,
    ops::Range,
    ptr::NonNull,
};

/// Memory of exactly as many bytes as were requested, aligned to 16.
pub struct Area {
    base: NonNull<u8>,
    layout: Layout,
}

impl Area {
    pub fn new(bytes: usize) -> Self {
        let layout = Layout::from_size_align(bytes.max(1), 16).unwrap();
        // SAFETY: The layout is not empty.
        let base = NonNull::new(unsafe { alloc_zeroed(layout) }).unwrap();
        Self { base, layout }
    }

    pub fn ptr<E>(&self) -> NonNull<E> {
        self.base.cast()
    }

    pub fn bytes(&self) -> usize {
        self.layout.size()
    }

    pub fn range(&self) -> Range<usize> {
        let start = self.base.addr().get();
        start..start + self.bytes()
    }

    pub fn read16(&self, offset: usize) -> u16 {
        assert!(offset % 2 == 0 && offset + 2 <= self.bytes());
        // SAFETY: As asserted, the offset is in the area.
        unsafe { Host::load16(self.base.add(offset).cast().as_ptr()) }
    }

    pub fn write16(&self, offset: usize, value: u16) {
        assert!(offset % 2 == 0 && offset + 2 <= self.bytes());
        // SAFETY: As asserted, the offset is in the area.
        unsafe { Host::store16(self.base.add(offset).cast().as_ptr(), value) };
    }

    pub fn write32(&self, offset: usize, value: u32) {
        self.write16(offset, value.to_le() as u16);
        self.write16(offset + 2, (value.to_le() >> 16) as u16);
    }
}

impl Drop for Area {
    fn drop(&mut self) {
        // SAFETY: `new` allocated the memory with this layout.
        unsafe { dealloc(self.base.as_ptr(), self.layout) };
    }
}

/// The memory that the ring may access.
#[derive(Default)]
pub struct Limits {
    /// Shared memory that the ring writes.
    pub own: Vec<Range<usize>>,
    /// Shared memory that the ring only reads, and writes when it is initialised.
    pub device: Vec<Range<usize>>,
    /// Private memory of the ring that it accesses through the platform.
    pub private: Vec<Range<usize>>,
    /// The ring is being initialised.
    pub starting: bool,
    /// The changes to the values that are read from shared memory, two bytes at a time, as if the
    /// device wrote at that moment.
    pub lies: VecDeque<u8>,
}

thread_local! {
    pub static LIMITS: RefCell<Limits> = RefCell::default();
}

fn contains(ranges: &[Range<usize>], at: usize, bytes: usize) -> bool {
    let mut ranges = ranges.iter();
    ranges.any(|range| range.contains(&at) && at + bytes <= range.end)
}

/// Checks an access for reading, and returns the bits that the device changes.
fn reads(at: usize, bytes: usize) -> u32 {
    assert_eq!(at % bytes, 0, "alignment");
    LIMITS.with_borrow_mut(|limits| {
        if contains(&limits.private, at, bytes) {
            return 0;
        }
        let shared = contains(&limits.device, at, bytes) || contains(&limits.own, at, bytes);
        assert!(shared, "read outside of the ring");
        let mut change = 0;
        for i in 0..bytes.min(limits.lies.len()) {
            change |= u32::from(limits.lies.pop_front().unwrap()) << (8 * i);
        }
        change
    })
}

fn writes(at: usize, bytes: usize) {
    assert_eq!(at % bytes, 0, "alignment");
    LIMITS.with_borrow(|limits| {
        let own = contains(&limits.own, at, bytes) || contains(&limits.private, at, bytes);
        let device = limits.starting && contains(&limits.device, at, bytes);
        assert!(own || device, "write outside of the ring");
    });
}

/// The platform of a ring with a hostile device.
#[derive(Clone, Copy)]
pub struct Hostile;

// SAFETY: The accesses and barriers are those of `Host`. A device may write the memory that is
// changed here.
unsafe impl Platform for Hostile {
    const STORES_IN_ORDER: bool = Host::STORES_IN_ORDER;

    unsafe fn load16(ptr: *const u16) -> u16 {
        let change = reads(ptr.addr(), 2);
        // SAFETY: `ptr` was just checked to be in memory of the ring, which is writable.
        unsafe {
            let value = Host::load16(ptr) ^ change as u16;
            if change != 0 {
                Host::store16(ptr.cast_mut(), value);
            }
            value
        }
    }
    unsafe fn load32(ptr: *const u32) -> u32 {
        let change = reads(ptr.addr(), 4);
        // SAFETY: `ptr` was just checked to be in memory of the ring, which is writable.
        unsafe {
            let value = Host::load32(ptr) ^ change;
            if change != 0 {
                Host::store32(ptr.cast_mut(), value);
            }
            value
        }
    }
    unsafe fn store16(ptr: *mut u16, value: u16) {
        writes(ptr.addr(), 2);
        // SAFETY: `ptr` was just checked to be in memory of the ring.
        unsafe { Host::store16(ptr, value) }
    }
    unsafe fn store32(ptr: *mut u32, value: u32) {
        writes(ptr.addr(), 4);
        // SAFETY: `ptr` was just checked to be in memory of the ring.
        unsafe { Host::store32(ptr, value) }
    }
    unsafe fn store64(ptr: *mut u64, value: u64) {
        writes(ptr.addr(), 8);
        // SAFETY: `ptr` was just checked to be in memory of the ring.
        unsafe { Host::store64(ptr, value) }
    }
    fn mb(_: bool) {}
    fn rmb(_: bool) {}
    fn wmb(_: bool) {}
}
