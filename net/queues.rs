// SPDX-License-Identifier: GPL-2.0

//! The virtqueues of a device (virtio spec §5.1.2): pairs of a receive and a transmit queue, and
//! the control queue after all of them.

use crate::{
    ctrl::{
        Command,
        COMMAND_SEGMENTS, //
    },
    features,
    negotiated::RxMode,
    nic::Nic,
    queue_index::{
        control_index,
        rx_index,
        tx_index, //
    },
    resize,
    rss,
    rx::RxQueue,
    settings::pending::Setting,
    source::QueueSource,
    tx, //
};
use kernel::{
    alloc::KVec,
    cpu::nr_cpu_ids,
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
    nic.rss.forget();
    let mut queues = nic.vdev.find_vqs(specs(nic)?, Affinity::Default)?;
    let mut handles = KVec::with_capacity(nic.negotiated.max_pairs, GFP_KERNEL)?;
    for i in 0..nic.negotiated.max_pairs {
        handles.push(install_pair(dev, &mut queues, i, rtnl)?, GFP_KERNEL)?;
    }
    dev.set_sources(handles, rtnl)?;
    if nic.negotiated.has(features::CTRL_VQ) {
        let queue = queues.take::<Command>(control_index(nic.negotiated.max_pairs))?;
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
            if nic.has_xdp.load(Relaxed) {
                dev.register_for_xdp(i, vq.ring_size(), rtnl)?;
            }
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

    let pair = nic.pairs.get(i).ok_or(EINVAL)?;
    resize::rx_resized(&nic.negotiated, pair, &rx);
    resize::tx_resized(pair, &tx);
    let (state, _pool) = dev.rx_stopped(i, rtnl).ok_or(EBUSY)?;
    state.set_queue(rx)?;
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
    for (i, pair) in nic.pairs.iter().enumerate() {
        if let Some((state, _pool)) = dev.rx_stopped(i, rtnl) {
            // Resets the device.
            state.drop_queue(&pair.rx.counters);
        }
        let _ = dev.set_page_pool(i, None, rtnl);
        let tx = dev.tx_lock(i).and_then(|mut guard| {
            let (state, stack) = guard.parts();
            // Packets in the ring are freed without being reported to BQL.
            stack.reset();
            state.queue.take()
        });
        // Without the queue lock.
        if let Some(queue) = tx {
            tx::drop_queue(nic, pair, queue);
        }
        tx::xsk::queue_dropped(dev, i);
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

/// Sets how many pairs are in use, on the device and in the driver.
///
/// # Errors
///
/// Those of the control queue, and `ENOMEM`. `EINVAL`: the device has no command for that.
pub(crate) fn set_pairs(dev: &Device<Nic<'_>>, pairs: usize, rtnl: &mut Rtnl) -> Result {
    let nic = dev.data();
    if rss::sets_pairs(nic) {
        rss::set_pairs(dev, pairs, rtnl).inspect_err(|_| {
            dev.dev_warn(fmt!(
                "Fail to set num of queue pairs to {}, because committing RSS failed\n",
                pairs
            ));
        })?;
        nic.current_pairs.store(pairs, Relaxed);
    } else if nic.ctrl.has(features::MQ) {
        nic.ctrl
            .set_pairs(dev, u16::try_from(pairs)?)
            .inspect_err(|_| {
                dev.dev_warn(fmt!("Fail to set num of queue pairs to {}\n", pairs));
            })?;
        nic.current_pairs.store(pairs, Relaxed);
    } else {
        // Such a device serves one pair.
        return if pairs == 1 { Ok(()) } else { Err(EINVAL) };
    }
    if dev.is_up() {
        // The first poll fills the rings of the pairs that were not in use.
        for i in 0..pairs {
            dev.rx_kick(i, rtnl);
        }
    }
    Ok(())
}

/// The pairs to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pairs {
    /// Number of pairs.
    all: usize,
    /// The first of them that only XDP transmits on; none if XDP shares the pairs of the stack.
    pub(crate) first_xdp: Option<usize>,
}

impl Pairs {
    /// Returns `stack` pairs for the stack. With `xdp`, adds one for each of `cpus` CPUs, if the
    /// device has as many as `max`.
    fn new(stack: usize, xdp: bool, cpus: usize, max: usize) -> Self {
        let all = stack.saturating_add(cpus);
        if xdp && all <= max {
            Self {
                all,
                first_xdp: Some(stack),
            }
        } else {
            Self {
                all: stack,
                first_xdp: None,
            }
        }
    }

    /// Returns the pairs in use.
    fn in_use(nic: &Nic<'_>) -> Self {
        let first = nic.first_xdp_pair.load(Relaxed);
        Self {
            all: nic.current_pairs(),
            first_xdp: (first != 0).then_some(first),
        }
    }

    /// Returns the number of pairs that the stack transmits on.
    fn stack(self) -> usize {
        self.first_xdp.unwrap_or(self.all)
    }
}

/// Returns the number of CPUs that XDP may transmit on.
pub(crate) fn cpus() -> usize {
    nr_cpu_ids() as usize
}

/// Returns the pairs to use: `stack` ones for the stack, and with `xdp` those for an XDP program.
pub(crate) fn plan(nic: &Nic<'_>, stack: usize, xdp: bool) -> Pairs {
    Pairs::new(stack, xdp, cpus(), nic.negotiated.max_pairs)
}

/// Registers all receive queues for XDP. Their polls are stopped.
///
/// # Errors
///
/// `ENOMEM`.
pub(crate) fn register_for_xdp(dev: &Device<Nic<'_>>, rtnl: &mut Rtnl) -> Result {
    for (i, pair) in dev.data().pairs.iter().enumerate() {
        dev.register_for_xdp(i, pair.rx_ring.get(), rtnl)?;
    }
    Ok(())
}

/// Sets aside pairs for XDP, or gives them back.
///
/// # Errors
///
/// `EINVAL`: the device refused, or did not answer. `ENOMEM`. Nothing changed.
pub(crate) fn set_pairs_for_xdp(dev: &Device<Nic<'_>>, xdp: bool, rtnl: &mut Rtnl) -> Result {
    let nic = dev.data();
    let pairs = plan(nic, nic.stack_pairs(), xdp);
    if pairs == Pairs::in_use(nic) {
        return Ok(());
    }
    change_pairs_for_user(dev, pairs, rtnl)
}

/// Sends the number of pairs that the user asked for to the device, with those for XDP.
///
/// # Errors
///
/// Those of `change_pairs`. Nothing changed.
pub(crate) fn send_pairs(dev: &Device<Nic<'_>>, rtnl: &mut Rtnl) -> Result {
    let nic = dev.data();
    let stack = nic.wanted_pairs.load(Relaxed);
    let wanted = plan(nic, stack, nic.has_xdp.load(Relaxed));
    if wanted == Pairs::in_use(nic) {
        set_pairs(dev, wanted.all, rtnl)
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
        let nic = dev.data();
        nic.first_xdp_pair.store(0, Relaxed);
        nic.current_pairs.store(1, Relaxed);
        set_affinity(dev, &CpusLocked::lock());
        dev.set_real_queues(1, 1, rtnl)?;
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
        let wanted = Pairs {
            all: pairs,
            first_xdp: None,
        };
        change_pairs_for_user(dev, wanted, rtnl)?;
    }
    nic.wanted_pairs.store(pairs, Relaxed);
    Ok(())
}

/// Changes how many pairs are in use, because the user asked for that, or for an XDP program. If
/// the device does not answer, the number before the change is sent again later.
///
/// # Errors
///
/// `EINVAL`: the device refused, or did not answer. `ENOMEM`. Nothing changed.
fn change_pairs_for_user(dev: &Device<Nic<'_>>, pairs: Pairs, rtnl: &mut Rtnl) -> Result {
    let changed = change_pairs(dev, pairs, rtnl);
    // Also after a failure: the device may have got a command.
    rss::follow_pairs(dev, rtnl);
    let pending = &dev.data().pending;
    changed.map_err(|e| pending.failed_for_user(dev, Setting::Pairs, e))
}

/// Changes how many pairs are in use, on the device and in the stack.
///
/// # Errors
///
/// Those of the control queue, and `ENOMEM`. Nothing changed.
fn change_pairs(dev: &Device<Nic<'_>>, pairs: Pairs, rtnl: &mut Rtnl) -> Result {
    let nic = dev.data();
    let before = Pairs::in_use(nic);
    set_pairs(dev, pairs.all, rtnl)?;
    let ret = dev.set_real_queues(pairs.all, pairs.stack(), rtnl);
    if ret.is_err() {
        // The stack must not send on a queue that the device does not serve.
        let (rx, tx) = match set_pairs(dev, before.all, rtnl) {
            Ok(()) => (before.all, before.stack()),
            Err(_) => (before.all.min(pairs.all), before.stack().min(pairs.stack())),
        };
        // Reducing the number allocates nothing, so it cannot fail.
        let _ = dev.set_real_queues(rx, tx, rtnl);
    } else {
        nic.first_xdp_pair
            .store(pairs.first_xdp.unwrap_or(0), Relaxed);
    }
    set_affinity(dev, &CpusLocked::lock());
    ret
}
