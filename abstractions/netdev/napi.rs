// SPDX-License-Identifier: GPL-2.0

//! NAPI: polling of queues in softirq context.
//!
//! Every queue has an instance. While the instance is scheduled, its poll function owns the state
//! of the queue. [`RxPoll`] and [`TxPoll`] stand for that ownership. Completing the poll uses them
//! up, so the state cannot be touched afterwards.

mod instance;
mod slot;

pub(crate) use self::slot::{
    RxSlot,
    TxSlot, //
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

/// Weight of a NAPI instance unless asked for another.
pub const WEIGHT: i32 = bindings::NAPI_POLL_WEIGHT;

/// The event source that schedules a NAPI instance, such as the callback of a virtqueue.
pub trait Source: Send + Sync {
    /// Asks for no more events. Any context, any time.
    fn disable(&self);
}

/// The number of packets that a poll may process, for the time of the poll: it also says that this
/// is one, where packets are freed.
#[derive(Clone, Copy)]
pub struct Budget<'a> {
    packets: i32,
    /// The poll belongs to this CPU.
    _poll: PhantomData<(&'a (), *mut ())>,
}

impl Budget<'_> {
    /// That of whoever is no poll.
    pub const NONE: Self = Self::new(0);

    const fn new(packets: i32) -> Self {
        Self {
            packets,
            _poll: PhantomData,
        }
    }

    /// In packets; 0 in a poll from netpoll, where memory is freed later.
    #[inline]
    pub const fn get(self) -> i32 {
        self.packets
    }
}

/// The end of the poll of lifetime `'a`: there is one for every poll, and none is good for another.
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
/// This is called from within the poll function of the instance of `slot`, for `'a`.
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

    /// The device.
    #[inline]
    pub fn dev(self) -> &'a Device<T> {
        self.slot.dev()
    }

    /// Returns the data that the queue shares with the transmit queue of its pair.
    #[inline]
    pub fn pair(self) -> &'a T::Pair {
        self.slot.pair()
    }

    /// Index of the receive queue.
    #[inline]
    pub fn index(self) -> usize {
        self.slot.index()
    }

    /// Gives a packet to the stack, through GRO.
    #[inline]
    pub fn receive(self, skb: EthSkb) {
        let skb = skb.into_rx().into_skb().into_raw();
        // SAFETY: `skb` is a packet with at least an Ethernet header that nobody else refers to and
        // that we give away; by the type invariant, this is the poll function of the instance.
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

    /// Packets that may be received in this poll: one or more.
    #[inline]
    pub fn budget(&self) -> Budget<'a> {
        Budget::new(self.budget)
    }

    /// The state of the queue, where its page pool is, and the NAPI instance for what needs one.
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

    /// There is more to do: stays scheduled.
    #[inline]
    pub fn stay_scheduled(self) -> Polled<'a> {
        Polled::new(self.budget)
    }

    /// `work` packets were received. Fewer than the budget are all that there were, and the queue
    /// is given up until the next event. Otherwise the instance stays scheduled, as by
    /// [`RxPoll::again`]: the core takes one that used up its budget for one that is.
    ///
    /// To give the queue up, events were enabled, if there can be any, and the queue looked at
    /// again after that. What happens from then on is not lost: the event finds the instance
    /// scheduled, and has it polled again.
    #[inline]
    pub fn complete(self, work: i32) -> Polled<'a> {
        if work >= self.budget {
            return self.stay_scheduled();
        }
        // SAFETY: By the type invariant, this is the poll function of the instance.
        if !unsafe { bindings::napi_complete_done(self.slot.napi(), work) } {
            still_scheduled(self.slot.source());
        }
        Polled::new(work)
    }
}

/// The instance of a poll that is over is polled again, perhaps by another CPU already. Its source
/// does not change before a grace period after the instance was disabled, so it may still be used.
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

    /// Packets that may be processed in this poll; 0 from netpoll.
    #[inline]
    pub fn budget(&self) -> Budget<'a> {
        Budget::new(self.budget)
    }

    /// Locks the queue. Not from netpoll.
    #[inline]
    pub fn lock(&self) -> TxGuard<'a, T> {
        // SAFETY: By the type invariant, BHs are disabled.
        unsafe { TxGuard::lock(self.slot) }
    }

    /// Locks the queue, if nobody has it locked.
    ///
    /// For netpoll, which polls on a CPU that may have the queue locked.
    #[inline]
    pub fn try_lock(&self) -> Option<TxGuard<'a, T>> {
        // SAFETY: By the type invariant, BHs are disabled.
        unsafe { TxGuard::try_lock(self.slot) }
    }

    /// There is more to do: stays scheduled. From netpoll: stays as it was.
    #[inline]
    pub fn stay_scheduled(self) -> Polled<'a> {
        Polled::new(self.budget)
    }

    /// Ends a poll that is all done: unlocks the queue and gives the instance up until the next
    /// event, as [`RxPoll::complete`].
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
