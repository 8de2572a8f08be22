// SPDX-License-Identifier: GPL-2.0

//! AF_XDP sockets that use a pair of queues without copies: beginning and ending that.
//!
//! Both queues are reset for it (`VIRTIO_F_RING_RESET`, virtio spec §2.6.1), one after the other:
//! the buffers of a receive queue are all of one kind. The memory of the socket is mapped for the
//! device once, so the device must be one for which memory is mapped (`VIRTIO_F_ACCESS_PLATFORM`).
//!
//! The use survives a reset of the device: a pair has the memory of the socket until the core takes
//! it back. Buffers that the device had go back to the pool then. Packets that it had to transmit
//! are lost, and user space gets them back as transmitted, as after C resets a queue.

use crate::{
    coalesce::{
        self,
        limits::Direction, //
    },
    health::Failure,
    negotiated::RxMode,
    nic::{
        Nic,
        Pair, //
    },
    open,
    pause::{
        log_failure,
        pause_rx,
        pause_tx,
        report_if_unusable,
        resume_rx,
        resume_tx,
        with_rx_paused, //
    },
    queues,
    restart::detach_interface,
    rx::{
        count_lost,
        RxQueue,
        RxState, //
    },
    tx, //
};
use kernel::{
    prelude::*,
    sync::atomic::Relaxed, //
};
use netdev::{
    Device,
    Rtnl,
    XskPool,
    XskTx, //
};
use virtio::Once;

/// Has a pair use the memory of a socket. Process context, sleeps.
///
/// # Errors
///
/// The pair does not use it.
///
/// - `EINVAL`: the memory has no room for the header before a packet, the pair is not in use, or
///   the device accesses memory by other addresses than those of the DMA API.
/// - `ENOENT`: receive buffers are big; or the device cannot reset a queue.
/// - `ENODEV`: the device has no queues.
/// - Those of [`virtio::Virtqueue::reset`], and `ENOMEM`.
pub(crate) fn bind(dev: &Device<Nic<'_>>, i: usize, pool: XskPool<'_>, rtnl: &mut Rtnl) -> Result {
    let nic = dev.data();
    let header = nic.negotiated.header.len as u32;
    if header > pool.headroom() {
        return Err(EINVAL);
    }
    if matches!(nic.negotiated.rx_mode, RxMode::Big { .. }) {
        return Err(ENOENT);
    }
    let pair = nic
        .pairs
        .get(i)
        .filter(|_| i < nic.current_pairs())
        .ok_or(EINVAL)?;
    let mut half = None;
    let bound = with_rx_paused(dev, i, pair, rtnl, |state| {
        half = Some(bind_rx(dev, i, pair, state, pool)?);
        Ok(())
    });
    let tx = bound.and_then(|()| half.ok_or(EINVAL))?;
    if let Err(e) = bind_tx(dev, i, pair, tx, rtnl) {
        unbind(dev, i, rtnl);
        return Err(e);
    }
    follow_resets(dev, i, rtnl);
    Ok(())
}

/// Has the receive queue, which is paused, use the memory. Returns the half for transmission.
fn bind_rx(
    dev: &Device<Nic<'_>>,
    i: usize,
    pair: &Pair,
    state: &mut RxState,
    pool: XskPool<'_>,
) -> Result<XskTx> {
    let (Some(RxQueue::Mergeable(vq) | RxQueue::Small(vq)), None) = (&mut state.queue, &state.xsk)
    else {
        return Err(if state.queue.is_none() { ENODEV } else { EBUSY });
    };
    let dma_dev = vq.dma_dev().ok_or(EINVAL)?;
    let header = dev.data().negotiated.header.len as u32;
    let (rx, tx) = pool.map(dma_dev, header, pair.tx_ring.get())?;
    let counters = &pair.rx.counters;
    let reset = vq.reset(|returned| count_lost(&returned, counters));
    log_failure(dev, "reset", "rx", i, reset)?;
    let queue = state.queue.take().ok_or(ENODEV)?;
    match queue.try_into_xsk() {
        Ok(queue) => {
            state.queue = Some(queue);
            state.xsk = Some(rx);
            Ok(tx)
        }
        // Not possible: the reset has returned all buffers.
        Err(queue) => {
            state.queue = Some(queue);
            Err(EBUSY)
        }
    }
}

/// Has the transmit queue use the memory.
fn bind_tx(dev: &Device<Nic<'_>>, i: usize, pair: &Pair, xsk: XskTx, rtnl: &mut Rtnl) -> Result {
    let mut queue = pause_tx(dev, i, pair, rtnl).ok_or(ENODEV)?;
    let result = if xsk.is_for(queue.dma_dev()) {
        let reset = queue.reset(|packet| tx::take_back(dev.data(), pair, packet));
        log_failure(dev, "reset", "tx", i, reset)
    } else {
        Err(EINVAL)
    };
    if result.is_ok() {
        set_tx(dev, i, pair, Some(xsk));
        if dev.is_in_use(rtnl) {
            open::enable_tx_napi(dev, i, pair, rtnl);
        }
    }
    report_if_unusable(dev, result);
    resume_tx(dev, i, pair, queue, rtnl);
    result
}

