// SPDX-License-Identifier: GPL-2.0

//! The function pointers of the core, which call [`Operations`].

use super::{
    private::Private,
    Device,
    Operations, //
};
use crate::{
    addr::{
        AddrList,
        MacAddr,
        ETH_ALEN, //
    },
    bindings, ethtool,
    ext_ack::ExtAck,
    features::Features,
    rtnl::Rtnl,
    skb::SkBuff,
    stats::{
        LinkStats,
        RxQueueStats,
        TxQueueStats, //
    },
    txq::{
        NetdevTx,
        TxQueue, //
    },
    xdp::{
        XdpFrames,
        XdpProg, //
    },
};
use core::{
    cell::Cell,
    ffi::c_void,
    marker::PhantomData,
    mem::ManuallyDrop,
    ptr::NonNull, //
};
use kernel::{
    error::{
        from_result,
        to_result, //
    },
    ffi::{
        c_char,
        c_int,
        c_uint,
        c_ulong, //
    },
    prelude::*, //
};

/// Returns the device of a callback.
///
/// # Safety
///
/// `dev` is a device of the driver `T`, and valid for `'a`.
#[inline]
pub(crate) unsafe fn device_of<'a, T: Operations>(dev: *mut bindings::net_device) -> &'a Device<T> {
    // SAFETY: By the safety requirements, `dev` is valid for `'a`, and `NewDevice` made it for `T`.
    unsafe { Device::from_raw(dev) }
}

/// The tables of function pointers of a driver.
///
/// The core calls these functions only with devices of the driver `T`. Where the core documents it,
/// the calling thread holds the RTNL. Code of the driver that leads to such a call lends its
/// [`Rtnl`] by `&mut`, so no other `Rtnl` is in use during the call.
pub(crate) struct Vtable<T: Operations>(PhantomData<T>);

impl<T: Operations> Vtable<T> {
    const NET_DEVICE_OPS: bindings::net_device_ops = bindings::net_device_ops {
        ndo_open: Some(Self::open),
        ndo_stop: Some(Self::stop),
        ndo_start_xmit: Some(Self::start_xmit),
        ndo_features_check: if T::HAS_FEATURES_CHECK {
            Some(Self::features_check)
        } else {
            None
        },
        ndo_set_rx_mode_async: if T::HAS_SET_RX_MODE {
            Some(Self::set_rx_mode)
        } else {
            None
        },
        ndo_set_mac_address: Some(Self::set_mac_address),
        ndo_validate_addr: Some(bindings::eth_validate_addr),
        ndo_tx_timeout: Some(Self::tx_timeout),
        ndo_get_stats64: Some(Self::get_stats64),
        ndo_get_phys_port_name: Some(Self::get_phys_port_name),
        ndo_work: Some(Self::work),
        ndo_vlan_rx_add_vid: if T::HAS_VLAN_ADD {
            Some(Self::vlan_add)
        } else {
            None
        },
        ndo_vlan_rx_kill_vid: if T::HAS_VLAN_KILL {
            Some(Self::vlan_kill)
        } else {
            None
        },
        ndo_set_features: if T::HAS_SET_FEATURES {
            Some(Self::set_features)
        } else {
            None
        },
        ndo_bpf: if T::HAS_SET_XDP {
            Some(Self::bpf)
        } else {
            None
        },
        ndo_xsk_wakeup: if T::HAS_WAKE_XSK {
            Some(Self::xsk_wakeup)
        } else {
            None
        },
        ndo_xdp_xmit: if T::HAS_XDP_XMIT {
            Some(Self::xdp_xmit)
        } else {
            None
        },
        // SAFETY: All function pointers may be null.
        ..unsafe { core::mem::zeroed() }
    };

    const STAT_OPS: bindings::netdev_stat_ops = bindings::netdev_stat_ops {
        get_queue_stats_rx: Some(Self::get_queue_stats_rx),
        get_queue_stats_tx: Some(Self::get_queue_stats_tx),
        get_base_stats: Some(Self::get_base_stats),
    };

