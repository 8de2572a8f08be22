// SPDX-License-Identifier: GPL-2.0

//! Counters, one array of them for each virtual processor, and the file they are written to.

use crate::ffi;
use std::collections::HashMap;
use std::ffi::c_uint;
use std::io::{self, Write};

/// The thing that a counter counts.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Key {
    /// Instructions outside of the kernel.
    User,
    /// Kernel instructions that no counter was left for.
    Lost,
    /// Executions of a block of the kernel: first address, number of instructions.
    Block(u64, usize),
    /// Executions of one instruction that leaves the guest: its name, its address.
    Exit(&'static str, u64),
    /// Accesses to a device's memory: "r" or "w", the address of the instruction, the region's
    /// name.
    Mmio(&'static str, u64, String),
}

/// The counters of all virtual processors.
pub struct Counters {
    score: *mut ffi::Scoreboard,
    keys: Vec<Key>,
    index: HashMap<Key, usize>,
    /// The sums at the last begin mark.
    base: Vec<u64>,
    capacity: usize,
}

// SAFETY: the scoreboard belongs to QEMU, which locks where it has to.
unsafe impl Send for Counters {}

impl Counters {
    /// Makes room for `capacity` counters.
    pub fn new(capacity: usize) -> Self {
        // SAFETY: no precondition; QEMU zeroes the memory and grows it with the processors.
        let score = unsafe { ffi::qemu_plugin_scoreboard_new(capacity * size_of::<u64>()) };
        let mut counters = Self {
            score,
            keys: Vec::new(),
            index: HashMap::new(),
            base: Vec::new(),
            capacity,
        };
        counters.get(Key::User);
        counters.get(Key::Lost);
        counters
    }

    /// Returns the counter of `key`, a new one if there is none; `None` if all are in use.
    pub fn get(&mut self, key: Key) -> Option<ffi::U64> {
        let index = match self.index.get(&key) {
            Some(index) => *index,
            None if self.keys.len() < self.capacity => {
                self.keys.push(key.clone());
                self.index.insert(key, self.keys.len() - 1);
                self.keys.len() - 1
            }
            None => return None,
        };
        Some(ffi::U64 {
            score: self.score,
            offset: index * size_of::<u64>(),
        })
    }

    /// Returns the counter of `key`, or the one of what is lost.
    pub fn get_or_lost(&mut self, key: Key) -> ffi::U64 {
        self.get(key).unwrap_or(ffi::U64 {
            score: self.score,
            offset: size_of::<u64>(),
        })
    }

    fn sums(&self) -> Vec<u64> {
        let mut sums = vec![0u64; self.keys.len()];
        // SAFETY: no precondition.
        let vcpus = unsafe { ffi::qemu_plugin_num_vcpus() } as c_uint;
        for vcpu in 0..vcpus {
            // SAFETY: QEMU has an element of `capacity` numbers for each processor there is.
            let element = unsafe { ffi::qemu_plugin_scoreboard_find(self.score, vcpu) };
            for (index, sum) in sums.iter_mut().enumerate() {
                // SAFETY: `index` is below `capacity`. Other processors may be counting: they are
                // read as they are.
                *sum += unsafe { element.cast::<u64>().add(index).read_volatile() };
            }
        }
        sums
    }

    /// Starts a phase.
    pub fn begin(&mut self) {
        self.base = self.sums();
    }

    /// Writes what was counted since the phase began.
    pub fn end(&mut self, out: &mut impl Write) -> io::Result<()> {
        let sums = self.sums();
        for (index, key) in self.keys.iter().enumerate() {
            let count = sums[index] - self.base.get(index).copied().unwrap_or(0);
            if count == 0 {
                continue;
            }
            match key {
                Key::User => writeln!(out, "user {count}")?,
                Key::Lost => writeln!(out, "lost {count}")?,
                Key::Block(pc, size) => writeln!(out, "b {pc:x} {size} {count}")?,
                Key::Exit(name, pc) => writeln!(out, "x {name} {pc:x} {count}")?,
                Key::Mmio(way, pc, region) => writeln!(out, "m {way} {pc:x} {count} {region}")?,
            }
        }
        Ok(())
    }
}
