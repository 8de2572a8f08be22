// SPDX-License-Identifier: GPL-2.0

//! Restarts of single receive queues by the core (`struct netdev_queue_mgmt_ops`).
//!
//! The core allocates memory for the queue before the queue is stopped. The queue is reset then
//! (`VIRTIO_F_RING_RESET`, virtio spec §2.6.1), and is filled from the new memory, while the other
//! queues go on. Packets that the device had received, and the driver had not yet found, are lost.
//!
//! The core holds the lock of the device, and not always the RTNL.

use crate::{
    coalesce::{
        self,
        limits::Direction, //
    },
    negotiated::{
        Negotiated,
        RxMode, //
    },
    nic::Nic,
    pause::{
        log_failure,
        pause_rx,
        report_if_unusable,
        resume_rx, //
    },
};
use kernel::prelude::*;
use netdev::{
    DevLock,
    Device, //
};
use virtio::{
    Feature,
    Once, //
};

/// Whether receive queues of a device can be restarted alone. Not those of big buffers, because
/// these are not from a page pool: there may be no memory for the queue when it has none.
pub(crate) fn is_supported(negotiated: &Negotiated) -> bool {
    negotiated.features.has(Feature::RING_RESET)
        && !matches!(negotiated.rx_mode, RxMode::Big { .. })
}

/// Checks whether a receive queue may be restarted.
///
/// # Errors
///
/// `EINVAL`: there is no such queue. `ENETDOWN`: the device has no queues now.
pub(crate) fn check(dev: &Device<Nic<'_>>, i: usize) -> Result {
    let nic = dev.data();
    nic.pairs.get(i).ok_or(EINVAL)?;
    if nic.has_queues.read_once() {
        Ok(())
    } else {
        Err(ENETDOWN)
    }
}

/// Stops a receive queue, and takes its buffers back. Process context, sleeps.
///
/// # Errors
///
/// The queue goes on, if it can be used: otherwise the recovery restarts the device.
///
/// - `EINVAL`: there is no such queue.
/// - Those of [`virtio::Virtqueue::reset`].
pub(crate) fn stop(dev: &Device<Nic<'_>>, i: usize, lock: &mut DevLock) -> Result {
    let pair = dev.data().pairs.get(i).ok_or(EINVAL)?;
    pause_rx(dev, i, lock);
    let result = match dev.rx_stopped(i, lock) {
        Some((state, _pool)) => state.reset(&pair.rx.counters),
        None => Err(EINVAL),
    };
    if result.is_err() {
        report_if_unusable(dev, result);
        resume_rx(dev, i, pair, lock);
    }
    log_failure(dev, "reset", "rx", i, result)
}

/// Fills and enables a receive queue that was stopped. Process context, sleeps.
pub(crate) fn start(dev: &Device<Nic<'_>>, i: usize, lock: &mut DevLock) {
    let Some(pair) = dev.data().pairs.get(i) else {
        return;
    };
    resume_rx(dev, i, pair, lock);
    // If this fails, the limits are sent later.
    let _ = coalesce::follow_reset(dev, Direction::Receive, i, lock);
}
