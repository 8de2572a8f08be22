// SPDX-License-Identifier: GPL-2.0

//! Every layout against the device side of the installed release of QEMU: 9.2 or later, for packed
//! rings used in order. Its queues are `hw/virtio/virtio.c`, here under `hw/virtio/virtio-mmio.c`
//! with a disk (`hw/block/virtio-blk.c`) or a console (`hw/char/virtio-serial-bus.c`). There is no
//! guest: the test owns the memory and the registers of the machine.
//!
//! In any schedule of a driver's operations, data arrives both ways, each buffer comes back once,
//! and no side waits in vain.

mod blk;
#[path = "../common/mod.rs"]
mod common;
mod console;
mod disk;
mod machine;
mod mmio;
mod side;

use proptest::prelude::ProptestConfig;

/// The number of cases. A case that fails is usually one of a device that hangs, and takes long:
/// only a few smaller ones are tried.
fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        max_shrink_time: 60_000,
        ..Default::default()
    }
}
