// SPDX-License-Identifier: GPL-2.0

//! Slots: the state of a queue together with its NAPI instance.

use super::{
    RxPoll,
    Source,
    TxPoll, //
};
use crate::{
    bindings,
    device::{
        Device,
        Operations, //
    },
    pool::{
        PagePool,
        PoolPlace, //
    },
    rtnl::Rtnl,
    txq::TxGuard, //
};
use core::cell::UnsafeCell;
use kernel::{
    ffi::c_int,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
    types::Opaque, //
};

/// A NAPI instance with what belongs to it. The instance comes first, so that the address of one is
/// that of the other.
///
/// # Invariants
///
/// - `napi` is registered with `dev` from [`Slot::register`] to [`Slot::unregister`]. `enabled`
///   says whether it is enabled, and is written with the RTNL held.
/// - `source` is written with the RTNL and the device's mutex of sources held, while the instance
///   is disabled and a grace period after that; for transmit queues, with the queue locked too.
#[repr(C)]
struct Slot<S> {
    napi: Opaque<bindings::napi_struct>,
    dev: *mut bindings::net_device,
    index: u32,
    enabled: Atomic<bool>,
    source: UnsafeCell<Option<S>>,
}

impl<S: Source> Slot<S> {
    fn new(dev: *mut bindings::net_device, index: u32) -> Self {
        Self {
            napi: Opaque::zeroed(),
            dev,
            index,
            enabled: Atomic::new(false),
            source: UnsafeCell::new(None),
        }
    }

    fn is_enabled(&self) -> bool {
        self.enabled.load(Relaxed)
    }

    fn enable(&self, kind: bindings::netdev_queue_type, _rtnl: &mut Rtnl) {
        if self.is_enabled() {
            return;
        }
        self.enabled.store(true, Relaxed);
        // SAFETY: By the type invariants, the instance is registered and disabled; the RTNL is
        // held for `netif_queue_set_napi`.
        unsafe {
            bindings::napi_enable(self.napi.get());
            bindings::netif_queue_set_napi(self.dev, self.index, kind, self.napi.get());
        }
        self.schedule_now();
    }

    fn disable(&self, kind: bindings::netdev_queue_type, _rtnl: &mut Rtnl) {
        if !self.is_enabled() {
            return;
        }
        // SAFETY: By the type invariants, the instance is registered and enabled; the RTNL is
        // held for `netif_queue_set_napi`.
        unsafe {
            bindings::netif_queue_set_napi(self.dev, self.index, kind, core::ptr::null_mut());
            bindings::napi_disable(self.napi.get());
        }
        self.enabled.store(false, Relaxed);
    }

    /// Schedules the instance from process context, as if its source had raised an event.
    fn schedule_now(&self) {
        // SAFETY: May be called in process context; enabling runs the softirq.
        unsafe { bindings::local_bh_disable() };
        match self.source() {
            Some(source) => self.schedule(source),
            // SAFETY: By the type invariants, the instance is registered.
            None => unsafe {
                if bindings::napi_schedule_prep(self.napi.get()) {
                    bindings::__napi_schedule(self.napi.get());
                }
            },
        }
        // SAFETY: Enables what was disabled above, in process context, where the softirq may run.
        unsafe { bindings::local_bh_enable() };
    }

    /// Schedules the instance from process or softirq context, without a look at its source.
    fn schedule_bare(&self) {
        // SAFETY: May be called in any such context; enabling runs the softirq. By the type
        // invariants, the instance is registered.
        unsafe {
            bindings::local_bh_disable();
            if bindings::napi_schedule_prep(self.napi.get()) {
                bindings::__napi_schedule(self.napi.get());
            }
            bindings::local_bh_enable();
        }
    }

    /// Schedules the instance and disables its source, if it is enabled and not scheduled yet.
    #[inline(always)]
    fn schedule(&self, source: &impl Source) {
        // SAFETY: By the type invariants, the instance is registered.
        unsafe {
            if bindings::napi_schedule_prep(self.napi.get()) {
                source.disable();
                bindings::__napi_schedule(self.napi.get());
            }
        }
    }

    /// Disables the source, and schedules the instance if it is enabled and not scheduled yet.
    /// Returns whether it was scheduled.
    #[inline(always)]
    fn schedule_disabled(&self, source: &impl Source) -> bool {
        // First: the poll that this asks for, or one that is under way and hears of it, enables
        // the source again. Once it has, nobody would.
        source.disable();
        // SAFETY: By the type invariants, the instance is registered.
        unsafe {
            let scheduled = bindings::napi_schedule_prep(self.napi.get());
            if scheduled {
                bindings::__napi_schedule(self.napi.get());
            }
            scheduled
        }
    }

