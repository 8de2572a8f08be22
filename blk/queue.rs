// SPDX-License-Identifier: GPL-2.0

//! A virtqueue with its lock.
//!
//! Requests are added and taken under the lock. A hardware queue is stopped, because the ring is
//! full, and started again under the same lock: otherwise the start could come before the stop.

use crate::{
    recovery::Recovery,
    request::{
        take_status,
        BlkBuffer, //
    },
    Blk, //
};
use blockdev::{
    mq::{
        CompletionBatch,
        HwQueue,
        Rejected,
        Request,
        RequestList,
        RequestStack, //
    },
    Status, //
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Release, //
        },
        new_spinlock_irq,
        Arc,
        SpinLockIrq, //
    },
};
use virtio::{
    with_queue,
    AddError,
    Doorbell,
    Endian,
    QueueOps,
    Returned,
    Used,
    Virtqueue, //
};

mod reclaim;

/// The virtqueue of a hardware queue, with its lock. There is none while the device sleeps, or
/// after it failed.
///
/// Aligned so that no two queues share a cache line.
#[pin_data]
#[repr(align(64))]
pub(crate) struct LockedQueue {
    #[pin]
    state: SpinLockIrq<State>,
    #[pin]
    doorbell: Doorbell,
    /// Byte order of request headers.
    pub(crate) endian: Endian,
    /// A read fails if the device does not say that it wrote the data.
    pub(crate) strict: bool,
    /// A request was not answered in time.
    stuck: Atomic<bool>,
}

/// The state that the lock of a queue protects.
struct State {
    vq: Option<Virtqueue<BlkBuffer>>,
    /// The hardware queue was stopped because the ring was full.
    stopped: bool,
    /// The recovery to schedule if the queue is broken.
    recovery: Option<Arc<Recovery>>,
    /// Requests whose answers were lost by fault injection.
    lost: RequestList<Request<Blk>>,
}

impl State {
    /// Schedules the recovery if the queue is broken.
    fn recover_if_broken(&self) {
        if let (Some(vq), Some(recovery)) = (&self.vq, &self.recovery) {
            if vq.is_broken() {
                recovery.schedule();
            }
        }
    }
}

