// SPDX-License-Identifier: GPL-2.0

//! Making, registering and freeing network devices.

use super::{
    private::Private,
    vtable::Vtable,
    Device,
    Operations, //
};
use crate::{
    addr::{
        MacAddr,
        ETH_ALEN, //
    },
    bindings,
    cpuhp,
    features::Features,
    napi::{
        RxSlot,
        TxSlot, //
    },
    rtnl::Rtnl,
    sysfs, //
};
use core::{
    cell::UnsafeCell,
    marker::PhantomData,
    ops::Deref,
    ptr::NonNull, //
};
use kernel::{
    alloc::KVec,
    device,
    error::to_result,
    new_mutex,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Full,
            Relaxed, //
        },
        Arc, //
    },
    types::{
        Opaque,
        ScopeGuard, //
    },
};

/// Owns a network device.
///
/// Dropping it unregisters the device, if it is registered, and frees it with its queues: process
/// context, takes the RTNL.
///
/// # Invariants
///
/// `dev` is a valid `struct net_device` with all of its private data, which nobody else frees.
pub struct NetDevice<T: Operations> {
    dev: NonNull<bindings::net_device>,
    _data: PhantomData<T>,
}

// SAFETY: The data and the states of the queues are `Send`.
unsafe impl<T: Operations> Send for NetDevice<T> {}

// SAFETY: As for `Device`.
unsafe impl<T: Operations> Sync for NetDevice<T> {}

