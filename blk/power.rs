// SPDX-License-Identifier: GPL-2.0

//! Sleep and wake-up of the system, and reset of the transport: the disk stays, the queues go and
//! come back.

use crate::device::{
    find_queues,
    Data, //
};
use kernel::{
    device::Bound,
    prelude::*, //
};
use virtio::Device;

/// Lets the requests that are under way finish, holds back those that come, and gives the queues
/// up. Process context, sleeps.
pub(crate) fn stop(dev: &Device<Bound>, data: Pin<&Data>) -> Result {
    let frozen = data.disk.freeze();
    *data.held.lock() = Some(data.disk.quiesce());
    // Who submits I/O need not wait here: requests wait in the queue.
    drop(frozen);

    dev.reset();
    data.flush_config();
    data.shared.take_queues();
    Ok(())
}

/// Finds the queues again, as many as there were, and lets requests through. Process context,
/// sleeps.
///
/// # Errors
///
/// Those of [`Device::find_vqs`]; the requests that wait then fail.
pub(crate) fn go_on(dev: &Device<Bound>, data: Pin<&Data>) -> Result {
    let found = find_queues(dev, data.split, data.disk.max_segments());
    let result = match found {
        Ok(queues) => {
            for (slot, queue) in data.shared.slots.iter().zip(queues) {
                slot.as_ref().fill(queue);
            }
            dev.ready();
            Ok(())
        }
        Err(e) => {
            dev_err!(dev.as_ref(), "queues are gone: {:?}\n", e);
            Err(e)
        }
    };
    let held = data.held.lock().take();
    drop(held);
    result
}
