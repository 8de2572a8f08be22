// SPDX-License-Identifier: GPL-2.0

//! Creating network devices.

use super::{
    owner::NetDevice,
    private::Private,
    vtable::Vtable,
    Operations, //
};
use crate::{
    addr::{
        MacAddr,
        ETH_ALEN, //
    },
    bindings,
    features::Features,
    napi::{
        Received,
        RxSlot,
        TxSlot, //
    },
    sysfs,
    workqueue::Workqueue,
    xdp::{
        metadata,
        XdpFeatures, //
    },
};
use core::ptr::NonNull;
use kernel::{
    alloc::KVec,
    device,
    prelude::*,
    sync::Arc,
    types::ScopeGuard, //
};

/// A network device under construction, whose first settings can still be changed.
///
/// # Invariants
///
/// The device was never registered.
pub struct NewDevice<T: Operations>(NetDevice<T>);

impl<T: Operations> NewDevice<T> {
    /// Creates an Ethernet device below `parent` with `data`. For each pair of queues, `queue`
    /// returns the shared data, and the states of the receive and the transmit queue. `weight` is
    /// that of the NAPI instances: packets per poll, at least 1.
    ///
    /// With `rescuer`, [`Operations::recover`] and [`Operations::later`] run also if there is no
    /// memory for a thread, and must not wait for work on workqueues without `WQ_MEM_RECLAIM`.
    ///
    /// The device drops `hold` last. Process context, sleeps.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, and those of `queue`.
    ///
    /// # Safety
    ///
    /// Objects that the data or the states borrow are valid while `hold` exists, or until the
    /// device is dropped.
    pub unsafe fn new(
        hold: T::Hold,
        parent: &device::Device,
        data: impl PinInit<T, Error>,
        rescuer: bool,
        pairs: usize,
        weight: i32,
        queue: impl Fn(usize) -> Result<(Arc<T::Pair>, T::Rx, T::Tx)>,
    ) -> Result<Self> {
        let n = u32::try_from(pairs)?;
        let workqueue = Workqueue::new(parent, rescuer)?;
        let size = core::mem::size_of::<Private<T>>();
        // SAFETY: May be called in process context.
        let dev = unsafe { bindings::alloc_etherdev_mqs(i32::try_from(size)?, n, n) };
        let dev = NonNull::new(dev).ok_or(ENOMEM)?;
        let raw = dev.as_ptr();
        let free = ScopeGuard::new(|| {
            // SAFETY: The device was allocated and not registered, and nothing refers to it.
            unsafe { bindings::free_netdev(raw) };
        });

        let mut tx = KVec::with_capacity(pairs, GFP_KERNEL)?;
        let mut rx = KVec::with_capacity(pairs, GFP_KERNEL)?;
        for i in 0..n {
            let (pair, rx_state, tx_state) = queue(i as usize)?;
            // SAFETY: The device has as many queues.
            let txq = unsafe { bindings::netdev_get_tx_queue(raw, i) };
            tx.push(TxSlot::new(raw, i, pair.clone(), tx_state, txq), GFP_KERNEL)?;
            rx.push(
                RxSlot::new(raw, i, pair, rx_state, Received::new()),
                GFP_KERNEL,
            )?;
        }

        // The slots are complete, and do not move from here on.
        let mut instances = KVec::with_capacity(pairs.saturating_mul(2), GFP_KERNEL)?;
        for (rx, tx) in rx.iter().zip(&tx) {
            instances.push(NonNull::from(rx.instance()), GFP_KERNEL)?;
            instances.push(NonNull::from(tx.instance()), GFP_KERNEL)?;
        }

        let private = Private::<T>::of(raw);
        // SAFETY: `private` is the private area of the device: large enough, aligned, and not used
        // before the initialisation is complete. It does not move, and is valid until the device is
        // freed.
        unsafe {
            Private::new(raw, parent.into(), workqueue, data, tx, rx, instances).__init(private)?
        };
        free.dismiss();

        // SAFETY: The device and its private data are complete.
        let private = unsafe { &*private };
        // With a weight of 0, the core would assume after each poll that it has used up its budget.
        let weight = weight.max(1);
        for slot in &private.rx {
            // SAFETY: The slots stay where they are until the device is dropped.
            unsafe { slot.register(weight) };
        }
        for slot in &private.tx {
            // SAFETY: The slots stay where they are until the device is dropped.
            unsafe { slot.register(weight) };
        }
        // SAFETY: The device is valid and not registered.
        unsafe {
            bindings::netdev_set_ops(
                raw,
                crate::device::raw_device(parent),
                Vtable::<T>::net_device_ops(),
                Vtable::<T>::ethtool_ops(),
                Vtable::<T>::stat_ops(),
            );
            bindings::netdev_add_priv_flags(
                raw,
                bindings::IFF_UNICAST_FLT
                    | bindings::IFF_LIVE_ADDR_CHANGE
                    | bindings::IFF_TX_SKB_NO_LINEAR,
            );
        }
        // SAFETY: The device is complete, and owned by this function. The data is valid by the
        // safety requirements.
        // INVARIANT: The device was not registered.
        Ok(Self(unsafe { NetDevice::from_raw(dev, hold) }))
    }

