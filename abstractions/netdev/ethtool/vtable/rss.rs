// SPDX-License-Identifier: GPL-2.0

//! The function pointers for receive-side scaling.

use super::Vtable;
use crate::{
    bindings,
    device::{
        device_of,
        Device, //
    },
    ethtool::{
        rss::{
            Flow,
            HashFields, //
        },
        EthtoolOps, //
    },
    rtnl::{
        DevLock,
        Rtnl, //
    },
};
use kernel::{
    error::from_result,
    ffi::c_int,
    prelude::*, //
};

/// The hash function Toeplitz.
const TOEPLITZ: u8 = bindings::ETH_RSS_HASH_TOP;
/// A request without a change of the hash function.
const NO_CHANGE: u8 = 0;

impl<E: EthtoolOps> Vtable<E> {
    pub(super) extern "C" fn get_rxfh_key_size(dev: *mut bindings::net_device) -> u32 {
        // SAFETY: `dev` is one of the driver (see the type), and stays for the call.
        let dev: &Device<E::Net> = unsafe { device_of(dev) };
        let [_, key] = dev.rss_sizes();
        key.into()
    }

    pub(super) extern "C" fn get_rxfh_indir_size(dev: *mut bindings::net_device) -> u32 {
        // SAFETY: `dev` is one of the driver (see the type), and stays for the call.
        let dev: &Device<E::Net> = unsafe { device_of(dev) };
        let [table, _] = dev.rss_sizes();
        table.into()
    }

    pub(super) extern "C" fn get_rxfh(
        dev: *mut bindings::net_device,
        param: *mut bindings::ethtool_rxfh_param,
    ) -> c_int {
        // SAFETY: `dev` is one of the driver, and its lock is held (see the type); `param` is the
        // core's own.
        let (dev, lock, param) = unsafe {
            (
                device_of::<E::Net>(dev),
                &mut DevLock::assume_held(dev),
                &mut *param,
            )
        };
        let [entries, key_len] = dev.rss_sizes().map(usize::from);
        // `indir_size` and `key_size` are not looked at: a part of the core leaves them at zero
        // (`ethtool_get_max_rxfh_channel`).
        let table: &mut [u32] = if param.indir.is_null() {
            &mut []
        } else {
            // SAFETY: The core has allocated and initialised as many entries as
            // `get_rxfh_indir_size` returns, which is constant.
            unsafe { core::slice::from_raw_parts_mut(param.indir, entries) }
        };
        let key: &mut [u8] = if param.key.is_null() {
            &mut []
        } else {
            // SAFETY: The core has allocated and initialised as many bytes as `get_rxfh_key_size`
            // returns, which is constant. They are not part of the table.
            unsafe { core::slice::from_raw_parts_mut(param.key, key_len) }
        };
        E::rxfh(dev, table, key, lock);
        param.hfunc = TOEPLITZ;
        0
    }

    pub(super) extern "C" fn set_rxfh(
        dev: *mut bindings::net_device,
        param: *mut bindings::ethtool_rxfh_param,
        _extack: *mut bindings::netlink_ext_ack,
    ) -> c_int {
        // SAFETY: `dev` is one of the driver, and its lock and the RTNL are held (see the type);
        // `param` is the core's own.
        let (dev, rtnl, param) = unsafe {
            (
                device_of::<E::Net>(dev),
                &mut Rtnl::assume_held(dev),
                &*param,
            )
        };
        if param.hfunc != NO_CHANGE && param.hfunc != TOEPLITZ {
            return EOPNOTSUPP.to_errno();
        }
        let [entries, key_len] = dev.rss_sizes().map(usize::from);
        let table = (!param.indir.is_null()).then(|| {
            // SAFETY: The core has written as many entries as `get_rxfh_indir_size` returns, which
            // is constant, and does not change them during the call.
            unsafe { core::slice::from_raw_parts(param.indir.cast_const(), entries) }
        });
        let key = (!param.key.is_null()).then(|| {
            // SAFETY: The core has written as many bytes as `get_rxfh_key_size` returns, which is
            // constant, and does not change them during the call.
            unsafe { core::slice::from_raw_parts(param.key.cast_const(), key_len) }
        });
        from_result(|| E::set_rxfh(dev, table, key, rtnl).map(|()| 0))
    }

    pub(super) extern "C" fn get_rxfh_fields(
        dev: *mut bindings::net_device,
        fields: *mut bindings::ethtool_rxfh_fields,
    ) -> c_int {
        // SAFETY: `dev` is one of the driver, and its lock is held (see the type); `fields` is the
        // core's own.
        let (dev, lock, fields) = unsafe {
            (
                device_of::<E::Net>(dev),
                &mut DevLock::assume_held(dev),
                &mut *fields,
            )
        };
        let hashed = Flow::from_raw(fields.flow_type)
            .map_or(HashFields::NONE, |flow| E::rxfh_fields(dev, flow, lock));
        fields.data = hashed.into_raw();
        0
    }

    pub(super) extern "C" fn set_rxfh_fields(
        dev: *mut bindings::net_device,
        fields: *const bindings::ethtool_rxfh_fields,
        _extack: *mut bindings::netlink_ext_ack,
    ) -> c_int {
        // SAFETY: `dev` is one of the driver, and its lock and the RTNL are held (see the type);
        // `fields` is the core's own.
        let (dev, rtnl, fields) = unsafe {
            (
                device_of::<E::Net>(dev),
                &mut Rtnl::assume_held(dev),
                &*fields,
            )
        };
        from_result(|| {
            let flow = Flow::from_raw(fields.flow_type).ok_or(EINVAL)?;
            E::set_rxfh_fields(dev, flow, HashFields::from_raw(fields.data), rtnl).map(|()| 0)
        })
    }
}
