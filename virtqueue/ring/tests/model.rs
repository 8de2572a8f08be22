// SPDX-License-Identifier: GPL-2.0

//! Nobody waits in vain: the protocols by which the two sides tell each other whether to notify, in
//! every order that the memory model of C11 allows (loom).
//!
//! The words that the protocols are about are modelled, the rest of the ring is not.

use loom::{
    sync::atomic::{fence, AtomicU16, AtomicU32, Ordering},
    thread,
};
use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    sync::{
        atomic::{AtomicBool, Ordering::Relaxed},
        Arc,
    },
};
use virtio_ring::{host::Host, need_event, packed, split, Config, Packed, Platform, Slot, Split};

#[allow(dead_code)]
#[path = "common/memory.rs"]
mod memory;
use memory::Arena;

#[derive(Default)]
struct Words {
    two: HashMap<usize, AtomicU16>,
    four: HashMap<usize, AtomicU32>,
    /// What they are in: the ring uses it when the device is done, too.
    _arena: Option<Arc<Arena>>,
}

thread_local! {
    // All threads of a model are run by one.
    static WORDS: RefCell<Arc<Words>> = RefCell::default();
    /// Whether full barriers are left out.
    static WITHOUT_BARRIER: Cell<bool> = const { Cell::new(false) };
}

fn words() -> Arc<Words> {
    WORDS.with_borrow(Arc::clone)
}

struct Model;

// SAFETY: Accesses are those of `Host`, or of a word that stands for the memory; fences are real in
// the model.
unsafe impl Platform for Model {
    unsafe fn load16(ptr: *const u16) -> u16 {
        match words().two.get(&ptr.addr()) {
            Some(word) => word.load(Ordering::Relaxed),
            // SAFETY: By the safety requirements.
            None => unsafe { Host::load16(ptr) },
        }
    }
    unsafe fn load32(ptr: *const u32) -> u32 {
        match words().four.get(&ptr.addr()) {
            Some(word) => word.load(Ordering::Relaxed),
            // SAFETY: By the safety requirements.
            None => unsafe { Host::load32(ptr) },
        }
    }
    unsafe fn store16(ptr: *mut u16, value: u16) {
        match words().two.get(&ptr.addr()) {
            Some(word) => word.store(value, Ordering::Relaxed),
            // SAFETY: By the safety requirements.
            None => unsafe { Host::store16(ptr, value) },
        }
    }
    unsafe fn store32(ptr: *mut u32, value: u32) {
        // SAFETY: By the safety requirements.
        unsafe { Host::store32(ptr, value) }
    }
    unsafe fn store64(ptr: *mut u64, value: u64) {
        // SAFETY: By the safety requirements.
        unsafe { Host::store64(ptr, value) };
        // The last half of the second word of a descriptor: the flags of a packed ring.
        if let Some(word) = words().two.get(&(ptr.addr() + 6)) {
            word.store((value.to_le() >> 48) as u16, Ordering::Relaxed);
        }
    }
    fn mb(_: bool) {
        if WITHOUT_BARRIER.get() {
            return;
        }
        fence(Ordering::SeqCst);
    }
    fn rmb(_: bool) {
        fence(Ordering::Acquire);
    }
    fn wmb(_: bool) {
        fence(Ordering::Release);
    }
}

fn slots() -> Box<[Slot<u32>]> {
    (0..4).map(|_| Slot::new()).collect()
}

fn config(event_idx: bool) -> Config {
    Config {
        event_idx,
        ..Config::MODERN
    }
}

/// Models the 16-bit words at some offsets of an arena, and the 32-bit words at others.
fn model(arena: &Arc<Arena>, two: &[usize], four: &[usize]) {
    let base = arena.ptr::<u8>(0).as_ptr().addr();
    let two = two
        .iter()
        .map(|o| (base + o, AtomicU16::new(arena.read16(*o))));
    let four = four
        .iter()
        .map(|o| (base + o, AtomicU32::new(arena.read32(*o))));
    let words = Words {
        two: two.collect(),
        four: four.collect(),
        _arena: Some(arena.clone()),
    };
    WORDS.set(Arc::new(words));
}

