// SPDX-License-Identifier: GPL-2.0

//! Devices that lie to the ring. A completion that the ring does not accept breaks the queue, once.
//! Outstanding buffers stay in the queue until the device is reset.
//!
//! All memory is mapped for the device, so that the account of mappings shows a buffer that came
//! back wrongly.

mod chains;
mod completions;
mod random;
mod suppression;

use super::{
    add,
    detach_all,
    get,
    on,
    refused,
    rust_ring_or_skip,
    QUEUE_BROKEN,
    WRONG_LENGTH, //
};
use crate::fixture::{
    Body,
    Setup, //
};
use kernel::prelude::*;
use virtio_fake::{
    messages,
    Action,
    AddFn,
    Addresses,
    CBuffer,
    CQueue,
    Fake,
    EVENT_IDX,
    INDIRECT_DESC,
    IN_ORDER,
    RING_PACKED,
    RING_RESET, //
};
use vring::ring::BrokenReason;

/// Buffers used in any order: split and packed, direct and indirect.
const ANY_ORDER: [&[u32]; 6] = [
    &[RING_RESET],
    &[RING_RESET, EVENT_IDX],
    &[RING_RESET, EVENT_IDX, INDIRECT_DESC],
    &[RING_RESET, RING_PACKED],
    &[RING_RESET, RING_PACKED, EVENT_IDX],
    &[RING_RESET, RING_PACKED, EVENT_IDX, INDIRECT_DESC],
];

/// Buffers used in order.
const ORDERED: [&[u32]; 4] = [
    &[RING_RESET, IN_ORDER, EVENT_IDX],
    &[RING_RESET, IN_ORDER, EVENT_IDX, INDIRECT_DESC],
    &[RING_RESET, IN_ORDER, RING_PACKED, EVENT_IDX],
    &[RING_RESET, IN_ORDER, RING_PACKED, EVENT_IDX, INDIRECT_DESC],
];

/// Why these are not for the C ring.
const WHY: &CStr = c"the C ring believes some of it, or has BUG_ON for it";

fn mapped() -> Setup {
    Setup {
        mapping: Some(Addresses::Marked),
        ..Setup::default()
    }
}

/// Runs a test with these layouts, on the Rust ring.
fn lied_to(rings: &[&'static [u32]], body: Body) -> Result {
    if !rust_ring_or_skip(WHY)? {
        return Ok(());
    }
    on(rings, mapped, body)
}

/// Starts a case: adds `count` buffers, of three segments or of one, with numbers from 1.
fn begin(vq: &mut CQueue, fake: &Fake, count: usize, long: bool) -> Result {
    messages::logged(QUEUE_BROKEN);
    for number in 1..=count as u64 {
        let (out, in_) = if long { (1, 2) } else { (0, 1) };
        add(vq, number, out, in_)?;
    }
    check!(vq.kick());
    check_eq!(fake.serve(0)?, count);
    Ok(())
}

/// Returns the ids of the outstanding buffers.
fn ids(fake: &Fake) -> Result<KVec<u16>> {
    let mut ids = KVec::new();
    for _ in 0..fake.held(0) {
        let mut id = 0;
        fake.finish(0, |chain| {
            id = chain.id();
            Action::Hold
        })?;
        ids.push(id, GFP_KERNEL)?;
    }
    Ok(ids)
}

/// Returns the queue of the Rust ring.
fn queue(vq: &CQueue) -> &vring::Queue {
    // SAFETY: The tests run only with queues of the Rust ring. The result is used no longer than
    // `vq`.
    unsafe { vring::Queue::from_raw(vq.as_raw().cast()) }
}

/// Returns the reason why a queue is broken.
fn reason(vq: &CQueue) -> Option<BrokenReason> {
    vring::with_lockless!(queue(vq), |state| state.broken())
}

/// Ends a case in which the device broke the queue: once, with one message, and with `left` in it,
/// which is the sum of the numbers. The queue works again when it was reset and is said to.
fn ended(vq: &mut CQueue, fake: &Fake, why: BrokenReason, left: u64) -> Result {
    check!(vq.get()?.is_none());
    check!(vq.is_broken());
    check_eq!(reason(vq), Some(why));
    check_eq!(messages::logged(QUEUE_BROKEN), 1);
    for _ in 0..3 {
        check!(vq.get()?.is_none());
        check_eq!(refused(vq, CBuffer::new(99, 1, 1)?, AddFn::Lists)?, EIO);
        check!(!vq.notify());
        check!(vq.enable_cb());
    }
    check_eq!(reason(vq), Some(why));
    check_eq!(messages::logged(QUEUE_BROKEN), 0);
    let outstanding = vq.outstanding();
    let (result, recycled) = vq.reset(None)?;
    result?;
    check_eq!((recycled.buffers, recycled.sum), (outstanding, left));
    check_eq!(reason(vq), Some(why));
    vq.unbreak();
    works(vq, fake)
}

/// Checks that an empty queue works like a new one.
fn works(vq: &mut CQueue, fake: &Fake) -> Result {
    check_eq!((vq.num_free(), vq.outstanding(), fake.mapped()), (8, 0, 0));
    check!(!vq.is_broken());
    check!(vq.get()?.is_none());
    begin(vq, fake, 2, true)?;
    for number in 1..=2 {
        fake.finish(0, |_| Action::Complete(3))?;
        let got = get(vq)?;
        check_eq!((got.buffer.number(), got.len), (number, 3));
    }
    check_eq!((vq.num_free(), fake.mapped()), (8, 0));
    vq.reset(None)?.0
}
