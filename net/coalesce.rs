// SPDX-License-Identifier: GPL-2.0

//! Coalescing: the limits after which a queue notifies the driver of used buffers (virtio spec
//! §5.1.6.5.9).
//!
//! A device with `VIRTIO_NET_F_NOTF_COAL` has limits for all receive queues and for all transmit
//! queues, and one with `VIRTIO_NET_F_VQ_NOTF_COAL` has limits for each queue. Without either, a
//! queue notifies the driver of each packet. Without transmit NAPI, a transmit queue notifies the
//! driver of no packet.
//!
//! The driver records the limits that the device has, and sends them again after a reset. With
//! `ethtool -C ... adaptive-rx on`, the driver [adapts](adapt) the limits of receive queues to the
//! traffic.

pub(crate) mod limits;

use self::limits::{
    Coalesce,
    Direction,
    Limits,
    Table, //
};
use crate::{
    ctrl::{
        is_temporary,
        is_unanswered, //
    },
    features,
    nic::{
        Nic,
        Pair, //
    },
    queue_index::{
        rx_index,
        tx_index, //
    },
    settings::pending::Setting, //
};
use kernel::{
    prelude::*,
    sync::{
        atomic::Relaxed,
        Arc, //
    }, //
};
use netdev::{
    ethtool::Coalescing,
    DevLock,
    Device,
    Moderation, //
};
use virtio::Once;

impl Direction {
    /// Sends the limits of all queues. Errors are those of the control queue.
    fn send_all(self, dev: &Device<Nic<'_>>, limits: Limits) -> Result {
        dev.data().ctrl.set_limits(dev, self, limits)
    }

    /// Sends the limits of the queue of a pair. Errors are those of the control queue.
    fn send_queue(self, dev: &Device<Nic<'_>>, pair: usize, limits: Limits) -> Result {
        let index = match self {
            Self::Receive => rx_index(pair),
            Self::Transmit => tx_index(pair),
        };
        let index = u16::try_from(index)?;
        dev.data().ctrl.set_queue_limits(dev, index, limits)
    }
}

impl Table {
    /// Sends the table to the device, as far as it differs from the first limits of a device. Goes
    /// on after a refusal, stops when the device does not answer.
    ///
    /// # Errors
    ///
    /// One of those of the control queue, a temporary one if there is one.
    fn send(&self, dev: &Device<Nic<'_>>) -> Result {
        let mut result = Ok(());
        if let Some(limits) = self.sent() {
            result = self.direction.send_all(dev, limits);
        }
        for (pair, limits) in self.own() {
            if result.is_err_and(is_unanswered) {
                break;
            }
            result = both(result, self.direction.send_queue(dev, pair, limits));
        }
        result
    }
}

/// Returns the error of either result, if there is one: a temporary error rather than another.
fn both(one: Result, other: Result) -> Result {
    if one.is_err_and(is_temporary) {
        one
    } else {
        other.and(one)
    }
}

/// Whether the limits of one queue, or of all queues, can be set.
fn has_limits(nic: &Nic<'_>, queue: Option<usize>) -> bool {
    nic.ctrl.has(match queue {
        None => features::NOTF_COAL,
        Some(_) => features::VQ_NOTF_COAL,
    })
}

/// Returns the limits of the queues of a pair, or of all queues, for `ethtool -c`. Process context,
/// sleeps.
///
/// # Errors
///
/// `EINVAL`: there is no such pair.
pub(crate) fn get(dev: &Device<Nic<'_>>, queue: Option<usize>) -> Result<Coalescing> {
    let nic = dev.data();
    let pair = nic.pairs.get(queue.unwrap_or(0)).ok_or(EINVAL)?;
    if !has_limits(nic, queue) {
        return Ok(Coalescing {
            rx_frames: 1,
            // At most one interrupt per packet, or no interrupt.
            tx_frames: pair.tx_napi_wanted.load(Relaxed).into(),
            ..Coalescing::default()
        });
    }
    let (rx, tx, adaptive_rx) = current(nic, &nic.coalesce.lock(), queue)?;
    Ok(Coalescing {
        rx_usecs: rx.usecs,
        rx_frames: rx.packets,
        tx_usecs: tx.usecs,
        tx_frames: tx.packets,
        adaptive_rx,
    })
}

