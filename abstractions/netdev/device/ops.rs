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
    dim::Moderation,
    ethtool::EthtoolOps,
    ext_ack::ExtAck,
    features::Features,
    frag::RxKind,
    napi::{
        Polled,
        RxPoll,
        Source,
        TxPoll, //
    },
    rtnl::{
        DevLock,
        Rtnl, //
    },
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
    xsk::XskPool, //
};
use kernel::prelude::*;

/// The operations of a network device, and the types of its data.
///
/// `Self` is the data that all queues share. The lock of a transmit queue protects its state. The
/// core holds this lock around [`Operations::start_xmit`], and [`Device::tx_lock`] takes it. The
/// state of a receive queue belongs to its NAPI instance: [`Operations::poll_rx`] has access to it,
/// and [`Device::rx_stopped`] has access while NAPI is disabled.
#[vtable]
pub trait Operations: Sized + Send + Sync {
    /// State of a transmit queue.
    type Tx: Send;
    /// State of a receive queue.
    type Rx: Send;
    /// Data shared by the two queues of a pair, and read by other code.
    type Pair: Send + Sync;
    /// The event source of a queue, whose events NAPI disables.
    type Source: Source;
    /// The hold that keeps alive the objects that the data and the states borrow. Dropped last.
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
    /// The interface stays down. Before it returns an error, the driver disables all that it has
    /// enabled.
    fn open(dev: &Device<Self>, rtnl: &mut Rtnl) -> Result;

    /// Takes the interface down: `ndo_stop`. Process context.
    fn stop(dev: &Device<Self>, rtnl: &mut Rtnl);

    /// Transmits a packet: `ndo_start_xmit`, with the queue locked and BHs disabled.
    ///
    /// `more`: another packet follows at once, so the device need not be notified yet.
    fn start_xmit(queue: TxQueue<'_, Self>, skb: SkBuff, more: bool) -> NetdevTx;

    /// Receives packets, as the poll function of the NAPI instance. BHs are disabled.
    fn poll_rx<'a>(poll: RxPoll<'a, Self>) -> Polled<'a>;

    /// Frees transmitted packets, as the poll function of the NAPI instance. BHs are disabled.
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

    /// Returns whether the address of the device may change, before a new address is checked. By
    /// default it may. Process context.
    ///
    /// # Errors
    ///
    /// The interface keeps its address.
    fn may_set_mac_address(dev: &Device<Self>) -> Result {
        let _ = dev;
        Ok(())
    }

    /// Sets a new address of the device: `ndo_set_mac_address`. The core has checked that the
    /// address is valid. If this succeeds, the interface has the new address. Process context.
    ///
    /// # Errors
    ///
    /// The interface keeps its address.
    fn set_mac_address(dev: &Device<Self>, addr: MacAddr, rtnl: &mut Rtnl) -> Result;

    /// Adds a VLAN to the receive filter: `ndo_vlan_rx_add_vid`. Process context.
    ///
    /// # Errors
    ///
    /// The VLAN is not added.
    fn vlan_add(dev: &Device<Self>, vid: u16, rtnl: &mut Rtnl) -> Result {
        let _ = (dev, vid, rtnl);
        Ok(())
    }

    /// Removes a VLAN from the receive filter: `ndo_vlan_rx_kill_vid`. Process context.
    ///
    /// # Errors
    ///
    /// The core ignores errors.
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

    /// Attaches an XDP program to all receive queues, replaces it, or detaches it: `ndo_bpf`.
    /// Process context. A driver that keeps the program clones the reference.
    ///
    /// # Errors
    ///
    /// The program stays as it was. `ack` may have a message.
    fn set_xdp(
        dev: &Device<Self>,
        prog: Option<&XdpProg>,
        ack: &mut ExtAck<'_>,
        rtnl: &mut Rtnl,
    ) -> Result {
        let _ = (dev, prog, ack, rtnl);
        Err(EOPNOTSUPP)
    }

    /// Transmits frames: `ndo_xdp_xmit`. The core drops the frames that [`XdpFrames::send`] has not
    /// sent. BHs are disabled.
    ///
    /// # Errors
    ///
    /// No frame was sent. An error after a frame was sent is ignored.
    fn xdp_xmit(dev: &Device<Self>, frames: XdpFrames<'_>) -> Result {
        let _ = (dev, frames);
        Err(EOPNOTSUPP)
    }

    /// Has a pair of queues use the memory of an AF_XDP socket: `ndo_bpf`. The driver
    /// [maps](XskPool::map) it. Process context.
    ///
    /// # Errors
    ///
    /// The queues do not use it. Both halves, and all buffers, were dropped.
    fn bind_xsk(dev: &Device<Self>, queue: usize, pool: XskPool<'_>, rtnl: &mut Rtnl) -> Result {
        let _ = (dev, queue, pool, rtnl);
        Err(EOPNOTSUPP)
    }

    /// Ends the use of the memory of an AF_XDP socket by a pair of queues: `ndo_bpf`. The driver
    /// drops both halves, all buffers and all frames. The core waits for that. Process context.
    fn unbind_xsk(dev: &Device<Self>, queue: usize, rtnl: &mut Rtnl) {
        let _ = (dev, queue, rtnl);
    }

