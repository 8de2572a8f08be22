// SPDX-License-Identifier: GPL-2.0

//! NAPI: polling of queues in softirq context.
//!
//! Every queue has an instance. While the instance is scheduled, its poll function owns the state
//! of the queue. [`RxPoll`] and [`TxPoll`] represent that ownership. Completing the poll consumes
//! them, so the state cannot be used afterwards.

mod instance;
mod slot;

pub(crate) use self::{
    instance::Instance,
    slot::{
        Received,
        RxSlot,
        TxSlot, //
    },
};

use crate::{
    bindings,
    device::{
        Device,
        Operations, //
    },
    pool::PoolSlot,
    skb::EthSkb,
    txq::TxGuard, //
};
use core::marker::PhantomData;

/// The default weight of a NAPI instance.
pub const WEIGHT: i32 = bindings::NAPI_POLL_WEIGHT;

/// The event source that schedules a NAPI instance, such as the callback of a virtqueue.
pub trait Source: Send + Sync {
    /// Disables events. Any context, any time.
    fn disable(&self);
}

/// The budget of a running poll. Functions that free packets take it to know that they run in a
/// poll.
#[derive(Clone, Copy)]
pub struct Budget<'a> {
    packets: i32,
    /// The poll belongs to this CPU.
    _poll: PhantomData<(&'a (), *mut ())>,
}

impl Budget<'_> {
    /// The budget outside of a poll.
    pub const NONE: Self = Self::new(0);

    const fn new(packets: i32) -> Self {
        Self {
            packets,
            _poll: PhantomData,
        }
    }

    /// Returns the budget in packets: 0 in a poll from netpoll, which frees memory later.
    #[inline]
    pub const fn get(self) -> i32 {
        self.packets
    }
}

/// Evidence that the poll of lifetime `'a` has ended. Each poll returns its own.
pub struct Polled<'a> {
    work: i32,
    _poll: PhantomData<fn(&'a ()) -> &'a ()>,
}

impl Polled<'_> {
    fn new(work: i32) -> Self {
        Self {
            work,
            _poll: PhantomData,
        }
    }

    pub(crate) fn into_raw(self) -> i32 {
        self.work
    }
}

/// The NAPI instance of a running receive poll.
///
/// # Invariants
///
/// The value is used only within the poll function of the instance of `slot`, for `'a`.
pub struct Napi<'a, T: Operations> {
    slot: &'a RxSlot<T>,
    /// The poll belongs to this CPU.
    _not_send: PhantomData<*mut ()>,
}

impl<T: Operations> Clone for Napi<'_, T> {
    #[inline]
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Operations> Copy for Napi<'_, T> {}

impl<'a, T: Operations> Napi<'a, T> {
    #[inline]
    pub(crate) fn as_raw(self) -> *mut bindings::napi_struct {
        self.slot.napi()
    }

    /// Returns the device.
    #[inline]
    pub fn dev(self) -> &'a Device<T> {
        self.slot.dev()
    }

    /// Returns the data that the queue shares with the transmit queue of its pair.
    #[inline]
    pub fn pair(self) -> &'a T::Pair {
        self.slot.pair()
    }

    /// Returns the index of the receive queue.
    #[inline]
    pub fn index(self) -> usize {
        self.slot.index()
    }

    /// Returns the registration of the queue for XDP, if there is one, and the page pool that the
    /// queue is registered with.
    #[inline]
    pub(crate) fn xdp_queue(
        self,
    ) -> Option<(*mut bindings::xdp_rxq_info, *const bindings::page_pool)> {
        // SAFETY: The registration changes only while the instance is disabled. By the type
        // invariant, this is its poll function.
        let xdp = unsafe { &raw const (*self.slot.memory_cell().get()).xdp };
        // SAFETY: As above; code with exclusive access to the memory does not run now.
        let xdp = unsafe { &*xdp }.as_ref()?;
        Some((xdp.as_raw(), xdp.memory()))
    }

    /// Records that packets were redirected, which have to be flushed before the poll ends.
    #[inline]
    pub(crate) fn set_redirected(self) {
        // SAFETY: By the type invariant, this is the poll function of the instance.
        unsafe { self.slot.set_redirected() };
    }

    /// Gives a packet to the stack, through GRO.
    #[inline]
    pub fn receive(self, skb: EthSkb) {
        let skb = skb.into_rx().into_skb().into_raw();
        // SAFETY: `skb` is a packet with an Ethernet header, and its only reference is passed to
        // the core. By the type invariant, this is the poll function of the instance.
        unsafe {
            bindings::skb_set_rx_protocol(skb, self.dev().as_raw(), self.index() as u16);
            bindings::napi_gro_receive(self.as_raw(), skb);
        }
    }
}

/// A receive poll: owns the state of its queue.
///
/// # Invariants
///
/// This thread has the NAPI instance of `slot` scheduled, so nothing else refers to its state.
/// `budget` is more than 0.
pub struct RxPoll<'a, T: Operations> {
    slot: &'a RxSlot<T>,
    budget: i32,
    /// The poll belongs to this CPU.
    _not_send: PhantomData<*mut ()>,
}

