// SPDX-License-Identifier: GPL-2.0

//! A locked transmit queue is swapped for another.

#[path = "common/nic.rs"]
mod nic;

use netdev::{
    TxGuard,
    TxQueue, //
};
use nic::Nic;

/// That of a guard for the one that is being sent on.
pub fn swap<'a>(guard: &mut TxGuard<'a, Nic<'a>>, mut queue: TxQueue<'a, Nic<'a>>) {
    core::mem::swap(&mut **guard, &mut queue); //~ E0614
}

/// The queue of a guard, for later.
pub fn take<'a>(guard: TxGuard<'a, Nic<'a>>) -> TxQueue<'a, Nic<'a>> {
    guard.queue //~ E0616
}
