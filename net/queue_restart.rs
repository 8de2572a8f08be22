// SPDX-License-Identifier: GPL-2.0

//! Restart of a single transmit queue that is stuck.
//!
//! Some devices can reset a single queue (`VIRTIO_F_RING_RESET`, virtio spec §2.6.1). The other
//! queues go on then. Packets that the device had from the stuck queue are lost, as after a
//! [restart](crate::restart) of the device.
//!
//! A queue is reset alone only [on request](crate::RESET_QUEUES). A device that resets the queue,
//! but goes on with packets of the queue, reads memory that has another use by then, and sends it.

use crate::{
    coalesce::{
        self,
        limits::Direction, //
    },
    nic::Nic,
    pause::with_tx_paused,
    tx,
    RESET_QUEUES, //
};
use kernel::prelude::*;
use netdev::{
    Device,
    Rtnl, //
};
use virtio::{
    Exclusive,
    Feature, //
};

/// Restarts the transmit queue that is stuck, if there was no restart lately. Returns whether that
/// was done. Process context, sleeps.
pub(crate) fn restart_queue(dev: &Device<Nic<'_>>, vdev: &Exclusive<'_>, rtnl: &mut Rtnl) -> bool {
    let health = &dev.data().health;
    let may = RESET_QUEUES.get()
        && vdev.has_feature(Feature::RING_RESET)
        // If a queue is stuck again, a restart of the queue is not enough.
        && health.restarts.is_first();
    let i = health.stuck_queue();
    let Some(pair) = dev.data().pairs.get(i).filter(|_| may) else {
        return false;
    };
    let reset = with_tx_paused(dev, i, pair, rtnl, |queue| {
        queue.reset(|packet| tx::take_back(dev.data(), pair, packet))
    });
    match reset {
        Ok(()) => {
            // If this fails, the limits are sent later.
            let _ = coalesce::follow_reset(dev, Direction::Transmit, i, rtnl);
            dev.netdev_warn(fmt!("transmit queue {} is stuck: started anew alone\n", i));
        }
        Err(e) => dev.netdev_warn(fmt!(
            "transmit queue {} is stuck: cannot be started anew alone ({:?})\n",
            i,
            e
        )),
    }
    reset.is_ok()
}
