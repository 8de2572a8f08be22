// SPDX-License-Identifier: GPL-2.0

//! The receive path.
//!
//! NAPI polls a receive queue. There are three kinds of buffers, chosen by [`RxMode`]:
//! [`mergeable`], [`small`] and [`big`].
//!
//! All input from the device is checked: lengths against the buffer, and the fields of the header
//! against the packet, by a function of the stack. The header is copied before it is parsed.

mod big;
mod deliver;
mod mergeable;
mod poll;
mod small;

use self::{
    big::Big,
    mergeable::Mergeable,
    poll::poll_queue,
    small::Small, //
};

use crate::{
    ewma::{
        self,
        Ewma, //
    },
    health::Failure,
    negotiated::{
        Negotiated,
        RxMode,
        GOOD_PACKET_LEN, //
    },
    nic::{
        Nic,
        Pair, //
    },
    stats::RxCounters,
    NAPI_WEIGHT, //
};
use kernel::{
    alloc::KVec,
    page::PAGE_SIZE,
    prelude::*, //
};
use net_buffers::{
    BigBuf,
    Filling,
    FragBuf, //
};
use netdev::{
    Budget,
    Device,
    Gfp,
    Napi,
    Polled,
    Pool,
    PoolSlot,
    RxKind,
    RxPoll, //
};
use virtio::{
    with_queue,
    Once,
    QueueOps,
    Virtqueue, //
};

/// Packets of this length or less are copied, so that their buffers can be used again at once.
const COPY_LEN: u32 = 128;

/// State of a receive queue.
pub(crate) struct RxState {
    /// The queue; none while the device sleeps or after it was given up.
    pub(crate) queue: Option<RxQueue>,
    /// Buffers of the kind [`big`] that are not in the queue.
    spare: KVec<BigBuf>,
}

/// A receive virtqueue.
pub(crate) enum RxQueue {
    /// A queue of page fragments, as many for a packet as it needs.
    Mergeable(Virtqueue<FragBuf>),
    /// A queue of page fragments, one for each packet.
    Small(Virtqueue<FragBuf>),
    /// A queue of whole pages.
    Big(Virtqueue<BigBuf>),
}

/// The context of a receive poll, the same for all packets of the poll.
///
/// PERF: One word, passed by value to functions that are not inlined, so that it stays in a
/// register.
#[derive(Clone, Copy)]
struct Context<'a, 'b>(Napi<'a, Nic<'b>>);

impl RxState {
    /// Returns a state without a queue; see [`RxState::set_queue`].
    pub(crate) const fn new() -> Self {
        Self {
            queue: None,
            spare: KVec::new(),
        }
    }

    /// Takes the queue of `pair` into use.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn set_queue(
        &mut self,
        negotiated: &Negotiated,
        pair: &Pair,
        queue: RxQueue,
    ) -> Result {
        let size = queue.ring_size();
        // Refill when half of the ring, or half of the budget of a poll, is free.
        let weight = NAPI_WEIGHT.get().max(1) as u32;
        pair.rx_low.write_once(size.min(weight) / 2);
        pair.rx_min_len.write_once(min_len(negotiated, size));
        if let RxQueue::Big(_) = &queue {
            self.spare.reserve(size as usize, GFP_KERNEL)?;
        }
        self.queue = Some(queue);
        Ok(())
    }

    /// Takes the queue out of the state, and frees the buffers that are not in the queue.
    pub(crate) fn take_queue(&mut self) -> Option<RxQueue> {
        self.spare.clear();
        self.queue.take()
    }

    /// Adds buffers until the ring is full, and notifies the device once. NAPI of the queue is
    /// disabled. The queue is that of `pair`.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: memory is short for now. `EIO`: the queue is broken. The ring is not full then.
    pub(crate) fn fill<'b>(
        &mut self,
        nic: &Nic<'b>,
        pair: &Pair,
        pool: &mut PoolSlot<'_, Nic<'b>>,
        gfp: Gfp,
    ) -> Result {
        let negotiated = &nic.negotiated;
        match &mut self.queue {
            Some(RxQueue::Mergeable(vq) | RxQueue::Small(vq)) => {
                let pool = pool.reborrow();
                with_queue!(vq, |queue| fill_from_pool(
                    queue, pool, negotiated, pair, gfp
                ))
            }
            Some(RxQueue::Big(vq)) => {
                let spare = &mut self.spare;
                with_queue!(vq, |queue| big::fill(queue, spare, negotiated, gfp)).count(pair)
            }
            None => Ok(()),
        }
    }
}