impl LockedQueue {
    /// Returns a lock without a virtqueue.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(endian: Endian, strict: bool) -> Result<Pin<KBox<Self>>> {
        KBox::pin_init(
            pin_init!(Self {
                state <- new_spinlock_irq!(State {
                    vq: None,
                    stopped: false,
                    recovery: None,
                    lost: RequestList::new(),
                }),
                doorbell <- Doorbell::new(),
                endian,
                strict,
                stuck: Atomic::new(false),
            }),
            GFP_KERNEL,
        )
    }

    /// Sets the virtqueue, where there is none. Process context.
    pub(crate) fn install(self: Pin<&Self>, vq: Virtqueue<BlkBuffer>) {
        self.doorbell.set(Some(vq.handle()));
        let mut state = self.state.lock();
        state.stopped = false;
        state.vq = Some(vq);
    }

    /// Sets the recovery to schedule if the queue is broken. Process context, sleeps.
    pub(crate) fn set_recovery(&self, recovery: Option<Arc<Recovery>>) {
        let old = core::mem::replace(&mut self.state.lock().recovery, recovery);
        drop(old);
    }

    /// Whether there is a virtqueue.
    pub(crate) fn has_queue(&self) -> bool {
        self.state.lock().vq.is_some()
    }

    /// Notes whether a request was not answered in time.
    pub(crate) fn set_stuck(&self, stuck: bool) {
        self.stuck.store(stuck, Release);
    }

    /// Whether a request was not answered in time.
    pub(crate) fn is_stuck(&self) -> bool {
        self.stuck.load(Acquire)
    }

    /// Whether the queue was declared broken.
    pub(crate) fn is_broken(&self) -> bool {
        self.state
            .lock()
            .vq
            .as_ref()
            .is_some_and(|vq| vq.is_broken())
    }

    /// Gives a request to the device, and notifies it if this is the `last` one for now.
    ///
    /// # Errors
    ///
    /// The request is rejected with
    ///
    /// - [`Status::DEV_RESOURCE`]: the ring is full; the hardware queue is stopped until
    ///   something is completed;
    /// - [`Status::RESOURCE`]: memory or the like is missing, or the queue is broken and will be
    ///   recovered;
    /// - [`Status::IOERR`]: there is no virtqueue.
    #[inline]
    pub(crate) fn add(
        &self,
        hw: &HwQueue<Blk>,
        mut rq: Request<Blk>,
        last: bool,
    ) -> Result<(), Rejected<Blk>> {
        let mut state = self.state.lock();
        let State {
            vq: Some(vq),
            stopped,
            recovery,
            ..
        } = &mut *state
        else {
            rq.data_mut().drop_ranges();
            return Err(rq.reject(Status::IOERR));
        };
        match with_queue!(vq, |queue| add_to_ring(queue, rq, last)) {
            Ok(kick) => {
                drop(state);
                if kick {
                    self.notify();
                }
                Ok(())
            }
            Err(refused) => {
                // With nothing outstanding the ring is not full, but other memory was missing. Then
                // no completion would start the hardware queue again.
                let full = refused.error == ENOSPC && !refused.idle;
                if full {
                    hw.stop();
                    *stopped = true;
                }
                // The request is queued again: for a new virtqueue, or for none.
                let later = match recovery {
                    Some(recovery) if refused.error == EIO => {
                        recovery.schedule();
                        true
                    }
                    _ => false,
                };
                drop(state);
                Err(self.reject(refused, full, later))
            }
        }
    }

    /// Gives a request back to the block layer that could not be added: because the ring is `full`,
    /// to be queued again `later`, or as the error says.
    #[cold]
    fn reject(&self, refused: Refused, full: bool, later: bool) -> Rejected<Blk> {
        let Refused {
            error,
            mut rq,
            kick,
            ..
        } = refused;
        if kick {
            self.notify();
        }
        rq.data_mut().drop_ranges();
        rq.reject(if full {
            Status::DEV_RESOURCE
        } else if later || error == ENOSPC || error == ENOMEM {
            Status::RESOURCE
        } else {
            Status::IOERR
        })
    }

    /// Gives the requests of a list to the device, in order, and notifies it. Those that cannot
    /// be added are queued again later.
    pub(crate) fn add_all(&self, list: &mut RequestList<Request<Blk>>) {
        let mut failed = RequestList::new();
        let mut state = self.state.lock();
        let Some(vq) = &mut state.vq else {
            drop(state);
            while let Some(mut rq) = list.pop_front() {
                rq.data_mut().drop_ranges();
                rq.end(Status::IOERR);
            }
            return;
        };
        while let Some(rq) = list.pop_front() {
            match vq.add_buf(BlkBuffer::new(rq)) {
                Ok(()) => {}
                Err(back) => failed.push_back(back.buffer.into_request()),
            }
        }
        let kick = vq.kick_prepare();
        drop(state);
        if kick {
            self.notify();
        }
        while let Some(mut rq) = failed.pop_front() {
            rq.data_mut().drop_ranges();
            rq.requeue();
        }
    }

    /// Notifies the device of all requests that were added, if it wants to be notified.
    #[inline]
    pub(crate) fn commit(&self) {
        let kick = self
            .state
            .lock()
            .vq
            .as_mut()
            .is_some_and(|vq| vq.kick_prepare());
        if kick {
            self.notify();
        }
    }

    /// Notifies the device.
    #[inline(always)]
    fn notify(&self) {
        if !self.doorbell.ring() {
            self.notify_failed();
        }
    }

    /// Handles a notification that failed.
    #[cold]
    fn notify_failed(&self) {
        self.state.lock().recover_if_broken();
    }

    /// Notifies the device whether it wants that or not: it may have missed a notification.
    pub(crate) fn renotify(&self) {
        self.commit();
        self.notify();
    }

    /// Completes requests whose interrupt was lost, and schedules the recovery if the queue is
    /// broken. Process context.
    ///
    /// PERF: Not by [`LockedQueue::interrupt`], which is inlined into the driver's callback as long
    /// as that is its only caller: as a function it takes 6 to 10 instructions more.
    pub(crate) fn recheck(&self) {
        self.poll(&mut CompletionBatch::new());
        self.state.lock().recover_if_broken();
    }

    /// Schedules the recovery.
    pub(crate) fn schedule_recovery(&self) {
        let recovery = self.state.lock().recovery.clone();
        if let Some(recovery) = recovery {
            recovery.schedule();
        }
    }

    /// Completes the requests that the device has answered, after an interrupt. Returns whether the
    /// queue is broken.
    #[inline]
    pub(crate) fn interrupt(&self) -> bool {
        let mut done = RequestStack::new();
        let mut state = self.state.lock();
        let State {
            vq: Some(vq),
            stopped,
            lost,
            ..
        } = &mut *state
        else {
            return false;
        };
        let broken = with_queue!(vq, |mut queue| queue.drain(|used| {
            if let Some(rq) = take_used(used, lost) {
                done.push(rq);
            }
        }));
        let restart = *stopped && !done.is_empty();
        if restart {
            *stopped = false;
        }
        drop(state);

        let Some(rq) = done.pop() else {
            return broken;
        };
        if restart {
            rq.hw_queue().start_stopped_async();
        }
        // PERF: One request, the most frequent case, needs no batch.
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
        let mut found = 0;
        let State { vq, lost, .. } = &mut *state;
        if let Some(vq) = vq {
            while let Some(used) = vq.get_buf() {
                if let Some(rq) = take_used(used, lost) {
                    done.push_back(rq);
                }
                found += 1;
            }
        }
        if found == 0 {
            state.recover_if_broken();
        }
        let mut restart = state.stopped && !done.is_empty();
        if restart {
            state.stopped = false;
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
}

/// A request that was not added.
struct Refused {
    error: Error,
    rq: Request<Blk>,
    /// The device has to be notified of the requests before it.
    kick: bool,
    /// The device has no request.
    idle: bool,
}

/// Adds a request to the ring. Returns whether the device has to be notified, if this is the `last`
/// request for now.
#[inline(always)]
fn add_to_ring(
    mut queue: impl QueueOps<BlkBuffer>,
    rq: Request<Blk>,
    last: bool,
) -> Result<bool, Refused> {
    match queue.add_buf(BlkBuffer::new(rq)) {
        Ok(()) => Ok(last && queue.kick_prepare()),
        Err(AddError { error, buffer }) => Err(Refused {
            error,
            rq: buffer.into_request(),
            // The device should work on what it has.
            kick: queue.kick_prepare(),
            idle: queue.is_idle(),
        }),
    }
}

/// Takes a request that the device has answered. If fault injection loses the answer, the request
/// goes to `lost`: it times out, and is reclaimed when the device is restarted.
#[inline(always)]
fn take_used(used: Used<BlkBuffer>, lost: &mut RequestList<Request<Blk>>) -> Option<Request<Blk>> {
    let rq = into_request(used);
    if rq.is_answer_lost() {
        lost.push_back(rq);
        return None;
    }
    Some(rq)
}

/// Takes a request that the device has answered, and notes the number of bytes that were written.
#[inline(always)]
fn into_request(used: Used<BlkBuffer>) -> Request<Blk> {
    let len = used.len();
    let mut rq = used.into_buffer().into_request();
    rq.data_mut().written(len);
    rq
}

/// Completes several requests, the one that was pushed first as the first.
#[inline(never)]
fn complete_all(done: RequestStack<Request<Blk>>) {
    let mut batch = CompletionBatch::new();
    let mut done = done.reversed();
    while let Some(rq) = done.pop() {
        complete(rq, &mut batch);
    }
}

/// Completes a request: as part of a batch, unless the block layer has it completed elsewhere.
#[inline(always)]
fn complete(rq: Request<Blk>, batch: &mut CompletionBatch<'_, Blk>) {
    if let Some(mut rq) = rq.complete_elsewhere() {
        let status = take_status(&mut rq);
        batch.end(rq, status);
    }
}
