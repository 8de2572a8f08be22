// SPDX-License-Identifier: GPL-2.0

//! Binding and unbinding a device.

use crate::{
    coalesce::limits::Coalesce,
    config,
    device_stats,
    driver_data::DriverData,
    features,
    filter,
    health::Health,
    link,
    negotiated::{
        Negotiated,
        RxMode,
        MAX_MTU, //
    },
    nic::{
        Nic,
        Pair, //
    },
    power,
    queues,
    rss::limits::Limits,
    rx::RxState,
    rx_restart,
    settings,
    source::QueueSource,
    stats,
    sysfs::MergeableBufferSize,
    tx::TxState,
    xdp,
    CSUM,
    GSO,
    NAPI_TX,
    NAPI_WEIGHT, //
};
use kernel::{
    alloc::KVec,
    device::{
        Bound,
        Core, //
    },
    prelude::*,
    sync::Arc, //
};
use net_buffers::{
    new_interface,
    packet::HeaderLayout, //
};
use netdev::{
    affinity::{
        num_online_cpus,
        CpusLocked, //
    },
    Features,
    MacAddr,
    NetDevice,
    NewDevice,
    Rtnl, //
};
use virtio::{
    Device,
    DeviceId,
    Driver,
    Feature,
    FeatureSet,
    Once,
    QueueHandle,
    Scope,
    WeakDevice, //
};

/// The driver.
pub(crate) struct NetDriver;

virtio::virtio_device_table!(ID_TABLE, [DeviceId::NET]);

impl Driver for NetDriver {
    type Data<'bound> = DriverData<'bound>;

    const ID_TABLE: virtio::IdTable = &ID_TABLE;
    const FEATURES: &'static [Feature] = features::TABLE;
    const FEATURES_LEGACY: Option<&'static [Feature]> = Some(features::TABLE_LEGACY);

    fn validate(dev: &Device<Core<'_>>, features: &mut FeatureSet) -> Result {
        if !dev.has_config() {
            dev_err!(dev.as_ref(), "validate failure: config access disabled\n");
            return Err(EINVAL);
        }
        let config = dev.config();
        let mtu = config.read_if(features::MTU, config::MTU)?;
        let table = config.read_if(features::RSS, config::RSS_TABLE_LEN)?;
        features::validate(features, mtu, table).map_err(|missing| {
            dev_err!(
                dev.as_ref(),
                "device advertises feature {} but not {}\n",
                missing.feature,
                missing.needs
            );
            EINVAL
        })?;
        validate_standby(dev, features)
    }

    fn probe<'bound>(
        _dev: &'bound Device<Core<'_>>,
        scope: Scope<'bound>,
    ) -> impl PinInit<Self::Data<'bound>, Error> + 'bound {
        try_pin_init!(DriverData {
            net: make_interface(scope)?,
        }? Error)
    }

    fn start<'bound>(dev: &'bound Device<Core<'_>>, data: Pin<&DriverData<'bound>>) -> Result {
        let net = &data.get_ref().net;
        let mut rtnl = Rtnl::lock();
        // Configuration changes are held back until the interface is brought up.
        dev.config_disable();
        // Before the registration: a failover master that is up brings the interface up there.
        dev.ready();
        net.register(&mut rtnl)?;
        let ret = net
            .with_lock(&mut rtnl, |rtnl| configure(net, rtnl))
            .and_then(|()| net.watch_cpus(&mut rtnl));
        drop(rtnl);
        ret.inspect_err(|_| net.unregister())
    }

    fn remove(_dev: &Device<Core<'_>>, data: Pin<&DriverData<'_>>) {
        data.get_ref().net.unregister();
    }

    fn freeze(_dev: &Device<Core<'_>>, data: Pin<&DriverData<'_>>) -> Result {
        power::freeze(&data.get_ref().net);
        Ok(())
    }

    fn restore(_dev: &Device<Core<'_>>, data: Pin<&DriverData<'_>>) -> Result {
        power::restore(&data.get_ref().net)
    }

    fn reset_prepare(dev: &Device<Core<'_>>, data: Pin<&DriverData<'_>>) -> Result {
        Self::freeze(dev, data)
    }

    fn reset_done(dev: &Device<Core<'_>>, data: Pin<&DriverData<'_>>) -> Result {
        Self::restore(dev, data)
    }

    fn not_woken(_dev: &Device<Bound>, data: Pin<&DriverData<'_>>) {
        power::not_woken(&data.get_ref().net);
    }

    fn shutdown(dev: &Device<Core<'_>>, data: Pin<&DriverData<'_>>) {
        // The recovery must not restart the device from here on.
        let health = &data.get_ref().net.data().health;
        health.turn_off();
        // Waits for a restart that runs.
        health.device.revoke();
        dev.shut_down();
    }

    #[inline(always)]
    fn vq_callback(_dev: &Device<Bound>, data: Pin<&DriverData<'_>>, queue: &QueueHandle) {
        let net = &data.get_ref().net;
        // Callbacks of a queue stay off until the poll, or the code that reaps without NAPI,
        // enables them.
        net.queue_schedule(queue.index(), &QueueSource(queue), wake_without_napi);
    }

    fn config_changed(_dev: &Device<Bound>, data: Pin<&DriverData<'_>>) {
        data.get_ref().net.schedule_work();
    }
}

