// SPDX-License-Identifier: GPL-2.0

//! Each value that the device writes is read once, on a platform where the value changes after each
//! read.

use ring_core::{
    host::{AsGiven, FixedTables, Host, TableCounts},
    packed, split, Armed, DescState, Interrupt, Packed, Platform, RingConfig, Split,
};
use std::{cell::Cell, sync::Arc};

#[allow(dead_code)]
#[path = "common/memory.rs"]
mod memory;
use memory::Arena;

thread_local! {
    /// The memory that changes when it is read.
    static RANGE: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
    static READS: Cell<u32> = const { Cell::new(0) };
}

/// Counts a read. A single operation does only few reads.
fn count_read() {
    READS.set(READS.get() + 1);
    assert!(READS.get() < 1000, "read for ever");
}

/// Returns whether an address is in memory that the device writes.
fn is_shared(ptr: usize) -> bool {
    let (start, end) = RANGE.get();
    (start..end).contains(&ptr)
}

#[derive(Clone, Copy)]
struct Changing;

// SAFETY: The accesses and barriers are those of `Host`. A device may write the memory that is
// changed here.
unsafe impl Platform for Changing {
    unsafe fn load16(ptr: *const u16) -> u16 {
        // SAFETY: By the safety requirements, `ptr` is readable; the memory is writable too.
        unsafe {
            let value = Host::load16(ptr);
            if is_shared(ptr.addr()) {
                count_read();
                Host::store16(ptr.cast_mut(), !value);
            }
            value
        }
    }
    unsafe fn load32(ptr: *const u32) -> u32 {
        // SAFETY: By the safety requirements, `ptr` is readable; the memory is writable too.
        unsafe {
            let value = Host::load32(ptr);
            if is_shared(ptr.addr()) {
                count_read();
                Host::store32(ptr.cast_mut(), !value);
            }
            value
        }
    }
    unsafe fn store16(ptr: *mut u16, value: u16) {
        // SAFETY: By the safety requirements of `Platform::store16`, `ptr` is writable.
        unsafe { Host::store16(ptr, value) }
    }
    unsafe fn store32(ptr: *mut u32, value: u32) {
        // SAFETY: By the safety requirements of `Platform::store32`, `ptr` is writable.
        unsafe { Host::store32(ptr, value) }
    }
    unsafe fn store64(ptr: *mut u64, value: u64) {
        // SAFETY: By the safety requirements of `Platform::store64`, `ptr` is writable.
        unsafe { Host::store64(ptr, value) }
    }
    fn mb(strong: bool) {
        Host::mb(strong);
    }
    fn rmb(strong: bool) {
        Host::rmb(strong);
    }
    fn wmb(strong: bool) {
        Host::wmb(strong);
    }
}

fn states() -> Box<[DescState<u32>]> {
    (0..4).map(|_| DescState::new()).collect()
}

fn tables(arena: &Arena) -> FixedTables {
    let table_counts = TableCounts {
        own: (4, 4),
        ..TableCounts::default()
    };
    // SAFETY: The arena is large enough and outlives the ring.
    unsafe { FixedTables::new(arena.ptr(2048), 0, table_counts) }
}

/// Has every value in the arena change while `read` runs. Returns the number of reads of the arena.
fn changing<R>(arena: &Arena, read: impl FnOnce() -> R) -> (R, u32) {
    let start = arena.ptr::<u8>(0).as_ptr().addr();
    READS.set(0);
    RANGE.set((start, start + 4096));
    let result = read();
    RANGE.set((0, 0));
    (result, READS.get())
}

const OUT: &[(u64, u32)] = &[(1, 1)];
const IN: &[(u64, u32)] = &[(2, 100), (3, 10)];

/// Drains a ring with one buffer, which the device in turn reports as used and as not used.
fn drained<R>(arena: &Arena, drain: impl FnOnce() -> R) -> R {
    let (result, reads) = changing(arena, drain);
    assert!(reads <= 4, "twice, each with a look behind it: {reads}");
    result
}

