// SPDX-License-Identifier: GPL-2.0

//! A ring and a device at its other end, for every layout. A test is written once and runs on all
//! layouts.
//!
//! The device models of `split.rs` and `packed.rs` were written from the specification and share
//! only the memory with the ring.

#![allow(dead_code)]

pub mod memory;
pub mod packed;
pub mod split;

use self::memory::Arena;
use ring_core::{
    host::{FixedTables, Shape},
    AddError, Armed, BrokenReason, BrokenReport, Callbacks, Config, DescState, Endian,
    IndirectRule, Interrupt, Used,
};
use std::{fmt, sync::Arc};

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
    fn publish(&mut self);
    fn kick_prepare(&mut self) -> bool;
    fn get(&mut self) -> Option<Used<u32>>;
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
    fn in_flight(&self) -> u16;
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

/// The parameters of the ring that a test runs on.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    pub packed: bool,
    pub in_order: bool,
    /// The ring does not rely on the order of stores, on any machine (packed).
    pub weak: bool,
    pub event_idx: bool,
    /// The number of entries of the indirect table of each id; 0 for none.
    pub tables: u16,
    /// The number of entries of each table that is lent for one buffer, and the number of such
    /// tables.
    pub larges: (u16, u16),
    /// The lent tables cannot be exposed to the device.
    pub hidden: bool,
    /// The lent tables are exposed only after they were written.
    pub maps: bool,
    pub rule: IndirectRule,
    pub size: u16,
    pub endian: Endian,
    pub callbacks: bool,
}

impl fmt::Display for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}{}{} size {} event_idx {} tables {}",
            if self.packed { "packed" } else { "split" },
            if self.in_order { " in order" } else { "" },
            if self.weak {
                " stored out of order"
            } else {
                ""
            },
            self.size,
            self.event_idx,
            self.tables
        )
    }
}

impl Setup {
    pub const SPLIT: Self = Self {
        packed: false,
        in_order: false,
        weak: false,
        event_idx: false,
        tables: 0,
        larges: (0, 0),
        hidden: false,
        maps: false,
        rule: IndirectRule::DEFAULT,
        size: 8,
        endian: Endian::Little,
        callbacks: true,
    };

    pub fn config(&self) -> Config {
        Config {
            event_idx: self.event_idx,
            endian: self.endian,
            strong_barriers: false,
            indirect: self.rule,
            callbacks: self.callbacks,
        }
    }

    /// Returns this setup with another size of the ring.
    pub fn of_size(self, size: u16) -> Self {
        Self {
            size,
            tables: self.tables.min(size),
            ..self
        }
    }

    pub fn shape(&self) -> Shape {
        Shape {
            own: (self.tables, self.size),
            lent: self.larges,
            hidden: self.hidden,
        }
    }

    /// Creates the tables, at an offset of an arena.
    pub fn fixed_tables(&self, arena: &Arena, offset: usize) -> FixedTables {
        // SAFETY: The arena is large enough, and the owner of the ring keeps it.
        unsafe { FixedTables::new(arena.ptr(offset), arena.addr(offset), self.shape()) }
    }

    pub fn table_bytes(&self) -> usize {
        self.shape().bytes()
    }

    /// Creates a ring and its device.
    pub fn build(self) -> Pair {
        if self.packed {
            packed::build(self)
        } else {
            split::build(self)
        }
    }

    /// Creates the driver side alone, in an arena that is large enough.
    pub fn driver(self, arena: &Arc<Arena>) -> Box<dyn Driver> {
        if self.packed {
            packed::driver(self, arena)
        } else {
            split::driver(self, arena)
        }
    }

    /// Returns the number of bytes that the ring needs.
    pub fn bytes(self) -> usize {
        if self.packed {
            packed::bytes(self)
        } else {
            split::bytes(self)
        }
    }

    /// Returns the offsets of the descriptors, of the driver area, and of the device area.
    pub fn areas(self) -> [usize; 3] {
        if self.packed {
            packed::AREAS
        } else {
            split::areas(self)
        }
    }

    /// Creates a device that starts with a new ring.
    pub fn device(self, arena: Arc<Arena>) -> Box<dyn Device> {
        if self.packed {
            Box::new(packed::PackedDevice::new(self, arena))
        } else {
            Box::new(split::SplitDevice::new(self, arena))
        }
    }
}

/// Returns every layout with each of the features that change the behaviour of a ring.
pub fn setups(size: u16) -> Vec<Setup> {
    let mut all = Vec::new();
    let no_yes = [false, true];
    let layouts = no_yes.map(|packed| no_yes.map(|in_order| (packed, in_order, false)));
    let weak = no_yes.map(|in_order| (true, in_order, true));
    for (packed, in_order, weak) in layouts.into_iter().flatten().chain(weak) {
        // The size of a split ring is a power of two.
        if !packed && !size.is_power_of_two() {
            continue;
        }
        for event_idx in [false, true] {
            for tables in [0, size.min(4)] {
                all.push(Setup {
                    packed,
                    in_order,
                    weak,
                    event_idx,
                    tables,
                    size,
                    ..Setup::SPLIT
                });
            }
        }
    }
    all
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

/// A segment whose buffer fails on purpose.
#[derive(Clone, Copy)]
pub struct Doomed(u64, u32);

impl ring_core::Piece for Doomed {
    type Error = Failed;

    fn byte_len(self) -> u32 {
        self.1
    }
}

impl ring_core::Translate<Doomed> for ring_core::host::AsGiven {
    const MAPS: bool = false;

    fn address(&mut self, segment: Doomed, _write: bool) -> Result<u64, Failed> {
        Ok(segment.0)
    }
}

/// Fails on purpose after its segments.
pub struct Failing<'a>(pub &'a Segments);