    #[inline]
    pub(crate) fn as_raw(&self) -> *mut bindings::net_device {
        self.0.as_raw()
    }

    pub(crate) fn private(&self) -> &Private<T> {
        self.0.private()
    }

    /// Returns the finished device, which can be registered.
    pub fn finish(self) -> NetDevice<T> {
        self.0
    }

    /// Sets the features that are on at first, and the features that the user may switch.
    pub fn set_features(&mut self, on: Features, switchable: Features) {
        // SAFETY: The device is valid, and was never registered (type invariant), so no other code
        // uses its settings.
        unsafe {
            bindings::netdev_set_features(self.0.as_raw(), on.into_raw(), switchable.into_raw())
        };
    }

    /// Sets the features that VLANs on top of the interface inherit.
    pub fn set_vlan_features(&mut self, features: Features) {
        // SAFETY: The device was never registered (type invariant), so no other code uses it.
        unsafe { bindings::netdev_set_vlan_features(self.0.as_raw(), features.into_raw()) };
    }

    /// Sets the features that apply to packets with another packet in them. None at first.
    pub fn set_encapsulated_features(&mut self, features: Features) {
        // SAFETY: The device was never registered (type invariant), so no other code uses it.
        unsafe { bindings::netdev_set_hw_enc_features(self.0.as_raw(), features.into_raw()) };
    }

    /// Sets the MTU and its limits.
    pub fn set_mtu(&mut self, mtu: u32, min: u32, max: u32) {
        // SAFETY: The device was never registered (type invariant), so no other code uses it.
        unsafe { bindings::netdev_set_mtu(self.0.as_raw(), mtu, min, max) };
    }

    /// Sets the features of XDP.
    pub fn set_xdp_features(&mut self, features: XdpFeatures) {
        // SAFETY: The device was never registered (type invariant), so no other code uses it.
        unsafe { bindings::netdev_set_xdp_features(self.0.as_raw(), features.into_raw()) };
    }

    /// Has programs that are bound to the device ask the driver for the
    /// [hash](crate::XdpBuff::set_hash) of a packet.
    pub fn set_xdp_hashes(&mut self) {
        // SAFETY: The device was never registered (type invariant), so no other code uses it. The
        // driver passes only packets of this crate to programs.
        unsafe { bindings::netdev_set_xdp_metadata_ops(self.0.as_raw(), &metadata::OPS) };
    }

    /// Sets the headroom that the stack should leave in packets to transmit.
    pub fn set_needed_headroom(&mut self, bytes: u16) {
        // SAFETY: The device was never registered (type invariant), so no other code uses it.
        unsafe { bindings::netdev_set_needed_headroom(self.0.as_raw(), bytes) };
    }

    /// Sets the number of values of `ethtool -S`: `device` for the device, and `pair` for each pair
    /// of queues in use.
    ///
    /// Both are 0 at first. [`Device::set_stats`](crate::Device::set_stats) changes them later.
    pub fn set_stats(&mut self, device: u16, pair: u16) {
        self.0.private().set_stats(device, pair);
    }

    /// Sets the number of entries of the RSS indirection table, and the length of the hash key in
    /// bytes.
    ///
    /// Both are 0 at first. The driver is not asked each time, because they must not change between
    /// the allocation of a buffer by the core and the access to it.
    pub fn set_rss_sizes(&mut self, table: u16, key: u16) {
        let private = Private::<T>::of(self.0.as_raw());
        // SAFETY: The device was never registered (type invariant), so there is no other reference
        // to the private data.
        unsafe { (&raw mut (*private).rss_sizes).write([table, key]) };
    }

    /// Sets the address.
    pub fn set_address(&mut self, addr: MacAddr) {
        // SAFETY: The device was never registered (type invariant), so no other code uses it. The
        // address has as many bytes.
        unsafe { bindings::eth_hw_addr_set(self.0.as_raw(), addr.0.as_ptr()) };
    }

    /// Sets a random address and returns it.
    pub fn set_random_address(&mut self) -> MacAddr {
        // SAFETY: The device was never registered (type invariant), so no other code uses it.
        unsafe {
            bindings::eth_hw_addr_random(self.0.as_raw());
            MacAddr(
                bindings::netdev_addr(self.0.as_raw())
                    .cast::<[u8; ETH_ALEN]>()
                    .read(),
            )
        }
    }

    /// Adds a group with one attribute to each receive queue in sysfs.
    pub fn add_rx_attribute<A: sysfs::RxAttribute<Net = T>>(&mut self) {
        // SAFETY: The device was never registered (type invariant), so no other code uses it. The
        // group is constant.
        unsafe {
            bindings::netdev_set_rx_queue_group(self.0.as_raw(), sysfs::RxGroup::<A>::group())
        };
    }
}
