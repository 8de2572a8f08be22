// SPDX-License-Identifier: GPL-2.0

//! Published data is complete when the other side sees it.

use crate::{
    platform::{clear, fails_without, model, Barrier, Shared},
    rings::{
        flags, packed_ring, packed_ring_at_once, split_layout, split_ring, Queue, AVAIL, DESCS,
        USED,
    },
};
use loom::{
    sync::atomic::{fence, Ordering},
    thread,
};

/// Runs the two sides in every order.
fn in_every_order(
    make: impl Fn() -> (Box<dyn FnOnce()>, Box<dyn FnOnce()>) + Sync + Send + 'static,
) {
    loom::model(move || {
        clear();
        let (driver, device) = make();
        let thread = thread::spawn(device);
        driver();
        thread.join().unwrap();
        clear();
    });
}

/// The driver publishes two buffers at once.
fn publishes(mut ring: Box<dyn Queue>) -> Box<dyn FnOnce()> {
    Box::new(move || {
        ring.add(7);
        ring.add(8);
        ring.publish();
    })
}

/// The driver takes the buffer that the device wrote, if it sees it.
fn takes(mut ring: Box<dyn Queue>) -> Box<dyn FnOnce()> {
    Box::new(move || {
        let used = ring.get();
        assert!(!ring.broken(), "seen too early");
        assert!(used.is_none_or(|used| used == (7, 5)), "seen too early");
    })
}

#[test]
fn split_publish() {
    for in_order in [false, true] {
        in_every_order(move || {
            let (ring, arena) = split_ring(false, in_order);
            let layout = split_layout();
            let (index, entry) = (layout.avail + 2, layout.avail + 4);
            arena.write16(entry, 0xffff);
            arena.write16(entry + 2, 0xffff);
            // The two descriptors: the addresses, and the rest.
            model(&arena, &[index, entry, entry + 2], &[], &[0, 8, 16, 24]);
            let device = Shared(arena);
            let sees = move || {
                let seen = device.get(index);
                fence(Ordering::Acquire);
                for (i, token) in (0..seen).zip([7, 8]) {
                    let head = device.get(entry + 2 * usize::from(i));
                    assert_eq!(head, i, "seen too early");
                    let at = 16 * usize::from(head);
                    assert_eq!(device.get64(at), token, "seen too early");
                    assert_eq!(device.get64(at + 8), 8 | 2 << 32, "seen too early");
                }
            };
            (publishes(ring), Box::new(sees))
        });
    }
}

#[test]
fn packed_publish() {
    for in_order in [false, true] {
        in_every_order(move || {
            let (ring, arena) = packed_ring(false, in_order);
            model(&arena, &[flags(0), flags(1)], &[], &[DESCS, DESCS + 16]);
            let device = Shared(arena);
            let sees = move || {
                if device.get(flags(0)) & AVAIL == 0 {
                    return;
                }
                fence(Ordering::Acquire);
                // Both buffers, since both were published with the first descriptor.
                assert_ne!(device.get(flags(1)) & AVAIL, 0, "seen too early");
                assert_eq!(device.get64(DESCS), 7, "seen too early");
                assert_eq!(device.get64(DESCS + 16), 8, "seen too early");
            };
            (publishes(ring), Box::new(sees))
        });
    }
}

#[test]
fn packed_publish_at_once() {
    for in_order in [false, true] {
        in_every_order(move || {
            let (ring, arena) = packed_ring_at_once(false, in_order);
            model(&arena, &[flags(0), flags(1)], &[], &[DESCS, DESCS + 16]);
            let device = Shared(arena);
            let sees = move || {
                for (slot, data) in [(0, 7), (1, 8)] {
                    if device.get(flags(slot)) & AVAIL == 0 {
                        return;
                    }
                    fence(Ordering::Acquire);
                    let at = DESCS + 16 * usize::from(slot);
                    assert_eq!(device.get64(at), data, "seen too early");
                }
            };
            (publishes(ring), Box::new(sees))
        });
    }
}

#[test]
fn split_get() {
    for in_order in [false, true] {
        in_every_order(move || {
            let (mut ring, arena) = split_ring(false, in_order);
            let id = ring.add(7);
            ring.publish();
            let (index, entry) = (split_layout().used + 2, split_layout().used + 4);
            arena.write32(entry, 0xffff);
            arena.write32(entry + 4, 0xffff);
            model(&arena, &[index], &[entry, entry + 4], &[]);
            let device = Shared(arena);
            let uses = move || {
                device.set32(entry, id.into());
                device.set32(entry + 4, 5);
                fence(Ordering::Release);
                device.set(index, 1);
            };
            (takes(ring), Box::new(uses))
        });
    }
}

#[test]
fn packed_get() {
    for in_order in [false, true] {
        in_every_order(move || {
            let (mut ring, arena) = packed_ring(false, in_order);
            let id = ring.add(7);
            ring.publish();
            let (len, rest) = (DESCS + 8, DESCS + 12);
            arena.write32(len, 0xffff);
            arena.write16(rest, 0xffff);
            // The id and the flags are one word, which is read whole.
            model(&arena, &[], &[len, rest], &[]);
            let device = Shared(arena);
            let uses = move || {
                device.set32(len, 5);
                device.set_half(rest, id);
                fence(Ordering::Release);
                device.set_half(rest + 2, AVAIL | USED);
            };
            (takes(ring), Box::new(uses))
        });
    }
}

/// The model finds a missing barrier.
#[test]
fn a_ring_without_barriers_shows_too_early() {
    assert!(fails_without(Barrier::Stores, split_publish));
    assert!(fails_without(Barrier::Stores, packed_publish));
    assert!(fails_without(Barrier::Stores, packed_publish_at_once));
    assert!(fails_without(Barrier::Loads, split_get));
    assert!(fails_without(Barrier::Loads, packed_get));
}
