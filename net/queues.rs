// SPDX-License-Identifier: GPL-2.0

//! The virtqueues of a device (virtio spec §5.1.2): pairs of a receive and a transmit queue, and
//! the control queue after all of them.

use crate::{
    ctrl::{
        self,
        Command,
        COMMAND_SEGMENTS, //
    },
    features,
    negotiated::RxMode,
    nic::Nic,
    rx::RxQueue,
    settings::pending::Setting,
    source::QueueSource,
    tx, //
};
use kernel::{
    alloc::KVec,
    prelude::*,
    sync::atomic::Relaxed, //
};
use net_buffers::packet::TX_SEGMENTS;
use netdev::{
    affinity::{
        self,
        CpusLocked, //
    },
    Device,
    Rtnl, //
};
use virtio::{
    Affinity,
    QueueHandle,
    QueueSpec,
    Queues, //
};

/// Index of a receive queue on the device.
pub(crate) const fn rx_index(pair: usize) -> usize {
    pair * 2
}

/// Index of a transmit queue on the device.
pub(crate) const fn tx_index(pair: usize) -> usize {
    pair * 2 + 1
}

/// Returns the pair of a queue, and whether the queue transmits, by its index on the device.
pub(crate) const fn pair_of(index: usize) -> (usize, bool) {
    (index / 2, index % 2 != 0)
}

/// Returns the specifications of all queues.
fn specs(nic: &Nic<'_>) -> Result<KVec<QueueSpec>> {
    let pairs = nic.negotiated.max_pairs;
    let mut specs = KVec::with_capacity(2 * pairs + 1, GFP_KERNEL)?;
    for i in 0..pairs {
        let input = |segments| QueueSpec::new(fmt!("input.{}", i), segments);
        specs.push(
            match nic.negotiated.rx_mode {
                // The header is a segment of its own.
                RxMode::Big { pages } => input(pages + 1)?,
                RxMode::Small | RxMode::Mergeable => input(1)?.with_ctx(),
            },
            GFP_KERNEL,
        )?;
        specs.push(
            QueueSpec::new(fmt!("output.{}", i), TX_SEGMENTS)?,
            GFP_KERNEL,
        )?;
    }
    if nic.negotiated.has(features::CTRL_VQ) {
        specs.push(
            QueueSpec::new(fmt!("control"), COMMAND_SEGMENTS)?.without_callback(),
            GFP_KERNEL,
        )?;
    }
    Ok(specs)
}

/// Finds the queues and installs them. The device is in reset. Process context.
///
/// # Errors
///
/// Those of [`virtio::Device::find_vqs`], and `ENOMEM`. The device has no queues then.
pub(crate) fn find_queues(dev: &Device<Nic<'_>>, rtnl: &mut Rtnl) -> Result {
    try_find_queues(dev, rtnl).inspect_err(|_| drop_queues(dev, rtnl))
}

fn try_find_queues(dev: &Device<Nic<'_>>, rtnl: &mut Rtnl) -> Result {
    let nic = dev.data();
    let mut queues = nic.vdev.find_vqs(specs(nic)?, Affinity::Default)?;
    let mut handles = KVec::with_capacity(nic.negotiated.max_pairs, GFP_KERNEL)?;
    for i in 0..nic.negotiated.max_pairs {
        handles.push(install_pair(dev, &mut queues, i, rtnl)?, GFP_KERNEL)?;
    }
    dev.set_sources(handles, rtnl)?;
    if nic.negotiated.has(features::CTRL_VQ) {
        let queue = queues.take::<Command>(2 * nic.negotiated.max_pairs)?;
        drop(nic.ctrl.set_queue(Some(queue)));
    }
    nic.has_queues.store(true, Relaxed);
    Ok(())
}