/// Returns the recorded limits of the queues of a pair, or of all queues: those of receive queues,
/// those of transmit queues, and whether the former are adapted to the traffic.
///
/// # Errors
///
/// `EINVAL`: there is no such pair.
fn current(
    nic: &Nic<'_>,
    state: &Coalesce,
    queue: Option<usize>,
) -> Result<(Limits, Limits, bool)> {
    let Some(i) = queue else {
        return Ok((state.rx.all, state.tx.all, state.adaptive_rx));
    };
    let pair = nic.pairs.get(i).ok_or(EINVAL)?;
    let adaptive_rx = pair.adaptive_rx.load(Relaxed);
    Ok((state.rx.of(i)?, state.tx.of(i)?, adaptive_rx))
}

/// Sets the limits of the queues of a pair, or of all queues, for `ethtool -C`. Process context,
/// sleeps.
///
/// `tx_frames` also decides whether NAPI reaps transmitted packets: not if it is 0.
///
/// # Errors
///
/// Nothing has changed.
///
/// - `EBUSY`: the interface is up, or an AF_XDP socket uses a pair, and NAPI would change.
/// - `EINVAL`: there is no such pair, the device refused or did not answer, the number of packets
///   is fixed, or limits that are adapted would change.
/// - `EOPNOTSUPP`: the device has no limits of time, or its limits cannot be adapted.
/// - `ENOMEM`.
pub(crate) fn set(
    dev: &Device<Nic<'_>>,
    queue: Option<usize>,
    params: Coalescing,
    _lock: &mut DevLock,
) -> Result {
    let nic = dev.data();
    let pairs: &[Arc<Pair>] = match queue {
        None => nic.pairs.get(..),
        Some(i) => nic.pairs.get(i..=i),
    }
    .ok_or(EINVAL)?;

    let tx_napi = params.tx_frames != 0;
    let changes = pairs
        .iter()
        .any(|p| p.tx_napi_wanted.load(Relaxed) != tx_napi);
    let has_xsk = || pairs.iter().any(|p| p.has_xsk.load(Relaxed));
    if changes && (dev.is_up() || has_xsk()) {
        return Err(EBUSY);
    }
    if has_limits(nic, queue) {
        set_limits(dev, queue, pairs, params)?;
    } else {
        check_fixed(params)?;
    }
    for pair in pairs {
        pair.tx_napi_wanted.store(tx_napi, Relaxed);
    }
    Ok(())
}

/// Checks parameters for a device without limits.
///
/// # Errors
///
/// `EOPNOTSUPP`: they contain a limit of time. `EINVAL`: the number of packets is fixed.
fn check_fixed(params: Coalescing) -> Result {
    if params.rx_usecs != 0 || params.tx_usecs != 0 {
        return Err(EOPNOTSUPP);
    }
    if params.tx_frames > 1 || params.rx_frames != 1 {
        return Err(EINVAL);
    }
    Ok(())
}

/// Sets limits of the queues of a pair, or of all queues, on the device, and records them. `pairs`
/// are that pair, or all pairs.
///
/// # Errors
///
/// Those of [`set`]. Nothing has changed.
fn set_limits(
    dev: &Device<Nic<'_>>,
    queue: Option<usize>,
    pairs: &[Arc<Pair>],
    params: Coalescing,
) -> Result {
    let rx = Limits {
        usecs: params.rx_usecs,
        packets: params.rx_frames,
    };
    let tx = Limits {
        usecs: params.tx_usecs,
        packets: params.tx_frames,
    };
    let adaptive = params.adaptive_rx;
    if adaptive && !dev.adapts_rx() {
        return Err(EOPNOTSUPP);
    }
    let nic = dev.data();
    let mut state = nic.coalesce.lock();
    let (rx_before, _, was_adaptive) = current(nic, &state, queue)?;
    if adaptive && rx != rx_before {
        return Err(EINVAL);
    }
    // The driver chooses the limits from now on, and begins with those that the device has.
    let starts = adaptive && !was_adaptive;
    let rx = (!starts).then_some(rx);
    let sent = match queue {
        None => send_all(dev, &mut state, rx, tx),
        Some(i) => send_queue(dev, &mut state, i, rx, tx),
    };
    sent.map_err(|e| {
        if is_unanswered(e) {
            state.rx.doubt(queue);
            state.tx.doubt(queue);
        }
        nic.pending.failed_for_user(dev, Setting::Coalescing, e)
    })?;
    if adaptive != was_adaptive {
        if queue.is_none() {
            state.adaptive_rx = adaptive;
        }
        for pair in pairs {
            pair.adaptive_rx.write_once(adaptive);
        }
    }
    Ok(())
}

