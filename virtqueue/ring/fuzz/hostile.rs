// SPDX-License-Identifier: GPL-2.0

//! A ring, and a device that does what an input says: the body of the fuzz target, and of the test
//! that runs the corpus.
//!
//! After every input: no call panicked, the ring accessed no memory but its own, and each token
//! came back once (at the latest when the ring was emptied), with its own id and a length that its
//! buffer has room for.

#[path = "memory.rs"]
mod memory;
#[path = "rings.rs"]
mod rings;

use memory::{Area, LIMITS};
use ring_core::{AddError, BrokenReason};
pub use rings::Layout;
use rings::{make, Memory, Ring, Setup};
use std::collections::HashMap;

/// The largest number of calls for one input.
const MOST: usize = 2000;

/// An input, byte by byte. Behind its end there are zeroes.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn byte(&mut self) -> u8 {
        let Some((&byte, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        byte
    }

    fn two(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }

    /// Returns a length, which is mostly small.
    fn len(&mut self) -> u32 {
        match self.byte() {
            byte @ 0..0xf0 => byte.into(),
            byte => u32::MAX - u32::from(byte - 0xf0) * u32::from(self.byte()),
        }
    }
}

struct World {
    ring: Box<dyn Ring>,
    // Declared after the ring, so that it is dropped after it.
    memory: Memory,
    /// Token -> id, and the number of bytes that the device may write.
    alive: HashMap<u32, (u16, u64)>,
    next: u32,
    /// The index that an honest device would be at.
    used: u64,
    /// The device was reported.
    told: bool,
}

impl World {
    fn new(setup: Setup) -> Self {
        let memory = Memory::new(setup);
        Self {
            ring: make(&memory),
            memory,
            alive: HashMap::new(),
            next: 0,
            used: 0,
            told: false,
        }
    }

    fn add(&mut self, input: &mut Input<'_>) {
        let shape = input.byte();
        let out: Vec<u32> = (0..shape & 3).map(|_| input.len()).collect();
        let in_: Vec<u32> = (0..shape >> 2 & 7).map(|_| input.len()).collect();
        let n = (out.len() + in_.len()) as u16;
        // The number announced beforehand may be too small or too large.
        let claim = match shape >> 5 {
            0..=4 => n,
            5 => n + 1,
            6 => n.saturating_sub(1),
            _ => input.two(),
        };
        let room = in_.iter().map(|&len| u64::from(len)).sum();
        let broken = self.ring.broken().is_some();
        match self.ring.add(self.next, claim, &out, &in_) {
            Ok(id) => {
                assert!(!broken && n != 0 && claim >= n);
                let twice = self.alive.values().any(|(other, _)| *other == id);
                assert!(!twice, "an id of one that is out");
                self.alive.insert(self.next, (id, room));
            }
            Err(e) => assert_eq!(e == AddError::Broken, broken),
        }
        self.next += 1;
    }

    fn came(&mut self, (token, len, id): (u32, u32, u16)) {
        let (same, room) = self.alive.remove(&token).expect("a token that is out");
        assert_eq!(id, same);
        assert!(u64::from(len) <= room, "more than there is room for");
    }

    fn given_back(&mut self, all: Vec<(u32, u16)>) {
        for (token, id) in all {
            self.came((token, 0, id));
        }
        assert!(self.alive.is_empty(), "all come back");
        self.used = 0;
        self.told = false;
    }

    /// An otherwise honest device uses a buffer. The id and the length may be wrong.
    fn uses(&mut self, input: &mut Input<'_>) {
        let (which, len) = (input.byte(), input.len());
        let mut ids: Vec<u16> = self.alive.values().map(|(id, _)| *id).collect();
        ids.sort_unstable();
        let id = match ids.get(usize::from(which)) {
            Some(id) => *id,
            None => which.into(),
        };
        let (size, at) = (usize::from(self.memory.setup.size), self.used);
        self.used += 1;
        if self.memory.setup.layout.packed {
            let entry = 16 * (at as usize % size);
            let desc = &self.memory.desc;
            desc.write32(entry + 8, len);
            desc.write16(entry + 12, id.to_le());
            let flags: u16 = match at as usize / size % 2 {
                0 => 1 << 7 | 1 << 15,
                _ => 0,
            };
            desc.write16(entry + 14, flags.to_le());
            // Maybe a descriptor in the middle of its chain.
            self.used += u64::from(input.byte() & 3);
        } else {
            let entry = 4 + 8 * (at as usize % size);
            let used = &self.memory.device;
            used.write32(entry, id.into());
            used.write32(entry + 4, len);
            used.write16(2, (self.used as u16).to_le());
        }
    }