/// Installs the queues of a pair. Returns their handles, that of the receive queue first.
fn install_pair(
    dev: &Device<Nic<'_>>,
    queues: &mut Queues,
    i: usize,
    rtnl: &mut Rtnl,
) -> Result<(QueueSource<QueueHandle>, QueueSource<QueueHandle>)> {
    let nic = dev.data();
    let (rx, rx_handle) = match nic.negotiated.rx_mode {
        RxMode::Big { .. } => {
            let vq = queues.take(rx_index(i))?;
            let handle = vq.handle();
            (RxQueue::Big(vq), handle)
        }
        mode @ (RxMode::Small | RxMode::Mergeable) => {
            let vq = queues.take(rx_index(i))?;
            dev.set_page_pool(i, Some((vq.ring_size(), vq.dma_dev())), rtnl)?;
            let handle = vq.handle();
            let queue = if mode == RxMode::Mergeable {
                RxQueue::Mergeable(vq)
            } else {
                RxQueue::Small(vq)
            };
            (queue, handle)
        }
    };
    let tx = queues.take(tx_index(i))?;
    let tx_handle = tx.handle();

    let rx_sizes = [rx.ring_size(), rx.num_max()];
    let (state, _pool) = dev.rx_stopped(i, rtnl).ok_or(EBUSY)?;
    let pair = nic.pairs.get(i).ok_or(EINVAL)?;
    state.set_queue(&nic.negotiated, pair, rx)?;
    for (to, n) in pair.rx_ring.iter().zip(rx_sizes) {
        to.store(n, Relaxed);
    }
    for (to, n) in pair.tx_ring.iter().zip([tx.ring_size(), tx.num_max()]) {
        to.store(n, Relaxed);
    }
    pair.tx_min_free
        .store(tx::min_free(tx.ring_size()), Relaxed);

    let mut guard = dev.tx_lock(i).ok_or(EINVAL)?;
    guard.parts().0.queue = Some(tx);
    Ok((QueueSource(rx_handle), QueueSource(tx_handle)))
}

/// Resets the device, unless that was done, and drops the queues with their buffers. The interface
/// is down or detached. Process context.
pub(crate) fn drop_queues(dev: &Device<Nic<'_>>, rtnl: &mut Rtnl) {
    clear_affinity(dev);
    let nic = dev.data();
    nic.has_queues.store(false, Relaxed);
    let _ = dev.set_sources([], rtnl);
    for i in 0..nic.negotiated.max_pairs {
        let tx = dev.tx_lock(i).and_then(|mut guard| {
            let (state, stack) = guard.parts();
            // Packets in the ring are freed without being reported to BQL.
            stack.reset();
            state.queue.take()
        });
        // Without the queue lock: this resets the device.
        drop(tx);
        if let Some((state, _pool)) = dev.rx_stopped(i, rtnl) {
            drop(state.take_queue());
        }
        let _ = dev.set_page_pool(i, None, rtnl);
    }
    drop(nic.ctrl.set_queue(None));
}

/// Calls `f` with the handles of the queues of a pair.
fn with_handles(dev: &Device<Nic<'_>>, pair: usize, f: impl Fn(&QueueHandle)) {
    dev.with_sources(pair, |rx, tx| {
        for QueueSource(handle) in [rx, tx].into_iter().flatten() {
            f(handle);
        }
    });
}

/// Spreads the interrupts of the pairs in use, and the packets sent on them, over the CPUs.
pub(crate) fn set_affinity(dev: &Device<Nic<'_>>, cpus: &CpusLocked) {
    let nic = dev.data();
    let ret = affinity::spread(cpus, nic.current_pairs(), |i, mask| {
        with_handles(dev, i, |handle| {
            // A hint: not every transport supports it.
            let _ = handle.set_affinity(Some(mask));
        });
        let _ = dev.set_xps(i, mask, cpus);
    });
    match ret {
        Ok(()) => nic.affinity_set.store(true, Relaxed),
        Err(_) => clear_affinity(dev),
    }
}

/// Removes the hints of [`set_affinity`].
pub(crate) fn clear_affinity(dev: &Device<Nic<'_>>) {
    let nic = dev.data();
    if nic.affinity_set.xchg(false, Relaxed) {
        for i in 0..nic.negotiated.max_pairs {
            with_handles(dev, i, |handle| {
                let _ = handle.set_affinity(None);
            });
        }
    }
}