    /// Has the queues of a pair look at the memory of an AF_XDP socket: `ndo_xsk_wakeup`. `rx`:
    /// there are buffers to receive to. `tx`: there are packets to transmit. Process or softirq
    /// context.
    ///
    /// # Errors
    ///
    /// User space gets them.
    fn wake_xsk(dev: &Device<Self>, queue: usize, rx: bool, tx: bool) -> Result {
        let _ = (dev, queue, rx, tx);
        Err(EOPNOTSUPP)
    }

    /// Returns whether a receive queue may be restarted alone, on a device that the core
    /// [may ask](super::NewDevice::set_rx_restarts) for that. By default it may. Process context.
    ///
    /// # Errors
    ///
    /// The queue goes on. `ENETDOWN`: the device has no queues now.
    fn may_restart_rx(dev: &Device<Self>, queue: usize, lock: &mut DevLock) -> Result {
        let _ = (dev, queue, lock);
        Ok(())
    }

    /// Returns the kind of the buffers of a receive queue, for buffers that are allocated before
    /// the queue is stopped. Process context.
    fn rx_kind(dev: &Device<Self>, queue: usize) -> Option<RxKind> {
        let _ = (dev, queue);
        None
    }

    /// Stops a receive queue of an interface that is up, and takes its buffers back:
    /// `ndo_queue_stop`. The driver disables the NAPI instance. Process context.
    ///
    /// # Errors
    ///
    /// The queue goes on.
    fn stop_rx(dev: &Device<Self>, queue: usize, lock: &mut DevLock) -> Result {
        let _ = (dev, queue, lock);
        Err(EOPNOTSUPP)
    }

    /// Starts a receive queue that was stopped by [`Operations::stop_rx`], and has another page
    /// pool now, or the same: `ndo_queue_start`. Process context.
    fn start_rx(dev: &Device<Self>, queue: usize, lock: &mut DevLock) {
        let _ = (dev, queue, lock);
    }

    /// Restricts the offloads for one packet: `ndo_features_check`. Any context.
    fn features_check(dev: &Device<Self>, skb: &SkBuff, features: Features) -> Features {
        let _ = (dev, skb);
        features
    }

    /// Handles a transmit queue that has sent nothing for long: `ndo_tx_timeout`. BHs are disabled.
    fn tx_timeout(dev: &Device<Self>, queue: usize);

    /// Handles a CPU that comes online or goes offline, if the device
    /// [watches](super::NetDevice::watch_cpus) CPUs. Process context. Must not take the RTNL: its
    /// holder may wait for this call.
    fn cpus_changed(dev: &Device<Self>, change: CpuChange, cpus: &CpusLocked) {
        let _ = (dev, change, cpus);
    }

    /// Runs after [`Device::schedule_work`], once for several calls of it. Process context.
    fn work(dev: &Device<Self>);

    /// Runs after [`Device::schedule_rtnl_work`], once for several calls of it: `ndo_work`. Process
    /// context.
    fn rtnl_work(dev: &Device<Self>, rtnl: &mut Rtnl);

    /// Runs after [`Device::schedule_recovery`], once for several calls of it, while the device is
    /// registered. Process context, [without I/O](crate::without_io); not while the system sleeps.
    fn recover(dev: &Device<Self>, rtnl: &mut Rtnl) {
        let _ = (dev, rtnl);
    }

    /// Runs after [`Device::schedule_later`], once for several calls of it, while the device is
    /// registered. Process context, [without I/O](crate::without_io); not while the system sleeps.
    fn later(dev: &Device<Self>, rtnl: &mut Rtnl) {
        let _ = (dev, rtnl);
    }

    /// Sets limits of coalescing that suit the traffic of a receive queue, on a device that was
    /// [prepared](super::NewDevice::prepare_adaptive_rx). Runs after a poll
    /// [measured](RxPoll::measure) the traffic, once at a time for each queue. Process context.
    /// Must not take the RTNL: its holder may [wait](Device::cancel_adapt) for this call.
    fn adapt(dev: &Device<Self>, queue: usize, best: Moderation) {
        let _ = (dev, queue, best);
    }

    /// Sets the statistics of a receive queue: `get_queue_stats_rx`. Process context.
    fn rx_queue_stats(dev: &Device<Self>, queue: usize, stats: &mut RxQueueStats);

    /// Sets the statistics of a transmit queue: `get_queue_stats_tx`. Process context.
    fn tx_queue_stats(dev: &Device<Self>, queue: usize, stats: &mut TxQueueStats);

    /// Sets the statistics of queues to 0 that the driver sets of each queue, besides numbers of
    /// packets and bytes, stops and wakes: `get_base_stats`. Process context.
    fn clear_queue_stats(dev: &Device<Self>, rx: &mut RxQueueStats, tx: &mut TxQueueStats) {
        let _ = (dev, rx, tx);
    }

    /// Returns the name of the port: `ndo_get_phys_port_name`. Any context.
    ///
    /// # Errors
    ///
    /// `EOPNOTSUPP`: the port has no name.
    fn port_name(dev: &Device<Self>) -> Result<&'static CStr> {
        let _ = dev;
        Err(EOPNOTSUPP)
    }

    /// Returns the value of the attribute [`crate::sysfs::RxAttribute`] of a receive queue. Process
    /// context.
    fn rx_attribute(dev: &Device<Self>, queue: usize) -> u32 {
        let _ = (dev, queue);
        0
    }
}