/// The error of `Failing`.
#[derive(Debug, PartialEq, Eq)]
pub struct Failed;

impl From<AddError> for Failed {
    fn from(_: AddError) -> Self {
        Self
    }
}

impl ring_core::Segments<Doomed> for Failing<'_> {
    fn write_segments<W: ring_core::SegmentWriter<Doomed>>(
        &self,
        writer: &mut W,
    ) -> Result<(), Failed> {
        for &(addr, len) in self.0 {
            writer.out(Doomed(addr, len))?;
        }
        Err(Failed)
    }
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

/// Implements `Driver` for a type of ring.
macro_rules! driver {
    ($name:ident, $ring:ident, $lockless:ident, $new:ident, $tables:ident) => {
        pub struct $name<P: ring_core::Platform, const IN_ORDER: bool> {
            pub ring: $ring<
                P,
                u32,
                Box<[ring_core::DescState<u32>]>,
                std::sync::Arc<$lockless<P>>,
                IN_ORDER,
                ring_core::host::FixedTables,
            >,
            pub setup: super::Setup,
            pub arena: std::sync::Arc<super::memory::Arena>,
        }

        impl<P: ring_core::Platform, const IN_ORDER: bool> super::Driver for $name<P, IN_ORDER> {
            fn add(
                &mut self,
                token: u32,
                out: &super::Segments,
                in_: &super::Segments,
            ) -> Result<u16, (ring_core::AddError, u32)> {
                let n = (out.len() + in_.len()) as u16;
                self.add_claiming(token, n, out, in_)
            }

            fn add_claiming(
                &mut self,
                token: u32,
                segments: u16,
                out: &super::Segments,
                in_: &super::Segments,
            ) -> Result<u16, (ring_core::AddError, u32)> {
                let buffer = &(out, in_);
                if self.setup.maps {
                    let by = &mut ring_core::host::AsGiven::<true>;
                    self.ring.add(token, segments, buffer, by)
                } else {
                    let by = &mut ring_core::host::AsGiven::<false>;
                    self.ring.add(token, segments, buffer, by)
                }
            }

            fn add_failing(&mut self, token: u32, segments: u16, out: &super::Segments) -> u32 {
                let by = &mut ring_core::host::AsGiven::<false>;
                let result = self.ring.add(token, segments, &super::Failing(out), by);
                result.expect_err("the buffer fails").1
            }

            fn publish(&mut self) {
                self.ring.publish();
            }

            fn kick_prepare(&mut self) -> bool {
                self.ring.kick_prepare()
            }

            fn get(&mut self) -> Option<ring_core::Used<u32>> {
                self.ring.get()
            }

            fn drain(&mut self) -> (Vec<ring_core::Used<u32>>, bool) {
                let mut all = Vec::new();
                let broken = self.ring.drain(|used| all.push(used));
                (all, broken)
            }

            fn disable_cb(&mut self) {
                self.ring.lockless().disable_cb();
            }

            fn enable_cb(&mut self) -> bool {
                self.ring.enable_cb().is_quiet()
            }

            fn enable_cb_prepare(&mut self) -> ring_core::Armed {
                self.ring.enable_cb_prepare()
            }

            fn enable_cb_delayed(&mut self) -> bool {
                self.ring.enable_cb_delayed().is_quiet()
            }

            fn arm_cb(&mut self) -> [ring_core::Callbacks; 2] {
                [self.ring.enable_cb(), self.ring.enable_cb_delayed()]
            }

            fn kick_prepare_enable_cb_delayed(&mut self) -> (bool, bool) {
                self.ring.kick_prepare_enable_cb_delayed()
            }

            fn poll(&self, armed: ring_core::Armed) -> bool {
                self.ring.lockless().poll(armed)
            }

            fn interrupt(&self) -> ring_core::Interrupt {
                self.ring.lockless().interrupt()
            }

            fn notification_data(&self, queue: u16) -> u32 {
                self.ring.lockless().notification_data(queue)
            }

            fn broken(&self) -> Option<ring_core::BrokenReason> {
                self.ring.lockless().broken()
            }

            fn declare_broken(&self) {
                self.ring.lockless().declare_broken();
            }

            fn unbreak(&self) {
                self.ring.lockless().unbreak();
            }

            fn take_broken_report(&mut self) -> Option<ring_core::BrokenReport> {
                self.ring.take_broken_report()
            }

            fn num_free(&self) -> u16 {
                self.ring.num_free()
            }

            fn in_flight(&self) -> u16 {
                self.ring.in_flight()
            }

            fn size(&self) -> u16 {
                self.ring.size()
            }

            fn detach_unused(&mut self) -> Option<u32> {
                // SAFETY: The device of the tests accesses memory only when it is called.
                unsafe { self.ring.detach_unused() }.map(|unused| unused.token)
            }

            fn reset(&mut self) -> Vec<u32> {
                let mut tokens = Vec::new();
                // SAFETY: The device of the tests accesses memory only when it is called.
                unsafe { self.ring.reset(|unused| tokens.push(unused.token)) };
                tokens
            }

            fn resize(&mut self, size: u16) -> Vec<u32> {
                let mut tokens = Vec::new();
                let setup = self.setup.of_size(size);
                let memory = $new(&self.arena, setup);
                let tables = $tables(&self.arena, setup);
                // SAFETY: The device of the tests accesses memory only when it is called. The arena
                // is large enough and lives as long as the ring.
                let result = unsafe {
                    let states = super::states(size);
                    self.ring
                        .resize(memory, states, tables, |unused| tokens.push(unused.token))
                };
                assert!(result.is_ok());
                tokens
            }
        }
    };
}
pub(crate) use driver;
