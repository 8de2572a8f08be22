// SPDX-License-Identifier: GPL-2.0

//! Network devices.
//!
//! C header: [`include/linux/netdevice.h`](srctree/include/linux/netdevice.h)

mod failover;
mod new;
mod ops;
mod owner;
mod private;
mod queue_mgmt;
mod queues;
mod vtable;
mod xsk;

#[cfg(CONFIG_RUST_VIRTIO_KUNIT_TEST)]
pub(crate) use self::vtable::Vtable;
pub use self::{
    new::NewDevice,
    ops::Operations,
    owner::NetDevice, //
};
pub(crate) use self::{
    queue_mgmt::MemoryParams,
    vtable::device_of, //
};

use self::private::Private;
use crate::{
    addr::{
        MacAddr,
        ETH_ALEN, //
    },
    bindings,
    counter::Counter,
    features::Features,
    rtnl::{
        DevLock,
        Rtnl, //
    },
};
use core::marker::PhantomData;
use kernel::{
    device,
    error::to_result,
    fmt,
    prelude::*,
    sync::atomic::Relaxed,
    types::Opaque, //
};

/// Waits for all code that runs now in interrupts or with BHs disabled, such as callbacks, polls
/// and transmissions. Process context, sleeps.
fn wait_for_grace_period() {
    // SAFETY: May be called in process context.
    unsafe { bindings::synchronize_net() };
}

/// A borrowed network device of the driver `T`.
///
/// # Invariants
///
/// A valid `struct net_device` that [`NewDevice::<T>::new`] made, with all of its private data.
///
/// The device stores states and sources of queues, so `T` cannot be replaced by a type whose
/// borrows are shorter.
#[repr(transparent)]
pub struct Device<T: Operations>(Opaque<bindings::net_device>, PhantomData<fn(T) -> T>);

// SAFETY: Each operation on a reference is synchronised by the core, or takes evidence of the lock
// that it needs. The data is `Sync`.
unsafe impl<T: Operations> Sync for Device<T> {}

impl<T: Operations> Device<T> {
    /// # Safety
    ///
    /// `dev` was made by [`NewDevice::<T>::new`] and is valid for `'a`.
    #[inline]
    pub(crate) unsafe fn from_raw<'a>(dev: *mut bindings::net_device) -> &'a Self {
        // SAFETY: By the safety requirements; the type is transparent.
        unsafe { &*dev.cast() }
    }

    #[inline]
    pub(crate) fn as_raw(&self) -> *mut bindings::net_device {
        self.0.get()
    }

    #[inline]
    pub(crate) fn private(&self) -> &Private<T> {
        // SAFETY: The private data is part of the device, initialised and for `T` (type invariant).
        unsafe { &*Private::of(self.as_raw()) }
    }

    /// Returns the data that all queues share.
    #[inline]
    pub fn data(&self) -> &T {
        &self.private().data
    }

    /// Returns the number of pairs of queues.
    pub fn queues(&self) -> usize {
        self.private().tx.len()
    }

    /// Returns a copy of the name of the interface, for messages. The name may change at any time.
    pub fn name(&self) -> Name {
        let mut name = Name([0; Name::ROOM]);
        // SAFETY: By the type invariants; there is as much room as is said.
        unsafe {
            bindings::rust_netdev_name(self.as_raw(), name.0.as_mut_ptr().cast(), name.0.len())
        };
        name
    }

    /// Logs a warning about the interface (C: `dev_warn(&dev->dev, ...)`). Any context.
    pub fn dev_warn(&self, message: fmt::Arguments<'_>) {
        let message = core::ptr::from_ref(&message).cast();
        // SAFETY: The device is valid (type invariant). C only prints the message, by Rust's `%pA`.
        unsafe { bindings::rust_dev_warn(self.as_raw(), message) };
    }

    /// Logs an error of the interface (C: `netdev_err`). Any context.
    pub fn netdev_err(&self, message: fmt::Arguments<'_>) {
        let message = core::ptr::from_ref(&message).cast();
        // SAFETY: The device is valid (type invariant). C only prints the message, by Rust's `%pA`.
        unsafe { bindings::rust_netdev_err(self.as_raw(), message) };
    }

    /// Logs a warning with the name of the interface (C: `netdev_warn`). Any context.
    pub fn netdev_warn(&self, message: fmt::Arguments<'_>) {
        let message = core::ptr::from_ref(&message).cast();
        // SAFETY: The device is valid (type invariant). C only prints the message, by Rust's `%pA`.
        unsafe { bindings::rust_netdev_warn(self.as_raw(), message) };
    }

    /// Logs a message with the name of the interface (C: `netdev_info`). Any context.
    pub fn netdev_info(&self, message: fmt::Arguments<'_>) {
        let message = core::ptr::from_ref(&message).cast();
        // SAFETY: The device is valid (type invariant). C only prints the message, by Rust's `%pA`.
        unsafe { bindings::rust_netdev_info(self.as_raw(), message) };
    }