/// The device's accesses to the modelled words.
#[derive(Clone)]
struct Device(Arc<Arena>);

impl Device {
    fn key(&self, offset: usize) -> usize {
        self.0.ptr::<u8>(offset).as_ptr().addr()
    }
    fn get(&self, offset: usize) -> u16 {
        words().two[&self.key(offset)].load(Ordering::Relaxed)
    }
    fn set(&self, offset: usize, value: u16) {
        words().two[&self.key(offset)].store(value, Ordering::Relaxed);
    }
    fn set32(&self, offset: usize, value: u32) {
        words().four[&self.key(offset)].store(value, Ordering::Relaxed);
    }
}

/// Runs the two sides in every order, and at the end wants one of them to have noticed the other.
fn in_every_order(
    make: impl Fn() -> (Box<dyn FnOnce() -> bool>, Box<dyn FnOnce() -> bool>) + Sync + Send + 'static,
) {
    loom::model(move || {
        WORDS.set(Arc::default());
        let (driver, device) = make();
        let noticed = Arc::new(AtomicBool::new(false));
        let other = noticed.clone();
        let thread = thread::spawn(move || other.store(device(), Relaxed));
        let here = driver();
        thread.join().unwrap();
        let there = noticed.load(Relaxed);
        WORDS.set(Arc::default());
        assert!(here || there, "both wait");
    });
}

type SplitRing = Split<Model, u32, Box<[Slot<u32>]>, Arc<split::Control<Model>>, false>;
type PackedRing = Packed<Model, u32, Box<[Slot<u32>]>, Arc<packed::Control<Model>>, false>;

fn split_ring(event_idx: bool) -> (SplitRing, Arc<Arena>, split::Layout) {
    let arena = Arc::new(Arena::new(4096));
    let layout = split::Layout::new(4, 4);
    let memory = split::Memory {
        size: 4,
        desc: arena.ptr(0),
        avail: arena.ptr(layout.avail),
        used: arena.ptr(layout.used),
        tables: None,
    };
    let control = Arc::new(split::Control::new());
    // SAFETY: The arena is large enough and outlives the ring: the device's side keeps it.
    let ring = unsafe { Split::new(memory, config(event_idx), slots(), control) };
    (ring.unwrap_or_else(|e| panic!("{e:?}")), arena, layout)
}

fn packed_ring(event_idx: bool) -> (PackedRing, Arc<Arena>) {
    let arena = Arc::new(Arena::new(4096));
    let memory = packed::Memory {
        size: 4,
        driver: arena.ptr(0),
        device: arena.ptr(64),
        desc: arena.ptr(128),
        tables: None,
    };
    let control = Arc::new(packed::Control::new());
    // SAFETY: The arena is large enough and outlives the ring: the device's side keeps it.
    let ring = unsafe { Packed::new(memory, config(event_idx), slots(), control) };
    (ring.unwrap_or_else(|e| panic!("{e:?}")), arena)
}

const BUFFER: &[(u64, u32)] = &[(1, 8)];

fn add<E: std::fmt::Debug>(result: Result<u16, (E, u32)>) -> u16 {
    result.expect("room")
}

/// How callbacks are enabled.
#[derive(Clone, Copy)]
enum How {
    Now,
    Delayed,
    WithKick,
}

/// The device goes to sleep while the driver adds: it sees the buffer, or is notified.
fn split_kick(event_idx: bool, fused: bool) {
    in_every_order(move || {
        let (mut ring, arena, layout) = split_ring(event_idx);
        let index = layout.avail + 2;
        let event = layout.used + 4 + 8 * 4;
        // Before, it wants no notification.
        let wish = if event_idx {
            arena.write16(event, 100);
            event
        } else {
            arena.write16(layout.used, 1);
            layout.used
        };
        model(&arena, &[index, wish], &[]);
        let device = Device(arena.clone());
        (
            Box::new(move || {
                add(ring.add(1, 1, &mut (BUFFER, &[][..])));
                if fused {
                    ring.kick_prepare_enable_cb_delayed().0
                } else {
                    ring.kick_prepare()
                }
            }),
            Box::new(move || {
                device.set(wish, 0);
                fence(Ordering::SeqCst);
                device.get(index) != 0
            }),
        )
    });
}