impl<'a, T: Operations> RxPoll<'a, T> {
    /// # Safety
    ///
    /// Called from the poll function of `slot`, once per call of it, with a `budget` of more than
    /// 0.
    #[inline]
    pub(crate) unsafe fn new(slot: &'a RxSlot<T>, budget: i32) -> Self {
        // INVARIANT: By the safety requirements.
        Self {
            slot,
            budget,
            _not_send: PhantomData,
        }
    }

    /// Returns the number of packets that this poll may receive: one or more.
    #[inline]
    pub fn budget(&self) -> Budget<'a> {
        Budget::new(self.budget)
    }

    /// Returns the state of the queue, the slot of its page pool, and the NAPI instance.
    #[inline]
    pub fn parts(&mut self) -> (&mut T::Rx, PoolSlot<'_, T>, Napi<'_, T>) {
        // INVARIANT: By the type invariant.
        let napi = Napi {
            slot: self.slot,
            _not_send: PhantomData,
        };
        // SAFETY: By the type invariant, and `&mut self` is the only way to it.
        let (state, pool) = unsafe { (&mut *self.slot.state.get(), self.slot.pool()) };
        (state, pool, napi)
    }

    /// Ends the poll and stays scheduled, because more work is left.
    #[inline]
    pub fn stay_scheduled(self) -> Polled<'a> {
        self.flush_redirected();
        Polled::new(self.budget)
    }

    /// Flushes the packets that XDP redirected: the core keeps them on a list of this poll.
    #[inline]
    fn flush_redirected(&self) {
        #[cold]
        fn flush() {
            // SAFETY: Called by a poll.
            unsafe { bindings::xdp_do_flush() };
        }

        // SAFETY: By the type invariant, this owns the queue.
        if unsafe { self.slot.take_redirected() } {
            flush();
        }
    }

    /// Ends a poll that received `work` packets. With less than the budget, completes the poll: the
    /// queue is released until the next event. Otherwise the instance stays scheduled, as by
    /// [`RxPoll::stay_scheduled`]: the core expects that of a poll that has used up its budget.
    ///
    /// Before it completes a poll, the caller enabled events, and checked the queue once more. No
    /// later event is lost: it finds the instance scheduled, and the core polls the instance again.
    #[inline]
    pub fn complete(self, work: i32) -> Polled<'a> {
        if work >= self.budget {
            return self.stay_scheduled();
        }
        self.flush_redirected();
        // SAFETY: By the type invariant, this is the poll function of the instance.
        if !unsafe { bindings::napi_complete_done(self.slot.napi(), work) } {
            still_scheduled(self.slot.source());
        }
        Polled::new(work)
    }
}

/// Disables the source of an instance that was scheduled again during its poll. Another CPU may
/// poll it already. The source may still be used: it does not change before a grace period after
/// the instance was disabled.
#[cold]
fn still_scheduled(source: Option<&impl Source>) {
    if let Some(source) = source {
        source.disable();
    }
}

/// A transmit poll.
///
/// # Invariants
///
/// This thread runs the poll function of the instance of `slot`: it has the instance scheduled, or
/// polls it for netpoll. BHs are disabled.
pub struct TxPoll<'a, T: Operations> {
    slot: &'a TxSlot<T>,
    budget: i32,
    /// The poll belongs to this CPU.
    _not_send: PhantomData<*mut ()>,
}

impl<'a, T: Operations> TxPoll<'a, T> {
    /// # Safety
    ///
    /// Called from the poll function of `slot`, once per call of it.
    #[inline]
    pub(crate) unsafe fn new(slot: &'a TxSlot<T>, budget: i32) -> Self {
        // INVARIANT: By the safety requirements; poll functions run with BHs disabled.
        Self {
            slot,
            budget,
            _not_send: PhantomData,
        }
    }

    /// Returns the number of packets that this poll may process: 0 from netpoll.
    #[inline]
    pub fn budget(&self) -> Budget<'a> {
        Budget::new(self.budget)
    }

    /// Locks the queue. Must not be called from netpoll.
    #[inline]
    pub fn lock(&self) -> TxGuard<'a, T> {
        // SAFETY: By the type invariant, BHs are disabled.
        unsafe { TxGuard::lock(self.slot) }
    }

    /// Locks the queue, if it is not locked.
    ///
    /// For netpoll, which may poll on a CPU that has locked the queue.
    #[inline]
    pub fn try_lock(&self) -> Option<TxGuard<'a, T>> {
        // SAFETY: By the type invariant, BHs are disabled.
        unsafe { TxGuard::try_lock(self.slot) }
    }

    /// Ends the poll and stays scheduled, because more work is left. From netpoll the state does
    /// not change.
    #[inline]
    pub fn stay_scheduled(self) -> Polled<'a> {
        Polled::new(self.budget)
    }

    /// Completes a poll: unlocks the queue, and releases the instance until the next event, as
    /// [`RxPoll::complete`].
    #[inline]
    pub fn complete(self, guard: TxGuard<'a, T>) -> Polled<'a> {
        // SAFETY: By the type invariant, this is the poll function of the instance.
        if !unsafe { bindings::napi_complete_done(self.slot.napi(), 0) } {
            still_scheduled(self.slot.source());
        }
        drop(guard);
        Polled::new(0)
    }
}
