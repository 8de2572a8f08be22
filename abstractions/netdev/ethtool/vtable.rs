// SPDX-License-Identifier: GPL-2.0

//! The function pointers of the core, which call [`EthtoolOps`].

mod rss;

use super::{
    Coalescing,
    EthtoolOps,
    LinkSettings,
    Strings, //
};
use crate::{
    bindings,
    device::device_of,
    rtnl::{
        DevLock,
        Rtnl, //
    },
};
use core::marker::PhantomData;
use kernel::{
    error::{
        from_result,
        to_result, //
    },
    ffi::{
        c_char,
        c_int, //
    },
    prelude::*, //
};

/// The table of function pointers of a driver.
///
/// The core calls these functions only with devices of the driver. The calling thread holds the
/// lock of the device, if the device has one of its own, and otherwise the RTNL. It holds the RTNL
/// for all devices in functions with a bit in `op_needs_rtnl`. Code of the driver that leads to
/// such a call lends its evidence of the lock by `&mut`, so no other evidence is in use during the
/// call.
pub(crate) struct Vtable<E: EthtoolOps>(PhantomData<E>);

impl<E: EthtoolOps> Vtable<E> {
    const OPS: bindings::ethtool_ops = bindings::ethtool_ops {
        op_needs_rtnl: bindings::ETHTOOL_OPS_NEED_RTNL,
        supported_coalesce_params: E::COALESCE_PARAMS.into_raw(),
        get_drvinfo: Some(Self::get_drvinfo),
        get_link: Some(bindings::ethtool_op_get_link),
        get_ringparam: Some(Self::get_ringparam),
        set_ringparam: Some(Self::set_ringparam),
        get_strings: Some(Self::get_strings),
        get_sset_count: Some(Self::get_sset_count),
        get_ethtool_stats: Some(Self::get_ethtool_stats),
        get_channels: Some(Self::get_channels),
        set_channels: Some(Self::set_channels),
        get_ts_info: Some(bindings::ethtool_op_get_ts_info),
        get_link_ksettings: Some(Self::get_link_ksettings),
        set_link_ksettings: Some(Self::set_link_ksettings),
        get_coalesce: Some(Self::get_coalesce),
        set_coalesce: Some(Self::set_coalesce),
        get_per_queue_coalesce: Some(Self::get_per_queue_coalesce),
        set_per_queue_coalesce: Some(Self::set_per_queue_coalesce),
        get_rxfh_key_size: Some(Self::get_rxfh_key_size),
        get_rxfh_indir_size: Some(Self::get_rxfh_indir_size),
        get_rxfh: Some(Self::get_rxfh),
        set_rxfh: Some(Self::set_rxfh),
        get_rxfh_fields: Some(Self::get_rxfh_fields),
        set_rxfh_fields: Some(Self::set_rxfh_fields),
        get_rx_ring_count: Some(Self::get_rx_ring_count),
        // SAFETY: All other fields may be zero.
        ..unsafe { core::mem::zeroed() }
    };