/// The result of filling a queue.
struct Filled {
    /// `ENOMEM`: memory is short for now. `EIO`: the queue is broken.
    result: Result,
    /// Whether the device was notified.
    notified: bool,
}

impl Filled {
    /// Counts the notification, and returns the result.
    fn count(self, pair: &Pair) -> Result {
        if self.notified {
            pair.counters.rx.kicks.add(1);
        }
        self.result
    }
}

/// Returns the smallest length of the mergeable buffers of a ring of `size` descriptors, header not
/// included.
fn min_len(negotiated: &Negotiated, size: u32) -> u32 {
    ewma::min_buffer_len(
        negotiated.header.len as u32,
        negotiated.largest_packet,
        size,
        GOOD_PACKET_LEN,
    )
}

/// Returns the length of the mergeable buffers of a ring whose packets have an average length,
/// header included.
fn buffer_len(negotiated: &Negotiated, average: Ewma, min_len: u32) -> u32 {
    ewma::buffer_len(
        negotiated.header.len as u32,
        average.get(),
        min_len,
        PAGE_SIZE as u32,
        netdev::frag::CACHE_LINE,
    )
}

/// Returns the length of the mergeable buffers that are added now to the ring of a pair, header
/// included.
pub(crate) fn current_buffer_len(negotiated: &Negotiated, pair: &Pair) -> u32 {
    buffer_len(negotiated, pair.average(), pair.rx_min_len.read_once())
}

/// Returns the kind of the buffers that are added now.
fn kind(negotiated: &Negotiated, pair: &Pair) -> Option<RxKind> {
    if negotiated.rx_mode == RxMode::Mergeable {
        mergeable::kind(current_buffer_len(negotiated, pair), negotiated.dma)
    } else {
        small::kind(negotiated.header.len as u32)
    }
}

/// Adds fragments from the pool to a queue until the ring is full. The queue is that of `pair`.
///
/// PERF: Not inlined, and all arguments are passed by value. Few polls need this function, and
/// without it the loop over the packets has all registers. That saves 10 instructions a packet of a
/// packed ring.
///
/// # Errors
///
/// Those of [`RxState::fill`].
#[inline(never)]
fn fill_from_pool(
    queue: impl QueueOps<FragBuf>,
    mut pool: PoolSlot<'_, Nic<'_>>,
    negotiated: &Negotiated,
    pair: &Pair,
    gfp: Gfp,
) -> Result {
    let kind = kind(negotiated, pair).ok_or(EINVAL)?;
    let mut pool = pool.get().ok_or(EINVAL)?;
    fill_frags(queue, &mut pool, kind, gfp).count(pair)
}

/// Adds buffers until the ring is full, and notifies the device once.
#[inline(never)]
fn fill_frags(
    queue: impl QueueOps<FragBuf>,
    pool: &mut Pool<'_>,
    kind: RxKind,
    gfp: Gfp,
) -> Filled {
    let mut room = queue.num_free();
    let mut filling = match Filling::new(pool, queue, kind, gfp) {
        Ok(filling) => filling,
        Err(e) => {
            return Filled {
                result: Err(e),
                notified: false,
            }
        }
    };
    let result = loop {
        if room == 0 {
            break Ok(());
        }
        if let Err(e) = filling.add() {
            break Err(e);
        }
        // OVERFLOW: Not 0, as compared above. A fragment takes one descriptor.
        room = room.wrapping_sub(1);
    };
    let mut queue = filling.finish();
    Filled {
        result,
        notified: queue.kick_prepare() && queue.notify(),
    }
}

