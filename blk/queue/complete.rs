// SPDX-License-Identifier: GPL-2.0

//! Completing requests that the device has answered.

use super::{
    ActiveQueue,
    LockedQueue, //
};
use crate::{
    request::{
        take_status,
        BlkBuffer, //
    },
    Blk, //
};
use blockdev::mq::{
    CompletionBatch,
    Request,
    RequestList,
    RequestStack, //
};
use virtio::{
    with_queue,
    QueueOps,
    Used, //
};

impl ActiveQueue {
    /// Returns whether the hardware queue was stopped and has to be started again, and clears that.
    /// If requests were `completed`, the ring has room.
    fn must_restart(&mut self, completed: bool) -> bool {
        let restart = self.stopped && completed;
        if restart {
            self.stopped = false;
        }
        restart
    }
}

impl LockedQueue {
    /// Completes the requests that the device has answered, after an interrupt. Returns whether the
    /// queue is broken.
    #[inline]
    pub(crate) fn interrupt(&self) -> bool {
        let mut done = RequestStack::new();
        let mut state = self.state.lock();
        let Some(active) = &mut state.active else {
            return false;
        };
        let ActiveQueue { vq, lost, .. } = active;
        // `QueueOps::drain` calls the closure for each answered request, from the crate `vring`.
        let broken = with_queue!(vq, |mut queue| queue.drain(|used| {
            if let Some(rq) = take_used(used, lost) {
                done.push(rq);
            }
        }));
        let restart = active.must_restart(!done.is_empty());
        drop(state);

        let Some(rq) = done.pop() else {
            return broken;
        };
        if restart {
            rq.hw_queue().start_stopped_async();
        }
        // PERF: A single request, the most frequent case, needs no batch.
        if done.is_empty() {
            rq.complete();
        } else {
            done.push(rq);
            complete_all(done);
        }
        broken
    }

    /// Completes the requests that the device has answered, for a poll, and returns their number.
    pub(crate) fn poll(&self, batch: &mut CompletionBatch<'_, Blk>) -> u32 {
        let mut done = RequestList::new();
        let mut state = self.state.lock();
        let Some(active) = &mut state.active else {
            return 0;
        };
        let mut found = 0;
        while let Some(used) = active.vq.get_buf() {
            if let Some(rq) = take_used(used, &mut active.lost) {
                done.push_back(rq);
            }
            found += 1;
        }
        let mut restart = active.must_restart(!done.is_empty());
        if found == 0 {
            state.recover_if_broken();
        }
        drop(state);

        while let Some(rq) = done.pop_front() {
            if restart {
                rq.hw_queue().start_stopped_async();
                restart = false;
            }
            complete(rq, batch);
        }
        found
    }

    /// Completes requests whose interrupt was lost, and schedules the recovery if the queue is
    /// broken. Process context.
    ///
    /// PERF: Does not call [`LockedQueue::interrupt`]. The compiler inlines that function into the
    /// driver's callback only if the callback is its only caller: as a separate function it takes 6
    /// to 10 instructions more.
    pub(crate) fn recheck(&self) {
        self.poll(&mut CompletionBatch::new());
        self.state.lock().recover_if_broken();
    }
}

/// Takes a request that the device has answered. If fault injection drops the answer, puts the
/// request into `lost`: it times out, and is reclaimed when the device is restarted.
fn take_used(used: Used<BlkBuffer>, lost: &mut RequestList<Request<Blk>>) -> Option<Request<Blk>> {
    let rq = into_request(used);
    if rq.is_answer_lost() {
        lost.push_back(rq);
        return None;
    }
    Some(rq)
}

/// Takes a request that the device has answered, and records the number of bytes that the device
/// reports.
pub(super) fn into_request(used: Used<BlkBuffer>) -> Request<Blk> {
    let len = used.len();
    let mut rq = used.into_buffer().into_request();
    rq.data_mut().written(len);
    rq
}

/// Completes several requests in the order in which they were pushed.
#[inline(never)]
fn complete_all(done: RequestStack<Request<Blk>>) {
    let mut batch = CompletionBatch::new();
    let mut done = done.reversed();
    while let Some(rq) = done.pop() {
        complete(rq, &mut batch);
    }
}

/// Completes a request as part of a batch, unless the block layer completes it on another CPU.
#[inline(always)]
fn complete(rq: Request<Blk>, batch: &mut CompletionBatch<'_, Blk>) {
    if let Some(mut rq) = rq.complete_elsewhere() {
        let status = take_status(&mut rq);
        batch.end(rq, status);
    }
}