    /// Returns the features that are on.
    #[inline]
    pub fn features(&self) -> Features {
        // SAFETY: The device is valid (type invariant), and may be asked without a lock.
        Features::from_raw(unsafe { bindings::netdev_features(self.as_raw()) })
    }

    /// Whether the interface is up, or about to go up or down.
    pub fn is_running(&self) -> bool {
        // SAFETY: The device is valid (type invariant), and may be asked without a lock.
        unsafe { bindings::netif_running(self.as_raw()) }
    }

    /// Whether the interface is up, and attached. Neither changes while the lock of the device is
    /// held.
    pub fn is_in_use(&self, _lock: &DevLock) -> bool {
        // SAFETY: The device is valid (type invariant), and may be asked without a lock.
        unsafe { bindings::rust_netdev_in_use(self.as_raw()) }
    }

    fn flags(&self) -> u32 {
        // SAFETY: The device is valid (type invariant), and may be asked without a lock.
        unsafe { bindings::netdev_flags(self.as_raw()) }
    }

    /// Returns the MTU.
    pub fn mtu(&self, _rtnl: &Rtnl) -> u32 {
        // SAFETY: The device is valid (type invariant).
        unsafe { bindings::netdev_mtu(self.as_raw()) }
    }

    /// Announces that the interface transmits frames of XDP, or that it does not. `sg`: also
    /// frames in several buffers.
    pub fn set_xdp_target(&self, on: bool, sg: bool, rtnl: &mut Rtnl) {
        let locked = rtnl.has_lock_of(self.as_raw());
        // SAFETY: The device is valid (type invariant), and the RTNL is held, in process context.
        // The lock of the device is held if `locked` says so.
        unsafe { bindings::rust_xdp_set_redirect_target(self.as_raw(), on, sg, locked) };
    }

    /// Whether the interface was brought up (`IFF_UP`).
    pub fn is_up(&self) -> bool {
        self.flags() & bindings::net_device_flags_IFF_UP != 0
    }

    /// Whether the interface should receive all packets.
    pub fn is_promisc(&self) -> bool {
        self.flags() & bindings::net_device_flags_IFF_PROMISC != 0
    }

    /// Whether the interface should receive all multicast packets.
    pub fn is_allmulti(&self) -> bool {
        self.flags() & bindings::net_device_flags_IFF_ALLMULTI != 0
    }

    /// Returns the address of the interface.
    pub fn mac_address(&self, _rtnl: &Rtnl) -> MacAddr {
        // SAFETY: By the type invariants, the address has as many bytes, and it is changed with
        // the RTNL held.
        MacAddr(unsafe {
            bindings::netdev_addr(self.as_raw())
                .cast::<[u8; ETH_ALEN]>()
                .read()
        })
    }

    /// Sets the carrier on (C: `netif_carrier_on`). Any context; no effect on a device that was
    /// unregistered.
    pub fn carrier_on(&self) {
        // SAFETY: The device is valid (type invariant); one that was unregistered is left alone.
        unsafe { bindings::rust_netif_set_carrier(self.as_raw(), true) };
    }

    /// Sets the carrier off (C: `netif_carrier_off`), as [`Device::carrier_on`].
    pub fn carrier_off(&self) {
        // SAFETY: The device is valid (type invariant); one that was unregistered is left alone.
        unsafe { bindings::rust_netif_set_carrier(self.as_raw(), false) };
    }

    /// Stops all transmit queues (C: `netif_tx_stop_all_queues`).
    pub fn stop_all_queues(&self) {
        // SAFETY: The device is valid with all its queues (type invariant).
        unsafe { bindings::netif_tx_stop_all_queues(self.as_raw()) };
    }

    /// Wakes a transmit queue that the driver has stopped, and counts that. No effect while the
    /// interface is detached or down. Any context, but not after the interface was detached and
    /// attached again.
    pub fn wake_stopped_queue(&self, index: usize, counter: &Counter) {
        if let Some(slot) = self.private().tx.get(index) {
            // SAFETY: `txq` is a queue of this device and lives as long (`TxSlot`). It has a
            // queueing discipline since `NewDevice::new`; neither function needs its lock.
            unsafe {
                if bindings::netif_tx_queue_stopped(slot.txq())
                    && bindings::rust_netif_tx_wake(slot.txq())
                {
                    counter.add_shared(1);
                }
            }
        }
    }

    /// Returns the time since the last packet was sent on a transmit queue, in microseconds.
    pub fn queue_age_usecs(&self, index: usize) -> u32 {
        self.private().tx.get(index).map_or(0, |slot| {
            // SAFETY: `txq` is a queue of this device and lives as long (`TxSlot`).
            unsafe { bindings::netdev_queue_age_usecs(slot.txq()) }
        })
    }

    /// Detaches the device: the stack does not use it (C: `netif_device_detach`).
    pub fn detach(&self, _rtnl: &mut Rtnl) {
        // SAFETY: The device is valid (type invariant), and the RTNL is held, in process context.
        unsafe { bindings::netif_tx_detach(self.as_raw()) };
    }

