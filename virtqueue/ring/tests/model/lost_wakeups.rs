// SPDX-License-Identifier: GPL-2.0

//! One side goes to sleep while the other one works: it either sees the work, or is notified.

use crate::{
    memory::Arena,
    platform::{clear, fails_without, model, Barrier, Shared},
    rings::{
        flags, packed_ring, split_layout, split_ring, How, Queue, AVAIL, DEVICE, DRIVER, SIZE, USED,
    },
};
use loom::{
    sync::atomic::{fence, Ordering},
    thread,
};
use ring_core::need_event;
use std::sync::{
    atomic::{AtomicBool, Ordering::Relaxed},
    Arc,
};

/// One side of a protocol. Returns whether the side noticed the other side.
type Side = Box<dyn FnOnce() -> bool>;

/// Runs the two sides in every order, and asserts at the end that at least one noticed the other.
fn in_every_order(make: impl Fn() -> (Side, Side) + Sync + Send + 'static) {
    loom::model(move || {
        clear();
        let (driver, device) = make();
        let noticed = Arc::new(AtomicBool::new(false));
        let other = noticed.clone();
        let thread = thread::spawn(move || other.store(device(), Relaxed));
        let here = driver();
        thread.join().unwrap();
        let there = noticed.load(Relaxed);
        clear();
        assert!(here || there, "both wait");
    });
}

/// Buffers used in any order, and in order.
fn both_orders(test: impl Fn(bool)) {
    test(false);
    test(true);
}

/// The driver adds a buffer. Returns whether it notifies.
fn kicks(mut ring: Box<dyn Queue>, fused: bool) -> Side {
    Box::new(move || {
        ring.add(1);
        if fused {
            ring.enable(How::WithKick).0
        } else {
            ring.kick()
        }
    })
}

/// The driver enables callbacks. Returns whether it looks again.
fn enables(mut ring: Box<dyn Queue>, how: How) -> Side {
    Box::new(move || !ring.enable(how).1)
}

/// With callbacks enabled, the driver takes buffers until there is none, after the first of two.
fn gets(mut ring: Box<dyn Queue>) -> Side {
    Box::new(move || {
        assert!(ring.get().is_some());
        ring.get().is_some()
    })
}

/// The offsets of the words of a split ring by which each side suppresses notifications.
fn avail_event() -> usize {
    split_layout().used + 4 + 8 * usize::from(SIZE)
}

fn used_event() -> usize {
    split_layout().avail + 4 + 2 * usize::from(SIZE)
}

/// The device goes to sleep while the driver adds a buffer: it sees the buffer, or is notified.
fn split_kick(event_idx: bool) {
    both_orders(|in_order| {
        for fused in [false, true] {
            in_every_order(move || {
                let (ring, arena) = split_ring(event_idx, in_order);
                let layout = split_layout();
                let index = layout.avail + 2;
                // Before, the device wants no notification.
                let wish = if event_idx {
                    avail_event()
                } else {
                    layout.used
                };
                arena.write16(wish, if event_idx { 100 } else { 1 });
                model(&arena, &[index, wish], &[], &[]);
                let device = Shared(arena);
                let sleep = move || {
                    device.set(wish, 0);
                    fence(Ordering::SeqCst);
                    device.get(index) != 0
                };
                (kicks(ring, fused), Box::new(sleep))
            });
        }
    });
}

/// A ring with `n` outstanding buffers, whose used entries are written.
fn split_busy(event_idx: bool, in_order: bool, n: u32) -> (Box<dyn Queue>, Arc<Arena>) {
    let (mut ring, arena) = split_ring(event_idx, in_order);
    for token in 0..n {
        let id = ring.add(token);
        arena.write32(split_layout().used + 4 + 8 * token as usize, id.into());
    }
    ring.publish();
    (ring, arena)
}

/// The driver enables callbacks while the device uses a buffer: it sees the buffer, or is
/// interrupted.
fn split_enable(event_idx: bool) {
    both_orders(|in_order| {
        for how in How::ALL {
            in_every_order(move || {
                let (mut ring, arena) = split_busy(event_idx, in_order, 1);
                ring.disable();
                let layout = split_layout();
                let index = layout.used + 2;
                let wish = if event_idx {
                    used_event()
                } else {
                    layout.avail
                };
                model(&arena, &[index, wish], &[], &[]);
                let device = Shared(arena);
                let uses = move || {
                    device.set(index, 1);
                    fence(Ordering::SeqCst);
                    let wish = device.get(wish);
                    if event_idx {
                        need_event(wish, 1, 0)
                    } else {
                        wish & 1 == 0
                    }
                };
                (enables(ring, how), Box::new(uses))
            });
        }
    });
}

#[test]
fn split_kick_by_flag() {
    split_kick(false);
}

#[test]
fn split_kick_by_index() {
    split_kick(true);
}

#[test]
fn split_enable_by_flag() {
    split_enable(false);
}

#[test]
fn split_enable_by_index() {
    split_enable(true);
}