/// Replaces the half for transmission of a pair, whose transmit queue is paused.
fn set_tx(dev: &Device<Nic<'_>>, i: usize, pair: &Pair, xsk: Option<XskTx>) {
    let Some(mut guard) = dev.tx_lock(i) else {
        return;
    };
    let (state, _) = guard.parts();
    pair.has_xsk.store(xsk.is_some(), Relaxed);
    pair.set_tx_napi(pair.tx_napi.read_once());
    let old = core::mem::replace(&mut state.xsk, xsk);
    pair.tx_rare.write_once(state.xsk.is_some());
    drop(guard);
    drop(old);
}

/// Ends the use of the memory of a socket by a pair. The device has nothing left of it then, and
/// the pair has dropped it. Process context, sleeps.
///
/// If a queue cannot be reset alone, the device is: then the recovery starts it anew.
pub(crate) fn unbind(dev: &Device<Nic<'_>>, i: usize, rtnl: &mut Rtnl) {
    let Some(pair) = dev.data().pairs.get(i) else {
        return;
    };
    let is_free = unbind_rx(dev, i, pair, rtnl) & unbind_tx(dev, i, pair, rtnl);
    if is_free {
        return follow_resets(dev, i, rtnl);
    }
    detach_interface(dev, rtnl);
    queues::drop_queues(dev, rtnl);
    if let Some((state, _pool)) = dev.rx_stopped(i, rtnl) {
        state.xsk = None;
    }
    set_tx(dev, i, pair, None);
    dev.data().health.report(dev, Failure::QueueBroken);
}

/// Takes the memory from a receive queue. Returns whether the device has nothing left of it.
fn unbind_rx(dev: &Device<Nic<'_>>, i: usize, pair: &Pair, rtnl: &mut Rtnl) -> bool {
    let mode = dev.data().negotiated.rx_mode;
    pause_rx(dev, i, rtnl);
    let mut result = Ok(());
    let is_free = match dev.rx_stopped(i, rtnl) {
        Some((state, _pool)) => {
            if let Some(RxQueue::Xsk(vq)) = &mut state.queue {
                result = log_failure(
                    dev,
                    "reset",
                    "rx",
                    i,
                    vq.reset(|returned| count_lost(&returned, &pair.rx.counters)),
                );
            }
            take_rx(state, mode)
        }
        None => false,
    };
    report_if_unusable(dev, result);
    resume_rx(dev, i, pair, rtnl);
    is_free
}

/// Drops the half for reception if the queue has no buffer. Returns whether that is so.
fn take_rx(state: &mut RxState, mode: RxMode) -> bool {
    let (queue, is_free) = match state.queue.take().map(|queue| queue.try_out_of_xsk(mode)) {
        Some(Ok(queue)) => (Some(queue), true),
        Some(Err(queue)) => (Some(queue), false),
        None => (None, true),
    };
    state.queue = queue;
    if is_free {
        state.xsk = None;
    }
    is_free
}

/// Takes the memory from a transmit queue. Returns whether the device has nothing left of it.
fn unbind_tx(dev: &Device<Nic<'_>>, i: usize, pair: &Pair, rtnl: &mut Rtnl) -> bool {
    if !pair.has_xsk.load(Relaxed) {
        return true;
    }
    let Some(mut queue) = pause_tx(dev, i, pair, rtnl) else {
        set_tx(dev, i, pair, None);
        return true;
    };
    let reset = queue.reset(|packet| tx::take_back(dev.data(), pair, packet));
    let result = log_failure(dev, "reset", "tx", i, reset);
    if result.is_ok() {
        set_tx(dev, i, pair, None);
        // While the queue is paused, so that no packet is sent that only NAPI reaps.
        if dev.is_in_use(rtnl) && !open::enable_tx_napi(dev, i, pair, rtnl) {
            pair.set_tx_napi(false);
            dev.tx_disable(i, rtnl);
        }
    }
    report_if_unusable(dev, result);
    resume_tx(dev, i, pair, queue, rtnl);
    result.is_ok()
}

/// Has the queues of a pair look at the memory of its socket. Process or softirq context.
///
/// # Errors
///
/// `ENETDOWN`: the interface is down. `EINVAL`: the pair is not in use.
pub(crate) fn wake(dev: &Device<Nic<'_>>, i: usize, rx: bool, tx: bool) -> Result {
    if !dev.is_running() {
        return Err(ENETDOWN);
    }
    if i >= dev.data().current_pairs() {
        return Err(EINVAL);
    }
    if tx {
        dev.tx_kick(i);
    }
    if rx {
        dev.rx_wake(i);
    }
    Ok(())
}

/// Sends the limits of the queues of a pair again, which a reset has cleared. If this fails, they
/// are sent later.
fn follow_resets(dev: &Device<Nic<'_>>, i: usize, rtnl: &mut Rtnl) {
    for direction in [Direction::Receive, Direction::Transmit] {
        let _ = coalesce::follow_reset(dev, direction, i, rtnl);
    }
}