/// A ring with `n` buffers at the device.
fn split_busy(event_idx: bool, n: u32) -> (SplitRing, Arc<Arena>, split::Layout) {
    let (mut ring, arena, layout) = split_ring(event_idx);
    for token in 0..n {
        let id = add(ring.add(token, 1, &mut (BUFFER, &[][..])));
        arena.write32(layout.used + 4 + 8 * token as usize, id.into());
    }
    ring.publish();
    (ring, arena, layout)
}

/// The driver enables callbacks while the device uses a buffer: it sees it, or is called.
fn split_enable(event_idx: bool, how: How) {
    in_every_order(move || {
        let (mut ring, arena, layout) = split_busy(event_idx, 1);
        ring.disable_cb();
        let index = layout.used + 2;
        let wish = layout.avail + if event_idx { 4 + 2 * 4 } else { 0 };
        model(&arena, &[index, wish], &[]);
        let device = Device(arena.clone());
        (
            Box::new(move || !match how {
                How::Now => ring.enable_cb(),
                How::Delayed => ring.enable_cb_delayed(),
                How::WithKick => ring.kick_prepare_enable_cb_delayed().1,
            }),
            Box::new(move || {
                device.set(index, 1);
                fence(Ordering::SeqCst);
                let wish = device.get(wish);
                if event_idx {
                    need_event(wish, 1, 0)
                } else {
                    wish & 1 == 0
                }
            }),
        )
    });
}

#[test]
fn split_kick_by_flag() {
    split_kick(false, false);
    split_kick(false, true);
}

#[test]
fn split_kick_by_index() {
    split_kick(true, false);
    split_kick(true, true);
}

#[test]
fn split_enable_by_flag() {
    split_enable(false, How::Now);
    split_enable(false, How::Delayed);
    split_enable(false, How::WithKick);
}

#[test]
fn split_enable_by_index() {
    split_enable(true, How::Now);
    split_enable(true, How::Delayed);
    split_enable(true, How::WithKick);
}

/// With callbacks on, the driver takes until there is nothing while the device uses two buffers,
/// one after the other: it gets both, or is called after it took the first.
#[test]
fn split_get_with_callbacks_on() {
    in_every_order(|| {
        let (mut ring, arena, layout) = split_busy(true, 2);
        let index = layout.used + 2;
        let wish = layout.avail + 4 + 2 * 4;
        // The first is there, with its callback.
        arena.write16(index, 1);
        model(&arena, &[index, wish], &[]);
        let device = Device(arena.clone());
        (
            Box::new(move || {
                assert!(ring.get().is_some());
                ring.get().is_some()
            }),
            Box::new(move || {
                device.set(index, 2);
                fence(Ordering::SeqCst);
                need_event(device.get(wish), 2, 1)
            }),
        )
    });
}

fn packed_kick(event_idx: bool, fused: bool) {
    in_every_order(move || {
        let (mut ring, arena) = packed_ring(event_idx);
        let flags = 128 + 14;
        // Before, it wants no notification.
        arena.write32(64, 1 << 16);
        model(&arena, &[flags], &[64]);
        let device = Device(arena.clone());
        (
            Box::new(move || {
                add(ring.add(1, 1, &mut (BUFFER, &[][..])));
                if fused {
                    ring.kick_prepare_enable_cb_delayed().0
                } else {
                    ring.kick_prepare()
                }
            }),
            Box::new(move || {
                device.set32(64, if event_idx { 2 << 16 | 1 << 15 } else { 0 });
                fence(Ordering::SeqCst);
                device.get(flags) & 1 << 7 != 0
            }),
        )
    });
}

