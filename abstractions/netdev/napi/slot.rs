// SPDX-License-Identifier: GPL-2.0

//! Slots: the state of a queue together with its NAPI instance.

use super::{
    instance::Instance,
    RxPoll,
    Source,
    TxPoll, //
};
use crate::{
    bindings,
    device::{
        Device,
        MemoryParams,
        Operations, //
    },
    pool::{
        Memory,
        PoolSlot, //
    },
    rtnl::DevLock,
    txq::TxGuard, //
};
use core::cell::{
    Cell,
    UnsafeCell, //
};
use kernel::{
    ffi::c_int,
    sync::Arc,
    types::Opaque, //
};

/// A direction of packets: [`Receive`] or [`Transmit`].
pub(crate) trait Direction {
    /// The state that the driver `T` has for a queue.
    type State<T: Operations>: Send;
    /// The part of a queue that only this direction has.
    type Own;
    /// The kind of queue, for the core.
    const KIND: bindings::netdev_queue_type;
}

/// The direction of received packets.
pub(crate) struct Receive;

impl Direction for Receive {
    type State<T: Operations> = T::Rx;
    type Own = Received;
    const KIND: bindings::netdev_queue_type = bindings::netdev_queue_type_NETDEV_QUEUE_TYPE_RX;
}

/// The part of a receive queue that belongs to the owner of the queue.
pub(crate) struct Received {
    /// The memory to receive to.
    memory: UnsafeCell<Memory>,
    /// Whether XDP redirected packets in this poll.
    redirected: Cell<bool>,
    /// The properties of the memory. The lock of the queues of the device protects them, so they
    /// can be read while the queue is in use.
    memory_params: UnsafeCell<Option<MemoryParams>>,
}

impl Received {
    /// Returns the part of a queue without memory.
    pub(crate) const fn new() -> Self {
        Self {
            memory: UnsafeCell::new(Memory::NONE),
            redirected: Cell::new(false),
            memory_params: UnsafeCell::new(None),
        }
    }
}

/// The direction of transmitted packets.
pub(crate) struct Transmit;

impl Direction for Transmit {
    type State<T: Operations> = T::Tx;
    /// The queue of the stack, which lives as long as the device.
    type Own = *mut bindings::netdev_queue;
    const KIND: bindings::netdev_queue_type = bindings::netdev_queue_type_NETDEV_QUEUE_TYPE_TX;
}

/// A queue of one direction.
///
/// PERF: Aligned so that no two queues share a cache line.
///
/// # Invariants
///
/// The slot does not move once its instance is registered.
#[repr(C, align(64))]
pub(crate) struct Slot<T: Operations, D: Direction> {
    instance: Instance<T::Source>,
    pair: Arc<T::Pair>,
    /// The state of the queue, which belongs to its owner.
    pub(crate) state: UnsafeCell<D::State<T>>,
    /// Dropped after the state, which may have buffers of the page pool.
    own: D::Own,
}

/// A receive queue.
pub(crate) type RxSlot<T> = Slot<T, Receive>;

/// A transmit queue.
pub(crate) type TxSlot<T> = Slot<T, Transmit>;

// SAFETY: The state and a page pool are `Send`, and only the owner of the queue uses them. The
// source and the shared data are `Sync`. The core synchronises the rest.
unsafe impl<T: Operations, D: Direction> Send for Slot<T, D> {}

// SAFETY: Only the owner of the queue uses the state and a page pool. The source and the shared
// data are `Sync`. The core synchronises the rest.
unsafe impl<T: Operations, D: Direction> Sync for Slot<T, D> {}

impl<T: Operations, D: Direction> Slot<T, D> {
    pub(crate) fn new(
        dev: *mut bindings::net_device,
        index: u32,
        pair: Arc<T::Pair>,
        state: D::State<T>,
        own: D::Own,
    ) -> Self {
        Self {
            instance: Instance::new(dev, index),
            pair,
            state: UnsafeCell::new(state),
            own,
        }
    }

    #[inline]
    pub(crate) fn napi(&self) -> *mut bindings::napi_struct {
        self.instance.napi.get()
    }

    /// Returns the instance. It does not move once it is registered (type invariant).
    pub(crate) fn instance(&self) -> &Instance<T::Source> {
        &self.instance
    }

