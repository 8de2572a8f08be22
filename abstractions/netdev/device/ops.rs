// SPDX-License-Identifier: GPL-2.0

//! The operations that a network driver implements.

use super::Device;
use crate::{
    addr::{
        AddrList,
        MacAddr, //
    },
    affinity::CpusLocked,
    cpuhp::{
        self,
        CpuChange, //
    },
    ethtool::EthtoolOps,
    features::Features,
    napi::{
        Polled,
        RxPoll,
        Source,
        TxPoll, //
    },
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
};
use kernel::prelude::*;

/// The operations of a network device, and the types of what it keeps.
///
/// `Self` is the data that all queues share. The state of a transmit queue is reachable under the
/// lock of the queue only, which the core holds around [`Operations::start_xmit`] and which
/// [`Device::tx_lock`] takes elsewhere. The state of a receive queue belongs to its NAPI
/// instance: [`Operations::poll_rx`] has it, and [`Device::rx_stopped`] while NAPI is disabled.
#[vtable]
pub trait Operations: Sized + Send + Sync {
    /// State of a transmit queue.
    type Tx: Send;
    /// State of a receive queue.
    type Rx: Send;
    /// The data that the two queues of a pair share, and that others look at.
    type Pair: Send + Sync;
    /// The switch for the interrupts of a queue.
    type Source: Source;
    /// Keeps valid what the data and the states borrow. The device drops it after all else.
    type Hold: Send + Sync;
    /// The operations for `ethtool`.
    type Ethtool: EthtoolOps<Net = Self>;

    /// The names of the states of CPU hotplug, for a device that
    /// [watches](super::NetDevice::watch_cpus) CPUs. All devices of a module have the same.
    const CPU_STATES: cpuhp::Names = cpuhp::Names {
        online: c"net:online",
        dead: c"net:dead",
    };

    /// Brings the interface up: `ndo_open`. Process context.
    ///
    /// # Errors
    ///
    /// The interface stays down; whatever was enabled must have been disabled.
    fn open(dev: &Device<Self>, rtnl: &mut Rtnl) -> Result;

    /// Takes the interface down: `ndo_stop`. Process context.
    fn stop(dev: &Device<Self>, rtnl: &mut Rtnl);

    /// Transmits a packet: `ndo_start_xmit`, with the queue locked and BHs disabled.
    ///
    /// `more` says that another packet follows at once, so that the device need not be notified.
    fn start_xmit(queue: TxQueue<'_, Self>, skb: SkBuff, more: bool) -> NetdevTx;

    /// Receives packets. BHs are disabled.
    fn poll_rx<'a>(poll: RxPoll<'a, Self>) -> Polled<'a>;

    /// Reaps transmitted packets. BHs are disabled.
    fn poll_tx<'a>(poll: TxPoll<'a, Self>) -> Polled<'a>;

    /// Adds up the statistics: `ndo_get_stats64`. Any context; may not sleep.
    fn stats(dev: &Device<Self>, stats: &mut LinkStats);

    /// Programs the receive filter with the addresses and with [`Device::is_promisc`] and
    /// [`Device::is_allmulti`]: `ndo_set_rx_mode_async`. Process context.
    ///
    /// # Errors
    ///
    /// The core tries again, a few times.
    fn set_rx_mode(
        dev: &Device<Self>,
        unicast: &AddrList<'_>,
        multicast: &AddrList<'_>,
        rtnl: &mut Rtnl,
    ) -> Result {
        let _ = (dev, unicast, multicast, rtnl);
        Ok(())
    }

    /// Tells the device of a new address, which is valid: `ndo_set_mac_address`. The interface
    /// has it when this succeeded. Process context.
    ///
    /// # Errors
    ///
    /// The interface keeps its address.
    fn set_mac_address(dev: &Device<Self>, addr: MacAddr, rtnl: &mut Rtnl) -> Result;

    /// Lets a VLAN through the filter: `ndo_vlan_rx_add_vid`. Process context.
    ///
    /// # Errors
    ///
    /// The VLAN is not added.
    fn vlan_add(dev: &Device<Self>, vid: u16, rtnl: &mut Rtnl) -> Result {
        let _ = (dev, vid, rtnl);
        Ok(())
    }

    /// Lets a VLAN no more through the filter: `ndo_vlan_rx_kill_vid`. Process context.
    ///
    /// # Errors
    ///
    /// The core ignores them.
    fn vlan_kill(dev: &Device<Self>, vid: u16, rtnl: &mut Rtnl) -> Result {
        let _ = (dev, vid, rtnl);
        Ok(())
    }

    /// Switches features: `ndo_set_features`. Process context.
    ///
    /// # Errors
    ///
    /// The features stay as they are.
    fn set_features(dev: &Device<Self>, features: Features, rtnl: &mut Rtnl) -> Result {
        let _ = (dev, features, rtnl);
        Ok(())
    }

    /// Restricts the offloads for one packet: `ndo_features_check`. Any context.
    fn features_check(dev: &Device<Self>, skb: &SkBuff, features: Features) -> Features {
        let _ = (dev, skb);
        features
    }

    /// A transmit queue did not move for long: `ndo_tx_timeout`. BHs are disabled.
    fn tx_timeout(dev: &Device<Self>, queue: usize);

    /// CPUs come or go, of a device that [watches](super::NetDevice::watch_cpus) them. Process
    /// context. The RTNL may not be taken: its holder may wait for this to end.
    fn cpus_changed(dev: &Device<Self>, change: CpuChange, cpus: &CpusLocked) {
        let _ = (dev, change, cpus);
    }

    /// Runs after [`Device::schedule_work`], once for any number of them. Process context.
    fn work(dev: &Device<Self>);

    /// Runs after [`Device::schedule_rtnl_work`], once for any number of them: `ndo_work`. Process
    /// context.
    fn rtnl_work(dev: &Device<Self>, rtnl: &mut Rtnl);

    /// Runs after [`Device::schedule_recovery`], once for any number of them, while the device is
    /// registered. Process context; not while the system sleeps.
    fn recover(dev: &Device<Self>, rtnl: &mut Rtnl) {
        let _ = (dev, rtnl);
    }

    /// Runs after [`Device::schedule_later`], once for any number of them, while the device is
    /// registered. Process context; not while the system sleeps.
    fn later(dev: &Device<Self>, rtnl: &mut Rtnl) {
        let _ = (dev, rtnl);
    }

    /// Statistics of a receive queue: `get_queue_stats_rx`. Process context.
    fn rx_queue_stats(dev: &Device<Self>, queue: usize, stats: &mut RxQueueStats);

    /// Statistics of a transmit queue: `get_queue_stats_tx`. Process context.
    fn tx_queue_stats(dev: &Device<Self>, queue: usize, stats: &mut TxQueueStats);

    /// Name of the port: `ndo_get_phys_port_name`. Any context.
    ///
    /// # Errors
    ///
    /// `EOPNOTSUPP`: it has none.
    fn port_name(dev: &Device<Self>) -> Result<&'static CStr> {
        let _ = dev;
        Err(EOPNOTSUPP)
    }

    /// Value of the receive queue attribute [`crate::sysfs::RxAttribute`]. Process context.
    fn rx_attribute(dev: &Device<Self>, queue: usize) -> u32 {
        let _ = (dev, queue);
        0
    }
}
