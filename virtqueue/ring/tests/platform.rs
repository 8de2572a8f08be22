// SPDX-License-Identifier: GPL-2.0

//! The barriers that a ring asks of its platform, and the order of its stores.

use ring_core::{
    host::{AsGiven, Host},
    packed, split, DescState, NoTables, Packed, Platform, RingConfig, Split,
};
use std::{cell::RefCell, sync::Arc};

#[allow(dead_code)]
#[path = "common/memory.rs"]
mod memory;
use memory::Arena;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    /// A store of a number of bytes at an address.
    Store(usize, usize),
    Load(usize),
    Mb(bool),
    Rmb(bool),
    Wmb(bool),
}

thread_local! {
    static LOG: RefCell<Vec<Event>> = const { RefCell::new(Vec::new()) };
}

fn log(event: Event) {
    LOG.with_borrow_mut(|log| log.push(event));
}

/// Runs a closure. Returns its accesses to the memory of an arena, with their offsets.
fn logged(arena: &Arena, run: impl FnOnce()) -> Vec<Event> {
    LOG.take();
    run();
    let base = arena.ptr::<u8>(0).as_ptr().addr();
    let inside = |addr: usize| addr.checked_sub(base).filter(|&offset| offset < 4096);
    let events = LOG.take().into_iter().filter_map(|event| {
        Some(match event {
            Event::Store(addr, bytes) => Event::Store(inside(addr)?, bytes),
            Event::Load(addr) => Event::Load(inside(addr)?),
            barrier => barrier,
        })
    });
    events.collect()
}

/// A processor that stores eight bytes at once, or in two halves.
#[derive(Clone, Copy)]
struct Logging<const WHOLE: bool, const ORDERED: bool>;

// SAFETY: The accesses and barriers are those of `Host`.
unsafe impl<const WHOLE: bool, const ORDERED: bool> Platform for Logging<WHOLE, ORDERED> {
    const STORE64_IS_WHOLE: bool = WHOLE;
    const STORES_IN_ORDER: bool = ORDERED;

    unsafe fn load16(ptr: *const u16) -> u16 {
        log(Event::Load(ptr.addr()));
        // SAFETY: By the safety requirements of `Platform::load16`, `ptr` is readable.
        unsafe { Host::load16(ptr) }
    }
    unsafe fn load32(ptr: *const u32) -> u32 {
        log(Event::Load(ptr.addr()));
        // SAFETY: By the safety requirements of `Platform::load32`, `ptr` is readable.
        unsafe { Host::load32(ptr) }
    }
    unsafe fn store16(ptr: *mut u16, value: u16) {
        log(Event::Store(ptr.addr(), 2));
        // SAFETY: By the safety requirements of `Platform::store16`, `ptr` is writable.
        unsafe { Host::store16(ptr, value) }
    }
    unsafe fn store32(ptr: *mut u32, value: u32) {
        log(Event::Store(ptr.addr(), 4));
        // SAFETY: By the safety requirements of `Platform::store32`, `ptr` is writable.
        unsafe { Host::store32(ptr, value) }
    }
    unsafe fn store64(ptr: *mut u64, value: u64) {
        log(Event::Store(ptr.addr(), 8));
        // SAFETY: By the safety requirements of `Platform::store64`, `ptr` is writable.
        unsafe { Host::store64(ptr, value) }
    }
    fn mb(strong: bool) {
        log(Event::Mb(strong));
    }
    fn rmb(strong: bool) {
        log(Event::Rmb(strong));
    }
    fn wmb(strong: bool) {
        log(Event::Wmb(strong));
    }
}

fn states() -> Box<[DescState<u32>]> {
    (0..4).map(|_| DescState::new()).collect()
}

fn config(strong_barriers: bool) -> RingConfig {
    RingConfig {
        strong_barriers,
        ..RingConfig::MODERN
    }
}

const OUT: &[(u64, u32)] = &[(1, 16)];
const IN: &[(u64, u32)] = &[(2, 100)];