    #[inline]
    pub(crate) fn index(&self) -> usize {
        self.instance.index as usize
    }

    /// Returns the data that the queue shares with the other queue of its pair.
    #[inline]
    pub(crate) fn pair(&self) -> &T::Pair {
        &self.pair
    }

    /// Returns the device, which outlives the slot.
    #[inline]
    pub(crate) fn dev(&self) -> &Device<T> {
        // SAFETY: `dev` is the device that `NewDevice` made with this slot, for `T`.
        unsafe { Device::from_raw(self.instance.dev) }
    }

    /// Whether the instance is enabled.
    pub(crate) fn is_enabled(&self) -> bool {
        self.instance.is_enabled()
    }

    #[inline]
    pub(crate) fn source(&self) -> Option<&T::Source> {
        self.instance.source()
    }

    #[inline]
    pub(crate) fn schedule(&self, source: &impl Source) {
        self.instance.schedule(source);
    }

    pub(crate) fn schedule_bare(&self) {
        self.instance.schedule_bare();
    }

    /// Enables the instance. `lock` is for the device.
    pub(crate) fn enable(&self, lock: &mut DevLock) {
        self.instance.enable(D::KIND, lock);
    }

    /// Disables the instance. `lock` is for the device, or the device is not registered.
    pub(crate) fn disable(&self, lock: &mut DevLock) {
        self.instance.disable(D::KIND, lock);
    }

    /// Returns the slot of a NAPI instance.
    ///
    /// # Safety
    ///
    /// `napi` is the instance of a slot of this type, and is registered for `'a`.
    #[inline]
    unsafe fn of<'a>(napi: *mut bindings::napi_struct) -> &'a Self {
        let napi = Opaque::cast_from(napi);
        // SAFETY: By the safety requirements, `napi` is that of a slot of this type.
        let instance = unsafe { kernel::container_of!(napi, Instance<T::Source>, napi) };
        // SAFETY: By the safety requirements, the instance is that of a slot of this type, which
        // lives as long as the instance is registered.
        unsafe { &*kernel::container_of!(instance, Self, instance) }
    }
}

