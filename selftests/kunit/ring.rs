// SPDX-License-Identifier: GPL-2.0

//! The ring, through the functions that `virtio_ring.ko` exports.
//!
//! The tests check the behaviour of the C ring. The suites run on the loaded ring, and a test says
//! where the two rings differ.

mod add;
mod callback;
mod hostile;
mod lifecycle;
mod mapping;
mod reset;
mod size;
mod tables;
#[cfg(any(CONFIG_VHOST_RING = "y", all(CONFIG_VHOST_RING = "m", MODULE)))]
mod vringh;

use crate::fixture::{
    on_bench,
    Body,
    Setup, //
};
use kernel::prelude::*;
use virtio_fake::{
    messages,
    Action,
    AddFn,
    CBuffer,
    CQueue,
    Completed,
    Fake,
    EVENT_IDX,
    INDIRECT_DESC,
    IN_ORDER,
    RING_PACKED, //
};

/// The end of the message about a queue that its device broke, of the Rust ring.
pub(crate) const QUEUE_BROKEN: &CStr = c"the queue is broken";

/// The end of the message about a device that reports more bytes than a buffer has room for,
/// on either ring.
pub(crate) const WRONG_LENGTH: &CStr = c"such lengths are cut";

/// All layouts: split and packed, in any order and in order, with their features.
const RINGS: [&[u32]; 12] = [
    &[],
    &[EVENT_IDX],
    &[EVENT_IDX, INDIRECT_DESC],
    &[RING_PACKED],
    &[RING_PACKED, EVENT_IDX],
    &[RING_PACKED, EVENT_IDX, INDIRECT_DESC],
    &[IN_ORDER],
    &[IN_ORDER, EVENT_IDX],
    &[IN_ORDER, EVENT_IDX, INDIRECT_DESC],
    &[RING_PACKED, IN_ORDER],
    &[RING_PACKED, IN_ORDER, EVENT_IDX],
    &[RING_PACKED, IN_ORDER, EVENT_IDX, INDIRECT_DESC],
];

/// Returns whether the Rust ring provides the queues. Valid once there was a queue.
pub(crate) fn is_rust_ring() -> bool {
    vring::create::is_provider()
}

/// As [`is_rust_ring`], also if there was no queue yet: makes one before.
fn has_rust_ring() -> Result<bool> {
    on_bench(Setup::default(), |_, _, _, _| Ok(()))?;
    Ok(is_rust_ring())
}

/// Returns whether the Rust ring provides the queues. Otherwise marks the test as skipped, with the
/// reason.
fn rust_ring_or_skip(why: &CStr) -> Result<bool> {
    let has_rust_ring = has_rust_ring()?;
    if !has_rust_ring {
        messages::skip(why);
    }
    Ok(has_rust_ring)
}

/// Runs a test on a bound device with each of `rings`, and otherwise with `setup`.
fn on(rings: &[&'static [u32]], setup: fn() -> Setup, body: Body) -> Result {
    for features in rings {
        let setup = Setup {
            features,
            ..setup()
        };
        on_bench(setup, body).inspect_err(|_| pr_err!("    # with features {:?}\n", features))?;
    }
    Ok(())
}

/// As [`on`], with all layouts.
fn on_each(setup: fn() -> Setup, body: Body) -> Result {
    on(&RINGS, setup, body)
}

/// Adds a buffer with `out` segments to read and `in_` to write.
fn add(vq: &mut CQueue, number: u64, out: usize, in_: usize) -> Result {
    Ok(vq.add(CBuffer::new(number, out, in_)?, AddFn::Lists)?)
}

/// Adds a buffer, which the ring must refuse. Returns the error.
fn refused(vq: &mut CQueue, buffer: CBuffer, how: AddFn) -> Result<Error> {
    let number = buffer.number();
    match vq.add(buffer, how) {
        Ok(()) => Err(ENODATA),
        Err(back) => {
            check_eq!(back.buffer.number(), number);
            Ok(back.error)
        }
    }
}

/// Takes a used buffer. There must be one.
fn get(vq: &mut CQueue) -> Result<Completed> {
    vq.get()?.ok_or(ENODATA)
}

/// Adds `count` buffers of one segment to write, numbered from `first`, and makes the device serve
/// the queue.
fn post(vq: &mut CQueue, fake: &Fake, first: u64, count: u64) -> Result {
    for number in first..first + count {
        add(vq, number, 0, 1)?;
    }
    check!(vq.kick());
    check_eq!(fake.serve(0)?, count as usize);
    Ok(())
}

/// Makes the device use the oldest buffer, with one byte written.
fn use_one(fake: &Fake) -> Result {
    fake.finish(0, |_| Action::Complete(1))
}

/// Takes back all buffers of a device in reset. Returns their numbers in order.
fn detach_all(vq: &mut CQueue) -> Result<KVec<u64>> {
    let mut numbers = KVec::new();
    while let Some(buffer) = vq.detach()? {
        numbers.push(buffer.number(), GFP_KERNEL)?;
    }
    Ok(numbers)
}
