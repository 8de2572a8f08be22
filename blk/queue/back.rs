// SPDX-License-Identifier: GPL-2.0

//! Taking back the requests that a device has.

use super::*;

impl Slot {
    /// Has no queue notified any more, and waits for those who notify one. Process context, sleeps.
    pub(crate) fn silence_all(slots: &[Pin<KBox<Self>>]) {
        Doorbell::silence(slots.iter().map(|slot| &slot.bell));
    }

    /// Takes the queues out of all slots, which were [silenced](Slot::silence_all), and drops them,
    /// with the requests that they have. Process context, sleeps.
    pub(crate) fn clear_all(slots: &[Pin<KBox<Self>>]) {
        for slot in slots {
            let (vq, mut left) = slot.take_out();
            if let Some(mut vq) = vq {
                while let Some(buffer) = vq.detach_unused_buf() {
                    left.push_back(buffer.into_request());
                }
            }
            while let Some(mut rq) = left.pop_front() {
                rq.data_mut().finish();
                rq.end(Status::IOERR);
            }
        }
    }

    /// Takes the queue out, if there is one, and the requests whose answers were lost.
    fn take_out(&self) -> (Option<Virtqueue<BlkBuffer>>, RequestList<Request<Blk>>) {
        let mut state = self.state.lock();
        (state.vq.take(), core::mem::take(&mut state.lost))
    }

    /// Takes the queue out and drops it: what the device has answered is completed, and what it has
    /// not goes to `left`. The queue was [silenced](Slot::silence_all), and the device is in reset.
    /// Process context, sleeps.
    pub(crate) fn take_back(&self, left: &mut RequestList<Request<Blk>>) {
        let (vq, lost) = self.take_out();
        left.append(lost);
        let Some(mut vq) = vq else {
            return;
        };
        while let Some(used) = vq.get_buf() {
            answered(used).complete();
        }
        while let Some(buffer) = vq.detach_unused_buf() {
            left.push_back(buffer.into_request());
        }
    }

    /// Resets the queue alone (`VIRTIO_F_RING_RESET`): what the device has answered is completed,
    /// and what it has not goes to `left`. Nothing is dispatched meanwhile. Process context,
    /// sleeps.
    ///
    /// # Errors
    ///
    /// - `ENODEV`: there is no queue.
    /// - Those of [`Virtqueue::reset`]. The device has to be reset: the queue is of no use, or has
    ///   requests still, answered or not, which are not in `left` then.
    pub(crate) fn reset_alone(self: Pin<&Self>, left: &mut RequestList<Request<Blk>>) -> Result {
        Doorbell::silence(core::iter::once(&self.get_ref().bell));
        let (vq, lost) = self.take_out();
        left.append(lost);
        let mut vq = vq.ok_or(ENODEV)?;
        // An answer may come as long as the device has the queue.
        let result = vq.reset(|returned| match returned {
            Returned::Used(used) => answered(used).complete(),
            Returned::Unused(buffer) => left.push_back(buffer.into_request()),
        });
        self.fill(vq);
        result
    }
}