impl<T: Operations> RxSlot<T> {
    /// Polls the queue, as the poll function of the instance.
    ///
    /// netpoll calls poll functions with interrupts off and a budget of 0, to free transmitted
    /// packets. Transmit queues have their own poll function, so there is nothing to do here.
    ///
    /// # Safety
    ///
    /// Called by the core for an instance that belongs to a slot of this type.
    pub(crate) unsafe extern "C" fn poll_rx(
        napi: *mut bindings::napi_struct,
        budget: c_int,
    ) -> c_int {
        // SAFETY: By the safety requirements, the instance is that of a slot. It is registered for
        // as long as the core polls it.
        let this = unsafe { Self::of(napi) };
        if budget <= 0 {
            return 0;
        }
        // SAFETY: This is the poll function, and the budget is more than 0.
        let poll = unsafe { RxPoll::new(this, budget) };
        T::poll_rx(poll).into_raw()
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
                self.instance.dev,
                self.napi(),
                Some(Self::poll_rx),
                self.instance.index as c_int,
            );
            bindings::napi_set_weight(self.napi(), weight);
        }
    }

    /// Unregisters the instance, and removes it from the page pool: code that returns pages reads
    /// the instance of their pool.
    ///
    /// # Safety
    ///
    /// The instance is registered and disabled, and the queue is not used again. The caller waits
    /// for a grace period before it frees the slot.
    pub(crate) unsafe fn unregister(&self) {
        // SAFETY: By the safety requirements, which are the same.
        unsafe { self.instance.unregister() };
        // SAFETY: By the safety requirements, nothing uses the queue, and so replaces the pool.
        let memory = unsafe { &*self.own.memory.get() };
        // SAFETY: By the safety requirements, the instance is disabled.
        unsafe { memory.forget_napi() };
    }

    /// Schedules the instance from process context.
    pub(crate) fn schedule_now(&self) {
        self.instance.schedule_now();
    }

    /// Returns the slot of the page pool.
    ///
    /// # Safety
    ///
    /// The caller owns the queue while the result is in use.
    #[inline]
    pub(crate) unsafe fn pool(&self) -> PoolSlot<'_, T> {
        // SAFETY: By the safety requirements, the caller owns the queue while the result is in use.
        unsafe { PoolSlot::new(self) }
    }

    /// Returns the cell of the memory.
    #[inline]
    pub(crate) fn memory_cell(&self) -> &UnsafeCell<Memory> {
        &self.own.memory
    }

    /// Returns the memory.
    ///
    /// # Safety
    ///
    /// The caller owns the queue while the result is in use, and its instance is disabled.
    #[expect(clippy::mut_from_ref, reason = "the caller owns the queue")]
    pub(crate) unsafe fn memory(&self) -> &mut Memory {
        // SAFETY: By the safety requirements, the caller owns the queue, so nothing else refers to
        // the memory, and the instance of a pool that is replaced is disabled.
        unsafe { &mut *self.own.memory.get() }
    }

    /// Returns the properties of the memory.
    ///
    /// # Safety
    ///
    /// The lock of the queues of the device is held, and nothing else refers to the properties.
    #[expect(clippy::mut_from_ref, reason = "the caller holds the lock")]
    pub(crate) unsafe fn memory_params(&self) -> &mut Option<MemoryParams> {
        // SAFETY: By the safety requirements, nothing else refers to the properties.
        unsafe { &mut *self.own.memory_params.get() }
    }

    /// Records that XDP redirected packets in this poll.
    ///
    /// # Safety
    ///
    /// The caller owns the queue.
    #[inline]
    pub(crate) unsafe fn set_redirected(&self) {
        self.own.redirected.set(true);
    }

    /// Returns whether XDP redirected packets in this poll. Returns true only once.
    ///
    /// # Safety
    ///
    /// The caller owns the queue.
    #[inline]
    pub(crate) unsafe fn take_redirected(&self) -> bool {
        // PERF: A look first, because few polls redirect. That saves two instructions a poll.
        self.own.redirected.get() && self.own.redirected.take()
    }

    /// Replaces the source.
    ///
    /// # Safety
    ///
    /// The lock of the device's queues and its mutex of sources are held, the instance is disabled,
    /// and there was a grace period since.
    pub(crate) unsafe fn set_source(&self, source: Option<T::Source>) {
        // SAFETY: By the safety requirements and the type invariants, nothing else refers to it.
        unsafe { *self.instance.source.get() = source };
    }
}

impl<T: Operations> TxSlot<T> {
    /// Polls the queue, as the poll function of the instance.
    ///
    /// # Safety
    ///
    /// Called by the core for an instance that belongs to a slot of this type.
    pub(crate) unsafe extern "C" fn poll_tx(
        napi: *mut bindings::napi_struct,
        budget: c_int,
    ) -> c_int {
        // SAFETY: By the safety requirements, the instance is that of a slot. It is registered for
        // as long as the core polls it.
        let this = unsafe { Self::of(napi) };
        // SAFETY: This is the poll function.
        let poll = unsafe { TxPoll::new(this, budget) };
        T::poll_tx(poll).into_raw()
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
                self.instance.dev,
                self.napi(),
                Some(Self::poll_tx),
                weight,
            );
        }
    }

    /// Unregisters the instance.
    ///
    /// # Safety
    ///
    /// As for [`RxSlot::unregister`].
    pub(crate) unsafe fn unregister(&self) {
        // SAFETY: By the safety requirements, which are the same.
        unsafe { self.instance.unregister() };
    }

    /// Returns the queue of the stack, which lives as long as the device.
    #[inline]
    pub(crate) fn txq(&self) -> *mut bindings::netdev_queue {
        self.own
    }

    /// Replaces the source.
    ///
    /// # Safety
    ///
    /// As for [`RxSlot::set_source`].
    pub(crate) unsafe fn set_source(&self, source: Option<T::Source>) {
        let guard = TxGuard::lock_bh(self);
        // SAFETY: The queue is locked. By the safety requirements and the type invariants, nothing
        // else refers to the source.
        let old = unsafe { core::mem::replace(&mut *self.instance.source.get(), source) };
        drop(guard);
        // Dropped without the lock, because this may sleep.
        drop(old);
    }
}
