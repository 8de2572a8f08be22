// SPDX-License-Identifier: GPL-2.0

//! Requests that have timed out.

use super::{
    op::OP_MASK,
    HwQueue,
    Op,
    Operations, //
};
use crate::bindings;
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};
use kernel::time::msecs_to_jiffies;

/// The longest time that a late request is given, in milliseconds, before its driver is asked
/// again.
const GRACE_MS: u32 = 5_000;
/// Rounds that are counted; beyond, it is this number.
const MOST_ROUNDS: u32 = 20;

/// A request whose time is over. Whoever has it still has it: a device, or by now nobody any more.
///
/// # Invariants
///
/// `rq` is a request of a disk made with `T` that was started, and stays one for `'a`: its tag is
/// not used for another.
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

    /// Whether it has not been answered by now.
    pub fn is_pending(&self) -> bool {
        // SAFETY: By the type invariants; the block layer reads it without a lock, too.
        let state = unsafe { (&raw const (*self.rq.as_ptr()).state).read_volatile() };
        state == bindings::mq_rq_state_MQ_RQ_IN_FLIGHT
    }

    /// Returns the operation of the request.
    pub fn op(&self) -> Op {
        // SAFETY: By the type invariants; the field does not change once a request was started.
        Op::from_raw(unsafe { (*self.rq.as_ptr()).cmd_flags } & OP_MASK)
    }

    /// The hardware queue that the request went through.
    pub fn hw_queue(&self) -> &HwQueue<T> {
        // SAFETY: A started request of a disk made with `T` (type invariant) has a hardware queue.
        unsafe { HwQueue::from_raw((*self.rq.as_ptr()).mq_hctx) }
    }

    /// Returns how many requests of the disk have ended so far, if the disk counts that
    /// (`/sys/block/*/queue/iostats`).
    pub fn ended_so_far(&self) -> usize {
        // SAFETY: The request is valid (type invariant), and keeps its queue.
        unsafe { bindings::ended_ios((*self.rq.as_ptr()).q) }
    }

    /// Returns how many times its time was over before.
    ///
    /// The first time it has had what `/sys/block/*/queue/io_timeout` says, and then five seconds
    /// each, or what the file says if that is less.
    pub fn rounds(&self) -> u32 {
        // SAFETY: By the type invariants; only the block layer's own timer, which calls this,
        // changes it meanwhile.
        let timeout = unsafe { (*self.rq.as_ptr()).timeout };
        if timeout == self.usual() {
            return 0;
        }
        timeout
            .checked_sub(self.grace())
            .filter(|rounds| *rounds <= MOST_ROUNDS)
            .unwrap_or(0)
    }

    /// Gives it more time, and counts that: the number is in the time, which costs nothing where no
    /// request is late.
    pub(super) fn prolong(&self) {
        let rounds = (self.rounds() + 1).min(MOST_ROUNDS);
        // SAFETY: The request is valid (type invariant); only the block layer's own timer, which
        // calls this, changes the field meanwhile.
        unsafe { (*self.rq.as_ptr()).timeout = self.grace().saturating_add(rounds) };
    }

    /// Returns the time that a request is given at first, in jiffies.
    fn usual(&self) -> u32 {
        // SAFETY: By the type invariants. Whoever writes the file writes the field, which is a
        // word.
        unsafe { (&raw const (*(*self.rq.as_ptr()).q).rq_timeout).read_volatile() }
    }

    /// Returns the time that a request is given from then on, in jiffies.
    fn grace(&self) -> u32 {
        // CAST: It is small.
        self.usual().min(msecs_to_jiffies(GRACE_MS) as u32)
    }
}
