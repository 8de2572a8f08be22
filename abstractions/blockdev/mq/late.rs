// SPDX-License-Identifier: GPL-2.0

//! Requests that have timed out.

use super::{
    op::OP_MASK,
    started::any_started,
    HwQueue,
    Op,
    Operations, //
};
use crate::{
    bindings,
    limits::Feature, //
};
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};
use kernel::time::msecs_to_jiffies;

/// The longest further time of a late request, in milliseconds, until its driver is called again.
const GRACE_MS: u32 = 5_000;
/// The largest number of rounds that is counted.
const MOST_ROUNDS: u32 = 100;

/// A request that has timed out. Its owner does not change: the device may still have it, or may
/// have answered it.
///
/// # Invariants
///
/// `rq` is a started request of a disk made with `T`. For `'a`, its tag is not used for another
/// request.
pub struct LateRequest<'a, T: Operations> {
    rq: NonNull<bindings::request>,
    _request: PhantomData<(&'a bindings::request, T)>,
}

impl<T: Operations> LateRequest<'_, T> {
    /// # Safety
    ///
    /// `rq` fulfils the type invariants for the life of the result.
    pub(super) unsafe fn from_raw(rq: NonNull<bindings::request>) -> Self {
        // INVARIANT: By the safety requirements.
        Self {
            rq,
            _request: PhantomData,
        }
    }

    /// Whether the request has not been answered yet.
    pub fn is_pending(&self) -> bool {
        // SAFETY: The request is valid (type invariant). The block layer reads the field without a
        // lock, too.
        let state = unsafe { (&raw const (*self.rq.as_ptr()).state).read_volatile() };
        state == bindings::mq_rq_state_MQ_RQ_IN_FLIGHT
    }

    /// Returns the operation of the request.
    pub fn op(&self) -> Op {
        // SAFETY: The request is valid (type invariant), and was started, so the field does not
        // change.
        Op::from_raw(unsafe { (*self.rq.as_ptr()).cmd_flags } & OP_MASK)
    }

    /// Returns the hardware queue of the request.
    pub fn hw_queue(&self) -> &HwQueue<T> {
        // SAFETY: A started request of a disk made with `T` (type invariant) has a hardware queue.
        unsafe { HwQueue::from_raw((*self.rq.as_ptr()).mq_hctx) }
    }

    /// Whether `f` holds for the operation of this request, or of another outstanding request of
    /// the disk.
    pub fn any_outstanding(&self, f: impl FnMut(Op) -> bool) -> bool {
        // SAFETY: The request is valid (type invariant), and keeps its queue. The queue keeps its
        // tag set while it has a request.
        unsafe { any_started((*(*self.rq.as_ptr()).q).tag_set, f) }
    }

    /// Whether the disk counts the requests that have ended (`/sys/block/*/queue/iostats`).
    pub fn counts_ended(&self) -> bool {
        // SAFETY: The request is valid (type invariant), and keeps its queue.
        unsafe { Feature::IO_STAT.is_in((*self.rq.as_ptr()).q) }
    }

    /// Returns the number of requests of the disk that have ended so far, if the disk counts them
    /// (`/sys/block/*/queue/iostats`).
    pub fn ended_so_far(&self) -> usize {
        // SAFETY: The request is valid (type invariant), and keeps its queue.
        unsafe { bindings::ended_ios((*self.rq.as_ptr()).q) }
    }

    /// Returns the number of earlier timeouts of the request.
    ///
    /// The first timeout comes after the time in `/sys/block/*/queue/io_timeout`. Each further one
    /// comes after five seconds, or after that time if it is shorter.
    pub fn rounds(&self) -> u32 {
        // SAFETY: The request is valid (type invariant). Only the timer of the block layer, which
        // calls this, changes the field.
        let timeout = unsafe { (*self.rq.as_ptr()).timeout };
        if timeout == self.usual() {
            return 0;
        }
        timeout
            .checked_sub(self.grace())
            .filter(|rounds| *rounds <= MOST_ROUNDS)
            .unwrap_or(0)
    }

    /// Returns the time that the request has had so far, in whole timeouts
    /// (`/sys/block/*/queue/io_timeout`). The first time it is one.
    pub fn timeouts(&self) -> u32 {
        let further = self.rounds().saturating_mul(self.grace());
        1 + further / self.usual().max(1)
    }

    /// Gives the request another timeout, and counts it. The count is stored in the timeout, so
    /// that it costs nothing for requests that are not late.
    pub(super) fn prolong(&self) {
        let rounds = (self.rounds() + 1).min(MOST_ROUNDS);
        // SAFETY: The request is valid (type invariant). Only the timer of the block layer, which
        // calls this, changes the field.
        unsafe { (*self.rq.as_ptr()).timeout = self.grace().saturating_add(rounds) };
    }

    /// Returns the first timeout of a request, in jiffies.
    fn usual(&self) -> u32 {
        // SAFETY: The request and its queue are valid (type invariant). The field is a word, which
        // other threads write at once.
        unsafe { (&raw const (*(*self.rq.as_ptr()).q).rq_timeout).read_volatile() }
    }

    /// Returns the further timeouts of a request, in jiffies, without the rounds that are added.
    fn grace(&self) -> u32 {
        grace(self.usual())
    }
}

/// Returns the further timeouts of a request, in jiffies, for a first one. With up to
/// [`MOST_ROUNDS`] added, the result is never the first one, which would be taken for no round.
fn grace(usual: u32) -> u32 {
    // CAST: The jiffies of five seconds fit 32 bits.
    let longest = msecs_to_jiffies(GRACE_MS) as u32;
    if usual > longest + MOST_ROUNDS {
        longest
    } else {
        usual
    }
}

#[cfg(CONFIG_RUST_VIRTIO_KUNIT_TEST)]
#[kernel::prelude::kunit_tests(rust_block_late)]
mod tests {
    use super::*;

    /// No round has the first timeout, with any first timeout.
    #[test]
    fn rounds_differ_from_the_first() {
        for usual in 1..=2 * (msecs_to_jiffies(GRACE_MS) as u32 + MOST_ROUNDS) {
            for rounds in 1..=MOST_ROUNDS {
                assert!(grace(usual) + rounds != usual);
            }
        }
    }
}
