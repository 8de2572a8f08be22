// SPDX-License-Identifier: GPL-2.0

//! Operations for `ethtool`.
//!
//! C header: [`include/linux/ethtool.h`](srctree/include/linux/ethtool.h)

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

use crate::{
    device::{
        Device,
        Operations, //
    },
    rtnl::Rtnl,
};
use kernel::prelude::*;

/// The operations of a driver for `ethtool`. Process context, with the RTNL held.
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
    fn ring_sizes(dev: &Device<Self::Net>, rtnl: &mut Rtnl) -> RingSizes;

    /// Writes the names of the values of `ethtool -S`, in order: as many as
    /// [`NewDevice::set_stats`](crate::NewDevice::set_stats) has set.
    fn stats_names(dev: &Device<Self::Net>, names: &mut Strings<'_>, rtnl: &mut Rtnl);

    /// Writes the values of `ethtool -S`, in order.
    fn stats_values(dev: &Device<Self::Net>, values: &mut [u64], rtnl: &mut Rtnl);

    /// Returns the numbers of queues: `ethtool -l`.
    fn channels(dev: &Device<Self::Net>, rtnl: &mut Rtnl) -> Channels;

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
    fn link_settings(dev: &Device<Self::Net>, rtnl: &mut Rtnl) -> LinkSettings;

    /// Sets speed and duplex, which the core has checked.
    fn set_link_settings(dev: &Device<Self::Net>, settings: LinkSettings, rtnl: &mut Rtnl);

    /// Returns the coalescing of one queue or of all: `ethtool -c`.
    ///
    /// # Errors
    ///
    /// `EINVAL`: there is no such queue.
    fn coalescing(
        dev: &Device<Self::Net>,
        queue: Option<usize>,
        rtnl: &mut Rtnl,
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
        rtnl: &mut Rtnl,
    ) -> Result;
}
