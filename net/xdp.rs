// SPDX-License-Identifier: GPL-2.0

//! Attaching an XDP program, replacing and detaching it.
//!
//! The program of a queue belongs to the owner of the queue, so receive queues are
//! [paused](crate::pause) while the program changes. Packets wait in the rings during that time.
//! The program survives a reset of the device.
//!
//! With a program, the device must not leave checksums and segmentation to the driver, so these
//! offloads are switched off. If the device has enough pairs of queues, one for each CPU serves
//! frames of XDP only: see [`crate::tx::xdp`].

use crate::{
    features,
    negotiated::RxMode,
    nic::Nic,
    open,
    pause::with_all_rx_paused,
    queues,
    settings::{
        self,
        pending::Setting, //
    },
};
use kernel::{
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
};
use netdev::{
    skb::ETH_HLEN,
    xdp::{
        XdpFeatures,
        MAX_LEN, //
    },
    Device,
    ExtAck,
    Rtnl,
    XdpProg, //
};

/// Returns the XDP features of the interface.
pub(crate) fn supported(mode: RxMode) -> Option<XdpFeatures> {
    let features = XdpFeatures::BASIC
        .with(XdpFeatures::REDIRECT)
        .with(XdpFeatures::XSK_ZEROCOPY);
    match mode {
        RxMode::Small => Some(features),
        RxMode::Mergeable => Some(features.with(XdpFeatures::RX_SG)),
        RxMode::Big { .. } => None,
    }
}

/// Attaches a program to all receive queues, replaces it, or detaches it.
///
/// # Errors
///
/// The program stays as it was. A program that is attached can always be detached.
///
/// - `EOPNOTSUPP`: the device leaves checksums or segmentation to the driver, and that cannot be
///   switched off; or its receive buffers are big.
/// - `EINVAL`: a header needs a buffer of its own; or the MTU is too large for the program; or the
///   device refused the number of pairs, or did not answer.
/// - `ENOMEM`.
pub(crate) fn set_program(
    dev: &Device<Nic<'_>>,
    prog: Option<&XdpProg>,
    ack: &mut ExtAck<'_>,
    rtnl: &mut Rtnl,
) -> Result {
    let nic = dev.data();
    check_device(nic, ack)?;
    if prog.is_some_and(|prog| !prog.has_frags()) {
        check_mtu(dev, ack, rtnl)?;
    }
    if prog.is_none() && !nic.has_xdp.load(Relaxed) {
        return Ok(());
    }
    let pairs = queues::plan(nic, nic.stack_pairs(), true);
    if prog.is_some() && pairs.first_xdp.is_none() {
        warn_few_pairs(dev);
    }
    let result = with_all_rx_paused(dev, rtnl, |rtnl| exchange(dev, prog, rtnl));
    if dev.is_in_use(rtnl) {
        open::update_tx_napi(dev, rtnl);
    }
    result
}

fn check_device(nic: &Nic<'_>, ack: &mut ExtAck<'_>) -> Result {
    let negotiated = &nic.negotiated;
    if !negotiated.has(features::CTRL_GUEST_OFFLOADS)
        && features::guest_offloads(&negotiated.features, true) != 0
    {
        ack.set(c"rust_virtio_net: Can't set XDP while host is implementing GRO_HW/CSUM, disable GRO_HW/CSUM first");
        return Err(EOPNOTSUPP);
    }
    match negotiated.rx_mode {
        RxMode::Mergeable if !negotiated.any_layout => {
            ack.set(
                c"rust_virtio_net: XDP expects header/data in single page, any_header_sg required",
            );
            Err(EINVAL)
        }
        RxMode::Big { .. } => {
            ack.set(c"rust_virtio_net: XDP needs mergeable or small receive buffers");
            Err(EOPNOTSUPP)
        }
        _ => Ok(()),
    }
}

/// Checks that a packet fits one buffer.
fn check_mtu(dev: &Device<Nic<'_>>, ack: &mut ExtAck<'_>, rtnl: &Rtnl) -> Result {
    const MAX_MTU: u32 = MAX_LEN - ETH_HLEN as u32;
    if dev.mtu(rtnl) > MAX_MTU {
        ack.set(c"rust_virtio_net: MTU too large to enable XDP without frags");
        dev.netdev_warn(fmt!(
            "single-buffer XDP requires MTU less than {}\n",
            MAX_MTU
        ));
        return Err(EINVAL);
    }
    Ok(())
}

/// Warns, once, that no queues can be set aside for XDP.
fn warn_few_pairs(dev: &Device<Nic<'_>>) {
    static WARNED: Atomic<bool> = Atomic::new(false);
    if WARNED.xchg(true, Relaxed) {
        return;
    }
    let nic = dev.data();
    dev.netdev_warn(fmt!(
        "XDP request {} queues but max is {}. XDP_TX and XDP_REDIRECT will operate in a slower \
         locked tx mode.\n",
        nic.stack_pairs() + queues::cpus(),
        nic.negotiated.max_pairs
    ));
}

/// Replaces the program of all receive queues, which are [paused](crate::pause).
///
/// # Errors
///
/// Those of [`set_program`]. The program stays as it was.
fn exchange(dev: &Device<Nic<'_>>, prog: Option<&XdpProg>, rtnl: &mut Rtnl) -> Result {
    let nic = dev.data();
    let (had_prog, has_prog) = (nic.has_xdp.load(Relaxed), prog.is_some());
    let has_queues = nic.has_queues.load(Relaxed);
    if has_prog && has_queues {
        queues::register_for_xdp(dev, rtnl)?;
    }
    if has_prog != had_prog {
        if !has_prog {
            // No other interface sends on the queues for XDP from here on.
            nic.has_xdp.store(false, Relaxed);
            dev.wait_for_running(rtnl);
        }
        if has_queues {
            let set = queues::set_pairs_for_xdp(dev, has_prog, rtnl);
            if has_prog {
                set?;
            }
            // Otherwise, as the core relies on it, the program is detached nevertheless. The pairs
            // for XDP stay set aside until the number is sent again.
        }
    }
    for i in 0..dev.queues() {
        if let Some((state, _pool)) = dev.rx_stopped(i, rtnl) {
            state.set_xdp(prog.cloned());
        }
    }
    nic.has_xdp.store(has_prog, Relaxed);
    if has_prog != had_prog {
        if has_queues {
            // If this fails, packets with offloads are dropped.
            if let Err(e) = settings::send_offloads(dev, dev.features()) {
                nic.pending.failed(dev, Setting::Offloads, e);
            }
        }
        dev.set_xdp_target(has_prog, true, rtnl);
    }
    Ok(())
}
