// SPDX-License-Identifier: GPL-2.0

//! A virtqueue with its lock.
//!
//! Adding and completing share the lock. So do stopping a hardware queue because the ring is full
//! and starting it again because it is not: outside of it, the start could come before the stop.

use crate::ops::Blk;
use block::{
    mq::{
        CompletionBatch,
        HwQueue,
        Rejected,
        Request,
        RequestList, //
    },
    Status, //
};
use kernel::{
    prelude::*,
    sync::{
        new_spinlock_irq,
        SpinLockIrq, //
    },
};
use virtio::{
    Doorbell,
    Used,
    Virtqueue, //
};

/// The queue behind a hardware queue: empty while the device is not there.
///
/// Aligned so that no two queues share a cache line.
#[pin_data]
#[repr(align(64))]
pub(crate) struct Slot {
    #[pin]
    state: SpinLockIrq<State>,
    #[pin]
    bell: Doorbell,
}

/// What the lock of a queue is for.
struct State {
    vq: Option<Virtqueue<Request<Blk>>>,
    /// Requests that the device has.
    pending: u32,
    /// The hardware queue was stopped because the ring was full.
    stopped: bool,
}

impl State {
    /// Moves the requests that the device is done with to `done`.
    #[inline(always)]
    fn collect(&mut self, done: &mut RequestList<Request<Blk>>) {
        let Some(vq) = &mut self.vq else { return };
        while let Some(used) = vq.get_buf() {
            done.push_back(take(used, &mut self.pending));
        }
    }
}

impl Slot {
    /// An empty slot.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new() -> Result<Pin<KBox<Self>>> {
        KBox::pin_init(
            pin_init!(Self {
                state <- new_spinlock_irq!(State {
                    vq: None,
                    pending: 0,
                    stopped: false,
                }),
                bell <- Doorbell::new(),
            }),
            GFP_KERNEL,
        )
    }

    /// Puts a queue in, where there is none. Process context.
    pub(crate) fn fill(self: Pin<&Self>, vq: Virtqueue<Request<Blk>>) {
        self.bell.set(Some(vq.handle()));
        let mut state = self.state.lock();
        state.pending = 0;
        state.stopped = false;
        state.vq = Some(vq);
    }

    /// Takes the queues out of all slots and drops them, with the requests that they have. Process
    /// context, sleeps.
    pub(crate) fn clear_all(slots: &[Pin<KBox<Self>>]) {
        Doorbell::silence(slots.iter().map(|slot| &slot.bell));
        for slot in slots {
            let vq = slot.state.lock().vq.take();
            drop(vq);
        }
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
    /// - [`Status::RESOURCE`]: memory or the like is missing;
    /// - [`Status::IOERR`]: the queue is broken or gone.
    #[inline]
    pub(crate) fn add(
        &self,
        hw: &HwQueue<Blk>,
        rq: Request<Blk>,
        last: bool,
    ) -> Result<(), Rejected<Blk>> {
        let mut state = self.state.lock();
        let State {
            vq: Some(vq),
            pending,
            stopped,
        } = &mut *state
        else {
            return Err(rq.reject(Status::IOERR));
        };
        match vq.add_buf_kick_prepare(rq, last) {
            Ok(kick) => {
                *pending = pending.wrapping_add(1);
                drop(state);
                if kick {
                    self.bell.ring();
                }
                Ok(())
            }
            Err((error, rq)) => {
                // The device should work on what it has.
                let kick = vq.kick_prepare();
                // With nothing under way, nothing would start the queue again: the ring is not
                // full, but something it needed was not to be had.
                let full = error == ENOSPC && *pending != 0;
                if full {
                    hw.stop();
                    *stopped = true;
                }
                drop(state);
                if kick {
                    self.bell.ring();
                }
                Err(give_up(rq, error, full))
            }
        }
    }

    /// Gives the requests of a list to the device, in order, and notifies it. Those that cannot
    /// be added are queued again later.
    pub(crate) fn add_all(&self, list: &mut RequestList<Request<Blk>>) {
        let mut failed = RequestList::new();
        let mut state = self.state.lock();
        let State {
            vq: Some(vq),
            pending,
            ..
        } = &mut *state
        else {
            drop(state);
            while let Some(rq) = list.pop_front() {
                rq.end(Status::IOERR);
            }
            return;
        };
        while let Some(rq) = list.pop_front() {
            match vq.add_buf(rq) {
                Ok(()) => *pending = pending.wrapping_add(1),
                Err((_, rq)) => failed.push_back(rq),
            }
        }
        let kick = vq.kick_prepare();
        drop(state);
        if kick {
            self.bell.ring();
        }
        while let Some(mut rq) = failed.pop_front() {
            rq.data_mut().finish();
            rq.requeue();
        }
    }

    /// Makes sure that the device knows of all that was added.
    #[inline]
    pub(crate) fn commit(&self) {
        let kick = self
            .state
            .lock()
            .vq
            .as_mut()
            .is_some_and(|vq| vq.kick_prepare());
        if kick {
            self.bell.ring();
        }
    }

    /// Completes what the device is done with, when it has interrupted.
    #[inline]
    pub(crate) fn interrupt(&self) {
        // Most often it is one.
        let mut first = None;
        let mut done = RequestList::new();
        let mut state = self.state.lock();
        let State {
            vq: Some(vq),
            pending,
            stopped,
        } = &mut *state
        else {
            return;
        };
        vq.drain(|used| {
            let rq = take(used, pending);
            match first {
                None => first = Some(rq),
                Some(_) => done.push_back(rq),
            }
        });
        let restart = *stopped && first.is_some();
        if restart {
            *stopped = false;
        }
        drop(state);

        let Some(rq) = first else { return };
        if restart {
            rq.hw_queue().start_stopped_async();
        }
        if done.is_empty() {
            rq.complete();
        } else {
            complete_all(rq, done);
        }
    }

    /// Completes what the device is done with, for who polls, and returns how many there were.
    pub(crate) fn poll(&self, batch: &mut CompletionBatch<'_, Blk>) -> u32 {
        let mut done = RequestList::new();
        let mut state = self.state.lock();
        let before = state.pending;
        state.collect(&mut done);
        let found = before.wrapping_sub(state.pending);
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

/// Takes note of a request that the device is done with.
#[inline(always)]
fn take(used: Used<Request<Blk>>, pending: &mut u32) -> Request<Blk> {
    let mut rq = used.buffer;
    rq.data_mut().written(used.len);
    *pending = pending.wrapping_sub(1);
    rq
}

/// Completes several requests.
#[inline(never)]
fn complete_all(first: Request<Blk>, mut rest: RequestList<Request<Blk>>) {
    let mut batch = CompletionBatch::new();
    complete(first, &mut batch);
    while let Some(rq) = rest.pop_front() {
        complete(rq, &mut batch);
    }
}

/// Completes a request, together with the others of a batch if that is to be done right here.
#[inline(always)]
fn complete(rq: Request<Blk>, batch: &mut CompletionBatch<'_, Blk>) {
    if let Some(mut rq) = rq.complete_elsewhere() {
        let status = crate::ops::finish(&mut rq);
        batch.end(rq, status);
    }
}

/// Gives a request back that could not be added.
#[cold]
fn give_up(mut rq: Request<Blk>, error: Error, full: bool) -> Rejected<Blk> {
    rq.data_mut().finish();
    rq.reject(if full {
        Status::DEV_RESOURCE
    } else if error == ENOSPC || error == ENOMEM {
        Status::RESOURCE
    } else {
        Status::IOERR
    })
}
