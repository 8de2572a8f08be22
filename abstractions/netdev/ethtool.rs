// SPDX-License-Identifier: GPL-2.0

//! Operations for `ethtool`.
//!
//! C header: [`include/linux/ethtool.h`](srctree/include/linux/ethtool.h)

pub mod rss;
mod types;
mod vtable;

pub use self::types::{
    Channels,
    CoalesceParams,
    Coalescing,
    LinkSettings,
    RingSizes,
    Strings, //
};
pub(crate) use self::vtable::Vtable;

use self::rss::{
    Flow,
    HashFields, //
};
use crate::{
    device::{
        Device,
        Operations, //
    },
    rtnl::{
        DevLock,
        Rtnl, //
    },
};
use kernel::prelude::*;

/// The operations of a driver for `ethtool`. Process context, with the lock held that protects the
/// queues of the device.
pub trait EthtoolOps: Sized {
    /// The driver.
    type Net: Operations<Ethtool = Self>;

    /// Name of the driver, for `ethtool -i`.
    const DRIVER: &'static CStr;

    /// Version of the driver, for `ethtool -i`.
    const VERSION: &'static CStr;

    /// Parameters of coalescing that the user may set. The core refuses others.
    const COALESCE_PARAMS: CoalesceParams;

    /// Returns the name of the device on its bus, for `ethtool -i`.
    fn bus_info(dev: &Device<Self::Net>) -> &CStr;

    /// Returns the sizes of the rings: `ethtool -g`.
    fn ring_sizes(dev: &Device<Self::Net>, lock: &mut DevLock) -> RingSizes;

    /// Sets the sizes of all receive and all transmit rings, in descriptors: `ethtool -G`. The
    /// driver checks them.
    ///
    /// # Errors
    ///
    /// Those of the driver. Some of the rings may have the new sizes.
    fn set_ring_sizes(dev: &Device<Self::Net>, rx: u32, tx: u32, rtnl: &mut Rtnl) -> Result;

    /// Writes the names of the values of `ethtool -S`, in order: as many as
    /// [`Device::set_stats`] has set.
    fn stats_names(dev: &Device<Self::Net>, names: &mut Strings<'_>, lock: &mut DevLock);

    /// Writes the values of `ethtool -S`, in order.
    fn stats_values(dev: &Device<Self::Net>, values: &mut [u64], lock: &mut DevLock);

    /// Returns the numbers of queues: `ethtool -l`.
    fn channels(dev: &Device<Self::Net>, lock: &mut DevLock) -> Channels;

    /// Sets the number of pairs of queues: `ethtool -L ... combined`. The caller has checked that
    /// the number is neither zero nor above the maximum.
    ///
    /// # Errors
    ///
    /// Nothing has changed.
    fn set_channels(dev: &Device<Self::Net>, combined: u32, rtnl: &mut Rtnl) -> Result;

    /// Returns the number of receive queues, for flow hashing.
    fn rx_rings(dev: &Device<Self::Net>) -> u32;

    /// Returns speed and duplex: `ethtool`.
    fn link_settings(dev: &Device<Self::Net>, lock: &mut DevLock) -> LinkSettings;

    /// Sets speed and duplex, which the core has checked.
    fn set_link_settings(dev: &Device<Self::Net>, settings: LinkSettings, lock: &mut DevLock);

    /// Returns the coalescing of one queue or of all: `ethtool -c`.
    ///
    /// # Errors
    ///
    /// `EINVAL`: there is no such queue.
    fn coalescing(
        dev: &Device<Self::Net>,
        queue: Option<usize>,
        lock: &mut DevLock,
    ) -> Result<Coalescing>;

    /// Sets the coalescing of one queue or of all: `ethtool -C`.
    ///
    /// # Errors
    ///
    /// Nothing has changed.
    fn set_coalescing(
        dev: &Device<Self::Net>,
        queue: Option<usize>,
        params: Coalescing,
        lock: &mut DevLock,
    ) -> Result;

    /// Writes the indirection table and the hash key: `ethtool -x`. Each has the length that
    /// [`NewDevice::set_rss_sizes`](crate::NewDevice::set_rss_sizes) has set, or is empty if the
    /// core does not ask for it.
    fn rxfh(dev: &Device<Self::Net>, table: &mut [u32], key: &mut [u8], lock: &mut DevLock) {
        let _ = (dev, table, key, lock);
    }

    /// Sets the indirection table, the hash key, or both: `ethtool -X`. Each has the length that
    /// [`NewDevice::set_rss_sizes`](crate::NewDevice::set_rss_sizes) has set. The core has checked
    /// that each entry of the table is less than [`EthtoolOps::rx_rings`].
    ///
    /// # Errors
    ///
    /// Nothing has changed. `EOPNOTSUPP`: the device has no such setting.
    fn set_rxfh(
        dev: &Device<Self::Net>,
        table: Option<&[u32]>,
        key: Option<&[u8]>,
        rtnl: &mut Rtnl,
    ) -> Result {
        let _ = (dev, table, key, rtnl);
        Err(EOPNOTSUPP)
    }

    /// Returns the header fields that the hash of a kind of packets covers: `ethtool -n ...
    /// rx-flow-hash`.
    fn rxfh_fields(dev: &Device<Self::Net>, flow: Flow, lock: &mut DevLock) -> HashFields {
        let _ = (dev, flow, lock);
        HashFields::NONE
    }

    /// Sets the header fields that the hash of a kind of packets covers: `ethtool -N ...
    /// rx-flow-hash`.
    ///
    /// # Errors
    ///
    /// Nothing has changed.
    fn set_rxfh_fields(
        dev: &Device<Self::Net>,
        flow: Flow,
        fields: HashFields,
        rtnl: &mut Rtnl,
    ) -> Result {
        let _ = (dev, flow, fields, rtnl);
        Err(EOPNOTSUPP)
    }
}