/// Sets how many pairs are in use, on the device and in the driver. Errors are those of the control
/// queue.
pub(crate) fn set_pairs(dev: &Device<Nic<'_>>, pairs: usize, rtnl: &mut Rtnl) -> Result {
    let nic = dev.data();
    if !nic.ctrl.has(features::MQ) {
        return Ok(());
    }
    nic.ctrl
        .set_pairs(dev, u16::try_from(pairs)?)
        .inspect_err(|_| {
            dev.dev_warn(fmt!("Fail to set num of queue pairs to {}\n", pairs));
        })?;
    nic.current_pairs.store(pairs, Relaxed);
    if dev.is_up() {
        // The first poll fills the rings of the pairs that were not in use.
        for i in 0..pairs {
            dev.rx_kick(i, rtnl);
        }
    }
    Ok(())
}

/// Sends the number of pairs that the user asked for to the device.
///
/// # Errors
///
/// Those of `change_pairs`. Nothing changed.
pub(crate) fn send_pairs(dev: &Device<Nic<'_>>, rtnl: &mut Rtnl) -> Result {
    let nic = dev.data();
    let wanted = nic.wanted_pairs.load(Relaxed);
    if wanted == nic.current_pairs() {
        set_pairs(dev, wanted, rtnl)
    } else {
        change_pairs(dev, wanted, rtnl)
    }
}

/// As [`send_pairs`], after a reset. If the device refuses or does not answer, only the first pair
/// is in use (virtio spec §5.1.6.5.6), and the stack uses one pair.
///
/// # Errors
///
/// Those of `change_pairs`.
pub(crate) fn init_pairs(dev: &Device<Nic<'_>>, rtnl: &mut Rtnl) -> Result {
    let result = send_pairs(dev, rtnl);
    if result.is_err() {
        dev.data().current_pairs.store(1, Relaxed);
        set_affinity(dev, &CpusLocked::lock());
        dev.set_real_queues(1, rtnl)?;
    }
    result
}

/// Changes how many pairs are in use, as the user asks, now and after every reset.
///
/// If the number is already in use, no command is sent. It may be in use because the device refused
/// another number before. (Today the core does not pass such a call to the driver:
/// `ethnl_set_channels`, `ethtool_set_channels`.)
///
/// # Errors
///
/// `EINVAL`: the device refused, or did not answer. `ENOMEM`. Nothing changed.
pub(crate) fn choose_pairs(dev: &Device<Nic<'_>>, pairs: usize, rtnl: &mut Rtnl) -> Result {
    let nic = dev.data();
    if pairs != nic.current_pairs() {
        change_pairs(dev, pairs, rtnl).map_err(|e| {
            nic.pending.failed(dev, Setting::Pairs, e);
            ctrl::for_user(e)
        })?;
    }
    nic.wanted_pairs.store(pairs, Relaxed);
    Ok(())
}

/// Changes how many pairs are in use, on the device and in the stack.
///
/// # Errors
///
/// Those of the control queue, and `ENOMEM`. Nothing changed.
fn change_pairs(dev: &Device<Nic<'_>>, pairs: usize, rtnl: &mut Rtnl) -> Result {
    let before = dev.data().current_pairs();
    set_pairs(dev, pairs, rtnl)?;
    let ret = dev.set_real_queues(pairs, rtnl);
    if ret.is_err() {
        // The stack must not send on a queue that the device does not serve.
        let served = match set_pairs(dev, before, rtnl) {
            Ok(()) => before,
            Err(_) => before.min(pairs),
        };
        // Reducing the number allocates nothing, so it cannot fail.
        let _ = dev.set_real_queues(served, rtnl);
    }
    set_affinity(dev, &CpusLocked::lock());
    ret
}

#[cfg(CONFIG_RUST_VIRTIO_KUNIT_TEST)]
#[kunit_tests(rust_virtio_net_queues)]
mod tests {
    use super::*;

    #[test]
    fn indices() {
        for pair in 0..10 {
            assert_eq!(pair_of(rx_index(pair)), (pair, false));
            assert_eq!(pair_of(tx_index(pair)), (pair, true));
        }
    }
}
