// SPDX-License-Identifier: GPL-2.0

//! Both sides work, and sleep when there is no work, until everything is done.

use crate::{
    platform::{clear, fails_without, model, Barrier, Shared},
    rings::{
        flags, packed_ring, packed_ring_at_once, split_layout, split_ring, How, Queue, AVAIL,
        DEVICE, DRIVER, SIZE, USED,
    },
};
use loom::{
    model::Builder,
    sync::{
        atomic::{fence, Ordering},
        Notify,
    },
    thread,
};
use ring_core::need_event;
use std::sync::Arc;

/// The number of buffers of a run: more than one, so that one side may work while the other goes to
/// sleep.
const TOTAL: u16 = 2;
/// The number of preemptions. Without a limit there are too many orders. `lost_wakeups`, which has
/// no limit, sees the faults that take more preemptions.
const SWITCHES: usize = 3;

/// A device that uses each buffer at once.
trait Device {
    /// Returns whether there is a buffer that the device does not have yet.
    fn sees(&self) -> bool;
    /// Asks for a notification of the next buffer, or for none.
    fn wants_kicks(&self, on: bool);
    /// Uses a buffer. Returns whether the device interrupts the driver.
    fn uses(&mut self) -> bool;
}

struct SplitDevice {
    shared: Shared,
    event_idx: bool,
    done: u16,
}

impl Device for SplitDevice {
    fn sees(&self) -> bool {
        self.shared.get(split_layout().avail + 2) != self.done
    }

    fn wants_kicks(&self, on: bool) {
        let layout = split_layout();
        if !self.event_idx {
            self.shared.set(layout.used, u16::from(!on));
        } else if on {
            let event = layout.used + 4 + 8 * usize::from(SIZE);
            self.shared.set(event, self.done);
        }
    }

    fn uses(&mut self) -> bool {
        let layout = split_layout();
        let arena = &self.shared.0;
        let entry = usize::from(self.done % SIZE);
        let head = arena.read16(layout.avail + 4 + 2 * entry);
        arena.write32(layout.used + 4 + 8 * entry, head.into());
        self.done += 1;
        fence(Ordering::Release);
        self.shared.set(layout.used + 2, self.done);
        fence(Ordering::SeqCst);
        if self.event_idx {
            let event = self.shared.get(layout.avail + 4 + 2 * usize::from(SIZE));
            need_event(event, self.done, self.done - 1)
        } else {
            self.shared.get(layout.avail) & 1 == 0
        }
    }
}

/// Fewer buffers than descriptors: all are in the first lap.
struct PackedDevice {
    shared: Shared,
    event_idx: bool,
    done: u16,
}

impl Device for PackedDevice {
    fn sees(&self) -> bool {
        let flags = self.shared.get(flags(self.done));
        flags & (AVAIL | USED) == AVAIL
    }

    fn wants_kicks(&self, on: bool) {
        let word = match (on, self.event_idx) {
            (false, _) => 1 << 16,
            (true, false) => 0,
            (true, true) => 2 << 16 | 1 << 15 | u32::from(self.done),
        };
        self.shared.set32(DEVICE, word);
    }

    fn uses(&mut self) -> bool {
        // The id is still in the descriptor, where the driver wrote it.
        let at = self.done;
        self.done += 1;
        fence(Ordering::Release);
        self.shared.set(flags(at), AVAIL | USED);
        fence(Ordering::SeqCst);
        match self.shared.get(DRIVER + 2) {
            0 => true,
            2 => {
                fence(Ordering::Acquire);
                self.shared.get(DRIVER) == at | 1 << 15
            }
            _ => false,
        }
    }
}

/// The driver adds one buffer after the other, each with a kick, and takes the used ones.
fn drive(mut ring: Box<dyn Queue>, how: How, kicked: &Notify, called: &Notify) {
    ring.disable();
    for token in 0..TOTAL {
        ring.add(token.into());
        if !matches!(how, How::WithKick) && ring.kick() {
            kicked.notify();
        }
    }
    let mut taken = 0;
    while taken < TOTAL {
        let (kick, quiet) = ring.enable(how);
        if kick {
            kicked.notify();
        }
        if quiet {
            called.wait();
        }
        ring.disable();
        while let Some((token, _)) = ring.get() {
            assert_eq!(token, taken.into());
            taken += 1;
        }
        assert!(!ring.broken());
    }
}

