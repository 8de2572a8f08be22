// SPDX-License-Identifier: GPL-2.0

//! The private data of a network device.

use super::{
    failover::Failover,
    Device,
    Operations, //
};
use crate::{
    affinity::CpusLocked,
    bindings,
    cpuhp,
    dim::QueueDim,
    napi::{
        Instance,
        RxSlot,
        TxSlot, //
    },
    rtnl::{
        ByRtnl,
        Rtnl, //
    },
    workqueue::{
        without_io,
        Workqueue, //
    },
    xsk::Bindings, //
};
use core::ptr::NonNull;
use kernel::{
    alloc::KVec,
    device,
    new_mutex,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            Atomic,
            Relaxed, //
        },
        Mutex,
        SetOnce, //
    },
    types::Opaque, //
};

/// The state of the registration of a device, which is registered once at most.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Registration {
    /// The device was not registered yet.
    None,
    /// The device is registered.
    Active,
    /// The device was registered, or registering it failed.
    Over,
}

/// The private data of a network device.
///
/// # Invariants
///
/// - This is in the private area of `dev`, and does not move.
/// - The slots do not move; their NAPI instances are registered. `instances` point to those of the
///   slots: the receive queue of each pair, then its transmit queue.
/// - `work` was initialised for [`Private::run_work`], `recovery` for [`Private::run_recovery`],
///   `later` for [`Private::run_later`], `retry` for [`Private::run_retry`].
#[pin_data]
pub(crate) struct Private<T: Operations> {
    pub(crate) tx: KVec<TxSlot<T>>,
    pub(crate) rx: KVec<RxSlot<T>>,
    pub(super) instances: KVec<NonNull<Instance<T::Source>>>,
    #[pin]
    pub(crate) data: T,
    pub(super) dev: *mut bindings::net_device,
    pub(super) parent: ARef<device::Device>,
    pub(super) registration: ByRtnl<Registration>,
    /// The failover instance, if the device is the standby interface of one.
    pub(super) failover: ByRtnl<Option<Failover>>,
    /// The memory of AF_XDP sockets that the queues use.
    pub(super) xsk: ByRtnl<Bindings>,
    /// The numbers of values of `ethtool -S`: for the device, and for each pair of queues in use.
    /// Changes with the lock of the queues held, or before the device is finished.
    pub(super) stats: [Atomic<u32>; 2],
    /// The measurements of the receive queues, if the driver adapts their coalescing.
    pub(crate) dims: SetOnce<KVec<QueueDim>>,
    /// The number of entries of the indirection table, and the length of the hash key. Constant
    /// once the device is finished.
    pub(super) rss_sizes: [u16; 2],
    /// The queue of `recovery` and `later`.
    queue: Workqueue,
    #[pin]
    work: Opaque<bindings::work_struct>,
    #[pin]
    recovery: Opaque<bindings::delayed_work>,
    #[pin]
    later: Opaque<bindings::delayed_work>,
    /// Schedules the NAPI instances of the receive queues. A timer, because work may need memory
    /// for a new thread.
    #[pin]
    retry: Opaque<bindings::timer_list>,
    pub(super) cpus: cpuhp::Instance,
    /// Held while the event sources of queues are replaced, or used in process context.
    #[pin]
    pub(super) sources: Mutex<()>,
}

impl<T: Operations> Private<T> {
    /// Returns the place of the private data of a device.
    #[inline]
    pub(crate) fn of(dev: *mut bindings::net_device) -> *mut Self {
        const {
            assert!(core::mem::align_of::<Self>() <= bindings::L1_CACHE_BYTES);
        }
        dev.wrapping_byte_add(bindings::NETDEV_PRIV_OFFSET).cast()
    }