/// Clears `VIRTIO_NET_F_STANDBY` if there can be no failover: the primary interface is found by the
/// address that the device reports.
fn validate_standby(dev: &Device<Core<'_>>, features: &mut FeatureSet) -> Result {
    if !features.has(features::STANDBY) {
        return Ok(());
    }
    match read_address(dev)? {
        None => dev_warn!(
            dev.as_ref(),
            "device advertises feature VIRTIO_NET_F_STANDBY but not VIRTIO_NET_F_MAC, \
             disabling standby\n"
        ),
        Some(addr) if !addr.is_valid() => dev_warn!(
            dev.as_ref(),
            "device has an invalid MAC address, disabling standby\n"
        ),
        Some(_) if NetDevice::<Nic<'_>>::HAS_FAILOVER => return Ok(()),
        Some(_) => {}
    }
    *features = features.without(features::STANDBY);
    Ok(())
}

/// Wakes a stopped transmit queue that has no NAPI, in its callback.
#[inline(never)]
fn wake_without_napi(net: &netdev::Device<Nic<'_>>, index: usize) {
    match net.data().pairs.get(index) {
        // A paused queue looks for used packets when it is resumed.
        Some(pair) if !pair.tx_napi.read_once() && !pair.tx_paused.read_once() => {
            // The queue was most likely stopped for want of free descriptors.
            net.wake_stopped_queue(index, &pair.tx.counters.wake);
        }
        _ => {}
    }
}

/// Sends the device the settings that it needs after `DRIVER_OK`: the number of pairs, the
/// configuration of RSS, and the address. Then asks for the types of its statistics, and reads the
/// state of the link.
fn configure(net: &NetDevice<Nic<'_>>, rtnl: &mut Rtnl) -> Result {
    let nic = net.data();
    settings::init(net, rtnl);
    let addr = net.mac_address(rtnl);
    if read_address(nic.vdev)? != Some(addr) {
        // The address is a random one that the driver has chosen.
        let result = filter::set_mac_address(net, addr);
        // A device that reports an address, even an invalid one, may refuse the new one.
        if !nic.negotiated.has(features::MAC) {
            result?;
        }
    }
    device_stats::init(net, rtnl)?;
    link::init(net);
    Ok(())
}

/// Makes the interface of a device and finds its queues. The interface is not registered yet.
fn make_interface<'bound>(scope: Scope<'bound>) -> Result<NetDevice<Nic<'bound>>> {
    let vdev = scope.dev();
    let features = vdev.features();
    let config = vdev.config();
    let mtu = config.read_if(features::MTU, config::MTU)?;
    if let Some(mtu) = mtu.filter(|&mtu| mtu < features::MIN_MTU) {
        dev_err!(
            vdev.as_ref(),
            "device MTU appears to have changed it is now {} < {}\n",
            mtu,
            features::MIN_MTU
        );
        return Err(EINVAL);
    }
    let max_pairs = if features::has_pairs(&features) {
        Some(config.read(config::MAX_PAIRS)?)
    } else {
        None
    };
    let negotiated = Negotiated::new(features, mtu, max_pairs);
    let rss_limits = Limits::read(vdev, &features)?;

    let layout =
        HeaderLayout::new(negotiated.header.len as u32, negotiated.any_layout).ok_or(EINVAL)?;
    let long = negotiated.header.is_long();
    let tx_napi = NAPI_TX.get();
    let mut pairs = KVec::with_capacity(negotiated.max_pairs, GFP_KERNEL)?;
    for _ in 0..negotiated.max_pairs {
        pairs.push(Arc::new(Pair::new(tx_napi), GFP_KERNEL)?, GFP_KERNEL)?;
    }
    let mut shared = KVec::with_capacity(negotiated.max_pairs, GFP_KERNEL)?;
    shared.extend_from_slice(&pairs, GFP_KERNEL)?;
    let current = negotiated.max_pairs.min(num_online_cpus()).max(1);
    let health = Health::new(WeakDevice::new(vdev)?);
    let coalesce = Coalesce::new(negotiated.max_pairs, tx_napi)?;
    let mut net = new_interface(
        scope,
        Nic::new(
            vdev, negotiated, rss_limits, health, pairs, current, coalesce,
        ),
        negotiated.max_pairs,
        NAPI_WEIGHT.get(),
        |i| {
            let pair: &Arc<Pair> = shared.get(i).ok_or(EINVAL)?;
            Ok((pair.clone(), RxState::new(long), TxState::new(layout)))
        },
    )?;

    set_offloads(&mut net, &negotiated);
    net.set_stats(stats::SUMS, stats::OF_PAIR);
    if negotiated.has(features::CTRL_VQ) && negotiated.has(features::VQ_NOTF_COAL) {
        match net.prepare_adaptive_rx() {
            // Without the library for it, coalescing is not adapted.
            Err(e) if e != EOPNOTSUPP => return Err(e),
            _ => {}
        }
    }
    net.set_rss_sizes(rss_limits.table, rss_limits.key);
    let mtu = mtu.map(u32::from);
    net.set_mtu(
        mtu.unwrap_or(DEFAULT_MTU),
        features::MIN_MTU.into(),
        mtu.unwrap_or(MAX_MTU),
    );
    if let Some(features) = xdp::supported(negotiated.rx_mode) {
        net.set_xdp_features(features);
    }
    if features::has_hash(&negotiated.features) {
        net.set_xdp_hashes();
    }
    if negotiated.any_layout {
        net.set_needed_headroom(negotiated.header.len as u16);
    }
    if rx_restart::is_supported(&negotiated) {
        net.set_rx_restarts();
    }
    if negotiated.rx_mode == RxMode::Mergeable {
        net.add_rx_attribute::<MergeableBufferSize<'_>>();
    }
    set_address(&mut net, vdev)?;
    let mut net = net.finish();

    let mut rtnl = net.lock();
    queues::find_queues(&net, &mut rtnl)?;
    let ret = net.set_real_queues(current, current, &mut rtnl);
    drop(rtnl);
    queues::set_affinity(&net, &CpusLocked::lock());
    ret?;
    if negotiated.has(features::STANDBY) {
        net.add_failover()?;
    }
    Ok(net)
}