/// As [`drive`], from interrupts: callbacks are disabled only while a handler takes used buffers.
fn drain(mut ring: Box<dyn Queue>, kicked: &Notify, called: &Notify) {
    for token in 0..TOTAL {
        ring.add(token.into());
        if ring.kick() {
            kicked.notify();
        }
    }
    let mut taken = 0;
    while taken < TOTAL {
        called.wait();
        ring.called(&mut |token| {
            assert_eq!(token, taken.into());
            taken += 1;
        });
        assert!(!ring.broken());
    }
}

/// As [`drain`], adding a buffer only when none is outstanding.
fn refill(mut ring: Box<dyn Queue>, kicked: &Notify, called: &Notify) {
    let mut taken = 0;
    for token in 0..TOTAL {
        ring.add(token.into());
        if ring.kick() {
            kicked.notify();
        }
        while taken <= token {
            called.wait();
            ring.called(&mut |token| {
                assert_eq!(token, taken.into());
                taken += 1;
            });
            assert!(!ring.broken());
        }
    }
}

/// The behaviour of the driver.
#[derive(Clone, Copy)]
enum Driver {
    Sleep(How),
    Drain,
    Refill,
}

fn serve(mut device: impl Device, kicked: &Notify, called: &Notify) {
    device.wants_kicks(false);
    let mut used = 0;
    while used < TOTAL {
        if !device.sees() {
            device.wants_kicks(true);
            fence(Ordering::SeqCst);
            if !device.sees() {
                kicked.wait();
            }
            device.wants_kicks(false);
            continue;
        }
        fence(Ordering::Acquire);
        used += 1;
        if device.uses() {
            called.notify();
        }
    }
}

/// Runs both sides in every order with up to `SWITCHES`. Loom finds a thread that sleeps for ever.
fn until_all_is_done<D: Device + Send + 'static>(
    driver: Driver,
    make: impl Fn() -> (Box<dyn Queue>, D) + Send + Sync + 'static,
) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(SWITCHES);
    builder.check(move || {
        clear();
        let (ring, device) = make();
        let kicked = Arc::new(Notify::new());
        let called = Arc::new(Notify::new());
        let (k, c) = (kicked.clone(), called.clone());
        let thread = thread::spawn(move || serve(device, &k, &c));
        match driver {
            Driver::Sleep(how) => drive(ring, how, &kicked, &called),
            Driver::Drain => drain(ring, &kicked, &called),
            Driver::Refill => refill(ring, &kicked, &called),
        }
        thread.join().unwrap();
        clear();
    });
}

fn split(event_idx: bool, driver: Driver) {
    until_all_is_done(driver, move || {
        let (ring, arena) = split_ring(event_idx, false);
        let layout = split_layout();
        let size = usize::from(SIZE);
        let words = if event_idx {
            [layout.avail + 4 + 2 * size, layout.used + 4 + 8 * size]
        } else {
            [layout.avail, layout.used]
        };
        let [wish, other] = words;
        model(
            &arena,
            &[layout.avail + 2, layout.used + 2, wish, other],
            &[],
            &[],
        );
        let shared = Shared(arena);
        let device = SplitDevice {
            shared,
            event_idx,
            done: 0,
        };
        (ring, device)
    });
}

fn packed(event_idx: bool, at_once: bool, driver: Driver) {
    until_all_is_done(driver, move || {
        let ring = if at_once {
            packed_ring_at_once
        } else {
            packed_ring
        };
        let (ring, arena) = ring(event_idx, false);
        let two = [flags(0), flags(1), DRIVER, DRIVER + 2];
        model(&arena, &two, &[DEVICE], &[]);
        let shared = Shared(arena);
        let device = PackedDevice {
            shared,
            event_idx,
            done: 0,
        };
        (ring, device)
    });
}

/// Every way to sleep.
fn each(test: impl Fn(Driver)) {
    How::ALL
        .into_iter()
        .for_each(|how| test(Driver::Sleep(how)));
    test(Driver::Drain);
    test(Driver::Refill);
}

#[test]
fn split_by_flags() {
    each(|driver| split(false, driver));
}

#[test]
fn split_by_index() {
    each(|driver| split(true, driver));
}

#[test]
fn packed_by_flags() {
    each(|driver| packed(false, false, driver));
    each(|driver| packed(false, true, driver));
}

#[test]
fn packed_by_place() {
    each(|driver| packed(true, false, driver));
    each(|driver| packed(true, true, driver));
}

/// Without barriers, one side sleeps for ever.
#[test]
fn a_ring_without_barriers_sleeps_for_ever() {
    for test in [
        split_by_flags,
        split_by_index,
        packed_by_flags,
        packed_by_place,
    ] {
        assert!(fails_without(Barrier::Full, test));
    }
}
