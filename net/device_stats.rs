// SPDX-License-Identifier: GPL-2.0

//! Statistics that the device counts (virtio spec §5.1.6.5.10), for `ethtool -S` and for the
//! `netdev` statistics of queues.

pub(crate) mod kinds;
mod reply;
pub(crate) mod values;

use self::{
    kinds::{
        QueueKind,
        Types, //
    },
    reply::{
        Record,
        Request, //
    },
    values::Values, //
};
use crate::{
    ctrl::{
        self,
        is_unanswered, //
    },
    features,
    nic::Nic,
    queue_index::{
        control_index,
        pair_of,
        rx_index,
        tx_index, //
    },
    stats, //
};
use kernel::{
    prelude::*,
    sync::atomic::Relaxed, //
};
use netdev::{
    device::ratelimit,
    stats::{
        RxQueueStats,
        TxQueueStats, //
    },
    Device,
    Rtnl, //
};

/// Asks the device for the types of its statistics, once, and sets the number of values of
/// `ethtool -S`. Process context.
///
/// If the device does not answer, or writes too little, no statistics of it are used.
///
/// # Errors
///
/// `EINVAL`: the device refused. `ENOMEM`.
pub(crate) fn init(dev: &Device<Nic<'_>>, rtnl: &mut Rtnl) -> Result {
    let nic = dev.data();
    if !nic.ctrl.has(features::DEVICE_STATS) {
        return Ok(());
    }
    let bits = match nic.ctrl.stats_types(dev) {
        Ok(Some(bits)) => bits,
        Ok(None) => {
            dev_warn!(
                nic.vdev.as_ref(),
                "the device does not say which statistics it has: none are used\n"
            );
            return Ok(());
        }
        // Was logged and reported already.
        Err(e) if is_unanswered(e) => return Ok(()),
        Err(e) => return Err(ctrl::for_user(e)),
    };
    let types = Types::from_bits(bits);
    nic.stats_types.store(types.bits(), Relaxed);
    // CAST: There are a few names.
    let names = |kind| types.names(kind).count() as u16;
    let of_pair = stats::OF_PAIR + names(QueueKind::Receive) + names(QueueKind::Transmit);
    dev.set_stats(of_pair + names(QueueKind::Control), of_pair, rtnl);
    Ok(())
}

/// Returns the types of statistics that the device has.
pub(crate) fn types(nic: &Nic<'_>) -> Types {
    Types::from_bits(nic.stats_types.load(Relaxed))
}

/// Returns the values of the device for `ethtool -S`: 0 if the device refuses or does not answer,
/// or if the reply is not valid. Process context, sleeps.
pub(crate) fn read(dev: &Device<Nic<'_>>) -> Values {
    let types = types(dev.data());
    try_read(dev, types).unwrap_or_else(|e| {
        // As in C, a refusal is not logged.
        if e != EINVAL && ratelimit() {
            dev.dev_warn(fmt!("Failed to get hw stats.\n"));
        }
        Values::zero(types)
    })
}

fn try_read(dev: &Device<Nic<'_>>, types: Types) -> Result<Values> {
    let nic = dev.data();
    let pairs = nic.current_pairs();
    let [rx, tx, control] = QueueKind::ALL.map(|kind| types.with_names(kind));
    let mut request = Request::new();
    for pair in 0..pairs {
        request.add(rx_index(pair), rx)?;
        request.add(tx_index(pair), tx)?;
    }
    request.add(control_index(nic.negotiated.max_pairs), control)?;
    let mut values = Values::with_room(types, pairs)?;
    ask(dev, &request, |record| {
        let queue = match record.about.kind {
            QueueKind::Receive | QueueKind::Transmit => pair_of(record.queue).0,
            QueueKind::Control => 0,
        };
        values.put(queue, record);
    })?;
    Ok(values)
}

/// Sends a request, and calls `f` with each record of the reply.
///
/// # Errors
///
/// Those of the control queue. `EPROTO`: the reply is not valid, and `f` was not called.
fn ask(dev: &Device<Nic<'_>>, request: &Request, mut f: impl FnMut(&Record<'_>)) -> Result {
    if request.is_empty() {
        return Ok(());
    }
    let ctrl = &dev.data().ctrl;
    let reply = ctrl.stats(dev, request.to_bytes()?, request.reply_len())?;
    request.parse(&reply)?.for_each(|record| f(&record));
    Ok(())
}

/// Asks for the `netdev` statistics of a queue.
fn ask_queue(
    dev: &Device<Nic<'_>>,
    queue: usize,
    kind: QueueKind,
    f: impl FnMut(&Record<'_>),
) -> Result {
    let mut request = Request::new();
    request.add(queue, types(dev.data()).with_setters(kind))?;
    ask(dev, &request, f)
}

/// Sets the statistics of a receive queue that the device counts. On failure the statistics stay
/// unknown. Process context, sleeps.
pub(crate) fn set_rx(dev: &Device<Nic<'_>>, pair: usize, stats: &mut RxQueueStats) {
    let _ = ask_queue(dev, rx_index(pair), QueueKind::Receive, |record| {
        for &(set, value) in record.about.rx {
            set(stats, record.value(value));
        }
    });
}

/// Sets the statistics of a transmit queue that the device counts, as [`set_rx`].
pub(crate) fn set_tx(dev: &Device<Nic<'_>>, pair: usize, stats: &mut TxQueueStats) {
    let _ = ask_queue(dev, tx_index(pair), QueueKind::Transmit, |record| {
        for &(set, value) in record.about.tx {
            set(stats, record.value(value));
        }
    });
}

/// Sets the statistics that the device counts of queues to 0.
pub(crate) fn clear(dev: &Device<Nic<'_>>, rx: &mut RxQueueStats, tx: &mut TxQueueStats) {
    let types = types(dev.data());
    for one in types.of(QueueKind::Receive) {
        one.rx.iter().for_each(|(set, _)| set(rx, 0));
    }
    for one in types.of(QueueKind::Transmit) {
        one.tx.iter().for_each(|(set, _)| set(tx, 0));
    }
}