    /// Attaches the device again (C: `netif_device_attach`).
    pub fn attach(&self, _rtnl: &mut Rtnl) {
        // SAFETY: The device is valid (type invariant), and the RTNL is held, in process context.
        unsafe { bindings::netif_tx_attach(self.as_raw()) };
    }

    /// Sets the numbers of receive and of transmit queues that the stack uses.
    ///
    /// # Errors
    ///
    /// `EINVAL`: a number is 0, or larger than that of the device. `ENOMEM`. `EBUSY`: `rtnl` is not
    /// the evidence for this device.
    pub fn set_real_queues(&self, rx: usize, tx: usize, rtnl: &mut Rtnl) -> Result {
        if !self.is_locked_by(rtnl) {
            return Err(EBUSY);
        }
        let (rx, tx) = (u32::try_from(rx)?, u32::try_from(tx)?);
        // SAFETY: The device is valid (type invariant); its lock and the RTNL are held.
        to_result(unsafe { bindings::netif_set_real_num_tx_queues(self.as_raw(), tx) })?;
        // SAFETY: The device is valid (type invariant); its lock and the RTNL are held.
        to_result(unsafe { bindings::netif_set_real_num_rx_queues(self.as_raw(), rx) })
    }

    /// Sets the number of values of `ethtool -S`, as
    /// [`NewDevice::set_stats`](NewDevice::set_stats).
    ///
    /// The driver is not asked each time, because the number must not change between the allocation
    /// of the buffer by the core and the write of the values. The core holds the lock of the device
    /// from one to the other, and calls no other function of the driver. No effect if `lock` is for
    /// another device.
    pub fn set_stats(&self, device: u16, pair: u16, lock: &mut DevLock) {
        if self.is_locked_by(lock) {
            self.private().set_stats(device, pair);
        }
    }

    /// Returns the number of values of `ethtool -S`. Only [`Device::set_real_queues`] and
    /// [`Device::set_stats`] change it.
    pub(crate) fn stats_count(&self, _lock: &DevLock) -> usize {
        // SAFETY: The device is valid (type invariant). The number changes with its lock held.
        let pairs = unsafe { bindings::netdev_real_rx_queues(self.as_raw()) } as usize;
        let [device, pair] = &self.private().stats;
        let [device, pair] = [device, pair].map(|n| n.load(Relaxed) as usize);
        // The core counts in `int`, and each name takes 32 bytes.
        const MOST: usize = 1 << 24;
        pair.saturating_mul(pairs).saturating_add(device).min(MOST)
    }

    /// Returns the number of entries of the indirection table, and the length of the hash key.
    /// Constant.
    pub(crate) fn rss_sizes(&self) -> [u16; 2] {
        self.private().rss_sizes
    }

    /// Announces the interface to its neighbours (C: `__netdev_notify_peers`), if it is registered.
    /// Process context.
    pub fn notify_peers(&self, rtnl: &mut Rtnl) {
        if !self.private().is_registered(rtnl) {
            return;
        }
        // SAFETY: By the type invariants; the RTNL is held.
        unsafe { bindings::__netdev_notify_peers(self.as_raw()) };
    }

    /// Schedules [`Operations::rtnl_work`], if the device is registered. It runs only if the device
    /// is still registered. Process or softirq context.
    pub fn schedule_rtnl_work(&self) {
        // SAFETY: The device is valid (type invariant); one never registered is left alone.
        unsafe { bindings::rust_netdev_work_sched(self.as_raw()) };
    }

    /// Schedules [`Operations::work`]. Any context, interrupts too.
    pub fn schedule_work(&self) {
        self.private().schedule_work();
    }

    /// Schedules [`Operations::recover`] in `millis` milliseconds, replacing an earlier schedule.
    /// It runs only if the device is registered. Any context, interrupts too.
    pub fn schedule_recovery(&self, millis: u32) {
        self.private().schedule_recovery(millis);
    }

    /// Schedules [`Operations::later`] in `millis` milliseconds, replacing an earlier schedule. It
    /// runs only if the device is registered. Any context, interrupts too.
    pub fn schedule_later(&self, millis: u32) {
        self.private().schedule_later(millis);
    }

    /// Cancels the scheduled work, and waits for running work. Process context; not from the work
    /// itself.
    pub fn cancel_work(&self) {
        self.private().cancel_work();
    }
}

/// A copy of the name of an interface.
pub struct Name([u8; Name::ROOM]);

impl Name {
    /// Bytes of the buffer, with room for the terminator. Longer than a name: before an interface
    /// is registered, it has a text instead of a name.
    const ROOM: usize = 32;
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match CStr::from_bytes_until_nul(&self.0) {
            Ok(name) => fmt::Display::fmt(name, f),
            Err(_) => Ok(()),
        }
    }
}

/// Returns the C structure of a device.
pub(crate) fn raw_device(dev: &device::Device) -> *mut bindings::device {
    core::ptr::from_ref(dev).cast_mut().cast()
}

/// Whether a message that could be frequent may be printed now.
pub fn ratelimit() -> bool {
    // SAFETY: May be called in any context.
    unsafe { bindings::net_ratelimit() != 0 }
}
