// SPDX-License-Identifier: GPL-2.0

//! Devices of the catalogue `docs/hostile.md`, besides those of the suites
//! `rust_virtio_ring_hostile_*`. The files for the drivers in this folder are modules of the suites
//! whose fixtures they use.

mod lifecycle;
