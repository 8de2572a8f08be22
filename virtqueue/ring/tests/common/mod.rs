// SPDX-License-Identifier: GPL-2.0

//! A ring and a device at its other end, for every layout. A test is written once and runs on all
//! layouts.
//!
//! The device models of `split.rs` and `packed.rs` were written from the specification and share
//! only the memory with the ring.

#![allow(dead_code, unused_imports)]

pub mod buffers;
pub mod driver;
pub mod memory;
pub mod packed;
pub mod setup;
pub mod split;

pub use self::{
    buffers::{Failing, Stubborn},
    setup::{setups, Setup},
};

use self::memory::Arena;
use ring_core::{
    AddError, Armed, BrokenReason, BrokenReport, Callbacks, DescState, Interrupt, Used,
};
use std::sync::Arc;

pub type Segments = [(u64, u32)];

/// A request as the device finds it in the ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub id: u16,
    pub out: Vec<(u64, u32)>,
    pub in_: Vec<(u64, u32)>,
    /// The number of descriptors in the ring.
    pub descs: u16,
    pub indirect: bool,
    /// The address of the table, and its size in bytes.
    pub table: Option<(u64, u32)>,
}

impl Request {
    pub fn room(&self) -> u32 {
        self.in_.iter().map(|&(_, len)| len).sum()
    }
}

/// The driver side.
pub trait Driver {
    fn add(&mut self, token: u32, out: &Segments, in_: &Segments) -> Result<u16, (AddError, u32)>;
    /// Adds a buffer that has another number of segments than announced.
    fn add_claiming(
        &mut self,
        token: u32,
        segments: u16,
        out: &Segments,
        in_: &Segments,
    ) -> Result<u16, (AddError, u32)>;
    /// Adds a buffer whose description fails after some segments.
    fn add_failing(&mut self, token: u32, segments: u16, out: &Segments) -> u32;
    /// Adds a buffer that ignores that its segments are refused.
    fn add_stubborn(
        &mut self,
        token: u32,
        segments: u16,
        buffer: &Stubborn<'_>,
    ) -> Result<u16, (AddError, u32)>;
    fn publish(&mut self);
    fn kick_prepare(&mut self) -> bool;
    fn get(&mut self) -> Option<Used<u32>>;
    /// Returns the next used buffer, and adds it again or takes it.
    fn look(&mut self, again: bool) -> Option<Used<u32>>;
    /// Returns the next used buffer, and leaves it in the ring.
    fn peek(&mut self) -> Option<Used<u32>>;
    fn num_unkicked(&self) -> u64;
    fn drain(&mut self) -> (Vec<Used<u32>>, bool);
    fn disable_cb(&mut self);
    fn enable_cb(&mut self) -> bool;
    fn enable_cb_prepare(&mut self) -> Armed;
    fn enable_cb_delayed(&mut self) -> bool;
    /// Enables callbacks in both ways, and returns the results.
    fn arm_cb(&mut self) -> [Callbacks; 2];
    fn kick_prepare_enable_cb_delayed(&mut self) -> (bool, bool);
    fn poll(&self, armed: Armed) -> bool;
    fn interrupt(&self) -> Interrupt;
    fn notification_data(&self, queue: u16) -> u32;
    fn broken(&self) -> Option<BrokenReason>;
    fn declare_broken(&self);
    fn unbreak(&self);
    fn take_broken_report(&mut self) -> Option<BrokenReport>;
    fn num_free(&self) -> u16;
    fn outstanding(&self) -> u16;
    fn size(&self) -> u16;
    fn detach_unused(&mut self) -> Option<u32>;
    fn reset(&mut self) -> Vec<u32>;
    fn resize(&mut self, size: u16) -> Vec<u32>;
}

/// The device side.
pub trait Device {
    /// Takes the next available buffer.
    fn pop(&mut self) -> Option<Request>;
    /// Uses a buffer. Returns whether the device interrupts the driver.
    fn push(&mut self, request: &Request, len: u32) -> bool;
    /// Uses the oldest buffers by one entry, with the id of the last one (`VIRTIO_F_IN_ORDER`).
    fn push_batch(&mut self, requests: &[Request], len: u32) -> bool;
    /// Asks for the next notification, or for none.
    fn want_kicks(&mut self, on: bool);
    /// Writes a used entry with any id and length.
    fn forge(&mut self, id: u32, len: u32);
    /// Reports `n` more buffers as used, without entries.
    fn jump(&mut self, n: u16);
    /// Overwrites all memory that the device may write.
    fn scribble(&mut self, random: &mut dyn FnMut() -> u16);
}

/// A ring and its device, and the memory between them.
pub struct Pair {
    pub setup: Setup,
    pub driver: Box<dyn Driver>,
    pub device: Box<dyn Device>,
    pub arena: Arc<Arena>,
}

pub fn states(size: u16) -> Box<[DescState<u32>]> {
    (0..size).map(|_| DescState::new()).collect()
}

/// A small generator of numbers, which returns the same sequence each time.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}