/// What the device does after it used a descriptor: whether it is to call the driver.
fn packed_wish(device: &Device, event_idx: bool, at: u16) -> bool {
    fence(Ordering::SeqCst);
    match device.get(2) {
        0 => true,
        2 => {
            assert!(event_idx);
            fence(Ordering::Acquire);
            device.get(0) == at | 1 << 15
        }
        _ => false,
    }
}

fn packed_enable(event_idx: bool, how: How) {
    in_every_order(move || {
        let (mut ring, arena) = packed_ring(event_idx);
        add(ring.add(0, 1, &mut (BUFFER, &[][..])));
        ring.publish();
        ring.disable_cb();
        let flags = 128 + 14;
        model(&arena, &[flags, 0, 2], &[]);
        let device = Device(arena.clone());
        (
            Box::new(move || !match how {
                How::Now => ring.enable_cb(),
                How::Delayed => ring.enable_cb_delayed(),
                How::WithKick => ring.kick_prepare_enable_cb_delayed().1,
            }),
            Box::new(move || {
                device.set(flags, 1 << 7 | 1 << 15);
                packed_wish(&device, event_idx, 0)
            }),
        )
    });
}

#[test]
fn packed_kick_by_flag() {
    packed_kick(false, false);
    packed_kick(false, true);
}

#[test]
fn packed_kick_by_place() {
    packed_kick(true, false);
    packed_kick(true, true);
}

#[test]
fn packed_enable_by_flag() {
    packed_enable(false, How::Now);
    packed_enable(false, How::Delayed);
    packed_enable(false, How::WithKick);
}

#[test]
fn packed_enable_by_place() {
    packed_enable(true, How::Now);
    packed_enable(true, How::Delayed);
    packed_enable(true, How::WithKick);
}

#[test]
fn packed_get_with_callbacks_on() {
    in_every_order(|| {
        let (mut ring, arena) = packed_ring(true);
        for token in 0..2 {
            add(ring.add(token, 1, &mut (BUFFER, &[][..])));
        }
        ring.publish();
        // The first is there, with its callback.
        arena.write16(128 + 14, 1 << 7 | 1 << 15);
        let second = 128 + 16 + 14;
        model(&arena, &[second, 0, 2], &[]);
        let device = Device(arena.clone());
        (
            Box::new(move || {
                assert!(ring.get().is_some());
                ring.get().is_some()
            }),
            Box::new(move || {
                device.set(second, 1 << 7 | 1 << 15);
                packed_wish(&device, true, 1)
            }),
        )
    });
}

/// The model finds what is wrong: without the device's barrier, both wait.
#[test]
#[should_panic(expected = "both wait")]
fn a_device_without_a_barrier_loses_one() {
    in_every_order(|| {
        let (mut ring, arena, layout) = split_ring(true);
        let (index, event) = (layout.avail + 2, layout.used + 4 + 8 * 4);
        arena.write16(event, 100);
        model(&arena, &[index, event], &[]);
        let device = Device(arena.clone());
        (
            Box::new(move || {
                add(ring.add(1, 1, &mut (BUFFER, &[][..])));
                ring.kick_prepare()
            }),
            Box::new(move || {
                device.set(event, 0);
                device.get(index) != 0
            }),
        )
    });
}

/// And without those of the ring.
#[test]
fn a_ring_without_barriers_loses_some() {
    let protocols: [fn(); 10] = [
        split_kick_by_flag,
        split_kick_by_index,
        split_enable_by_flag,
        split_enable_by_index,
        split_get_with_callbacks_on,
        packed_kick_by_flag,
        packed_kick_by_place,
        packed_enable_by_flag,
        packed_enable_by_place,
        packed_get_with_callbacks_on,
    ];
    for (i, protocol) in protocols.into_iter().enumerate() {
        WITHOUT_BARRIER.set(true);
        let result = std::panic::catch_unwind(protocol);
        WITHOUT_BARRIER.set(false);
        assert!(result.is_err(), "protocol {i} needs none");
    }
}
