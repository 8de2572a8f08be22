// SPDX-License-Identifier: GPL-2.0

//! No side waits in vain, and no data is seen before it is complete: the protocols of the two
//! sides, in every order that the memory model of C11 allows (loom).
//!
//! The words that a protocol is about are modelled. The rest of the ring is plain memory.
//!
//! * `disable`: callbacks are disabled while they are enabled: a disabled device is known to be so.
//! * `lost_wakeups`: one side goes to sleep while the other side works: one of the two notices.
//! * `order`: published data is complete when the other side sees it.
//! * `sleep`: both sides work and sleep until everything is done: none sleeps for ever.
//!
//! The last test of each leaves out a barrier, which the model must find.

mod disable;
mod lost_wakeups;
#[allow(dead_code)]
#[path = "../common/memory.rs"]
mod memory;
mod order;
mod platform;
mod rings;
mod sleep;