#[test]
fn split_ring() {
    for strong in [false, true] {
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
            Split::<Logging<true, false>, u32, _, _, false>::new(
                memory,
                config(strong),
                states(),
                lockless,
                NoTables,
            )
        };
        let mut ring = ring.unwrap_or_else(|e| panic!("{e:?}"));
        let add = logged(&arena, || {
            ring.add(7, 2, &(OUT, IN), &mut AsGiven::<false>).unwrap();
        });
        use Event::*;
        // The two halves of two descriptors, and the entry.
        let wanted = [
            Store(0, 8),
            Store(8, 8),
            Store(16, 8),
            Store(24, 8),
            Store(layout.avail + 4, 2),
        ];
        assert_eq!(add, wanted);
        let kick = logged(&arena, || assert!(ring.kick_prepare()));
        let wanted = [
            Wmb(strong),
            Store(layout.avail + 2, 2),
            Mb(strong),
            Load(layout.used),
        ];
        assert_eq!(kick, wanted);
        arena.write16(layout.used + 2, 1u16.to_le());
        let get = logged(&arena, || assert_eq!(ring.get().unwrap().token, 7));
        let wanted = [
            Load(layout.used + 2),
            Rmb(strong),
            Load(layout.used + 4),
            Load(layout.used + 8),
        ];
        assert_eq!(get, wanted);
        ring.lockless().disable_cb();
        let enable = logged(&arena, || assert!(ring.enable_cb().is_quiet()));
        let wanted = [Store(layout.avail, 2), Mb(strong), Load(layout.used + 2)];
        assert_eq!(enable, wanted);
    }
}

fn packed_ring<const WHOLE: bool, const ORDERED: bool>(strong: bool, head: &[Event]) {
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
        Packed::<Logging<WHOLE, ORDERED>, u32, _, _, false>::new(
            memory,
            config(strong),
            states(),
            lockless,
            NoTables,
        )
    };
    let mut ring = ring.unwrap_or_else(|e| panic!("{e:?}"));
    use Event::*;
    let add = logged(&arena, || {
        ring.add(7, 2, &(OUT, IN), &mut AsGiven::<false>).unwrap();
    });
    // Every half but the second one of the first descriptor, which is written last: at once, or
    // before the kick.
    let (at_once, later) = if ORDERED {
        (head, &[][..])
    } else {
        (&[][..], head)
    };
    assert_eq!(
        add,
        [&[Store(128, 8), Store(144, 8), Store(152, 8)], at_once].concat()
    );
    let kick = logged(&arena, || assert!(ring.kick_prepare()));
    assert_eq!(kick, [later, &[Mb(strong), Load(64)]].concat());
    assert_eq!(u32::from_le(arena.read32(136)), 16);
    assert_eq!(u16::from_le(arena.read16(140)), 0);
    assert_eq!(u16::from_le(arena.read16(142)), 1 << 7 | 1);
    arena.write16(142, (1u16 << 7 | 1 << 15).to_le());
    let get = logged(&arena, || assert_eq!(ring.get().unwrap().token, 7));
    assert_eq!(get, [Load(140), Rmb(strong), Load(136)]);
    ring.lockless().disable_cb();
    let enable = logged(&arena, || assert!(ring.enable_cb().is_quiet()));
    assert_eq!(enable, [Store(2, 2), Mb(strong), Load(128 + 32 + 12)]);
    // With no outstanding buffer none can be used: no barrier is needed to look again.
    ring.lockless().disable_cb();
    let drain = logged(&arena, || assert!(!ring.drain(|_| ())));
    assert_eq!(drain, [Load(128 + 32 + 12), Store(2, 2)]);
}

#[test]
fn packed_ring_with_whole_stores() {
    for strong in [false, true] {
        let head = [Event::Wmb(strong), Event::Store(136, 8)];
        packed_ring::<true, false>(strong, &head);
        packed_ring::<true, true>(strong, &head);
    }
}

#[test]
fn packed_ring_with_stores_in_halves() {
    for strong in [false, true] {
        let head = [
            Event::Store(136, 4),
            Event::Store(140, 2),
            Event::Wmb(strong),
            Event::Store(142, 2),
        ];
        packed_ring::<false, false>(strong, &head);
        packed_ring::<false, true>(strong, &head);
    }
}
