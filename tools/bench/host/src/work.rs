// SPDX-License-Identifier: GPL-2.0

//! The work that is measured.

use crate::{
    device::{bench_device_step, Device},
    Ring,
};

/// Buffers of a burst.
pub const BURST: usize = 32;

/// One buffer of three segments there and back, callbacks off: add, kick, get.
#[inline(always)]
pub fn add3_get<R: Ring>(ring: &mut R, device: &mut Device) {
    ring.add3(7);
    let kick = ring.kick();
    let used = bench_device_step(device);
    let token = ring.get();
    assert!(kick && used == 1 && token.is_some());
}

/// As a disk has it at depth 1: add, kick; the interrupt; callbacks off, get until there is
/// nothing, callbacks on.
#[inline(always)]
pub fn blk_cycle<R: Ring>(ring: &mut R, device: &mut Device) {
    ring.add3(7);
    let kick = ring.kick();
    let used = bench_device_step(device);
    let mine = ring.interrupt();
    let mut taken = 0;
    loop {
        ring.disable_cb();
        while ring.get().is_some() {
            taken += 1;
        }
        if ring.enable_cb() {
            break;
        }
    }
    assert!(kick && mine && used == taken);
}

/// Buffers of one segment in a burst: adds, one kick, gets. [`BURST`] operations.
#[inline(always)]
pub fn burst<R: Ring>(ring: &mut R, device: &mut Device) {
    for token in 0..BURST {
        ring.add1(token);
    }
    let kick = ring.kick();
    let used = bench_device_step(device);
    let mut taken = 0;
    while taken < BURST && ring.get().is_some() {
        taken += 1;
    }
    assert!(kick && used == BURST && taken == BURST);
}

/// A name, a function, and how many operations it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    Add3Get,
    BlkCycle,
    Burst,
}

impl Work {
    pub const ALL: [Self; 3] = [Self::Add3Get, Self::BlkCycle, Self::Burst];

    pub fn name(self) -> &'static str {
        match self {
            Self::Add3Get => "ring-add3-get",
            Self::BlkCycle => "ring-blk-cycle",
            Self::Burst => "ring-burst32",
        }
    }

    pub fn operations(self) -> usize {
        match self {
            Self::Burst => BURST,
            _ => 1,
        }
    }

    /// Whether it needs callbacks.
    pub fn with_callbacks(self) -> bool {
        self == Self::BlkCycle
    }

    /// Prepares a ring.
    pub fn start<R: Ring>(self, ring: &mut R) {
        if !self.with_callbacks() {
            ring.disable_cb();
        }
    }

    /// Does it `times` times.
    #[inline(always)]
    pub fn run<R: Ring>(self, ring: &mut R, device: &mut Device, times: u64) {
        match self {
            Self::Add3Get => (0..times).for_each(|_| add3_get(ring, device)),
            Self::BlkCycle => (0..times).for_each(|_| blk_cycle(ring, device)),
            Self::Burst => (0..times).for_each(|_| burst(ring, device)),
        }
    }
}
