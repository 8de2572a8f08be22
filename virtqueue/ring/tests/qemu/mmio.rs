// SPDX-License-Identifier: GPL-2.0

//! A device behind the registers of §4.2.2.

use crate::{
    common::{memory::Arena, Setup},
    machine::Machine,
};
use std::{
    thread::yield_now,
    time::{Duration, Instant},
};

/// The time after which the test takes a device for hanging.
const HANG: Duration = Duration::from_secs(10);

mod register {
    pub const ID: u64 = 0x008;
    pub const OFFERED: u64 = 0x010;
    pub const OFFERED_SELECT: u64 = 0x014;
    pub const ACCEPTED: u64 = 0x020;
    pub const ACCEPTED_SELECT: u64 = 0x024;
    pub const QUEUE: u64 = 0x030;
    pub const QUEUE_MOST: u64 = 0x034;
    pub const QUEUE_SIZE: u64 = 0x038;
    pub const QUEUE_READY: u64 = 0x044;
    pub const NOTIFY: u64 = 0x050;
    pub const INTERRUPTS: u64 = 0x060;
    pub const INTERRUPTS_DONE: u64 = 0x064;
    pub const STATUS: u64 = 0x070;
    /// The low and high halves of the three addresses.
    pub const AREAS: [u64; 3] = [0x080, 0x090, 0x0a0];
}

mod status {
    pub const ACKNOWLEDGE: u32 = 1;
    pub const DRIVER: u32 = 2;
    pub const DRIVER_OK: u32 = 4;
    pub const FEATURES_OK: u32 = 8;
    pub const NEEDS_RESET: u32 = 64;
}

mod feature {
    pub const INDIRECT: u64 = 1 << 28;
    pub const EVENT_IDX: u64 = 1 << 29;
    pub const VERSION_1: u64 = 1 << 32;
    pub const PACKED: u64 = 1 << 34;
    pub const IN_ORDER: u64 = 1 << 35;
}

/// The first device with an id, on the bus of a machine.
pub struct Mmio {
    pub machine: Machine,
    base: u64,
    pub kicks: u64,
    pub interrupts: u64,
}

impl Mmio {
    /// Finds the device.
    pub fn find(mut machine: Machine, id: u32) -> Self {
        // The transports of a microvm: those without a device have the id 0.
        let mut bases = (0..24).map(|i| 0xfeb0_0000 + 0x200 * i);
        let base = bases.find(|base| machine.read(base + register::ID) == id);
        Self {
            machine,
            base: base.expect("the device is there"),
            kicks: 0,
            interrupts: 0,
        }
    }

    fn get(&mut self, register: u64) -> u32 {
        self.machine.read(self.base + register)
    }

    fn set(&mut self, register: u64, value: u32) {
        self.machine.write(self.base + register, value);
    }

    fn offered(&mut self) -> u64 {
        let mut half = |select| {
            self.set(register::OFFERED_SELECT, select);
            u64::from(self.get(register::OFFERED))
        };
        half(0) | half(1) << 32
    }

    /// Resets the device, which does not use its rings from here on.
    pub fn reset(&mut self) {
        self.set(register::STATUS, 0);
        assert_eq!(self.get(register::STATUS), 0);
    }

    /// Starts a device that was reset, with rings in arenas for its queues from the first on.
    pub fn start(&mut self, rings: &[(Setup, &Arena)]) {
        let (setup, _) = rings[0];
        self.set(register::STATUS, status::ACKNOWLEDGE | status::DRIVER);
        let wanted = [
            (true, feature::VERSION_1),
            (setup.tables != 0, feature::INDIRECT),
            (setup.event_idx, feature::EVENT_IDX),
            (setup.packed, feature::PACKED),
            (setup.in_order, feature::IN_ORDER),
        ];
        let wanted = wanted.into_iter().filter(|(on, _)| *on);
        let accepted = wanted.fold(0, |bits, (_, bit)| bits | bit);
        let missing = accepted & !self.offered();
        assert_eq!(missing, 0, "features that the device lacks: {missing:#x}");
        for (select, half) in [(0, accepted as u32), (1, (accepted >> 32) as u32)] {
            self.set(register::ACCEPTED_SELECT, select);
            self.set(register::ACCEPTED, half);
        }
        let ready = status::ACKNOWLEDGE | status::DRIVER | status::FEATURES_OK;
        self.set(register::STATUS, ready);
        assert_eq!(self.get(register::STATUS), ready, "features are accepted");
        for (queue, (setup, arena)) in rings.iter().enumerate() {
            self.set(register::QUEUE, queue as u32);
            assert!(self.get(register::QUEUE_MOST) >= setup.size.into());
            self.set(register::QUEUE_SIZE, setup.size.into());
            for (register, offset) in register::AREAS.into_iter().zip(setup.areas()) {
                let addr = arena.addr(offset);
                self.set(register, addr as u32);
                self.set(register + 4, (addr >> 32) as u32);
            }
            self.set(register::QUEUE_READY, 1);
        }
        self.set(register::STATUS, ready | status::DRIVER_OK);
    }

    /// Notifies the device of the buffers in a queue.
    pub fn notify(&mut self, queue: u32) {
        self.kicks += 1;
        self.set(register::NOTIFY, queue);
    }

    /// Takes an interrupt, if there is one.
    pub fn take_interrupt(&mut self) -> bool {
        let pending = self.get(register::INTERRUPTS);
        self.set(register::INTERRUPTS_DONE, pending);
        let status = self.get(register::STATUS);
        assert_eq!(status & status::NEEDS_RESET, 0, "the device found an error");
        self.interrupts += u64::from(pending & 1);
        pending & 1 != 0
    }

    /// Sleeps until there is an interrupt.
    pub fn wait(&mut self, what: impl Fn() -> String) {
        let start = Instant::now();
        while !self.take_interrupt() {
            assert!(start.elapsed() < HANG, "no interrupt: {}", what());
            yield_now();
        }
    }
}
