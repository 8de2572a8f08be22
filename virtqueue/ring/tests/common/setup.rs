// SPDX-License-Identifier: GPL-2.0

//! The parameters of a ring, and the rings of all parameters.

use super::{memory::Arena, packed, split, Device, Driver, Pair};
use ring_core::{
    host::{FixedTables, TableCounts},
    Endian, IndirectRule, RingConfig,
};
use std::{fmt, sync::Arc};

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
    pub unexposable: bool,
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
        unexposable: false,
        maps: false,
        rule: IndirectRule::DEFAULT,
        size: 8,
        endian: Endian::Little,
        callbacks: true,
    };

    pub fn config(&self) -> RingConfig {
        RingConfig {
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

    pub fn table_counts(&self) -> TableCounts {
        TableCounts {
            own: (self.tables, self.size),
            lent: self.larges,
            unexposable: self.unexposable,
        }
    }

    /// Creates the tables, at an offset of an arena.
    pub fn fixed_tables(&self, arena: &Arena, offset: usize) -> FixedTables {
        // SAFETY: The arena is large enough, and the owner of the ring keeps it.
        unsafe { FixedTables::new(arena.ptr(offset), arena.addr(offset), self.table_counts()) }
    }

    pub fn table_bytes(&self) -> usize {
        self.table_counts().bytes()
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
