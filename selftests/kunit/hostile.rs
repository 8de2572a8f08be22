// SPDX-License-Identifier: GPL-2.0

//! Devices of the hostile catalogue (`docs/hostile.md`), besides those of the suites
//! `rust_virtio_ring_hostile_*`. Those for the drivers are in files beside, as parts of the suites
//! whose tools they use.

mod lifecycle;