    pub(crate) fn ops() -> &'static bindings::ethtool_ops {
        &Self::OPS
    }

    extern "C" fn get_drvinfo(
        dev: *mut bindings::net_device,
        info: *mut bindings::ethtool_drvinfo,
    ) {
        // SAFETY: `dev` is one of the driver, and its lock is held (see the type); `info` is the
        // core's own.
        let (dev, info) = unsafe { (device_of::<E::Net>(dev), &mut *info) };
        copy(&mut info.driver, E::DRIVER);
        copy(&mut info.version, E::VERSION);
        copy(&mut info.bus_info, E::bus_info(dev));
    }

    extern "C" fn get_ringparam(
        dev: *mut bindings::net_device,
        ring: *mut bindings::ethtool_ringparam,
        _kernel_ring: *mut bindings::kernel_ethtool_ringparam,
        _extack: *mut bindings::netlink_ext_ack,
    ) {
        // SAFETY: `dev` is one of the driver, and its lock is held (see the type); `ring` is the
        // core's own.
        let (dev, lock, ring) = unsafe {
            (
                device_of::<E::Net>(dev),
                &mut DevLock::assume_held(dev),
                &mut *ring,
            )
        };
        let sizes = E::ring_sizes(dev, lock);
        ring.rx_max_pending = sizes.rx_max;
        ring.tx_max_pending = sizes.tx_max;
        ring.rx_pending = sizes.rx;
        ring.tx_pending = sizes.tx;
    }

    extern "C" fn set_ringparam(
        dev: *mut bindings::net_device,
        ring: *mut bindings::ethtool_ringparam,
        _kernel_ring: *mut bindings::kernel_ethtool_ringparam,
        _extack: *mut bindings::netlink_ext_ack,
    ) -> c_int {
        // SAFETY: `dev` is one of the driver, and its lock and the RTNL are held (see the type);
        // `ring` is the core's own.
        let (dev, rtnl, ring) = unsafe {
            (
                device_of::<E::Net>(dev),
                &mut Rtnl::assume_held(dev),
                &*ring,
            )
        };
        from_result(|| {
            if ring.rx_mini_pending != 0 || ring.rx_jumbo_pending != 0 {
                return Err(EINVAL);
            }
            E::set_ring_sizes(dev, ring.rx_pending, ring.tx_pending, rtnl).map(|()| 0)
        })
    }

    extern "C" fn get_sset_count(dev: *mut bindings::net_device, set: c_int) -> c_int {
        if set as u32 != bindings::ethtool_stringset_ETH_SS_STATS {
            return EOPNOTSUPP.to_errno();
        }
        // SAFETY: `dev` is one of the driver, and its lock is held (see the type).
        let (dev, lock) = unsafe { (device_of::<E::Net>(dev), &mut DevLock::assume_held(dev)) };
        dev.stats_count(lock) as c_int
    }

    extern "C" fn get_strings(dev: *mut bindings::net_device, set: u32, data: *mut u8) {
        if set != bindings::ethtool_stringset_ETH_SS_STATS {
            return;
        }
        // SAFETY: `dev` is one of the driver, and its lock is held (see the type).
        let (dev, lock) = unsafe { (device_of::<E::Net>(dev), &mut DevLock::assume_held(dev)) };
        let n = dev.stats_count(lock);
        if n == 0 {
            return;
        }
        // SAFETY: The core has allocated the buffer for the number of names that `get_sset_count`
        // has returned. The lock was held since then, and the driver was not called, so the number
        // is the same.
        let buf = unsafe { core::slice::from_raw_parts_mut(data, n * Strings::LEN) };
        E::stats_names(dev, &mut Strings::new(buf), lock);
    }

    extern "C" fn get_ethtool_stats(
        dev: *mut bindings::net_device,
        _stats: *mut bindings::ethtool_stats,
        data: *mut u64,
    ) {
        // SAFETY: `dev` is one of the driver, and its lock is held (see the type).
        let (dev, lock) = unsafe { (device_of::<E::Net>(dev), &mut DevLock::assume_held(dev)) };
        let n = dev.stats_count(lock);
        if n == 0 {
            return;
        }
        // SAFETY: The core has allocated the buffer for the number of values that `get_sset_count`
        // has returned. The lock was held since then, and the driver was not called, so the number
        // is the same.
        let values = unsafe { core::slice::from_raw_parts_mut(data, n) };
        E::stats_values(dev, values, lock);
    }

    extern "C" fn get_channels(
        dev: *mut bindings::net_device,
        channels: *mut bindings::ethtool_channels,
    ) {
        // SAFETY: `dev` is one of the driver, and its lock is held (see the type); `channels` is
        // the core's own.
        let (dev, lock, to) = unsafe {
            (
                device_of::<E::Net>(dev),
                &mut DevLock::assume_held(dev),
                &mut *channels,
            )
        };
        let channels = E::channels(dev, lock);
        to.combined_count = channels.combined;
        to.max_combined = channels.max_combined;
    }

    extern "C" fn set_channels(
        dev: *mut bindings::net_device,
        channels: *mut bindings::ethtool_channels,
    ) -> c_int {
        // SAFETY: `dev` is one of the driver, and its lock and the RTNL are held (see the type);
        // `channels` is the core's own.
        let (dev, rtnl, from) = unsafe {
            (
                device_of::<E::Net>(dev),
                &mut Rtnl::assume_held(dev),
                &*channels,
            )
        };
        from_result(|| {
            let max = E::channels(dev, rtnl).max_combined;
            if from.rx_count != 0
                || from.tx_count != 0
                || from.other_count != 0
                || from.combined_count == 0
                || from.combined_count > max
            {
                return Err(EINVAL);
            }
            E::set_channels(dev, from.combined_count, rtnl).map(|()| 0)
        })
    }

    extern "C" fn get_rx_ring_count(dev: *mut bindings::net_device) -> u32 {
        // SAFETY: `dev` is one of the driver (see the type), and stays for the call.
        E::rx_rings(unsafe { device_of::<E::Net>(dev) })
    }

    extern "C" fn get_link_ksettings(
        dev: *mut bindings::net_device,
        cmd: *mut bindings::ethtool_link_ksettings,
    ) -> c_int {
        // SAFETY: `dev` is one of the driver, and its lock is held (see the type); `cmd` is the
        // core's own.
        let (dev, lock, cmd) = unsafe {
            (
                device_of::<E::Net>(dev),
                &mut DevLock::assume_held(dev),
                &mut *cmd,
            )
        };
        let settings = E::link_settings(dev, lock);
        cmd.base.speed = settings.speed;
        cmd.base.duplex = settings.duplex;
        cmd.base.port = bindings::PORT_OTHER as u8;
        0
    }

    extern "C" fn set_link_ksettings(
        raw: *mut bindings::net_device,
        cmd: *const bindings::ethtool_link_ksettings,
    ) -> c_int {
        // SAFETY: `dev` is one of the driver, and its lock is held (see the type).
        let (dev, lock) = unsafe { (device_of::<E::Net>(raw), &mut DevLock::assume_held(raw)) };
        let mut settings = LinkSettings::UNKNOWN;
        from_result(|| {
            // SAFETY: `cmd` is valid, and so are the results.
            to_result(unsafe {
                bindings::ethtool_virtdev_set_link_ksettings(
                    raw,
                    cmd,
                    &mut settings.speed,
                    &mut settings.duplex,
                )
            })?;
            E::set_link_settings(dev, settings, lock);
            Ok(0)
        })
    }

    extern "C" fn get_coalesce(
        dev: *mut bindings::net_device,
        coalesce: *mut bindings::ethtool_coalesce,
        _kernel_coalesce: *mut bindings::kernel_ethtool_coalesce,
        _extack: *mut bindings::netlink_ext_ack,
    ) -> c_int {
        // SAFETY: `dev` is one of the driver, and its lock is held (see the type); `coalesce` is
        // the core's own.
        unsafe { Self::get(dev, None, &mut *coalesce) }
    }

    extern "C" fn set_coalesce(
        dev: *mut bindings::net_device,
        coalesce: *mut bindings::ethtool_coalesce,
        _kernel_coalesce: *mut bindings::kernel_ethtool_coalesce,
        _extack: *mut bindings::netlink_ext_ack,
    ) -> c_int {
        // SAFETY: `dev` is one of the driver, and its lock is held (see the type); `coalesce` is
        // the core's own.
        unsafe { Self::set(dev, None, &*coalesce) }
    }

    extern "C" fn get_per_queue_coalesce(
        dev: *mut bindings::net_device,
        queue: u32,
        coalesce: *mut bindings::ethtool_coalesce,
    ) -> c_int {
        // SAFETY: `dev` is one of the driver, and its lock is held (see the type); `coalesce` is
        // the core's own.
        unsafe { Self::get(dev, Some(queue as usize), &mut *coalesce) }
    }

    extern "C" fn set_per_queue_coalesce(
        dev: *mut bindings::net_device,
        queue: u32,
        coalesce: *mut bindings::ethtool_coalesce,
    ) -> c_int {
        // SAFETY: `dev` is one of the driver, and its lock is held (see the type); `coalesce` is
        // the core's own.
        unsafe { Self::set(dev, Some(queue as usize), &*coalesce) }
    }

    /// # Safety
    ///
    /// Called by the core, as the type documents: for a device of the driver, with its lock held.
    unsafe fn get(
        dev: *mut bindings::net_device,
        queue: Option<usize>,
        to: &mut bindings::ethtool_coalesce,
    ) -> c_int {
        // SAFETY: By the safety requirements, `dev` is one of the driver, and its lock is held.
        let (dev, lock) = unsafe { (device_of::<E::Net>(dev), &mut DevLock::assume_held(dev)) };
        from_result(|| {
            let params = E::coalescing(dev, queue, lock)?;
            to.rx_coalesce_usecs = params.rx_usecs;
            to.rx_max_coalesced_frames = params.rx_frames;
            to.tx_coalesce_usecs = params.tx_usecs;
            to.tx_max_coalesced_frames = params.tx_frames;
            to.use_adaptive_rx_coalesce = params.adaptive_rx.into();
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// Called by the core, as the type documents: for a device of the driver, with its lock held.
    unsafe fn set(
        dev: *mut bindings::net_device,
        queue: Option<usize>,
        from: &bindings::ethtool_coalesce,
    ) -> c_int {
        // SAFETY: By the safety requirements, `dev` is one of the driver, and its lock is held.
        let (dev, lock) = unsafe { (device_of::<E::Net>(dev), &mut DevLock::assume_held(dev)) };
        let params = Coalescing {
            rx_usecs: from.rx_coalesce_usecs,
            rx_frames: from.rx_max_coalesced_frames,
            tx_usecs: from.tx_coalesce_usecs,
            tx_frames: from.tx_max_coalesced_frames,
            adaptive_rx: from.use_adaptive_rx_coalesce != 0,
        };
        from_result(|| E::set_coalescing(dev, queue, params, lock).map(|()| 0))
    }
}

/// Copies text to a field of characters, cut to the size of the field.
fn copy(to: &mut [c_char], from: &CStr) {
    to.fill(0);
    let room = to.len().saturating_sub(1);
    for (to, &byte) in to.iter_mut().take(room).zip(from.to_bytes()) {
        *to = byte as c_char;
    }
}
