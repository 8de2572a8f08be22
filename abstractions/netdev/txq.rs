// SPDX-License-Identifier: GPL-2.0

//! Transmit queues and their locks.
//!
//! The core holds the lock of a queue while it calls `ndo_start_xmit`. All other users of the
//! queue's state take the same lock, so the data path needs no second one.

use crate::{
    bindings,
    device::{
        Device,
        Operations, //
    },
    napi::TxSlot, //
};
use core::marker::PhantomData;

/// The result of sending a packet, C `netdev_tx_t`.
#[must_use]
#[derive(Clone, Copy)]
pub struct NetdevTx(bindings::netdev_tx_t);

impl NetdevTx {
    /// The driver has taken the packet (`NETDEV_TX_OK`), also if it dropped it.
    pub const DONE: Self = Self(bindings::netdev_tx_NETDEV_TX_OK);

    #[inline]
    pub(crate) const fn into_raw(self) -> bindings::netdev_tx_t {
        self.0
    }
}

/// The stack's part of a locked transmit queue, without the state of the driver.
///
/// # Invariants
///
/// This thread holds the lock of the queue, for `'a`.
pub struct StackQueue<'a, T: Operations> {
    slot: &'a TxSlot<T>,
    /// The lock belongs to this CPU.
    _not_send: PhantomData<*mut ()>,
}

impl<T: Operations> Clone for StackQueue<'_, T> {
    #[inline]
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Operations> Copy for StackQueue<'_, T> {}

impl<'a, T: Operations> StackQueue<'a, T> {
    /// Returns the device.
    #[inline]
    pub fn dev(self) -> &'a Device<T> {
        self.slot.dev()
    }

    /// Returns the data that the queue shares with the receive queue of its pair.
    #[inline]
    pub fn pair(self) -> &'a T::Pair {
        self.slot.pair()
    }

    /// Returns the index of the queue.
    #[inline]
    pub fn index(self) -> usize {
        self.slot.index()
    }

    /// Schedules the NAPI instance of the queue. BHs are disabled.
    #[inline(always)]
    pub fn schedule(self) {
        // The source may be used because the queue is locked.
        if let Some(source) = self.slot.source() {
            self.slot.schedule(source);
        }
    }

    /// Stops the queue (C: `netif_tx_stop_queue`).
    #[inline]
    pub fn stop(self) {
        // SAFETY: `txq` lives as long as the slot, and this thread holds its lock (type invariant).
        unsafe { bindings::netif_tx_stop_queue(self.slot.txq()) };
    }

    /// Stops the queue, as [`StackQueue::stop`]. The watchdog does not take the queue for stuck
    /// before `millis` milliseconds more than its usual time have passed.
    pub fn stop_for(self, millis: u32) {
        // SAFETY: `txq` lives as long as the slot, and this thread holds its lock (type invariant).
        unsafe { bindings::rust_netif_tx_stop_for(self.slot.txq(), millis) };
    }

    /// Whether the interface is up, and attached.
    ///
    /// Code that detaches the interface locks all queues for that. So from then on, no thread that
    /// has locked a queue finds the interface in use.
    #[inline]
    pub fn is_in_use(self) -> bool {
        // SAFETY: The device is valid as long as the slot, and may be asked without a lock.
        unsafe { bindings::rust_netdev_in_use(self.dev().as_raw()) }
    }

    /// Whether the driver has stopped the queue.
    #[inline]
    pub fn is_stopped(self) -> bool {
        // SAFETY: `txq` lives as long as the slot, and this thread holds its lock (type invariant).
        unsafe { bindings::netif_tx_queue_stopped(self.slot.txq()) }
    }

    /// Whether the queue is stopped, by the driver or by the byte queue limit.
    #[inline]
    pub fn is_xmit_stopped(self) -> bool {
        // SAFETY: `txq` lives as long as the slot, and this thread holds its lock (type invariant).
        unsafe { bindings::netif_xmit_stopped(self.slot.txq()) }
    }

    /// Wakes the queue, unless the interface is detached or down. Returns whether the queue was
    /// woken.
    ///
    /// A later attach of the interface wakes all queues.
    #[inline]
    pub fn wake(self) -> bool {
        // SAFETY: `txq` lives as long as the slot, and this thread holds its lock (type invariant).
        unsafe { bindings::rust_netif_tx_wake(self.slot.txq()) }
    }

    /// Adds a sent packet of `bytes` bytes to the byte queue limit. Returns whether the device has
    /// to be notified now, because `more` is not set, or the limit has stopped the queue.
    #[inline]
    pub fn sent(self, bytes: u32, more: bool) -> bool {
        // SAFETY: `txq` lives as long as the slot, and this thread holds its lock (type invariant).
        unsafe { bindings::__netdev_tx_sent_queue(self.slot.txq(), bytes, more) }
    }

    /// Removes completed packets from the byte queue limit. At most as many bytes count as were
    /// [sent](StackQueue::sent).
    #[inline]
    pub fn completed(self, packets: u32, bytes: u32) {
        // SAFETY: `txq` lives as long as the slot, and this thread holds its lock (type invariant).
        unsafe { bindings::netdev_tx_completed_queue(self.slot.txq(), packets, bytes) };
    }

    /// Notes for the watchdog that the queue has sent something.
    pub fn refresh(self) {
        // SAFETY: `txq` lives as long as the slot, and this thread holds its lock (type invariant).
        unsafe { bindings::rust_txq_refresh(self.slot.txq()) };
    }

    /// Resets the byte queue limit, for packets that were freed without being completed. No packet
    /// is sent during the call.
    pub fn reset(self) {
        // SAFETY: `txq` lives as long as the slot, and this thread holds its lock (type invariant).
        unsafe { bindings::netdev_tx_reset_queue(self.slot.txq()) };
    }
}