/// Sends limits of all queues, and records them: also unchanged ones, because they replace those of
/// single queues. Without `rx`, only those of transmit queues.
///
/// # Errors
///
/// Those of the control queue. Nothing has changed, unless the device did not answer.
fn send_all(dev: &Device<Nic<'_>>, state: &mut Coalesce, rx: Option<Limits>, tx: Limits) -> Result {
    Direction::Transmit.send_all(dev, tx)?;
    if let Some(rx) = rx {
        Direction::Receive.send_all(dev, rx).map_err(|e| {
            state.tx.doubt(None);
            state.tx.send(dev).err().unwrap_or(e)
        })?;
        state.rx.record_all(rx);
    }
    state.tx.record_all(tx);
    Ok(())
}

/// Sends limits of the queues of a pair, and records them. Without `rx`, only those of the transmit
/// queue.
///
/// # Errors
///
/// `EINVAL`: there is no such pair, or the device refused. The others of the control queue. Nothing
/// has changed, unless the device did not answer.
fn send_queue(
    dev: &Device<Nic<'_>>,
    state: &mut Coalesce,
    pair: usize,
    rx: Option<Limits>,
    tx: Limits,
) -> Result {
    let before = state.rx.of(pair)?;
    if let Some(rx) = rx {
        Direction::Receive.send_queue(dev, pair, rx)?;
    }
    Direction::Transmit.send_queue(dev, pair, tx).map_err(|e| {
        let undone = rx.map_or(Ok(()), |_| Direction::Receive.send_queue(dev, pair, before));
        undone.err().unwrap_or(e)
    })?;
    if let Some(rx) = rx {
        state.rx.record(pair, rx);
    }
    state.tx.record(pair, tx);
    Ok(())
}

/// Sends limits that suit the traffic of a receive queue, if the user wants that. Process context,
/// sleeps, without the RTNL.
///
/// If the device refuses or does not answer, the limits stay as they are until the traffic changes
/// again.
pub(crate) fn adapt(dev: &Device<Nic<'_>>, queue: usize, best: Moderation) {
    let nic = dev.data();
    let limits = Limits {
        usecs: best.usecs.into(),
        packets: best.packets.into(),
    };
    let mut state = nic.coalesce.lock();
    let wanted = nic.pairs.get(queue);
    if !wanted.is_some_and(|pair| pair.adaptive_rx.load(Relaxed))
        || state.rx.of(queue) == Ok(limits)
    {
        return;
    }
    match Direction::Receive.send_queue(dev, queue, limits) {
        Ok(()) => state.rx.record(queue, limits),
        Err(e) if is_unanswered(e) => state.rx.doubt(Some(queue)),
        Err(_) => {}
    }
}

/// Sends the limits of the queue of a pair again, after a reset of the queue: with the reset, the
/// queue gets the limits of all queues (virtio spec §5.1.6.5.9). If the device does not answer, the
/// limits of the queue are sent later. Process context, sleeps.
///
/// # Errors
///
/// `EINVAL`: the device refused, or did not answer. `ENOMEM`.
pub(crate) fn follow_reset(
    dev: &Device<Nic<'_>>,
    direction: Direction,
    pair: usize,
    _lock: &mut DevLock,
) -> Result {
    let nic = dev.data();
    if !has_limits(nic, Some(pair)) {
        return Ok(());
    }
    let result = {
        let state = nic.coalesce.lock();
        let limits = state.table(direction).of(pair);
        limits.and_then(|limits| direction.send_queue(dev, pair, limits))
    };
    result.map_err(|e| nic.pending.failed_for_user(dev, Setting::Coalescing, e))
}

/// Sends the recorded limits to a device after a reset.
///
/// # Errors
///
/// Those of the control queue. Limits that the device does not refuse were sent, unless it did not
/// answer.
pub(crate) fn restore(dev: &Device<Nic<'_>>) -> Result {
    let state = dev.data().coalesce.lock();
    let tx = state.tx.send(dev);
    if tx.is_err_and(is_unanswered) {
        return tx;
    }
    both(tx, state.rx.send(dev))
}