impl<T: Operations> NetDevice<T> {
    /// Makes an Ethernet device below `parent` with `data`, and pairs of queues with what they share
    /// and the states that `queue` returns. `weight` is that of the NAPI instances.
    ///
    /// Process context, sleeps.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, and those of `queue`.
    pub fn new(
        parent: &device::Device,
        data: impl PinInit<T, Error>,
        pairs: usize,
        weight: i32,
        queue: impl Fn(usize) -> Result<(Arc<T::Pair>, T::Rx, T::Tx)>,
    ) -> Result<Self> {
        let n = u32::try_from(pairs)?;
        let size = core::mem::size_of::<Private<T>>();
        // SAFETY: May be called in process context.
        let dev = unsafe { bindings::alloc_etherdev_mqs(i32::try_from(size)?, n, n) };
        let dev = NonNull::new(dev).ok_or(ENOMEM)?;
        let raw = dev.as_ptr();
        let free = ScopeGuard::new(|| {
            // SAFETY: It was allocated and not registered, and nothing refers to it.
            unsafe { bindings::free_netdev(raw) };
        });

        let mut tx = KVec::with_capacity(pairs, GFP_KERNEL)?;
        let mut rx = KVec::with_capacity(pairs, GFP_KERNEL)?;
        for i in 0..pairs {
            let (pair, rx_state, tx_state) = queue(i)?;
            // SAFETY: The device has as many queues.
            let txq = unsafe { bindings::netdev_get_tx_queue(raw, i as u32) };
            tx.push(TxSlot::new(raw, i, pair.clone(), tx_state, txq), GFP_KERNEL)?;
            rx.push(
                RxSlot::new(raw, i, pair, rx_state, UnsafeCell::new(None)),
                GFP_KERNEL,
            )?;
        }

        let private = Private::<T>::of(raw);
        // SAFETY: The private area is large enough and aligned, does not move, and is not used
        // before all of it is written.
        unsafe {
            data.__init(&raw mut (*private).data)?;
            new_mutex!(()).__init(&raw mut (*private).sources)?;
            (&raw mut (*private).tx).write(tx);
            (&raw mut (*private).rx).write(rx);
            (&raw mut (*private).dev).write(raw);
            (&raw mut (*private).parent).write(parent.into());
            (&raw mut (*private).registered).write(Atomic::new(false));
            (&raw mut (*private).work).write(Opaque::zeroed());
            (&raw mut (*private).retry).write(Opaque::zeroed());
            bindings::rust_init_delayed_work((*private).retry.get(), Some(Private::<T>::run_retry));
            (&raw mut (*private).cpus).write(cpuhp::Instance::new(
                private.cast_const().cast(),
                Private::<T>::cpus_changed,
            ));
            bindings::rust_init_work((*private).work.get(), Some(Private::<T>::run_work));
        }
        free.dismiss();

        // SAFETY: The device and its data are complete but for what is done here.
        let private = unsafe { &*private };
        for slot in &private.rx {
            // SAFETY: The slots stay where they are until the device is dropped.
            unsafe { slot.register(weight) };
        }
        for slot in &private.tx {
            // SAFETY: As above.
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
        // INVARIANT: It is complete.
        Ok(Self {
            dev,
            _data: PhantomData,
        })
    }

    /// Sets the features that are on at first, and those that the user may switch. Before
    /// registration.
    pub fn set_features(&mut self, on: Features, switchable: Features) {
        // SAFETY: By the type invariants; the device is not registered.
        unsafe {
            bindings::netdev_set_features(self.as_raw(), on.into_raw(), switchable.into_raw())
        };
    }

    /// Sets the features that VLANs on top inherit. Before registration.
    pub fn set_vlan_features(&mut self, features: Features) {
        // SAFETY: As above.
        unsafe { bindings::netdev_set_vlan_features(self.as_raw(), features.into_raw()) };
    }

    /// Sets the MTU and its limits. Before registration.
    pub fn set_mtu(&mut self, mtu: u32, min: u32, max: u32) {
        // SAFETY: As above.
        unsafe { bindings::netdev_set_mtu(self.as_raw(), mtu, min, max) };
    }

    /// Sets the headroom that packets to transmit should have. Before registration.
    pub fn set_needed_headroom(&mut self, bytes: u16) {
        // SAFETY: As above.
        unsafe { bindings::netdev_set_needed_headroom(self.as_raw(), bytes) };
    }

    /// Sets the address. Before registration.
    pub fn set_address(&mut self, addr: MacAddr) {
        // SAFETY: As above; the address has as many bytes.
        unsafe { bindings::eth_hw_addr_set(self.as_raw(), addr.0.as_ptr()) };
    }

    /// Sets a random address and returns it. Before registration.
    pub fn set_random_address(&mut self) -> MacAddr {
        // SAFETY: As above.
        unsafe {
            bindings::eth_hw_addr_random(self.as_raw());
            MacAddr(
                bindings::netdev_addr(self.as_raw())
                    .cast::<[u8; ETH_ALEN]>()
                    .read(),
            )
        }
    }

    /// Adds a group with one attribute to each receive queue in sysfs. Before registration.
    pub fn add_rx_attribute<A: sysfs::RxAttribute<Net = T>>(&mut self) {
        // SAFETY: As above; the group is constant.
        unsafe { bindings::netdev_set_rx_queue_group(self.as_raw(), sysfs::RxGroup::<A>::group()) };
    }

    /// Registers the device: from here on it can be brought up.
    ///
    /// # Errors
    ///
    /// Those of `register_netdevice`; `EBUSY` if it is registered.
    pub fn register(&self, _rtnl: &mut Rtnl) -> Result {
        let registered = &self.private().registered;
        if registered.xchg(true, Full) {
            return Err(EBUSY);
        }
        // SAFETY: By the type invariants; the RTNL is held.
        to_result(unsafe { bindings::register_netdevice(self.as_raw()) })
            .inspect_err(|_| registered.store(false, Relaxed))
    }

    /// Lets the device know of CPUs that come and go, until it is unregistered.
    ///
    /// Process context, sleeps.
    ///
    /// # Errors
    ///
    /// `ENODEV`: the module has no [`cpuhp::Hotplug`].
    pub fn watch_cpus(&self) -> Result {
        // SAFETY: The private data stays where it is until the device is dropped, which removes
        // the instance.
        unsafe { self.private().cpus.add() }
    }

    /// Ends [`NetDevice::watch_cpus`]. Process context, sleeps.
    pub fn unwatch_cpus(&self) {
        self.private().cpus.remove();
    }

    /// Unregisters the device, if it is registered: it is brought down, and none of its operations
    /// runs any more when this returns. Process context, takes the RTNL.
    pub fn unregister(&self) {
        self.private().cpus.remove();
        if self.private().registered.xchg(false, Full) {
            // SAFETY: By the type invariants, and it is registered.
            unsafe { bindings::unregister_netdev(self.as_raw()) };
        }
    }
}

impl<T: Operations> Deref for NetDevice<T> {
    type Target = Device<T>;

    #[inline(always)]
    fn deref(&self) -> &Device<T> {
        // SAFETY: By the type invariants.
        unsafe { Device::from_raw(self.dev.as_ptr()) }
    }
}

impl<T: Operations> Drop for NetDevice<T> {
    fn drop(&mut self) {
        self.unregister();
        let private = self.private();
        private.disable_work();
        for slot in &private.rx {
            slot.unregister();
        }
        for slot in &private.tx {
            slot.unregister();
        }
        let private = Private::<T>::of(self.as_raw());
        // SAFETY: May be called in process context. After it, nobody looks at the NAPI instances.
        unsafe { bindings::synchronize_net() };
        // SAFETY: By the type invariants; the device is not registered, its NAPI instances are not
        // either and its work is disabled, so nothing refers to the data. It is not used again.
        unsafe {
            private.drop_in_place();
            bindings::free_netdev(self.as_raw());
        }
    }
}