    /// Returns an initialiser of the private data of `dev`.
    ///
    /// # Safety
    ///
    /// The result initialises the [private area](Private::of) of `dev`, once. `instances` are those
    /// of the slots, as the type says.
    pub(super) unsafe fn new(
        dev: *mut bindings::net_device,
        parent: ARef<device::Device>,
        queue: Workqueue,
        data: impl PinInit<T, Error>,
        tx: KVec<TxSlot<T>>,
        rx: KVec<RxSlot<T>>,
        instances: KVec<NonNull<Instance<T::Source>>>,
    ) -> impl PinInit<Self, Error> {
        let place = Self::of(dev).cast_const().cast();
        // INVARIANT: By the safety requirements, this is in the private area of `dev`. The work and
        // the timer are initialised for the functions that the invariant names.
        pin_init!(Self {
            tx,
            rx,
            instances,
            data <- data,
            dev,
            parent,
            registration: ByRtnl::new(Registration::None),
            failover: ByRtnl::new(None),
            xsk: ByRtnl::new(Bindings::new()),
            stats: [Atomic::new(0), Atomic::new(0)],
            dims: SetOnce::new(),
            rss_sizes: [0; 2],
            queue,
            // SAFETY: `work` is memory for a `work_struct`.
            work <- Opaque::ffi_init(|work| unsafe {
                bindings::rust_init_work(work, Some(Self::run_work))
            }),
            // SAFETY: `work` is memory for a `delayed_work`.
            recovery <- Opaque::ffi_init(|work| unsafe {
                bindings::rust_init_delayed_work(work, Some(Self::run_recovery))
            }),
            // SAFETY: `work` is memory for a `delayed_work`.
            later <- Opaque::ffi_init(|work| unsafe {
                bindings::rust_init_delayed_work(work, Some(Self::run_later))
            }),
            // SAFETY: `timer` is memory for a `timer_list`.
            retry <- Opaque::ffi_init(|timer| unsafe {
                bindings::rust_init_timer(timer, Some(Self::run_retry))
            }),
            cpus: cpuhp::Instance::new(place, Self::cpus_changed),
            sources <- new_mutex!(()),
        }? Error)
    }

    /// Whether the device is registered.
    pub(super) fn is_registered(&self, rtnl: &mut Rtnl) -> bool {
        *self.registration.get(rtnl) == Registration::Active
    }

    /// Sets the numbers of values of `ethtool -S`. With the lock of the device's queues held, or
    /// before the device is finished.
    pub(super) fn set_stats(&self, device: u16, pair: u16) {
        for (to, n) in self.stats.iter().zip([device, pair]) {
            to.store(n.into(), Relaxed);
        }
    }

    pub(super) fn schedule_work(&self) {
        // SAFETY: `work` was initialised (type invariant), and is disabled before it goes.
        unsafe { bindings::schedule_work(self.work.get()) };
    }

    pub(super) fn schedule_recovery(&self, millis: u32) {
        let (queue, work) = (self.queue.as_raw(), self.recovery.get());
        // SAFETY: `recovery` was initialised (type invariant), and is disabled before it and the
        // queue go.
        unsafe { bindings::rust_schedule_delayed_work(queue, work, millis) };
    }

    pub(super) fn schedule_later(&self, millis: u32) {
        let (queue, work) = (self.queue.as_raw(), self.later.get());
        // SAFETY: `later` was initialised (type invariant), and is disabled before it and the queue
        // go.
        unsafe { bindings::rust_schedule_delayed_work(queue, work, millis) };
    }

    pub(super) fn cancel_work(&self) {
        // SAFETY: `work` was initialised (type invariant).
        unsafe { bindings::cancel_work_sync(self.work.get()) };
    }

    /// Cancels all work and the timer, and disables them.
    pub(super) fn disable_work(&self) {
        // SAFETY: `work`, `recovery`, `later` and `retry` were initialised (type invariant).
        unsafe {
            bindings::disable_work_sync(self.work.get());
            bindings::disable_delayed_work_sync(self.recovery.get());
            bindings::disable_delayed_work_sync(self.later.get());
            bindings::timer_shutdown_sync(self.retry.get());
        }
        self.dims
            .as_ref()
            .into_iter()
            .flatten()
            .for_each(QueueDim::disable);
    }

    /// Disables all enabled NAPI instances of a device that is not registered. Process context,
    /// takes the RTNL.
    pub(super) fn disable_queues(&self) {
        let mut rtnl = Rtnl::lock();
        for slot in &self.tx {
            slot.disable(&mut rtnl);
        }
        for slot in &self.rx {
            slot.disable(&mut rtnl);
        }
    }

