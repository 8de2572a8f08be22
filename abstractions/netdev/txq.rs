// SPDX-License-Identifier: GPL-2.0

//! Transmit queues and their locks.
//!
//! The core holds the lock of a queue while it calls `ndo_start_xmit`. All other users of the
//! queue's state take the same lock, so the data path needs no other.

use crate::{
    bindings,
    device::{
        Device,
        Operations, //
    },
    napi::TxSlot, //
};
use core::marker::PhantomData;

/// The fate of a packet that was to be sent, C `netdev_tx_t`.
#[must_use]
#[derive(Clone, Copy)]
pub struct NetdevTx(bindings::netdev_tx_t);

impl NetdevTx {
    /// The driver has it, or has dropped it.
    pub const DONE: Self = Self(bindings::netdev_tx_NETDEV_TX_OK);

    #[inline]
    pub(crate) const fn into_raw(self) -> bindings::netdev_tx_t {
        self.0
    }
}

/// A locked transmit queue of the stack: what does not need the driver's state of it.
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
    /// The device.
    #[inline]
    pub fn dev(self) -> &'a Device<T> {
        self.slot.dev()
    }

    /// Returns the data that the queue shares with the receive queue of its pair.
    #[inline]
    pub fn pair(self) -> &'a T::Pair {
        self.slot.pair()
    }

    /// Index of the queue.
    #[inline]
    pub fn index(self) -> usize {
        self.slot.index()
    }

    /// Schedules the NAPI instance of the queue. BHs are disabled.
    #[inline(always)]
    pub fn schedule(self) {
        // The source may be looked at because the queue is locked.
        if let Some(source) = self.slot.source() {
            self.slot.schedule(source);
        }
    }

    /// Tells the stack to send no more.
    #[inline]
    pub fn stop(self) {
        // SAFETY: `txq` lives as long as the slot, and this thread holds its lock (type invariant).
        unsafe { bindings::netif_tx_stop_queue(self.slot.txq()) };
    }

    /// Whether the driver stopped the queue.
    #[inline]
    pub fn is_stopped(self) -> bool {
        // SAFETY: `txq` lives as long as the slot, and this thread holds its lock (type invariant).
        unsafe { bindings::netif_tx_queue_stopped(self.slot.txq()) }
    }

    /// Whether the stack sends no more, because the driver or the byte limit stopped it.
    #[inline]
    pub fn is_xmit_stopped(self) -> bool {
        // SAFETY: `txq` lives as long as the slot, and this thread holds its lock (type invariant).
        unsafe { bindings::netif_xmit_stopped(self.slot.txq()) }
    }

    /// Lets the stack send again, unless the interface is detached or down. Returns whether the
    /// stack may.
    ///
    /// Attaching the interface lets the stack send on all queues.
    #[inline]
    pub fn wake(self) -> bool {
        // SAFETY: `txq` lives as long as the slot, and this thread holds its lock (type invariant).
        unsafe { bindings::rust_netif_tx_wake(self.slot.txq()) }
    }

    /// Counts bytes as under way, for the byte limit. Returns whether the device has to be
    /// notified now: nothing follows, or nothing may follow.
    #[inline]
    pub fn sent(self, bytes: u32, more: bool) -> bool {
        // SAFETY: `txq` lives as long as the slot, and this thread holds its lock (type invariant).
        unsafe { bindings::__netdev_tx_sent_queue(self.slot.txq(), bytes, more) }
    }

    /// Counts packets that were [sent](StackQueue::sent) as done. Bytes beyond those that were
    /// sent do not count.
    #[inline]
    pub fn completed(self, packets: u32, bytes: u32) {
        // SAFETY: `txq` lives as long as the slot, and this thread holds its lock (type invariant).
        unsafe { bindings::netdev_tx_completed_queue(self.slot.txq(), packets, bytes) };
    }

    /// Forgets what was sent: for packets that were freed without being completed. Nothing is
    /// sent meanwhile.
    pub fn reset(self) {
        // SAFETY: `txq` lives as long as the slot, and this thread holds its lock (type invariant).
        unsafe { bindings::netdev_tx_reset_queue(self.slot.txq()) };
    }
}

/// A locked transmit queue, as [`Operations::start_xmit`] gets it.
///
/// It is passed by value, and a [`TxGuard`] does not give its own away: a queue that could be
/// swapped for another would be used under a lock that somebody else releases.
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
    /// The queue is locked by this thread for the life of the value, and this is the only one for
    /// it.
    #[inline]
    pub(crate) unsafe fn assume_locked(slot: &'a TxSlot<T>) -> Self {
        // INVARIANT: By the safety requirements.
        Self {
            slot,
            _not_send: PhantomData,
        }
    }

    /// The state of the queue, and the stack's side of it.
    #[inline]
    pub fn parts(&mut self) -> (&mut T::Tx, StackQueue<'_, T>) {
        // INVARIANT: By the type invariants.
        let stack = StackQueue {
            slot: self.slot,
            _not_send: PhantomData,
        };
        // SAFETY: By the type invariants, and `&mut self` is the only way to it.
        (unsafe { &mut *self.slot.state.get() }, stack)
    }
}

/// Holds the lock of a transmit queue until dropped.
pub struct TxGuard<'a, T: Operations> {
    queue: TxQueue<'a, T>,
    /// BHs were disabled for it.
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

    /// Takes the lock if nobody has it.
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
