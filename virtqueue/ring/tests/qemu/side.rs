// SPDX-License-Identifier: GPL-2.0

//! A driver at one queue of a device, with its ways to notify and to sleep.

use crate::{
    common::{memory::Arena, Driver, Setup},
    mmio::Mmio,
};
use proptest::prelude::*;
use ring_core::Interrupt;
use std::sync::Arc;

/// The ways to enable callbacks.
#[derive(Clone, Copy, Debug)]
pub enum How {
    Enable,
    PrepareAndPoll,
    Delayed,
    WithKick,
}

impl How {
    /// The ways that ask for a callback at the next buffer.
    pub fn at_once() -> impl Strategy<Value = Self> {
        prop_oneof![Just(Self::Enable), Just(Self::PrepareAndPoll)]
    }

    pub fn any() -> impl Strategy<Value = Self> {
        prop_oneof![Self::at_once(), Just(Self::Delayed), Just(Self::WithKick)]
    }
}

pub struct Side {
    pub driver: Box<dyn Driver>,
    pub setup: Setup,
    queue: u32,
}

impl Side {
    pub fn new(setup: Setup, arena: &Arc<Arena>, queue: u32) -> Self {
        Self {
            driver: setup.driver(arena),
            setup,
            queue,
        }
    }

    pub fn kick(&mut self, device: &mut Mmio) {
        if self.driver.kick_prepare() {
            device.notify(self.queue);
        }
    }

    /// Takes up to `most` used buffers, and passes their tokens and lengths to `take`. Returns
    /// whether there were any.
    pub fn get(&mut self, most: usize, mut take: impl FnMut(u32, u32)) -> bool {
        let mut any = false;
        for _ in 0..most {
            let Some(used) = self.driver.get() else {
                break;
            };
            take(used.token, used.len());
            any = true;
        }
        let report = self.driver.take_broken_report();
        assert_eq!(self.driver.broken(), None, "{report:?}");
        any
    }

    /// Enables callbacks. Returns whether no buffer was used before.
    fn enable(&mut self, device: &mut Mmio, how: How) -> bool {
        match how {
            How::Enable => self.driver.enable_cb(),
            How::Delayed => self.driver.enable_cb_delayed(),
            How::PrepareAndPoll => {
                let armed = self.driver.enable_cb_prepare();
                !self.driver.poll(armed)
            }
            How::WithKick => {
                let (kick, quiet) = self.driver.kick_prepare_enable_cb_delayed();
                if kick {
                    device.notify(self.queue);
                }
                quiet
            }
        }
    }

    /// Kicks, and sleeps until the device has used a buffer, which it must.
    pub fn sleep(&mut self, device: &mut Mmio, how: How, mut take: impl FnMut(u32, u32)) {
        if !matches!(how, How::WithKick) {
            self.kick(device);
        }
        loop {
            // An interrupt for the buffers that were taken since does not count.
            device.take_interrupt();
            if self.enable(device, how) {
                if self.driver.outstanding() == 0 {
                    return;
                }
                let (setup, outstanding) = (self.setup, self.driver.outstanding());
                device.wait(|| format!("{setup}, {how:?}, {outstanding} outstanding"));
            }
            let callback = self.driver.interrupt() == Interrupt::Callback;
            self.driver.disable_cb();
            if self.get(usize::MAX, &mut take) {
                return;
            }
            assert!(!callback, "what raised a callback is there");
        }
    }
}
