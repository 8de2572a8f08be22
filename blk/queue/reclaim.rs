// SPDX-License-Identifier: GPL-2.0

//! Reclaiming the requests that a device has.

use super::{
    complete::into_request,
    ActiveQueue,
    LockedQueue, //
};
use crate::{
    request::{
        self,
        BlkBuffer, //
    },
    Blk, //
};
use blockdev::mq::{
    Request,
    RequestList, //
};
use kernel::prelude::*;
use virtio::{
    Doorbell,
    Returned,
    Virtqueue, //
};

impl LockedQueue {
    /// Stops notifications of all queues, and waits for running ones. Process context, sleeps.
    pub(crate) fn detach_doorbells(queues: &[Pin<KBox<Self>>]) {
        Doorbell::detach_all(queues.iter().map(|queue| &queue.doorbell));
    }

    /// Drops all virtqueues, and fails their requests. Notifications were
    /// [stopped](LockedQueue::detach_doorbells). Process context, sleeps.
    pub(crate) fn fail_all(queues: &[Pin<KBox<Self>>]) {
        for queue in queues {
            let mut left = RequestList::new();
            if let Some(vq) = queue.take_queue(&mut left) {
                detach_all(vq, &mut left);
            }
            request::fail_all(&mut left);
        }
    }

    /// Takes the virtqueue, if there is one. Requests whose answers were lost go to `left`.
    fn take_queue(&self, left: &mut RequestList<Request<Blk>>) -> Option<Virtqueue<BlkBuffer>> {
        let ActiveQueue { vq, lost, .. } = self.state.lock().active.take()?;
        left.append(lost);
        Some(vq)
    }

    /// Drops the virtqueue. Completes requests that the device has answered, and puts the others
    /// into `left`. Notifications were [stopped](LockedQueue::detach_doorbells), and the device is
    /// in reset. Process context, sleeps.
    pub(crate) fn reclaim(&self, left: &mut RequestList<Request<Blk>>) {
        let Some(mut vq) = self.take_queue(left) else {
            return;
        };
        while let Some(used) = vq.get_buf() {
            into_request(used).complete();
        }
        detach_all(vq, left);
    }

    /// Resets the virtqueue alone (`VIRTIO_F_RING_RESET`). Completes requests that the device has
    /// answered, and puts the others into `left`. Dispatch of requests is stopped during the call.
    /// Process context, sleeps.
    ///
    /// # Errors
    ///
    /// - `ENODEV`: there is no virtqueue.
    /// - Those of [`Virtqueue::reset`]. The virtqueue is broken then, or still has requests, which
    ///   are not in `left`. So the device has to be reset.
    pub(crate) fn reset(self: Pin<&Self>, left: &mut RequestList<Request<Blk>>) -> Result {
        Doorbell::detach_all(core::iter::once(&self.get_ref().doorbell));
        let mut vq = self.take_queue(left).ok_or(ENODEV)?;
        // The device may answer requests until the reset of the queue is done.
        let result = vq.reset(|returned| match returned {
            Returned::Used(used) => into_request(used).complete(),
            Returned::Unused(buffer) => left.push_back(buffer.into_request()),
        });
        self.install(vq);
        result
    }
}

/// Drops a virtqueue, and puts its requests into `left`.
fn detach_all(mut vq: Virtqueue<BlkBuffer>, left: &mut RequestList<Request<Blk>>) {
    while let Some(buffer) = vq.detach_unused_buf() {
        left.push_back(buffer.into_request());
    }
}