/// The MTU of Ethernet.
const DEFAULT_MTU: u32 = 1500;

/// Sets the features of the interface.
fn set_offloads(net: &mut NewDevice<Nic<'_>>, negotiated: &Negotiated) {
    let mut on = Features::HIGHDMA;
    let mut switchable = Features::NONE;
    if negotiated.has(features::CSUM) {
        // All other offloads need this one.
        let csum = Features::HW_CSUM | Features::SG;
        switchable |= csum;
        if CSUM.get() {
            on |= csum;
        }
        if negotiated.has(features::GSO) {
            switchable |= Features::TSO | Features::TSO_ECN | Features::TSO6;
        }
        for (feature, offload) in [
            (features::HOST_TSO4, Features::TSO),
            (features::HOST_TSO6, Features::TSO6),
            (features::HOST_ECN, Features::TSO_ECN),
            (features::HOST_USO, Features::GSO_UDP_L4),
        ] {
            if negotiated.has(feature) {
                switchable |= offload;
            }
        }
        if negotiated.has(features::HOST_UDP_TUNNEL_GSO) {
            switchable |= Features::GSO_UDP_TUNNEL;
            if negotiated.has(features::HOST_UDP_TUNNEL_GSO_CSUM) {
                switchable |= Features::GSO_UDP_TUNNEL_CSUM;
            }
            net.set_encapsulated_features(switchable);
        }
        on |= Features::GSO_ROBUST;
        if GSO.get() {
            // If `CSUM` is off, the core clears these bits.
            on |= switchable;
        }
    }
    // The checksum of a received packet is complete, or the driver can complete it.
    on |= Features::RXCSUM;
    if negotiated.has(features::GUEST_TSO4) || negotiated.has(features::GUEST_TSO6) {
        on |= Features::GRO_HW;
    }
    net.set_vlan_features(on);
    if negotiated.has(features::CTRL_VQ) && negotiated.has(features::CTRL_VLAN) {
        on |= Features::VLAN_CTAG_FILTER;
    }
    if features::can_switch_gro_hw(&negotiated.features) {
        switchable |= Features::GRO_HW;
    }
    if features::has_hash(&negotiated.features) {
        switchable |= Features::RXHASH;
    }
    net.set_features(on, switchable);
}

/// Reads the address that the device reports, valid or not.
fn read_address(vdev: &Device<Bound>) -> Result<Option<MacAddr>> {
    let addr = vdev.config().read_if(features::MAC, config::MAC)?;
    Ok(addr.map(MacAddr))
}

/// Sets the address of the interface: that of the device, or a random one.
fn set_address(net: &mut NewDevice<Nic<'_>>, vdev: &Device<Bound>) -> Result {
    if let Some(addr) = read_address(vdev)? {
        if addr.is_valid() {
            net.set_address(addr);
            return Ok(());
        }
        dev_warn!(vdev.as_ref(), "device has an invalid MAC address\n");
    }
    let MacAddr([a, b, c, d, e, f]) = net.set_random_address();
    dev_info!(
        vdev.as_ref(),
        "Assigned random MAC address {:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}\n",
        a,
        b,
        c,
        d,
        e,
        f
    );
    Ok(())
}