    pub(crate) fn net_device_ops() -> &'static bindings::net_device_ops {
        &Self::NET_DEVICE_OPS
    }

    pub(super) fn stat_ops() -> &'static bindings::netdev_stat_ops {
        &Self::STAT_OPS
    }

    pub(super) fn ethtool_ops() -> &'static bindings::ethtool_ops {
        ethtool::Vtable::<T::Ethtool>::ops()
    }

    extern "C" fn open(dev: *mut bindings::net_device) -> c_int {
        // SAFETY: `dev` is one of `T`; the RTNL is held for `ndo_open` (see the type).
        let (dev, rtnl) = unsafe { (device_of::<T>(dev), &mut Rtnl::assume_held(dev)) };
        from_result(|| T::open(dev, rtnl).map(|()| 0))
    }

    extern "C" fn stop(dev: *mut bindings::net_device) -> c_int {
        // SAFETY: `dev` is one of `T`; the RTNL is held for `ndo_stop` (see the type).
        let (dev, rtnl) = unsafe { (device_of::<T>(dev), &mut Rtnl::assume_held(dev)) };
        T::stop(dev, rtnl);
        0
    }

    extern "C" fn start_xmit(
        skb: *mut bindings::sk_buff,
        dev: *mut bindings::net_device,
    ) -> bindings::netdev_tx_t {
        // SAFETY: The core passes the ownership of a packet, which is not null.
        let skb = unsafe { SkBuff::from_raw(NonNull::new_unchecked(skb)) };
        // SAFETY: `skb` is valid.
        let index = unsafe { (*skb.as_raw()).queue_mapping };
        // SAFETY: `dev` is one of `T` (see the type), whose data is valid while the stack may send.
        let private = unsafe { &*Private::<T>::of(dev) };
        let Some(slot) = private.tx.get(usize::from(index)) else {
            return NetdevTx::DONE.into_raw();
        };
        // SAFETY: The core holds the lock of the packet's queue.
        let queue = unsafe { TxQueue::assume_locked(slot) };
        // SAFETY: Within `ndo_start_xmit`.
        let more = unsafe { bindings::netdev_xmit_more() };
        T::start_xmit(queue, skb, more).into_raw()
    }

    extern "C" fn features_check(
        skb: *mut bindings::sk_buff,
        dev: *mut bindings::net_device,
        features: bindings::netdev_features_t,
    ) -> bindings::netdev_features_t {
        // SAFETY: The core passes a packet, which it keeps.
        let skb = ManuallyDrop::new(unsafe { SkBuff::from_raw(NonNull::new_unchecked(skb)) });
        // SAFETY: `dev` is one of `T` (see the type), and stays for the call.
        let dev = unsafe { device_of::<T>(dev) };
        T::features_check(dev, &skb, Features::from_raw(features)).into_raw()
    }

    extern "C" fn set_rx_mode(
        dev: *mut bindings::net_device,
        uc: *mut bindings::netdev_hw_addr_list,
        mc: *mut bindings::netdev_hw_addr_list,
    ) -> c_int {
        // SAFETY: `dev` is one of `T`; the RTNL is held for `ndo_set_rx_mode_async` (see the type).
        let (dev, rtnl) = unsafe { (device_of::<T>(dev), &mut Rtnl::assume_held(dev)) };
        // SAFETY: The lists are copies for the time of this call.
        let (uc, mc) = unsafe { (AddrList::from_raw(uc), AddrList::from_raw(mc)) };
        from_result(|| T::set_rx_mode(dev, &uc, &mc, rtnl).map(|()| 0))
    }

    extern "C" fn set_mac_address(dev: *mut bindings::net_device, p: *mut c_void) -> c_int {
        let raw = dev;
        // SAFETY: `dev` is one of `T`; the RTNL is held for `ndo_set_mac_address` (see the type).
        let (dev, rtnl) = unsafe { (device_of::<T>(raw), &mut Rtnl::assume_held(raw)) };
        let addr = p.cast::<bindings::sockaddr>();
        from_result(|| {
            T::may_set_mac_address(dev)?;
            // SAFETY: The core passes a `struct sockaddr` with an Ethernet address.
            to_result(unsafe { bindings::eth_prepare_mac_addr_change(raw, p) })?;
            // SAFETY: The data of a valid `struct sockaddr` starts with the bytes of the address.
            let bytes = unsafe { (&raw const (*addr).sa_data).cast::<[u8; ETH_ALEN]>().read() };
            T::set_mac_address(dev, MacAddr(bytes), rtnl)?;
            // SAFETY: The device and the address are those from above, and the RTNL is still held.
            unsafe { bindings::eth_commit_mac_addr_change(raw, p) };
            Ok(0)
        })
    }

    extern "C" fn tx_timeout(dev: *mut bindings::net_device, queue: c_uint) {
        // SAFETY: `dev` is one of `T` (see the type), and stays for the call.
        T::tx_timeout(unsafe { device_of::<T>(dev) }, queue as usize);
    }

    extern "C" fn get_stats64(
        dev: *mut bindings::net_device,
        stats: *mut bindings::rtnl_link_stats64,
    ) {
        // SAFETY: `dev` is one of `T` (see the type); `stats` is the core's own for this call.
        let (dev, stats) = unsafe { (device_of::<T>(dev), LinkStats::from_raw(stats)) };
        T::stats(dev, stats);
    }

    extern "C" fn get_phys_port_name(
        dev: *mut bindings::net_device,
        buf: *mut c_char,
        len: usize,
    ) -> c_int {
        // SAFETY: `dev` is one of `T` (see the type), and stays for the call.
        let dev = unsafe { device_of::<T>(dev) };
        from_result(|| {
            let name = T::port_name(dev)?.to_bytes_with_nul();
            if name.len() > len {
                return Err(EOPNOTSUPP);
            }
            // SAFETY: `buf` is followed by `len` writable bytes.
            unsafe { core::ptr::copy_nonoverlapping(name.as_ptr(), buf.cast(), name.len()) };
            Ok(0)
        })
    }

    extern "C" fn work(dev: *mut bindings::net_device, _events: c_ulong) {
        // SAFETY: `dev` is one of `T`; the RTNL is held for `ndo_work` (see the type).
        let (dev, rtnl) = unsafe { (device_of::<T>(dev), &mut Rtnl::assume_held(dev)) };
        T::rtnl_work(dev, rtnl);
    }

    extern "C" fn vlan_add(
        dev: *mut bindings::net_device,
        _proto: bindings::__be16,
        vid: u16,
    ) -> c_int {
        // SAFETY: `dev` is one of `T`; the RTNL is held for `ndo_vlan_rx_add_vid` (see the type).
        let (dev, rtnl) = unsafe { (device_of::<T>(dev), &mut Rtnl::assume_held_alone()) };
        from_result(|| T::vlan_add(dev, vid, rtnl).map(|()| 0))
    }

    extern "C" fn vlan_kill(
        dev: *mut bindings::net_device,
        _proto: bindings::__be16,
        vid: u16,
    ) -> c_int {
        // SAFETY: `dev` is one of `T`; the RTNL is held for `ndo_vlan_rx_kill_vid` (see the type).
        let (dev, rtnl) = unsafe { (device_of::<T>(dev), &mut Rtnl::assume_held_alone()) };
        from_result(|| T::vlan_kill(dev, vid, rtnl).map(|()| 0))
    }

    extern "C" fn set_features(
        dev: *mut bindings::net_device,
        features: bindings::netdev_features_t,
    ) -> c_int {
        // SAFETY: `dev` is one of `T`; the RTNL is held for `ndo_set_features` (see the type).
        let (dev, rtnl) = unsafe { (device_of::<T>(dev), &mut Rtnl::assume_held(dev)) };
        from_result(|| T::set_features(dev, Features::from_raw(features), rtnl).map(|()| 0))
    }

    extern "C" fn bpf(dev: *mut bindings::net_device, command: *mut bindings::netdev_bpf) -> c_int {
        // SAFETY: `dev` is one of `T`; the RTNL is held for `ndo_bpf` (see the type).
        let (dev, rtnl) = unsafe { (device_of::<T>(dev), &mut Rtnl::assume_held(dev)) };
        // SAFETY: The core passes a command.
        if unsafe { bindings::netdev_bpf_is_setup_xsk(command) } {
            // SAFETY: It is a command with a pool, which may be null, and a queue.
            let (pool, queue) = unsafe {
                (
                    NonNull::new(bindings::netdev_bpf_xsk_pool(command)),
                    bindings::netdev_bpf_xsk_queue(command),
                )
            };
            return match pool {
                Some(pool) => {
                    // SAFETY: The core asks for the use of the pool, with the RTNL held.
                    let bound = unsafe { dev.bind_xsk(queue, pool, rtnl) };
                    from_result(|| bound.map(|()| 0))
                }
                None => {
                    dev.unbind_xsk(queue, rtnl);
                    0
                }
            };
        }
        // SAFETY: The core passes a command.
        if !unsafe { bindings::netdev_bpf_is_setup_prog(command) } {
            return EINVAL.to_errno();
        }
        // SAFETY: It is a command with a program, which may be null, and a place for a message.
        let (prog, mut ack) = unsafe {
            let prog = NonNull::new(bindings::netdev_bpf_prog(command));
            let ack = ExtAck::from_raw(bindings::netdev_bpf_extack(command));
            // The core passes a reference to the program.
            (prog.map(|prog| XdpProg::from_raw(prog)), ack)
        };
        // If the driver fails, the core drops the reference.
        let prog = ManuallyDrop::new(prog);
        from_result(|| {
            T::set_xdp(dev, prog.as_ref(), &mut ack, rtnl)?;
            drop(ManuallyDrop::into_inner(prog));
            Ok(0)
        })
    }

    extern "C" fn xsk_wakeup(dev: *mut bindings::net_device, queue: u32, flags: u32) -> c_int {
        // SAFETY: `dev` is one of `T` (see the type), and stays for the call.
        let dev = unsafe { device_of::<T>(dev) };
        let has = |flag| flags & flag != 0;
        let (rx, tx) = (has(bindings::XDP_WAKEUP_RX), has(bindings::XDP_WAKEUP_TX));
        from_result(|| T::wake_xsk(dev, queue as usize, rx, tx).map(|()| 0))
    }

    extern "C" fn xdp_xmit(
        dev: *mut bindings::net_device,
        n: c_int,
        frames: *mut *mut bindings::xdp_frame,
        flags: u32,
    ) -> c_int {
        if flags & !bindings::XDP_XMIT_FLAGS_MASK != 0 {
            return EINVAL.to_errno();
        }
        let flush = flags & bindings::XDP_XMIT_FLUSH != 0;
        let sent = Cell::new(0);
        // SAFETY: `dev` is one of `T` (see the type), and stays for the call. The core passes `n`
        // frames, and frees those that are not counted as sent.
        let (dev, frames) = unsafe {
            (
                device_of::<T>(dev),
                XdpFrames::from_raw(frames, n.max(0) as usize, flush, &sent),
            )
        };
        let result = T::xdp_xmit(dev, frames);
        match (sent.get(), result) {
            (0, Err(e)) => e.to_errno(),
            // The core would free all frames after an error, also those that were sent.
            (sent, _) => sent as c_int,
        }
    }

    extern "C" fn get_queue_stats_rx(
        dev: *mut bindings::net_device,
        index: c_int,
        stats: *mut bindings::netdev_queue_stats_rx,
    ) {
        // SAFETY: `dev` is one of `T` (see the type); `stats` is the core's own for this call.
        let (dev, stats) = unsafe { (device_of::<T>(dev), RxQueueStats::from_raw(stats)) };
        T::rx_queue_stats(dev, index as usize, stats);
    }

    extern "C" fn get_queue_stats_tx(
        dev: *mut bindings::net_device,
        index: c_int,
        stats: *mut bindings::netdev_queue_stats_tx,
    ) {
        // SAFETY: `dev` is one of `T` (see the type); `stats` is the core's own for this call.
        let (dev, stats) = unsafe { (device_of::<T>(dev), TxQueueStats::from_raw(stats)) };
        T::tx_queue_stats(dev, index as usize, stats);
    }

    /// Adds the counts of the queues that the core does not ask one by one: those that are not in
    /// use. Those in use never lose their counts.
    extern "C" fn get_base_stats(
        raw: *mut bindings::net_device,
        rx: *mut bindings::netdev_queue_stats_rx,
        tx: *mut bindings::netdev_queue_stats_tx,
    ) {
        // SAFETY: `dev` is one of `T` (see the type), and stays for the call.
        let dev = unsafe { device_of::<T>(raw) };
        {
            // SAFETY: They are the core's own for this call.
            let (rx, tx) = unsafe { (RxQueueStats::from_raw(rx), TxQueueStats::from_raw(tx)) };
            rx.clear();
            tx.clear();
            T::clear_queue_stats(dev, rx, tx);
        }
        // SAFETY: As above; the range is within the queues of the device.
        unsafe { bindings::rust_netdev_inactive_stats(raw, dev.queues() as c_int, rx, tx) };
    }
}
