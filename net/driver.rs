// SPDX-License-Identifier: GPL-2.0

//! Binding and unbinding a device.

use crate::{
    config,
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
    rx::RxState,
    settings,
    source::QueueSource,
    stats,
    sysfs::MergeableBufferSize,
    tx::TxState,
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
        let mtu = dev.config().read_if(features::MTU, config::MTU)?;
        features::validate(features, mtu).map_err(|missing| {
            dev_err!(
                dev.as_ref(),
                "device advertises feature {} but not {}\n",
                missing.feature,
                missing.needs
            );
            EINVAL
        })
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
        // The interface cannot be brought up before the device is ready.
        net.register(&mut rtnl)?;
        // Configuration changes are held back until the interface is brought up.
        dev.config_disable();
        dev.ready();
        let ret = configure(net, &mut rtnl).and_then(|()| net.watch_cpus(&mut rtnl));
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
        let (index, transmits) = queues::pair_of(queue.index());
        if !transmits {
            net.rx_schedule(index, &QueueSource(queue));
            return;
        }
        // Callbacks of a transmit queue stay off until the poll, or the code that reaps without
        // NAPI, enables them.
        net.tx_schedule(index, &QueueSource(queue), wake_without_napi);
    }

    fn config_changed(_dev: &Device<Bound>, data: Pin<&DriverData<'_>>) {
        data.get_ref().net.schedule_work();
    }
}

/// Wakes a stopped transmit queue that has no NAPI, in its callback.
#[inline(never)]
fn wake_without_napi(net: &netdev::Device<Nic<'_>>, index: usize) {
    match net.data().pairs.get(index) {
        Some(pair) if !pair.tx_napi.read_once() => {
            // The queue was most likely stopped for want of free descriptors.
            net.wake_stopped_queue(index, &pair.counters.tx.wake);
        }
        _ => {}
    }
}

/// Sends the device the settings that it needs after `DRIVER_OK`: the number of pairs and the
/// address. Then reads the state of the link.
fn configure(net: &NetDevice<Nic<'_>>, rtnl: &mut Rtnl) -> Result {
    let nic = net.data();
    settings::init_pairs(net, rtnl);
    let addr = net.mac_address(rtnl);
    if read_address(nic.vdev)? != Some(addr) {
        // The address is a random one that the driver has chosen.
        let result = filter::set_mac_address(net, addr);
        // A device that reports an address, even an invalid one, may refuse the new one.
        if !nic.negotiated.has(features::MAC) {
            result?;
        }
    }
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
    let negotiated = Negotiated::new(
        features,
        mtu,
        config.read_if(features::MQ, config::MAX_PAIRS)?,
    );

    let layout =
        HeaderLayout::new(negotiated.header.len as u32, negotiated.any_layout).ok_or(EINVAL)?;
    let tx_napi = NAPI_TX.get();
    let mut pairs = KVec::with_capacity(negotiated.max_pairs, GFP_KERNEL)?;
    for _ in 0..negotiated.max_pairs {
        pairs.push(Arc::new(Pair::new(tx_napi), GFP_KERNEL)?, GFP_KERNEL)?;
    }
    let mut shared = KVec::with_capacity(negotiated.max_pairs, GFP_KERNEL)?;
    shared.extend_from_slice(&pairs, GFP_KERNEL)?;
    let current = negotiated.max_pairs.min(num_online_cpus()).max(1);
    let health = Health::new(WeakDevice::new(vdev)?);
    let mut net = new_interface(
        scope,
        Nic::new(vdev, negotiated, health, pairs, current),
        negotiated.max_pairs,
        NAPI_WEIGHT.get(),
        |i| {
            let pair: &Arc<Pair> = shared.get(i).ok_or(EINVAL)?;
            Ok((pair.clone(), RxState::new(), TxState::new(layout)))
        },
    )?;

    set_offloads(&mut net, &negotiated);
    net.set_stats(stats::SUMS, stats::OF_PAIR);
    let mtu = mtu.map(u32::from);
    net.set_mtu(
        mtu.unwrap_or(DEFAULT_MTU),
        features::MIN_MTU.into(),
        mtu.unwrap_or(MAX_MTU),
    );
    if negotiated.any_layout {
        net.set_needed_headroom(negotiated.header.len as u16);
    }
    if negotiated.rx_mode == RxMode::Mergeable {
        net.add_rx_attribute::<MergeableBufferSize<'_>>();
    }
    set_address(&mut net, vdev)?;
    let net = net.finish();

    let mut rtnl = Rtnl::lock();
    queues::find_queues(&net, &mut rtnl)?;
    let ret = net.set_real_queues(current, &mut rtnl);
    drop(rtnl);
    queues::set_affinity(&net, &CpusLocked::lock());
    ret?;
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
