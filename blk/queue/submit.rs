// SPDX-License-Identifier: GPL-2.0

//! Giving requests to the device.

use super::{
    ActiveQueue,
    LockedQueue,
    State, //
};
use crate::{
    request::{
        self,
        BlkBuffer, //
    },
    Blk, //
};
use blockdev::{
    mq::{
        HwQueue,
        Rejected,
        Request,
        RequestList, //
    },
    Status, //
};
use kernel::prelude::*;
use virtio::{
    with_queue,
    AddError,
    QueueOps, //
};

impl LockedQueue {
    /// Gives a request to the device. Notifies the device if this is the `last` request for now.
    ///
    /// # Errors
    ///
    /// The request is rejected with
    ///
    /// - [`Status::DEV_RESOURCE`]: the ring is full; the hardware queue is stopped until a request
    ///   is completed;
    /// - [`Status::RESOURCE`]: there is no memory, or the queue is broken and will be recovered;
    /// - [`Status::IOERR`]: there is no virtqueue.
    #[inline]
    pub(crate) fn add(
        &self,
        hw: &HwQueue<Blk>,
        rq: Request<Blk>,
        last: bool,
    ) -> Result<(), Rejected<Blk>> {
        let mut state = self.state.lock();
        let State {
            active: Some(queue),
            recovery,
        } = &mut *state
        else {
            return Err(request::reject(rq, Status::IOERR));
        };
        match with_queue!(&mut queue.vq, |queue| add_to_ring(queue, rq, last)) {
            Ok(kick) => {
                drop(state);
                if kick {
                    self.notify();
                }
                Ok(())
            }
            Err(refused) => {
                // If no request is outstanding, the ring is not full, but memory is missing. Then
                // no completion would start the hardware queue again, so it must not be stopped.
                let full = refused.error == ENOSPC && !refused.idle;
                if full {
                    hw.stop();
                    queue.stopped = true;
                }
                // After the recovery the request is issued again, or fails because there is no
                // virtqueue.
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

    /// Rejects a request that could not be added. The block layer queues it again if the ring is
    /// `full`, if the queue is recovered `later`, or if memory was missing. Otherwise the request
    /// fails.
    #[cold]
    fn reject(&self, refused: Refused, full: bool, later: bool) -> Rejected<Blk> {
        if refused.kick {
            self.notify();
        }
        let status = if full {
            Status::DEV_RESOURCE
        } else if later || refused.error == ENOSPC || refused.error == ENOMEM {
            Status::RESOURCE
        } else {
            Status::IOERR
        };
        request::reject(refused.rq, status)
    }

    /// Gives the requests of a list to the device, in order, and notifies the device. Requests that
    /// cannot be added are queued again.
    pub(crate) fn add_all(&self, list: &mut RequestList<Request<Blk>>) {
        let mut failed = RequestList::new();
        let mut state = self.state.lock();
        let Some(ActiveQueue { vq, .. }) = &mut state.active else {
            drop(state);
            return request::fail_all(list);
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
            .active
            .as_mut()
            .is_some_and(|queue| queue.vq.kick_prepare());
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

    /// Notifies the device also if it does not ask for a notification: it may have missed one.
    pub(crate) fn renotify(&self) {
        self.commit();
        self.notify();
    }
}

/// A request that was not added.
struct Refused {
    error: Error,
    rq: Request<Blk>,
    /// The device has to be notified of the requests that were added before this one.
    kick: bool,
    /// No request is outstanding.
    idle: bool,
}

/// Adds a request to the ring. Returns whether the device has to be notified, if this is the `last`
/// request for now.
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
            // The device should start with the requests that it already has.
            kick: queue.kick_prepare(),
            idle: queue.is_idle(),
        }),
    }
}
