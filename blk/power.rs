// SPDX-License-Identifier: GPL-2.0

//! Sleep and wake-up of the system, and reset of the transport: the disk stays, the queues go and
//! come back.

use crate::{
    attend,
    device::{
        find_queues,
        fit_segments,
        Data, //
    },
    ops::Blk, //
};
use block::{
    memory,
    mq::Request, //
};
use kernel::{
    device::Bound,
    prelude::*, //
};
use virtio::{
    Device,
    Virtqueue, //
};

/// Lets the requests that are under way finish, holds back those that come, and gives the queues
/// up. Process context, sleeps.
///
/// # Errors
///
/// `ENODEV`: the binding is over.
pub(crate) fn stop(data: Pin<&Data>) -> Result {
    // Where memory is freed by writing to this disk, that waits from here on.
    memory::without_io(|| {
        // A wake-up that failed early left requests waiting, which would be waited for here.
        let held = data.held.lock().take();
        drop(held);
        // So would those that a broken queue has. One that breaks from here on is attended to.
        attend::give_up_if_broken(&data.disk);
        let frozen = data.disk.freeze();
        *data.held.lock() = Some(data.disk.quiesce());
        // Who submits I/O need not wait here: requests wait in the queue.
        drop(frozen);

        // With the link: who polls may just have found a queue broken, and have it attended to.
        let stopped = data.shared.with_device(|dev| {
            data.shared.reset(dev);
            data.shared.take_queues();
        });
        // Who comes with the link from here on finds no queue, and leaves the device alone.
        data.attention.wait();
        stopped.ok_or(ENODEV)
    })
}

/// Finds the queues again, as many as there were, and lets requests through. Process context,
/// sleeps.
///
/// # Errors
///
/// - `ENOSPC`: the rings have become too small for requests that the block layer has made.
/// - Those of [`Device::find_vqs`].
///
/// The requests that wait then fail.
pub(crate) fn go_on(dev: &Device<Bound>, data: Pin<&Data>) -> Result {
    // With the link, so that queues that break at once are not taken before all are there.
    let found = data.shared.with_device(|dev| {
        let queues = find_queues_again(dev, &data)?;
        for (slot, queue) in data.shared.slots.iter().zip(queues) {
            slot.as_ref().fill(queue);
        }
        dev.ready();
        Ok(())
    });
    let result = found
        .unwrap_or(Err(ENODEV))
        .inspect_err(|e| dev_err!(dev.as_ref(), "queues are gone: {:?}\n", e));
    let held = data.held.lock().take();
    drop(held);
    result
}

/// Finds the queues, and checks that requests made for the old ones fit them.
fn find_queues_again(dev: &Device<Bound>, data: &Data) -> Result<KVec<Virtqueue<Request<Blk>>>> {
    let segments = data.disk.max_segments();
    let queues = find_queues(dev, data.split, segments)?;
    if fit_segments(dev, &queues, segments) < segments {
        return Err(ENOSPC);
    }
    Ok(queues)
}
