// SPDX-License-Identifier: GPL-2.0

//! Pausing single queues, while the others go on.
//!
//! No packet goes through a paused queue, and only the thread that paused it uses the queue. That
//! thread holds the lock of the device from the pause to the end of it: its own lock if it has one,
//! and otherwise the RTNL. So the interface is not brought up or down, detached, put to sleep,
//! recovered or removed during the pause.
//!
//! Nothing wakes a paused transmit queue: code that wakes a queue under its lock finds no queue,
//! and the callback of a queue without NAPI, which takes no lock, looks at [`Pair::tx_paused`].

use crate::{
    health::Failure,
    nic::{
        Nic,
        Pair, //
    },
    open,
    rx::RxState,
    tx, //
};
use kernel::prelude::*;
use net_buffers::TxPacket;
use netdev::{
    DevLock,
    Device,
    Rtnl, //
};
use virtio::{
    with_queue,
    Once,
    QueueOps,
    Virtqueue, //
};

/// Milliseconds for which the watchdog does not take a paused queue for stuck. The reset of a queue
/// takes ten seconds at most.
const PAUSE_MS: u32 = 15_000;

/// Pauses a receive queue, so that [`Device::rx_stopped`] returns its state. Process context,
/// sleeps.
pub(crate) fn pause_rx(dev: &Device<Nic<'_>>, i: usize, lock: &mut DevLock) {
    dev.rx_disable(i, lock);
}

/// Ends the pause of a receive queue: fills it if its pair is in use. Process context, sleeps.
pub(crate) fn resume_rx(dev: &Device<Nic<'_>>, i: usize, pair: &Pair, lock: &mut DevLock) {
    if dev.is_in_use(lock) {
        open::enable_rx(dev, i, pair, lock);
    }
}

/// Pauses a transmit queue: stops the stack, and takes the queue out of its state. `None` if there
/// is no queue. The queue has to come back by [`resume_tx`]: dropping it resets the device. Process
/// context, sleeps.
pub(crate) fn pause_tx(
    dev: &Device<Nic<'_>>,
    i: usize,
    pair: &Pair,
    rtnl: &mut Rtnl,
) -> Option<Virtqueue<TxPacket>> {
    pair.tx_paused.write_once(true);
    if !pair.tx_napi.read_once() {
        // A callback that runs now may wake the queue.
        dev.wait_for_running(rtnl);
    }
    let queue = dev.tx_lock(i).and_then(|mut guard| {
        let (state, stack) = guard.parts();
        let queue = state.queue.take()?;
        if dev.is_in_use(rtnl) {
            stack.stop_for(PAUSE_MS);
            pair.tx.counters.stop.add(1);
        }
        Some(queue)
    });
    if queue.is_none() {
        pair.tx_paused.write_once(false);
    }
    queue
}

/// Ends the pause of a transmit queue. Process context, sleeps.
pub(crate) fn resume_tx(
    dev: &Device<Nic<'_>>,
    i: usize,
    pair: &Pair,
    mut queue: Virtqueue<TxPacket>,
    rtnl: &mut Rtnl,
) {
    let Some(mut guard) = dev.tx_lock(i) else {
        return;
    };
    let (state, stack) = guard.parts();
    let idle = with_queue!(queue, |queue| queue.is_idle());
    if idle {
        // Packets that were in the ring were freed without being reported to BQL.
        stack.reset();
    }
    pair.set_tx_pending(!idle);
    state.queue = Some(queue);
    pair.tx_paused.write_once(false);
    drop(guard);
    if dev.is_in_use(rtnl) {
        tx::resume(dev, i, pair);
    }
}

/// Calls `f` with all receive queues paused. Process context, sleeps.
///
/// # Errors
///
/// Those of `f`.
pub(crate) fn with_all_rx_paused(
    dev: &Device<Nic<'_>>,
    rtnl: &mut Rtnl,
    f: impl FnOnce(&mut Rtnl) -> Result,
) -> Result {
    let pairs = &dev.data().pairs;
    for i in 0..pairs.len() {
        pause_rx(dev, i, rtnl);
    }
    let result = f(rtnl);
    for (i, pair) in pairs.iter().enumerate() {
        resume_rx(dev, i, pair, rtnl);
    }
    result
}

/// Calls `f` with the receive queue of a pair, which is paused. If the queue cannot be used after
/// that, the recovery restarts the device. Process context, sleeps.
///
/// # Errors
///
/// Those of `f`. `EINVAL`: there is no such queue.
pub(crate) fn with_rx_paused(
    dev: &Device<Nic<'_>>,
    i: usize,
    pair: &Pair,
    rtnl: &mut Rtnl,
    f: impl FnOnce(&mut RxState) -> Result,
) -> Result {
    pause_rx(dev, i, rtnl);
    let result = match dev.rx_stopped(i, rtnl) {
        Some((state, _pool)) => f(state),
        None => Err(EINVAL),
    };
    report_if_unusable(dev, result);
    resume_rx(dev, i, pair, rtnl);
    result
}

/// Calls `f` with the transmit queue of a pair, which is paused. If the queue cannot be used after
/// that, the recovery restarts the device. Process context, sleeps.
///
/// # Errors
///
/// Those of `f`. `ENODEV`: the device has no queues, or there is no such queue.
pub(crate) fn with_tx_paused(
    dev: &Device<Nic<'_>>,
    i: usize,
    pair: &Pair,
    rtnl: &mut Rtnl,
    f: impl FnOnce(&mut Virtqueue<TxPacket>) -> Result,
) -> Result {
    let mut queue = pause_tx(dev, i, pair, rtnl).ok_or(ENODEV)?;
    let result = f(&mut queue);
    report_if_unusable(dev, result);
    resume_tx(dev, i, pair, queue, rtnl);
    result
}

/// Logs that `action` failed on a queue of a pair, with the words of the C driver. `way` is `rx` or
/// `tx`. Returns the result.
pub(crate) fn log_failure(
    dev: &Device<Nic<'_>>,
    action: &str,
    way: &str,
    i: usize,
    result: Result,
) -> Result {
    result.inspect_err(|e| {
        dev.netdev_err(fmt!(
            "{} {} fail: {} queue index: {} err: {}\n",
            action,
            way,
            way,
            i,
            e.to_errno()
        ));
    })
}

/// Reports a queue to the recovery if its reset failed in a way that leaves it unusable: see
/// [`Virtqueue::resize`].
pub(crate) fn report_if_unusable(dev: &Device<Nic<'_>>, result: Result) {
    let Err(e) = result else {
        return;
    };
    // The device kept the queue, or has the queue again.
    let usable = [EINVAL, E2BIG, ENOENT, EPERM, ENOMEM].contains(&e);
    if !usable && dev.data().has_queues.read_once() {
        dev.data().health.report(dev, Failure::QueueBroken);
    }
}
