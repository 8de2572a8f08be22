// SPDX-License-Identifier: GPL-2.0

//! Changes of the sizes of rings: `ethtool -G`.
//!
//! The size of a ring changes by a reset of its queue (`VIRTIO_F_RING_RESET`, virtio spec §2.6.1).
//! One queue after the other is [paused](crate::pause) for that, while the others go on. Packets
//! that are in the ring are lost, as on a wire. A ring keeps its size when the device is reset.

use crate::{
    coalesce::{
        self,
        limits::Direction, //
    },
    negotiated::Negotiated,
    nic::{
        Nic,
        Pair, //
    },
    pause::{
        log_failure,
        with_rx_paused,
        with_tx_paused, //
    },
    rx::{
        self,
        RxQueue, //
    },
    tx, //
};
use kernel::{
    prelude::*,
    time::{
        Instant,
        Monotonic, //
    },
};
use net_buffers::TxPacket;
use netdev::{
    Device,
    Rtnl, //
};
use virtio::{
    Once,
    TimeLimit,
    Virtqueue, //
};

/// The time after which no further ring gets another size. The RTNL is held, and the reset of each
/// queue may take ten seconds.
const TIME: TimeLimit = TimeLimit::from_millis(20_000);

/// Records the size of a receive ring that is new, or has a new size, and all that depends on the
/// size. No poll of the queue runs.
pub(crate) fn rx_resized(negotiated: &Negotiated, pair: &Pair, queue: &RxQueue) {
    let size = queue.ring_size();
    pair.rx_ring.set(size, queue.num_max());
    pair.rx.low.write_once(rx::low(size));
    pair.rx.min_len.write_once(rx::min_len(negotiated, size));
}

/// As [`rx_resized`], for a transmit ring. The queue is not in use.
pub(crate) fn tx_resized(pair: &Pair, queue: &Virtqueue<TxPacket>) {
    let size = queue.ring_size();
    pair.tx_ring.set(size, queue.num_max());
    pair.tx_min_free.write_once(tx::min_free(size));
}

/// Sets the sizes of the rings of all pairs, as the user asks. Stops at the first error.
///
/// # Errors
///
/// The rings before the one that failed have the new size.
///
/// - `EINVAL`: a size is larger than the device offers, or a transmit ring would be too small for a
///   packet: nothing changed. Or the receive rings should have size 0. Or the device did not accept
///   the limits of a queue, whose ring has the new size then.
/// - `ETIMEDOUT`: the device has taken too long for some of the rings, and the others keep their
///   size.
/// - Those of [`Virtqueue::resize`], and those of the command for the limits of the queue.
pub(crate) fn set_sizes(dev: &Device<Nic<'_>>, rx: u32, tx: u32, rtnl: &mut Rtnl) -> Result {
    let pairs = &dev.data().pairs;
    let first = pairs.first().ok_or(EINVAL)?;
    if rx > first.rx_ring.most() || tx > first.tx_ring.most() {
        return Err(EINVAL);
    }
    if pairs.iter().any(|pair| pair.tx_ring.get() != tx) {
        check_tx_size(dev, tx)?;
    }
    let start = Instant::now();
    for (i, pair) in pairs.iter().enumerate() {
        if pair.tx_ring.get() != tx {
            check_time(dev, start)?;
            resize_tx(dev, i, pair, tx, rtnl)?;
            pair.tx_ring.want(tx);
            coalesce::follow_reset(dev, Direction::Transmit, i, rtnl)?;
        }
        if pair.rx_ring.get() != rx {
            check_time(dev, start)?;
            resize_rx(dev, i, pair, rx, rtnl)?;
            pair.rx_ring.want(rx);
            coalesce::follow_reset(dev, Direction::Receive, i, rtnl)?;
        }
    }
    Ok(())
}

/// Sets the sizes that the user asked for again, after a reset of the device. If that fails, a ring
/// keeps the size that it has. Stops if the device is gone, does not reset a queue, or takes too
/// long.
pub(crate) fn restore(dev: &Device<Nic<'_>>, rtnl: &mut Rtnl) {
    let pairs = &dev.data().pairs;
    let start = Instant::now();
    for (i, pair) in pairs.iter().enumerate() {
        for (ring, resize) in [
            (&pair.tx_ring, resize_tx as Resize),
            (&pair.rx_ring, resize_rx),
        ] {
            let Some(size) = ring.wanted() else {
                continue;
            };
            if check_time(dev, start).is_err() {
                return;
            }
            match resize(dev, i, pair, size, rtnl) {
                Ok(()) => {}
                // If the device comes back, it gets the sizes.
                Err(ENODEV) if dev.data().vdev.is_gone() => return,
                // The device was waited for. Neither the other queues nor the restart to which this
                // failure leads should wait again.
                Err(ETIMEDOUT) => return forget_sizes(dev),
                // If the failure leads to another restart, that does not fail in the same way.
                Err(_) => ring.want(0),
            }
        }
    }
}

/// A function that changes the size of a ring of a pair.
type Resize = fn(&Device<Nic<'_>>, usize, &Pair, u32, &mut Rtnl) -> Result;

/// Forgets the sizes that the user asked for.
fn forget_sizes(dev: &Device<Nic<'_>>) {
    for pair in dev.data().pairs.iter() {
        pair.tx_ring.want(0);
        pair.rx_ring.want(0);
    }
}

/// Checks that the time for changes of sizes that began at `start` is not over.
///
/// # Errors
///
/// `ETIMEDOUT`: it is over.
fn check_time(dev: &Device<Nic<'_>>, start: Instant<Monotonic>) -> Result {
    if start.elapsed() <= TIME.as_delta() {
        return Ok(());
    }
    dev.netdev_warn(fmt!(
        "the device resets its queues slowly: the other rings keep their sizes\n"
    ));
    Err(ETIMEDOUT)
}

/// Checks that a packet has room in a transmit ring of `size`, as C does.
///
/// # Errors
///
/// `EINVAL`: it has no room.
fn check_tx_size(dev: &Device<Nic<'_>>, size: u32) -> Result {
    if size > tx::MAX_PACKET_DESCS {
        return Ok(());
    }
    dev.netdev_err(fmt!(
        "tx size ({}) cannot be smaller than {}\n",
        size,
        tx::MAX_PACKET_DESCS
    ));
    Err(EINVAL)
}

/// Changes the size of a transmit ring.
///
/// # Errors
///
/// Those of [`Virtqueue::resize`].
fn resize_tx(dev: &Device<Nic<'_>>, i: usize, pair: &Pair, size: u32, rtnl: &mut Rtnl) -> Result {
    let result = with_tx_paused(dev, i, pair, rtnl, |queue| {
        let result = queue.resize(size, |packet| tx::take_back(dev.data(), pair, packet));
        tx_resized(pair, queue);
        result
    });
    log_failure(dev, "resize", "tx", i, result)
}

/// Changes the size of a receive ring.
///
/// # Errors
///
/// Those of [`Virtqueue::resize`].
fn resize_rx(dev: &Device<Nic<'_>>, i: usize, pair: &Pair, size: u32, rtnl: &mut Rtnl) -> Result {
    let result = with_rx_paused(dev, i, pair, rtnl, |state| {
        let result = state.resize(size, &pair.rx.counters);
        if let Some(queue) = &state.queue {
            rx_resized(&dev.data().negotiated, pair, queue);
        }
        result
    });
    log_failure(dev, "resize", "rx", i, result)
}