    pub(super) fn schedule_retry(&self) {
        // SAFETY: `retry` was initialised (type invariant), and is shut down before it goes.
        unsafe { bindings::rust_start_retry(self.retry.get()) };
    }

    /// Runs from the timer: schedules all receive queues.
    ///
    /// # Safety
    ///
    /// Called for the timer of a `Private<T>`.
    unsafe extern "C" fn run_retry(timer: *mut bindings::timer_list) {
        let timer = Opaque::cast_from(timer);
        // SAFETY: By the safety requirements; the timer is shut down before the data is dropped.
        let private = unsafe { &*kernel::container_of!(timer, Self, retry) };
        for slot in &private.rx {
            slot.schedule_bare();
        }
    }

    /// Runs from CPU hotplug: calls [`Operations::cpus_changed`].
    ///
    /// # Safety
    ///
    /// `private` is a `Private<T>`.
    unsafe fn cpus_changed(private: *const (), change: cpuhp::CpuChange, cpus: &CpusLocked) {
        // SAFETY: By the safety requirements, `private` is a `Private<T>`. It is valid: the hotplug
        // instance is removed before the data is dropped, and that waits for this call.
        let dev = unsafe { (*private.cast::<Self>()).dev };
        // SAFETY: `dev` has this private data (type invariant), and lives at least as long.
        T::cpus_changed(unsafe { Device::<T>::from_raw(dev) }, change, cpus);
    }

    /// Runs as the recovery: calls [`Operations::recover`].
    ///
    /// # Safety
    ///
    /// Called by the workqueue for the recovery of a `Private<T>`.
    unsafe extern "C" fn run_recovery(work: *mut bindings::work_struct) {
        // SAFETY: By the safety requirements, `work` is that of the recovery, a `delayed_work`.
        let work = unsafe { kernel::container_of!(work, bindings::delayed_work, work) };
        let work = Opaque::cast_from(work);
        // SAFETY: By the safety requirements; the work is disabled before the data is dropped.
        let private = unsafe { &*kernel::container_of!(work, Self, recovery) };
        // SAFETY: `dev` has this private data (type invariant), and lives at least as long.
        let dev = unsafe { Device::<T>::from_raw(private.dev) };
        without_io(|| {
            // The interface is neither registered nor unregistered while this runs.
            let mut rtnl = dev.lock();
            if private.is_registered(&mut rtnl) {
                T::recover(dev, &mut rtnl);
            }
        });
    }

    /// Runs as the delayed work: calls [`Operations::later`].
    ///
    /// # Safety
    ///
    /// Called by the workqueue for the `later` of a `Private<T>`.
    unsafe extern "C" fn run_later(work: *mut bindings::work_struct) {
        // SAFETY: `work` is that of the `later` of a `Private<T>`, as the workqueue has it.
        let work = unsafe { kernel::container_of!(work, bindings::delayed_work, work) };
        let work = Opaque::cast_from(work);
        // SAFETY: `work` is the `later` of a `Private<T>`. The work is disabled before that is
        // dropped.
        let private = unsafe { &*kernel::container_of!(work, Self, later) };
        // SAFETY: `dev` is the device whose private area this is (type invariant).
        let dev = unsafe { Device::<T>::from_raw(private.dev) };
        without_io(|| {
            // The interface is neither registered nor unregistered while this runs.
            let mut rtnl = dev.lock();
            if private.is_registered(&mut rtnl) {
                T::later(dev, &mut rtnl);
            }
        });
    }

    /// Runs as the work: calls [`Operations::work`].
    ///
    /// # Safety
    ///
    /// Called by the workqueue for the work of a `Private<T>`.
    unsafe extern "C" fn run_work(work: *mut bindings::work_struct) {
        let work = Opaque::cast_from(work);
        // SAFETY: By the safety requirements; the work is disabled before the data is dropped.
        let private = unsafe { &*kernel::container_of!(work, Self, work) };
        // SAFETY: `dev` has this private data (type invariant), and lives at least as long.
        T::work(unsafe { Device::<T>::from_raw(private.dev) });
    }
}