/// A locked transmit queue, as [`Operations::start_xmit`] gets it.
///
/// Passed by value, and a [`TxGuard`] does not lend its own: if two could be swapped, one would be
/// used under the wrong lock.
///
/// # Invariants
///
/// This thread holds the lock of the queue, and nothing else refers to the state of the slot.
pub struct TxQueue<'a, T: Operations> {
    slot: &'a TxSlot<T>,
    /// The lock belongs to this CPU.
    _not_send: PhantomData<*mut ()>,
}

impl<'a, T: Operations> TxQueue<'a, T> {
    /// # Safety
    ///
    /// This thread holds the lock of the queue for the life of the value, and there is no other
    /// `TxQueue` for the queue.
    #[inline]
    pub(crate) unsafe fn assume_locked(slot: &'a TxSlot<T>) -> Self {
        // INVARIANT: By the safety requirements.
        Self {
            slot,
            _not_send: PhantomData,
        }
    }

    /// Returns the state of the queue, and the stack's part of the queue.
    #[inline]
    pub fn parts(&mut self) -> (&mut T::Tx, StackQueue<'_, T>) {
        // INVARIANT: By the type invariants.
        let stack = StackQueue {
            slot: self.slot,
            _not_send: PhantomData,
        };
        // SAFETY: Nothing else refers to the state (type invariant), and `&mut self` is exclusive.
        (unsafe { &mut *self.slot.state.get() }, stack)
    }
}

/// Holds the lock of a transmit queue until dropped.
pub struct TxGuard<'a, T: Operations> {
    queue: TxQueue<'a, T>,
    /// Whether the guard has disabled BHs.
    bh: bool,
}

impl<'a, T: Operations> TxGuard<'a, T> {
    /// Takes the lock.
    ///
    /// # Safety
    ///
    /// BHs are disabled for the life of the value.
    #[inline]
    pub(crate) unsafe fn lock(slot: &'a TxSlot<T>) -> Self {
        // SAFETY: The queue is valid as long as its slot; BHs are disabled.
        unsafe { bindings::__netif_tx_lock(slot.txq()) };
        Self {
            // SAFETY: It was locked just now, and is unlocked when the value is dropped.
            queue: unsafe { TxQueue::assume_locked(slot) },
            bh: false,
        }
    }

    /// Takes the lock if it is free.
    ///
    /// # Safety
    ///
    /// BHs are disabled for the life of the value.
    #[inline]
    pub(crate) unsafe fn try_lock(slot: &'a TxSlot<T>) -> Option<Self> {
        // SAFETY: The queue is valid as long as its slot; BHs are disabled.
        if !unsafe { bindings::__netif_tx_trylock(slot.txq()) } {
            return None;
        }
        Some(Self {
            // SAFETY: It was locked just now, and is unlocked when the value is dropped.
            queue: unsafe { TxQueue::assume_locked(slot) },
            bh: false,
        })
    }

    /// Disables BHs and takes the lock. Process or softirq context.
    pub(crate) fn lock_bh(slot: &'a TxSlot<T>) -> Self {
        // SAFETY: The queue is valid as long as its slot.
        unsafe { bindings::__netif_tx_lock_bh(slot.txq()) };
        Self {
            // SAFETY: It was locked just now, and is unlocked when the value is dropped.
            queue: unsafe { TxQueue::assume_locked(slot) },
            bh: true,
        }
    }
}

impl<T: Operations> TxGuard<'_, T> {
    /// As [`TxQueue::parts`].
    #[inline]
    pub fn parts(&mut self) -> (&mut T::Tx, StackQueue<'_, T>) {
        self.queue.parts()
    }
}

impl<T: Operations> Drop for TxGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        let txq = self.queue.slot.txq();
        if self.bh {
            // SAFETY: The lock was taken this way.
            unsafe { bindings::__netif_tx_unlock_bh(txq) };
        } else {
            // SAFETY: The lock was taken this way.
            unsafe { bindings::__netif_tx_unlock(txq) };
        }
    }
}
