// SPDX-License-Identifier: GPL-2.0

//! The ring with a device that obeys the specification, on every layout.

mod adding;
#[path = "../common/mod.rs"]
mod common;
mod ending;
mod getting;
mod notifying;

use common::{setups, Pair};

/// Runs a test on every layout with every feature.
pub fn on_all(size: u16, test: impl Fn(&mut Pair)) {
    for setup in setups(size) {
        println!("{setup}");
        test(&mut setup.build());
    }
}

pub const OUT: (u64, u32) = (0x1000, 16);
pub const DATA: (u64, u32) = (0x2000, 4096);
pub const STATUS: (u64, u32) = (0x3000, 1);
