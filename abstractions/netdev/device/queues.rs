// SPDX-License-Identifier: GPL-2.0

//! The queues of a network device: their states, their NAPI instances, and the event sources of
//! these.

use super::{
    Device,
    Operations, //
};
use crate::{
    bindings,
    napi::{
        Napi,
        Source, //
    },
    pool::{
        PagePool,
        PoolSlot, //
    },
    rtnl::Rtnl,
    txq::TxGuard, //
};
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

    /// Whether the NAPI instance of a transmit queue is enabled.
    pub fn is_tx_enabled(&self, index: usize) -> bool {
        self.private().tx.get(index).is_some_and(|s| s.is_enabled())
    }

    /// Returns the state of a receive queue, and the slot of its page pool. `None` if its NAPI
    /// instance is enabled.
    pub fn rx_stopped<'a>(
        &'a self,
        index: usize,
        _rtnl: &'a mut Rtnl,
    ) -> Option<(&'a mut T::Rx, PoolSlot<'a, T>)> {
        let slot = self.private().rx.get(index)?;
        if slot.is_enabled() {
            return None;
        }
        // SAFETY: The instance is disabled, so no poll is running. While the RTNL is borrowed
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
    /// - `EINVAL`: there is no such queue.
    /// - `ENOMEM`, and other errors of the core.
    pub fn set_page_pool(
        &self,
        index: usize,
        size: Option<(u32, Option<&device::Device>)>,
        _rtnl: &mut Rtnl,
    ) -> Result {
        let slot = self.private().rx.get(index).ok_or(EINVAL)?;
        if slot.is_enabled() {
            return Err(EBUSY);
        }
        let pool = match size {
            // SAFETY: The pool is dropped with the slot, before the device. It is only replaced
            // while the instance is disabled.
            Some((size, dma)) => Some(unsafe {
                PagePool::new(
                    self.as_raw(),
                    slot.napi(),
                    size,
                    &self.private().parent,
                    dma,
                )?
            }),
            None => None,
        };
        // SAFETY: The instance is disabled, so no poll is running. While the RTNL is borrowed
        // exclusively, no poll can start, and no other thread gets to this line.
        unsafe { slot.set_pool(pool) };
        Ok(())
    }

    /// Sets the event sources of the queues. `sources` yields the two sources of each pair of
    /// queues, receive first. Pairs beyond its end have none.
    ///
    /// Process context, sleeps: waits for a grace period.
    ///
    /// # Errors
    ///
    /// `EBUSY`: a NAPI instance is enabled. Nothing changed.
    pub fn set_sources(
        &self,
        sources: impl IntoIterator<Item = (T::Source, T::Source)>,
        _rtnl: &mut Rtnl,
    ) -> Result {
        let private = self.private();
        let mut slots = private.rx.iter().zip(&private.tx);
        let _guard = private.sources.lock();
        if slots.any(|(rx, tx)| rx.is_enabled() || tx.is_enabled()) {
            return Err(EBUSY);
        }
        // A poll that has completed may still use the source. It runs with BHs disabled, which is a
        // read side of RCU.
        // SAFETY: May be called in process context.
        unsafe { bindings::synchronize_net() };
        let mut sources = sources.into_iter();
        for (rx, tx) in private.rx.iter().zip(&private.tx) {
            let (rx_source, tx_source) = sources.next().unzip();
            // SAFETY: The locks are held, and no code enables an instance while the RTNL is
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
    /// received before. Process context, sleeps.
    pub fn rx_enable(&self, index: usize, rtnl: &mut Rtnl) {
        if let Some(slot) = self.private().rx.get(index) {
            slot.enable(rtnl);
        }
    }

    /// Disables the NAPI instance of a receive queue, and waits for a running poll. Process
    /// context, sleeps.
    pub fn rx_disable(&self, index: usize, rtnl: &mut Rtnl) {
        if let Some(slot) = self.private().rx.get(index) {
            slot.disable(rtnl);
        }
    }

    /// As [`Device::rx_enable`], for a transmit queue.
    pub fn tx_enable(&self, index: usize, rtnl: &mut Rtnl) {
        if let Some(slot) = self.private().tx.get(index) {
            slot.enable(rtnl);
        }
    }

    /// As [`Device::rx_disable`], for a transmit queue.
    pub fn tx_disable(&self, index: usize, rtnl: &mut Rtnl) {
        if let Some(slot) = self.private().tx.get(index) {
            slot.disable(rtnl);
        }
    }

    /// Returns the NAPI instance of a receive queue, for tests.
    #[cfg(CONFIG_RUST_VIRTIO_KUNIT_TEST)]
    pub(crate) fn rx_napi(&self, index: usize) -> Option<*mut bindings::napi_struct> {
        self.private().rx.get(index).map(|slot| slot.napi())
    }

    /// Schedules the NAPI instance of a receive queue, from the callback of its event source. Any
    /// context.
    #[inline]
    pub fn rx_schedule(&self, index: usize, source: &impl Source) {
        if let Some(slot) = self.private().rx.get(index) {
            slot.schedule(source);
        }
    }

    /// As [`Device::rx_schedule`], for a transmit queue. Disables the source also if the instance
    /// is not scheduled.
    ///
    /// Calls `otherwise` with the device and the index if the instance was not scheduled, because
    /// it is scheduled already, or is disabled.
    #[inline]
    pub fn tx_schedule(
        &self,
        index: usize,
        source: &impl Source,
        otherwise: impl FnOnce(&Self, usize),
    ) {
        let Some(slot) = self.private().tx.get(index) else {
            return source.disable();
        };
        if !slot.schedule_disabled(source) {
            otherwise(slot.dev(), slot.index());
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
