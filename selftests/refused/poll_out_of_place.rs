// SPDX-License-Identifier: GPL-2.0

//! State and instance of a poll are used after it or elsewhere.

#[path = "common/nic.rs"]
mod nic;

use netdev::{
    Napi,
    Polled,
    RxPoll, //
};
use nic::Nic;

/// Completed twice.
pub fn twice<'a>(poll: RxPoll<'a, Nic<'a>>) -> Polled<'a> {
    let _ = poll.complete(0);
    poll.complete(0) //~ E0382
}

/// Traffic is measured after it.
pub fn measure<'a>(mut poll: RxPoll<'a, Nic<'a>>) -> Polled<'a> {
    let polled = poll.complete(0);
    poll.measure(1, 100); //~ E0382
    polled
}

/// The state of the queue after it was given up.
pub fn state<'a>(mut poll: RxPoll<'a, Nic<'a>>) -> (Polled<'a>, u32) {
    let (state, _, _) = poll.parts();
    let polled = poll.complete(0); //~ E0505
    (polled, *state.value)
}

/// The end of one poll for that of another.
pub fn other<'a, 'b>(poll: RxPoll<'a, Nic<'a>>, _other: RxPoll<'b, Nic<'b>>) -> Polled<'b> {
    poll.complete(0) //~ lifetime may not live long enough
}

fn elsewhere<T: Send>(_value: T) {}

/// In another thread.
pub fn send<'a>(mut poll: RxPoll<'a, Nic<'a>>) {
    let (_, _, napi): (_, _, Napi<'_, Nic<'a>>) = poll.parts();
    elsewhere(napi); //~ E0277
}
