// SPDX-License-Identifier: GPL-2.0

//! Packets are freed as in a poll where there is none.

#[path = "common/nic.rs"]
mod nic;

use netdev::{
    Budget,
    RxPoll,
    SkBuff, //
};
use nic::Nic;

/// With a number.
pub fn number(skb: SkBuff) {
    skb.consume(64); //~ E0308
}

/// With the budget of a poll that is over.
pub fn keep<'a>(poll: &RxPoll<'a, Nic<'a>>) -> Budget<'static> {
    poll.budget() //~ lifetime may not live long enough
}

fn elsewhere<T: Send>(_value: T) {}

/// In another thread.
pub fn send(budget: Budget<'static>) {
    elsewhere(budget); //~ E0277
}