    /// Lets the device write anywhere.
    fn scribbles(&mut self, input: &mut Input<'_>) {
        let Memory {
            desc,
            driver,
            device,
            tables,
            ..
        } = &self.memory;
        let area: &Area = [desc, driver, device, tables][usize::from(input.byte() & 3)];
        let words = area.bytes() / 2;
        if words != 0 {
            let at = usize::from(input.byte()) % words;
            area.write16(2 * at, area.read16(2 * at) ^ input.two());
        }
    }

    fn empties(&mut self, input: &mut Input<'_>) {
        let broken = self.ring.broken();
        match input.byte() % 3 {
            0 => {
                let all = std::iter::from_fn(|| self.ring.detach()).collect();
                self.given_back(all);
                if self.ring.broken().is_some() {
                    // No buffer was outstanding, so the ring was not initialised again.
                    let all = self.ring.reset();
                    self.given_back(all);
                }
            }
            1 => {
                let all = self.ring.reset();
                self.given_back(all);
            }
            _ => {
                let bytes = [input.byte(), input.byte(), 0, 0];
                let setup = Setup {
                    config: self.memory.setup.config,
                    ..Setup::read(self.memory.setup.layout, bytes)
                };
                let memory = Memory::new(setup);
                let all = self.ring.resize(&memory);
                self.memory = memory;
                self.given_back(all);
            }
        }
        assert_eq!(self.ring.broken(), broken, "none of this mends a queue");
        self.ring.unbreak();
        self.told = false;
        assert_eq!(self.ring.counts(), (0, self.memory.setup.size));
    }

    fn step(&mut self, input: &mut Input<'_>) {
        match input.byte() % 20 {
            0..=3 => self.add(input),
            4 => self.ring.publish(),
            5 => {
                self.ring.kick();
            }
            6 | 7 => {
                if let Some(used) = self.ring.get() {
                    self.came(used);
                }
            }
            8 => {
                let max = input.byte().into();
                for used in self.ring.get_batch(max) {
                    self.came(used);
                }
            }
            9 => {
                self.ring.enable(input.byte());
            }
            10 => self.ring.disable(),
            11 => {
                let (what, place) = (input.byte(), input.two());
                self.ring.control(what, place);
            }
            12 => self.empties(input),
            13..=15 => self.uses(input),
            16 | 17 => self.scribbles(input),
            18 => {
                let (all, broken) = self.ring.drain();
                for used in all {
                    self.came(used);
                }
                assert_eq!(broken, self.ring.broken().is_some());
            }
            _ => {
                let lies: Vec<u8> = (0..input.byte() % 16).map(|_| input.byte()).collect();
                LIMITS.with_borrow_mut(|limits| limits.lies.extend(lies));
            }
        }
        self.check();
    }

    fn check(&mut self) {
        let (outstanding, free) = self.ring.counts();
        assert_eq!(usize::from(outstanding), self.alive.len());
        assert!(free <= self.memory.setup.size - u16::from(outstanding != 0));
        let report = self.ring.report();
        assert!(!(self.told && report.is_some()), "told once");
        self.told |= report.is_some();
        match self.ring.broken() {
            None => assert!(!self.told),
            Some(reason) => {
                assert!(self.told && reason != BrokenReason::Internal, "{reason:?}");
                assert_eq!(self.ring.get(), None);
            }
        }
    }
}

/// The kind of ring that an input is for, which is its first byte.
pub fn layout(data: &[u8]) -> Layout {
    let first = data.first().copied().unwrap_or(0);
    Layout {
        packed: first & 1 != 0,
        in_order: first & 2 != 0,
    }
}

/// Runs an input. Returns the reason if the queue was broken at its end.
pub fn run(data: &[u8]) -> Option<BrokenReason> {
    let input = &mut Input(data);
    input.byte();
    let bytes = [input.byte(), input.byte(), input.byte(), input.byte()];
    let mut world = World::new(Setup::read(layout(data), bytes));
    for _ in 0..MOST {
        if input.0.is_empty() {
            break;
        }
        world.step(input);
    }
    let broken = world.ring.broken();
    let all = world.ring.reset();
    world.given_back(all);
    broken
}
