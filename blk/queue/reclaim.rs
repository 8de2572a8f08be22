// SPDX-License-Identifier: GPL-2.0

//! Reclaiming the requests that a device has.

use super::{
    complete::into_request,
    LockedQueue, //
};
use crate::{
    request::BlkBuffer,
    Blk, //
};
use blockdev::{
    mq::{
        Request,
        RequestList, //
    },
    Status, //
};
use kernel::prelude::*;
use virtio::{
    Doorbell,
    Returned,
    Virtqueue, //
};

impl LockedQueue {
    /// Stops notifications of all queues, and waits for those under way. Process context, sleeps.
    pub(crate) fn detach_doorbells(queues: &[Pin<KBox<Self>>]) {
        Doorbell::silence(queues.iter().map(|queue| &queue.doorbell));
    }

    /// Drops all virtqueues, and fails their requests. Notifications were
    /// [stopped](LockedQueue::detach_doorbells). Process context, sleeps.
    pub(crate) fn fail_all(queues: &[Pin<KBox<Self>>]) {
        for queue in queues {
            let (vq, mut left) = queue.take_queue();
            if let Some(mut vq) = vq {
                while let Some(buffer) = vq.detach_unused_buf() {
                    left.push_back(buffer.into_request());
                }
            }
            while let Some(mut rq) = left.pop_front() {
                rq.data_mut().drop_ranges();
                rq.end(Status::IOERR);
            }
        }
    }

    /// Takes the virtqueue, if there is one, and the requests whose answers were lost.
    fn take_queue(&self) -> (Option<Virtqueue<BlkBuffer>>, RequestList<Request<Blk>>) {
        let mut state = self.state.lock();
        (state.vq.take(), core::mem::take(&mut state.lost))
    }

    /// Drops the virtqueue: requests that the device has answered are completed, and the others go
    /// to `left`. Notifications were [stopped](LockedQueue::detach_doorbells), and the device is in
    /// reset. Process context, sleeps.
    pub(crate) fn reclaim(&self, left: &mut RequestList<Request<Blk>>) {
        let (vq, lost) = self.take_queue();
        left.append(lost);
        let Some(mut vq) = vq else {
            return;
        };
        while let Some(used) = vq.get_buf() {
            into_request(used).complete();
        }
        while let Some(buffer) = vq.detach_unused_buf() {
            left.push_back(buffer.into_request());
        }
    }

    /// Resets the virtqueue alone (`VIRTIO_F_RING_RESET`): requests that the device has answered
    /// are completed, and the others go to `left`. Nothing is dispatched meanwhile. Process
    /// context, sleeps.
    ///
    /// # Errors
    ///
    /// - `ENODEV`: there is no virtqueue.
    /// - Those of [`Virtqueue::reset`]. The device has to be reset: the virtqueue is broken, or
    ///   still has requests, which are not in `left` then.
    pub(crate) fn reset(self: Pin<&Self>, left: &mut RequestList<Request<Blk>>) -> Result {
        Doorbell::silence(core::iter::once(&self.get_ref().doorbell));
        let (vq, lost) = self.take_queue();
        left.append(lost);
        let mut vq = vq.ok_or(ENODEV)?;
        // An answer may come as long as the device has the queue.
        let result = vq.reset(|returned| match returned {
            Returned::Used(used) => into_request(used).complete(),
            Returned::Unused(buffer) => left.push_back(buffer.into_request()),
        });
        self.install(vq);
        result
    }
}
