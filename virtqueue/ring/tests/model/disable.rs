// SPDX-License-Identifier: GPL-2.0

//! A holder of a handle to the queue disables callbacks while their owner enables them. The two may
//! run in any order, and the recorded state is that of the device afterwards.

use crate::{
    memory::Arena,
    platform::{clear, fails_without, model_with, Barrier, Shared},
    rings::{packed_ring, split_layout, split_ring, How, Queue, DRIVER, SIZE},
};
use loom::thread;
use std::sync::Arc;

/// A ring with one outstanding buffer that the device has not used.
fn busy(packed: bool, event_idx: bool, in_order: bool) -> (Box<dyn Queue>, Arc<Arena>) {
    let make = if packed { packed_ring } else { split_ring };
    let (mut ring, arena) = make(event_idx, in_order);
    ring.add(0);
    ring.publish();
    (ring, arena)
}

/// Returns whether the device would interrupt when it uses the first buffer.
fn is_on(device: &Shared, packed: bool, event_idx: bool) -> bool {
    if packed {
        match device.get(DRIVER + 2) {
            0 => true,
            2 => event_idx && device.get(DRIVER) == 1 << 15,
            _ => false,
        }
    } else if event_idx {
        device.get(used_event()) == 0
    } else {
        device.get(split_layout().avail) == 0
    }
}

fn used_event() -> usize {
    split_layout().avail + 4 + 2 * usize::from(SIZE)
}

/// Callbacks that were disabled or enabled, and are disabled and enabled concurrently, are enabled
/// once they are enabled again.
fn enable_and_disable(packed: bool, event_idx: bool, how: How, off: bool) {
    loom::model(move || {
        clear();
        let (mut ring, arena) = busy(packed, event_idx, false);
        if off {
            ring.disable();
        }
        let two = if packed {
            [DRIVER, DRIVER + 2]
        } else {
            [split_layout().avail, used_event()]
        };
        model_with(&arena, &two, &[], &[], &ring.private());
        let device = Shared(arena);
        let disable = ring.disabler();
        let thread = thread::spawn(disable);
        ring.enable(how);
        thread.join().unwrap();
        // The driver that disabled callbacks enables them again when it is done.
        assert!(ring.enable(How::Enable).1, "nothing was used");
        let on = is_on(&device, packed, event_idx);
        clear();
        assert!(on, "the device is disabled, and the driver does not know");
    });
}

fn all(packed: bool, event_idx: bool) {
    for how in How::ALL {
        for off in [false, true] {
            enable_and_disable(packed, event_idx, how, off);
        }
    }
}

/// The ring needs its barrier for this: the recorded state is that of the device on a processor
/// that stores out of order, too.
#[test]
fn needs_a_barrier() {
    for protocol in [split_by_flag, packed_by_flag, packed_by_place] {
        assert!(fails_without(Barrier::Stores, protocol));
    }
}

#[test]
fn split_by_flag() {
    all(false, false);
}

#[test]
fn split_by_index() {
    all(false, true);
}

#[test]
fn packed_by_flag() {
    all(true, false);
}

#[test]
fn packed_by_place() {
    all(true, true);
}
