// SPDX-License-Identifier: GPL-2.0

//! The queues of a network device: their states, their NAPI instances, and the event sources of
//! these.

use super::{
    queue_mgmt::MemoryParams,
    raw_device,
    wait_for_grace_period,
    Device,
    Operations, //
};
use crate::{
    napi::{
        Instance,
        Napi,
        RxSlot,
        Source,
        TxSlot, //
    },
    pool::{
        Memory,
        PagePool,
        PoolSlot, //
    },
    rtnl::{
        DevLock,
        Rtnl, //
    },
    txq::TxGuard,
    xdp::XdpQueue, //
};
use core::ptr::null_mut;
use kernel::{
    device,
    prelude::*, //
};

impl<T: Operations> Device<T> {
    /// Locks a transmit queue. Process or softirq context. Deadlocks if the caller holds the lock
    /// already. The caller must not sleep while it has the guard.
    pub fn tx_lock(&self, index: usize) -> Option<TxGuard<'_, T>> {
        self.private().tx.get(index).map(TxGuard::lock_bh)
    }

    /// Locks a transmit queue from a poll, if it is not locked.
    #[inline]
    pub fn tx_try_lock<'a>(&'a self, index: usize, _napi: Napi<'a, T>) -> Option<TxGuard<'a, T>> {
        let slot = self.private().tx.get(index)?;
        // SAFETY: Polls run with BHs disabled.
        unsafe { TxGuard::try_lock(slot) }
    }

    /// Waits for the callbacks of event sources, the polls and the transmissions that run now.
    /// Process context, sleeps.
    pub fn wait_for_running(&self, _rtnl: &mut Rtnl) {
        wait_for_grace_period();
    }

    /// Locks a transmit queue from a poll.
    #[inline]
    pub fn tx_lock_in_poll<'a>(
        &'a self,
        index: usize,
        _napi: Napi<'a, T>,
    ) -> Option<TxGuard<'a, T>> {
        let slot = self.private().tx.get(index)?;
        // SAFETY: Polls run with BHs disabled.
        Some(unsafe { TxGuard::lock(slot) })
    }

    /// Returns the state of a receive queue, and the slot of its page pool. `None` if its NAPI
    /// instance is enabled, or `lock` is for another device.
    pub fn rx_stopped<'a>(
        &'a self,
        index: usize,
        lock: &'a mut DevLock,
    ) -> Option<(&'a mut T::Rx, PoolSlot<'a, T>)> {
        let slot = self.rx_slot(index, lock)?;
        if slot.is_enabled() {
            return None;
        }
        // SAFETY: The instance is disabled, so no poll is running. While the lock is borrowed
        // exclusively, no poll can start, and no other thread gets to this line.
        Some(unsafe { (&mut *slot.state.get(), slot.pool()) })
    }

    /// Sets the page pool of a receive queue: one for `size` buffers, mapped for `dma`, or none.
    ///
    /// Process context, sleeps.
    ///
    /// # Errors
    ///
    /// - `EBUSY`: the NAPI instance of the queue is enabled.
    /// - `EINVAL`: there is no such queue, or `lock` is for another device.
    /// - `ENOMEM`, and other errors of the core.
    pub fn set_page_pool(
        &self,
        index: usize,
        size: Option<(u32, Option<&device::Device>)>,
        lock: &mut DevLock,
    ) -> Result {
        let (slot, memory) = self.stopped_memory(index, lock)?;
        let pool = match size {
            // SAFETY: The pool becomes that of the slot.
            Some((size, dma)) => Some(unsafe { self.new_pool(slot, size, dma)? }),
            None => None,
        };
        // SAFETY: `lock` is for this device, and borrowed exclusively.
        let params = unsafe { slot.memory_params() };
        *params = size.map(|(size, dma)| MemoryParams {
            size,
            dma: dma.map_or(null_mut(), raw_device),
            xdp: None,
        });
        // The registration ends before its pool goes.
        memory.xdp = None;
        memory.pool = pool;
        Ok(())
    }

    /// Registers a receive queue for XDP, unless that was done, with a pool for copies of `size`
    /// pages if the pages of its own pool are mapped for a device. The registration ends when its
    /// pool is replaced.
    ///
    /// Process context, sleeps.
    ///
    /// # Errors
    ///
    /// - `EBUSY`: the NAPI instance of the queue is enabled.
    /// - `EINVAL`: there is no such queue, it has no page pool, or `lock` is for another device.
    /// - `ENOMEM`, and other errors of the core.
    pub fn register_for_xdp(&self, index: usize, size: u32, lock: &mut DevLock) -> Result {
        let (slot, memory) = self.stopped_memory(index, lock)?;
        let pool = memory.pool.as_ref().ok_or(EINVAL)?;
        if memory.xdp.is_some() {
            return Ok(());
        }
        let copies = if pool.is_mapped() {
            // SAFETY: The pool becomes one of the slot.
            Some(unsafe { self.new_pool(slot, size, None)? })
        } else {
            None
        };
        let index = slot.index() as u32;
        // SAFETY: The device outlives its slots. The registration is dropped before the pool. The
        // pool for the packets is not mapped: the other one, if that of the queue is.
        let xdp = unsafe { XdpQueue::new(self.as_raw(), index, pool, copies)? };
        memory.xdp = Some(xdp);
        // SAFETY: `lock` is for this device, and borrowed exclusively.
        if let Some(params) = unsafe { slot.memory_params() } {
            params.xdp = Some(size);
        }
        Ok(())
    }

    /// Returns the slot and the memory of a receive queue.
    ///
    /// # Errors
    ///
    /// - `EBUSY`: the NAPI instance of the queue is enabled.
    /// - `EINVAL`: there is no such queue, or `lock` is for another device.
    pub(super) fn stopped_memory<'a>(
        &'a self,
        index: usize,
        lock: &'a mut DevLock,
    ) -> Result<(&'a RxSlot<T>, &'a mut Memory)> {
        let slot = self.rx_slot(index, lock).ok_or(EINVAL)?;
        if slot.is_enabled() {
            return Err(EBUSY);
        }
        // SAFETY: The instance is disabled, so no poll is running. While the lock is borrowed
        // exclusively, no poll can start, and no other thread gets to this line.
        Ok((slot, unsafe { slot.memory() }))
    }

    /// Returns a page pool for a receive queue with `size` buffers. With `dma`, the pages are
    /// mapped for that device. Process context, sleeps.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, and other errors of the core.
    ///
    /// # Safety
    ///
    /// The caller puts the pool into the memory of `slot`, which is a slot of this device.
    unsafe fn new_pool(
        &self,
        slot: &RxSlot<T>,
        size: u32,
        dma: Option<&device::Device>,
    ) -> Result<PagePool> {
        let parent = &self.private().parent;
        // SAFETY: By the safety requirements, the pool is dropped with the slot, before the device,
        // or replaced while the instance is disabled.
        unsafe { PagePool::new(self.as_raw(), slot.napi(), size, parent, dma) }
    }

    /// Sets the event sources of the queues. `sources` yields the two sources of each pair of
    /// queues, receive first. Pairs beyond its end have none.
    ///
    /// Process context, sleeps: waits for a grace period.
    ///
    /// # Errors
    ///
    /// `EBUSY`: a NAPI instance is enabled, or `lock` is for another device. Nothing changed.
    pub fn set_sources(
        &self,
        sources: impl IntoIterator<Item = (T::Source, T::Source)>,
        lock: &mut DevLock,
    ) -> Result {
        if !self.is_locked_by(lock) {
            return Err(EBUSY);
        }
        let private = self.private();
        let mut slots = private.rx.iter().zip(&private.tx);
        let _guard = private.sources.lock();
        if slots.any(|(rx, tx)| rx.is_enabled() || tx.is_enabled()) {
            return Err(EBUSY);
        }
        // A poll that has completed may still use the source.
        wait_for_grace_period();
        let mut sources = sources.into_iter();
        for (rx, tx) in private.rx.iter().zip(&private.tx) {
            let (rx_source, tx_source) = sources.next().unzip();
            // SAFETY: The locks are held, and no code enables an instance while the lock is
            // borrowed exclusively.
            unsafe {
                rx.set_source(rx_source);
                tx.set_source(tx_source);
            }
        }
        Ok(())
    }

    /// Calls `f` with the event sources of a pair of queues, receive first. Process context,
    /// sleeps.
    pub fn with_sources(
        &self,
        index: usize,
        f: impl FnOnce(Option<&T::Source>, Option<&T::Source>),
    ) {
        let private = self.private();
        if let (Some(rx), Some(tx)) = (private.rx.get(index), private.tx.get(index)) {
            // Keeps the sources from being replaced.
            let _guard = private.sources.lock();
            f(rx.source(), tx.source());
        }
    }

    /// Enables the NAPI instance of a receive queue, and schedules it for packets that were
    /// received before. No effect if `lock` is for another device. Process context, sleeps.
    pub fn rx_enable(&self, index: usize, lock: &mut DevLock) {
        if let Some(slot) = self.rx_slot(index, lock) {
            slot.enable(lock);
        }
    }

    /// Disables the NAPI instance of a receive queue, and waits for a running poll. Process
    /// context, sleeps. No effect if `lock` is for another device.
    pub fn rx_disable(&self, index: usize, lock: &mut DevLock) {
        if let Some(slot) = self.rx_slot(index, lock) {
            slot.disable(lock);
        }
    }

    /// As [`Device::rx_enable`], for a transmit queue.
    pub fn tx_enable(&self, index: usize, lock: &mut DevLock) {
        if let Some(slot) = self.tx_slot(index, lock) {
            slot.enable(lock);
        }
    }

    /// As [`Device::rx_disable`], for a transmit queue.
    pub fn tx_disable(&self, index: usize, lock: &mut DevLock) {
        if let Some(slot) = self.tx_slot(index, lock) {
            slot.disable(lock);
        }
    }

    /// Returns the slot of a receive queue, if there is one, and `lock` is for this device.
    pub(super) fn rx_slot(&self, index: usize, lock: &DevLock) -> Option<&RxSlot<T>> {
        let slots = &self.private().rx;
        slots.get(index).filter(|_| self.is_locked_by(lock))
    }

    /// As [`Device::rx_slot`], for a transmit queue.
    fn tx_slot(&self, index: usize, lock: &DevLock) -> Option<&TxSlot<T>> {
        let slots = &self.private().tx;
        slots.get(index).filter(|_| self.is_locked_by(lock))
    }

    /// Returns the NAPI instance of a receive queue, for tests.
    #[cfg(CONFIG_RUST_VIRTIO_KUNIT_TEST)]
    pub(crate) fn rx_napi(&self, index: usize) -> Option<*mut crate::bindings::napi_struct> {
        self.private().rx.get(index).map(|slot| slot.napi())
    }

    /// Disables an event source, and schedules the NAPI instance of its queue, from the callback of
    /// the source. Any context.
    ///
    /// Queues are numbered as those of a virtio device: the receive queue of a pair is `2 * pair`,
    /// and the transmit queue `2 * pair + 1`.
    ///
    /// Calls `otherwise` with the device and the pair if the instance of a transmit queue was not
    /// scheduled, because it is scheduled already, or is disabled.
    ///
    /// PERF: The same code for both directions, with a table of instances by the number of the
    /// queue. That saves eight instructions an interrupt.
    #[inline]
    pub fn queue_schedule(
        &self,
        number: usize,
        source: &impl Source,
        otherwise: impl FnOnce(&Self, usize),
    ) {
        let Some(instance) = self.private().instances.get(number) else {
            return source.disable();
        };
        // SAFETY: The instance is that of a slot of this device, which lives as long (invariants of
        // `Private`).
        let instance = unsafe { instance.as_ref() };
        if !instance.schedule_disabled(source) {
            // SAFETY: The device of an instance of a slot of type `T` is one of `T`, and is valid
            // as long as the slot.
            let dev = unsafe { Self::from_raw(instance.dev) };
            if is_transmit(dev, instance) {
                otherwise(dev, instance.index as usize);
            }
        }
    }

    /// Schedules the enabled NAPI instances of all receive queues after a short time, when there
    /// may be memory again. Any context.
    pub fn rx_retry(&self) {
        self.private().schedule_retry();
    }

    /// Schedules the NAPI instance of a transmit queue, if it is enabled. Process or softirq
    /// context.
    pub fn tx_kick(&self, index: usize) {
        if let Some(slot) = self.private().tx.get(index) {
            slot.schedule_bare();
        }
    }

    /// Schedules the NAPI instance of a receive queue, if it is enabled. Process context.
    pub fn rx_kick(&self, index: usize, _rtnl: &mut Rtnl) {
        if let Some(slot) = self.private().rx.get(index) {
            slot.schedule_now();
        }
    }
}

/// Whether an instance of a device is that of a transmit queue.
#[cold]
fn is_transmit<T: Operations>(dev: &Device<T>, instance: &Instance<T::Source>) -> bool {
    let slot = dev.private().tx.get(instance.index as usize);
    slot.is_some_and(|slot| core::ptr::eq(slot.instance(), instance))
}