/// Checks that a ring which is about to be replaced is not read in any case.
macro_rules! check_not_looked_at {
    ($arena:expr, $ring:expr) => {
        let lockless = $ring.lockless();
        lockless.disable_ring();
        let (meaning, reads) = changing($arena, || lockless.interrupt());
        assert_eq!((meaning, reads), (Interrupt::None, 0));
        let (used, reads) = changing($arena, || lockless.poll(Armed::from_raw(0)));
        assert_eq!((used, reads), (false, 0));
        lockless.disable_cb();
        // SAFETY: The lockless state is that of the ring, which stays.
        unsafe { lockless.enable_ring() };
        let (_, reads) = changing($arena, || lockless.interrupt());
        assert_eq!(reads, 1);
    };
}

fn split<const IN_ORDER: bool>() {
    let arena = Arena::new(4096);
    let layout = split::Layout::new(4, 4);
    let memory = split::Memory {
        size: 4,
        desc: arena.ptr(0),
        avail: arena.ptr(layout.avail),
        used: arena.ptr(layout.used),
    };
    let lockless = Arc::new(split::LocklessState::new());
    // SAFETY: The arena is large enough and outlives the ring.
    let ring = unsafe {
        Split::<Changing, _, _, _, IN_ORDER, _>::new(
            memory,
            RingConfig::MODERN,
            states(),
            lockless,
            tables(&arena),
        )
    };
    let mut ring = ring.unwrap_or_else(|e| panic!("{e:?}"));
    let (id, reads) = changing(&arena, || {
        ring.add(7, 3, &(OUT, IN), &mut AsGiven::<false>).unwrap()
    });
    assert_eq!(reads, 0, "nothing is read to add");
    let (_, reads) = changing(&arena, || ring.kick_prepare());
    assert_eq!(reads, 1, "the suppression");
    arena.write32(layout.used + 4, u32::from(id).to_le());
    arena.write32(layout.used + 8, 55u32.to_le());
    arena.write16(layout.used + 2, 1u16.to_le());
    let (used, reads) = changing(&arena, || ring.get().unwrap());
    assert_eq!((used.token, used.len(), used.id), (7, 55, id));
    assert_eq!(reads, 3, "the index, the id, the length");

    ring.add(8, 3, &(OUT, IN), &mut AsGiven::<false>).unwrap();
    arena.write16(layout.used + 2, 1u16.to_le());
    assert!(!drained(&arena, || ring.drain(|_| unreachable!())));
    assert_eq!(ring.outstanding(), 1);
    check_not_looked_at!(&arena, ring);
}

fn packed<const IN_ORDER: bool>() {
    let arena = Arena::new(4096);
    let memory = packed::Memory {
        size: 4,
        driver: arena.ptr(0),
        device: arena.ptr(64),
        desc: arena.ptr(128),
    };
    let lockless = Arc::new(packed::LocklessState::new());
    // SAFETY: The arena is large enough and outlives the ring.
    let ring = unsafe {
        Packed::<Changing, _, _, _, IN_ORDER, _>::new(
            memory,
            RingConfig::MODERN,
            states(),
            lockless,
            tables(&arena),
        )
    };
    let mut ring = ring.unwrap_or_else(|e| panic!("{e:?}"));
    let (id, reads) = changing(&arena, || {
        ring.add(7, 3, &(OUT, IN), &mut AsGiven::<false>).unwrap()
    });
    assert_eq!(reads, 0, "nothing is read to add");
    let (_, reads) = changing(&arena, || ring.kick_prepare());
    assert_eq!(reads, 1, "both words of the suppression at once");
    arena.write32(128 + 8, 55u32.to_le());
    arena.write16(128 + 12, id.to_le());
    arena.write16(128 + 14, (1u16 << 7 | 1 << 15).to_le());
    let (used, reads) = changing(&arena, || ring.get().unwrap());
    assert_eq!((used.token, used.len(), used.id), (7, 55, id));
    assert_eq!(reads, 2, "the flags with the id, the length");

    let id = ring.add(8, 3, &(OUT, IN), &mut AsGiven::<false>).unwrap();
    ring.publish();
    // The next descriptor is behind the three of the first buffer.
    let at = if IN_ORDER { usize::from(id) } else { 3 };
    arena.write16(128 + 16 * at + 14, !(1u16 << 7 | 1 << 15).to_le());
    assert!(!drained(&arena, || ring.drain(|_| unreachable!())));
    assert_eq!(ring.outstanding(), 1);
    check_not_looked_at!(&arena, ring);
}

#[test]
fn h011_split_ring() {
    split::<false>();
    split::<true>();
}

#[test]
fn h011_packed_ring() {
    packed::<false>();
    packed::<true>();
}