/// With callbacks enabled, the driver takes buffers until there is none, while the device uses two
/// buffers, one after the other: the driver gets both, or is interrupted after it took the first.
#[test]
fn split_get_with_callbacks_on() {
    both_orders(|in_order| {
        in_every_order(move || {
            let (ring, arena) = split_busy(true, in_order, 2);
            let index = split_layout().used + 2;
            // The first buffer is used, and has raised its callback.
            arena.write16(index, 1);
            model(&arena, &[index, used_event()], &[], &[]);
            let device = Shared(arena);
            let uses = move || {
                device.set(index, 2);
                fence(Ordering::SeqCst);
                need_event(device.get(used_event()), 2, 1)
            };
            (gets(ring), Box::new(uses))
        });
    });
}

fn packed_kick(event_idx: bool) {
    both_orders(|in_order| {
        for fused in [false, true] {
            in_every_order(move || {
                let (ring, arena) = packed_ring(event_idx, in_order);
                // Before, the device wants no notification.
                arena.write32(DEVICE, 1 << 16);
                model(&arena, &[flags(0)], &[DEVICE], &[]);
                let device = Shared(arena);
                let sleep = move || {
                    device.set32(DEVICE, if event_idx { 2 << 16 | 1 << 15 } else { 0 });
                    fence(Ordering::SeqCst);
                    device.get(flags(0)) & AVAIL != 0
                };
                (kicks(ring, fused), Box::new(sleep))
            });
        }
    });
}

/// The step of the device after it used a descriptor. Returns whether it interrupts the driver.
fn packed_wish(device: &Shared, event_idx: bool, at: u16) -> bool {
    fence(Ordering::SeqCst);
    match device.get(DRIVER + 2) {
        0 => true,
        2 => {
            assert!(event_idx);
            fence(Ordering::Acquire);
            device.get(DRIVER) == at | 1 << 15
        }
        _ => false,
    }
}

fn packed_enable(event_idx: bool) {
    both_orders(|in_order| {
        for how in How::ALL {
            in_every_order(move || {
                let (mut ring, arena) = packed_ring(event_idx, in_order);
                ring.add(0);
                ring.publish();
                ring.disable();
                model(&arena, &[flags(0), DRIVER, DRIVER + 2], &[], &[]);
                let device = Shared(arena);
                let uses = move || {
                    device.set(flags(0), AVAIL | USED);
                    packed_wish(&device, event_idx, 0)
                };
                (enables(ring, how), Box::new(uses))
            });
        }
    });
}

#[test]
fn packed_kick_by_flag() {
    packed_kick(false);
}

#[test]
fn packed_kick_by_place() {
    packed_kick(true);
}

#[test]
fn packed_enable_by_flag() {
    packed_enable(false);
}

#[test]
fn packed_enable_by_place() {
    packed_enable(true);
}

#[test]
fn packed_get_with_callbacks_on() {
    both_orders(|in_order| {
        in_every_order(move || {
            let (mut ring, arena) = packed_ring(true, in_order);
            for token in 0..2 {
                let id = ring.add(token);
                ring.publish();
                arena.write16(flags(id) - 2, id);
            }
            // The first buffer is used, and has raised its callback.
            arena.write16(flags(0), AVAIL | USED);
            model(&arena, &[flags(1), DRIVER, DRIVER + 2], &[], &[]);
            let device = Shared(arena);
            let uses = move || {
                device.set(flags(1), AVAIL | USED);
                packed_wish(&device, true, 1)
            };
            (gets(ring), Box::new(uses))
        });
    });
}

/// As `packed_enable_by_place`, at another position than the one that is still written in the ring.
#[test]
fn packed_enable_at_another_place() {
    both_orders(|in_order| {
        for how in How::ALL {
            in_every_order(move || {
                let (mut ring, arena) = packed_ring(true, in_order);
                ring.disable();
                for token in 0..2 {
                    ring.add(token);
                }
                ring.publish();
                arena.write16(flags(0), AVAIL | USED);
                assert!(ring.get().is_some());
                model(&arena, &[flags(1), DRIVER, DRIVER + 2], &[], &[]);
                let device = Shared(arena);
                let uses = move || {
                    device.set(flags(1), AVAIL | USED);
                    packed_wish(&device, true, 1)
                };
                (enables(ring, how), Box::new(uses))
            });
        }
    });
}

/// The model finds a missing barrier of the device: both sides wait.
#[test]
#[should_panic(expected = "both wait")]
fn a_device_without_a_barrier_loses_one() {
    in_every_order(|| {
        let (ring, arena) = split_ring(true, false);
        let index = split_layout().avail + 2;
        arena.write16(avail_event(), 100);
        model(&arena, &[index, avail_event()], &[], &[]);
        let device = Shared(arena);
        let sleep = move || {
            device.set(avail_event(), 0);
            device.get(index) != 0
        };
        (kicks(ring, false), Box::new(sleep))
    });
}

/// The model finds a missing barrier of the ring.
#[test]
fn a_ring_without_barriers_loses_some() {
    let protocols: [fn(); 11] = [
        split_kick_by_flag,
        split_kick_by_index,
        split_enable_by_flag,
        split_enable_by_index,
        split_get_with_callbacks_on,
        packed_kick_by_flag,
        packed_kick_by_place,
        packed_enable_by_flag,
        packed_enable_by_place,
        packed_enable_at_another_place,
        packed_get_with_callbacks_on,
    ];
    for (i, protocol) in protocols.into_iter().enumerate() {
        assert!(
            fails_without(Barrier::Full, protocol),
            "protocol {i} needs none"
        );
    }
}