impl RxQueue {
    /// Returns the size of the ring in descriptors.
    pub(crate) fn ring_size(&self) -> u32 {
        match self {
            Self::Mergeable(vq) | Self::Small(vq) => vq.ring_size(),
            Self::Big(vq) => vq.ring_size(),
        }
    }

    /// Returns the largest size of the ring.
    pub(crate) fn num_max(&self) -> u32 {
        match self {
            Self::Mergeable(vq) | Self::Small(vq) => vq.num_max(),
            Self::Big(vq) => vq.num_max(),
        }
    }
}

/// The poll of a receive queue.
#[inline(always)]
pub(crate) fn poll<'a>(mut poll: RxPoll<'a, Nic<'_>>) -> Polled<'a> {
    let budget = poll.budget();
    let (state, pool, napi) = poll.parts();
    let context = Context(napi);
    let received = match &mut state.queue {
        Some(RxQueue::Mergeable(vq)) => {
            let mode = Mergeable(pool);
            with_queue!(vq, |queue| poll_queue(queue, context, mode, budget))
        }
        Some(RxQueue::Small(vq)) => poll_small(vq, context, pool, budget),
        Some(RxQueue::Big(vq)) => poll_big(vq, context, &mut state.spare, budget),
        None => 0,
    };
    poll.complete(received)
}

/// PERF: Not inlined. In practice all queues have one mode, and the other two would take registers
/// from it.
#[inline(never)]
fn poll_small<'a, 'b>(
    vq: &mut Virtqueue<FragBuf>,
    context: Context<'a, 'b>,
    pool: PoolSlot<'a, Nic<'b>>,
    budget: Budget<'a>,
) -> i32 {
    let mode = Small(pool);
    with_queue!(vq, |queue| poll_queue(queue, context, mode, budget))
}

#[inline(never)]
fn poll_big(
    vq: &mut Virtqueue<BigBuf>,
    context: Context<'_, '_>,
    spare: &mut KVec<BigBuf>,
    budget: Budget<'_>,
) -> i32 {
    let mode = Big(spare);
    with_queue!(vq, |queue| poll_queue(queue, context, mode, budget))
}

impl<'a, 'b> Context<'a, 'b> {
    /// Returns the interface.
    fn dev(self) -> &'a Device<Nic<'b>> {
        self.0.dev()
    }

    /// Returns the data that the queue shares with the transmit queue of its pair.
    fn pair(self) -> &'a Pair {
        self.0.pair()
    }

    /// Returns the counters of the queue.
    fn counters(self) -> &'a RxCounters {
        &self.pair().counters.rx
    }

    /// Whether the queue needs a refill if `free` of its descriptors are free.
    fn needs_refill(self, free: u32) -> bool {
        free > self.pair().rx_low.read_once()
    }

    /// Counts bytes that were received.
    fn count_bytes(self, bytes: u32) {
        self.counters().bytes.add(bytes.into());
    }

    /// Counts a packet that was dropped.
    #[cold]
    fn count_drop(self) {
        self.counters().drops.add(1);
    }
}

/// Adds fragments from the pool to the queue until the ring is full.
#[inline(always)]
fn refill_frags(
    context: Context<'_, '_>,
    queue: impl QueueOps<FragBuf>,
    pool: &mut PoolSlot<'_, Nic<'_>>,
) -> Result {
    let negotiated = &context.dev().data().negotiated;
    fill_from_pool(
        queue,
        pool.reborrow(),
        negotiated,
        context.pair(),
        Gfp::Atomic,
    )
}

/// Reports a broken receive queue to the recovery.
#[cold]
#[inline(never)]
fn report_broken(context: Context<'_, '_>) {
    let dev = context.dev();
    dev.data().health.report(dev, Failure::QueueBroken);
}

/// Counts a packet that is shorter than its headers, as a length error only (as C does).
#[cold]
fn count_too_short(context: Context<'_, '_>) {
    context.dev().data().errors.rx_length_errors.add_shared(1);
}

/// Counts a packet with an impossible length, as a length error and as dropped.
#[cold]
fn count_wrong_length(context: Context<'_, '_>) {
    context.dev().data().errors.rx_length_errors.add_shared(1);
    context.count_drop();
}