    /// The source. Not kept beyond the poll, the locked section or the callback it is used in.
    #[inline(always)]
    fn source(&self) -> Option<&S> {
        // SAFETY: By the type invariants, it is written only when no poll is running and none
        // can start, and those that were about to return have returned. Besides polls, only who
        // holds one of the locks calls this.
        unsafe { &*self.source.get() }.as_ref()
    }

    /// Unregisters the instance. The caller has disabled it, and waits for a grace period before
    /// freeing it.
    fn unregister(&self) {
        // SAFETY: The instance is registered (type invariant). It is disabled, as dropping the
        // device, from where this is called, disables all of them first.
        unsafe { bindings::__netif_napi_del(self.napi.get()) };
    }
}

macro_rules! define_slot {
    (
        $name:ident, $state:ident, $poll:ident, $kind:ident, $callback:ident, $queue:literal,
        $(#[$doc:meta])* $field:ident: $type:ty
    ) => {
        #[doc = concat!("A ", $queue, " queue.")]
        ///
        /// # Invariants
        ///
        /// The slot does not move once its instance is registered.
        #[repr(C)]
        pub(crate) struct $name<T: Operations> {
            slot: Slot<T::Source>,
            pair: Arc<T::Pair>,
            /// Belongs to whoever owns the queue.
            pub(crate) state: UnsafeCell<T::$state>,
            $(#[$doc])*
            pub(crate) $field: $type,
        }

        // SAFETY: The state is `Send`, and reached only by its one owner at a time; the source and
        // what is shared are `Sync`; the rest is synchronised by the core.
        unsafe impl<T: Operations> Send for $name<T> {}

        // SAFETY: The state is reached only by its one owner at a time, the source and what the
        // pair shares are `Sync`, and the core synchronises the rest.
        unsafe impl<T: Operations> Sync for $name<T> {}

        impl<T: Operations> $name<T> {
            pub(crate) fn new(
                dev: *mut bindings::net_device,
                index: u32,
                pair: Arc<T::Pair>,
                state: T::$state,
                $field: $type,
            ) -> Self {
                Self {
                    slot: Slot::new(dev, index),
                    pair,
                    state: UnsafeCell::new(state),
                    $field,
                }
            }

            #[inline(always)]
            pub(crate) fn napi(&self) -> *mut bindings::napi_struct {
                self.slot.napi.get()
            }

            #[inline(always)]
            pub(crate) fn index(&self) -> usize {
                self.slot.index as usize
            }

            /// Returns the data that the queue shares with the other of the pair.
            #[inline(always)]
            pub(crate) fn pair(&self) -> &T::Pair {
                &self.pair
            }

            /// The device, which outlives the slot.
            #[inline(always)]
            pub(crate) fn dev(&self) -> &Device<T> {
                // SAFETY: It is the one that the slot was made for by `NewDevice`.
                unsafe { Device::from_raw(self.slot.dev) }
            }

            /// Whether the instance is enabled.
            pub(crate) fn is_enabled(&self) -> bool {
                self.slot.is_enabled()
            }

            #[inline(always)]
            pub(crate) fn source(&self) -> Option<&T::Source> {
                self.slot.source()
            }

            #[inline(always)]
            pub(crate) fn schedule(&self, source: &impl Source) {
                self.slot.schedule(source);
            }

            pub(crate) fn schedule_bare(&self) {
                self.slot.schedule_bare();
            }

            pub(crate) fn enable(&self, rtnl: &mut Rtnl) {
                let kind = bindings::$kind;
                self.slot.enable(kind, rtnl);
            }

            pub(crate) fn disable(&self, rtnl: &mut Rtnl) {
                let kind = bindings::$kind;
                self.slot.disable(kind, rtnl);
            }

            /// The poll function.
            ///
            /// # Safety
            ///
            /// Called by the core for an instance that belongs to a slot of this type.
            pub(crate) unsafe extern "C" fn $callback(
                napi: *mut bindings::napi_struct,
                budget: c_int,
            ) -> c_int {
                let napi = Opaque::cast_from(napi);
                // SAFETY: By the safety requirements, `napi` is that of a slot of this type.
                let slot = unsafe { kernel::container_of!(napi, Slot<T::Source>, napi) };
                // SAFETY: By the safety requirements; the slot lives as long as the instance is
                // registered.
                let this = unsafe { &*kernel::container_of!(slot, Self, slot) };
                if !$poll::<T>::FOR_NETPOLL && budget <= 0 {
                    return 0;
                }
                // SAFETY: This is the poll function, and the budget was compared.
                let poll = unsafe { $poll::new(this, budget) };
                T::$callback(poll).into_raw()
            }
        }
    };
}

define_slot!(
    RxSlot,
    Rx,
    RxPoll,
    netdev_queue_type_NETDEV_QUEUE_TYPE_RX,
    poll_rx,
    "receive",
    /// Belongs to whoever owns the queue. After the state, which may have buffers of the pool.
    pool: UnsafeCell<Option<PagePool>>
);
define_slot!(
    TxSlot,
    Tx,
    TxPoll,
    netdev_queue_type_NETDEV_QUEUE_TYPE_TX,
    poll_tx,
    "transmit",
    /// The queue of the stack, which lives as long as the device.
    txq: *mut bindings::netdev_queue
);

impl<T: Operations> TxSlot<T> {
    /// As `schedule`, and disables the source in any case. Returns whether the instance was
    /// scheduled.
    #[inline(always)]
    pub(crate) fn schedule_disabled(&self, source: &impl Source) -> bool {
        self.slot.schedule_disabled(source)
    }
}

impl<T: Operations> RxSlot<T> {
    /// Schedules the instance from process context.
    pub(crate) fn schedule_now(&self) {
        self.slot.schedule_now();
    }

    /// Returns the place of the page pool.
    ///
    /// # Safety
    ///
    /// The caller owns the queue for as long as the pool is in use.
    #[inline(always)]
    pub(crate) unsafe fn pool(&self) -> PoolPlace<'_, T> {
        // SAFETY: By the safety requirements, the caller owns the queue for as long.
        unsafe { PoolPlace::new(self) }
    }

    /// Unregisters the instance, as [`Slot::unregister`], and has the page pool forget it: code
    /// that gives pages back looks at the instance of their pool.
    pub(crate) fn unregister(&self) {
        self.slot.unregister();
        // SAFETY: The instance is disabled, and only its owner, whose last use of it this is,
        // replaces the pool.
        if let Some(pool) = unsafe { &*self.pool.get() } {
            // SAFETY: The instance is disabled, as dropping the device disables all of them first.
            unsafe { pool.forget_napi() };
        }
    }

    /// Replaces the page pool.
    ///
    /// # Safety
    ///
    /// The caller owns the queue, and its instance is disabled.
    pub(crate) unsafe fn set_pool(&self, pool: Option<PagePool>) {
        // SAFETY: By the safety requirements, the caller owns the queue, so nothing else refers to
        // the pool, and the instance of the pool that is dropped is disabled.
        unsafe { *self.pool.get() = pool };
    }

    /// Registers the instance.
    ///
    /// # Safety
    ///
    /// The slot does not move until [`RxSlot::unregister`], and the device is valid until then.
    pub(crate) unsafe fn register(&self, weight: i32) {
        // SAFETY: The instance is zeroed, and stays by the safety requirements; the index is one
        // of the device's queues, so that there is a persistent configuration for it.
        unsafe {
            bindings::netif_napi_add_config(
                self.slot.dev,
                self.napi(),
                Some(Self::poll_rx),
                self.slot.index as c_int,
            );
            bindings::napi_set_weight(self.napi(), weight);
        }
    }

    /// Replaces the source.
    ///
    /// # Safety
    ///
    /// The RTNL and the device's mutex of sources are held, the instance is disabled, and there was
    /// a grace period since.
    pub(crate) unsafe fn set_source(&self, source: Option<T::Source>) {
        // SAFETY: By the safety requirements and the type invariants, nothing else refers to it.
        unsafe { *self.slot.source.get() = source };
    }
}

impl<T: Operations> TxSlot<T> {
    /// Unregisters the instance, as [`Slot::unregister`].
    pub(crate) fn unregister(&self) {
        self.slot.unregister();
    }

    /// Registers the instance.
    ///
    /// # Safety
    ///
    /// The slot does not move until [`TxSlot::unregister`], and the device is valid until then.
    pub(crate) unsafe fn register(&self, weight: i32) {
        // SAFETY: The instance is zeroed, and stays by the safety requirements.
        unsafe {
            bindings::netif_napi_add_tx_weight(
                self.slot.dev,
                self.napi(),
                Some(Self::poll_tx),
                weight,
            );
        }
    }

    /// Replaces the source.
    ///
    /// # Safety
    ///
    /// As for [`RxSlot::set_source`].
    pub(crate) unsafe fn set_source(&self, source: Option<T::Source>) {
        let guard = TxGuard::lock_bh(self);
        // SAFETY: By the safety requirements and the type invariants, and as the queue is locked,
        // nothing else refers to it.
        let old = unsafe { core::mem::replace(&mut *self.slot.source.get(), source) };
        drop(guard);
        // May sleep.
        drop(old);
    }
}
