// SPDX-License-Identifier: GPL-2.0

//! Nobody waits in vain, and nothing is seen before it is there: the protocols of the two sides, in
//! every order that the memory model of C11 allows (loom).
//!
//! The words that a protocol is about are modelled, the rest of the ring is plain memory.
//!
//! * `disable`: callbacks are disabled while they are enabled: a device that is off is known to be.
//! * `halves`: one side goes to sleep while the other does something: one of the two notices.
//! * `order`: what one side publishes is there when the other sees it.
//! * `sleep`: both sides work and sleep until everything is done: none sleeps for ever.
//!
//! The last test of each leaves out a barrier, which the model must find.

mod disable;
mod halves;
#[allow(dead_code)]
#[path = "../common/memory.rs"]
mod memory;
mod order;
mod platform;
mod rings;
mod sleep;
