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
mod xdp;
mod xsk;

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
    header::{
        LongHeader,
        RawHeader, //
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
    FragBuf,
    XskBuf, //
};
use netdev::{
    frag::{
        ip_padding,
        CACHE_LINE, //
    },
    Budget,
    Device,
    Gfp,
    Napi,
    Polled,
    Pool,
    PoolSlot,
    RxKind,
    RxPoll,
    XdpProg,
    XskRx, //
};
use virtio::{
    with_queue,
    Buffer,
    Once,
    QueueOps,
    Returned,
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
    /// The XDP program, if there is one: see [`RxState::set_xdp`].
    xdp: Option<XdpProg>,
    /// Whether the headers of packets have more fields than the usual ones.
    has_long_headers: bool,
    /// Whether there is an XDP program, or the headers are long.
    ///
    /// PERF: One look for both. That saves three instructions a poll.
    special: bool,
    /// The memory of the AF_XDP socket that uses the queue, if there is one.
    pub(crate) xsk: Option<XskRx>,
}

/// A receive virtqueue.
pub(crate) enum RxQueue {
    /// A queue of page fragments, as many for a packet as it needs.
    Mergeable(Virtqueue<FragBuf>),
    /// A queue of page fragments, one for each packet.
    Small(Virtqueue<FragBuf>),
    /// A queue of whole pages.
    Big(Virtqueue<BigBuf>),
    /// A queue of buffers of an AF_XDP socket.
    Xsk(Virtqueue<XskBuf>),
}

/// The context of a receive poll, the same for all packets of the poll.
///
/// PERF: One word, passed by value to functions that are not inlined, so that it stays in a
/// register.
#[derive(Clone, Copy)]
struct Context<'a, 'b>(Napi<'a, Nic<'b>>);

impl RxState {
    /// Returns a state without a queue; see [`RxState::set_queue`]. `has_long_headers` says whether
    /// the headers of packets have more fields than the usual ones.
    pub(crate) const fn new(has_long_headers: bool) -> Self {
        Self {
            queue: None,
            spare: KVec::new(),
            xdp: None,
            has_long_headers,
            special: has_long_headers,
            xsk: None,
        }
    }

    /// Sets the XDP program, or removes it.
    pub(crate) fn set_xdp(&mut self, prog: Option<XdpProg>) {
        self.special = self.has_long_headers || prog.is_some();
        self.xdp = prog;
    }

    /// Takes a queue into use.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn set_queue(&mut self, queue: RxQueue) -> Result {
        if let RxQueue::Big(vq) = &queue {
            self.spare.reserve(vq.ring_size() as usize, GFP_KERNEL)?;
        }
        self.queue = Some(if self.xsk.is_some() {
            queue.try_into_xsk().unwrap_or_else(|queue| queue)
        } else {
            queue
        });
        Ok(())
    }

    /// Changes the size of the ring of the queue, which loses its packets, and counts them. The
    /// queue is [paused](crate::pause). Process context, sleeps.
    ///
    /// # Errors
    ///
    /// Those of [`Virtqueue::resize`]. `ENODEV`: there is no queue. `ENOMEM`: the ring has its old
    /// size.
    pub(crate) fn resize(&mut self, size: u32, counters: &RxCounters) -> Result {
        match &mut self.queue {
            Some(RxQueue::Mergeable(vq) | RxQueue::Small(vq)) => {
                vq.resize(size, |returned| count_lost(&returned, counters))
            }
            Some(RxQueue::Big(vq)) => {
                if size <= vq.num_max() {
                    let more = (size as usize).saturating_sub(self.spare.len());
                    self.spare.reserve(more, GFP_KERNEL)?;
                }
                vq.resize(size, |returned| count_lost(&returned, counters))
            }
            Some(RxQueue::Xsk(vq)) => vq.resize(size, |returned| count_lost(&returned, counters)),
            None => Err(ENODEV),
        }
    }

    /// Resets the queue, which loses its packets, and counts them. The queue is
    /// [paused](crate::pause). Process context, sleeps.
    ///
    /// # Errors
    ///
    /// Those of [`Virtqueue::reset`]. `ENODEV`: there is no queue.
    pub(crate) fn reset(&mut self, counters: &RxCounters) -> Result {
        match &mut self.queue {
            Some(RxQueue::Mergeable(vq) | RxQueue::Small(vq)) => {
                vq.reset(|returned| count_lost(&returned, counters))
            }
            Some(RxQueue::Big(vq)) => vq.reset(|returned| count_lost(&returned, counters)),
            Some(RxQueue::Xsk(vq)) => vq.reset(|returned| count_lost(&returned, counters)),
            None => Err(ENODEV),
        }
    }

    /// Drops the queue, which resets the device, unless that was done. Counts the packets in it,
    /// and frees the buffers that are not in it. Process context.
    pub(crate) fn drop_queue(&mut self, counters: &RxCounters) {
        self.spare.clear();
        match self.queue.take() {
            Some(RxQueue::Mergeable(vq) | RxQueue::Small(vq)) => drop_and_count(vq, counters),
            Some(RxQueue::Big(vq)) => drop_and_count(vq, counters),
            Some(RxQueue::Xsk(vq)) => drop_and_count(vq, counters),
            None => {}
        }
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
        match &mut self.queue {
            Some(RxQueue::Mergeable(vq) | RxQueue::Small(vq)) => {
                let pool = pool.reborrow();
                with_queue!(vq, |queue| fill_from_pool(queue, pool, nic, pair, gfp))
            }
            Some(RxQueue::Big(vq)) => {
                let spare = &mut self.spare;
                let negotiated = &nic.negotiated;
                with_queue!(vq, |queue| big::fill(queue, spare, negotiated, gfp)).count(pair)
            }
            Some(RxQueue::Xsk(vq)) => xsk::fill(vq, &mut self.xsk, pair),
            None => Ok(()),
        }
    }
}

/// Counts a packet in a buffer that comes back from a queue that is reset. A packet in several
/// buffers counts several times.
pub(crate) fn count_lost<T>(returned: &Returned<T>, counters: &RxCounters) {
    if let Returned::Used(_) = returned {
        counters.drops.add(1);
    }
}

/// Drops a queue, and counts its packets as [`count_lost`].
fn drop_and_count<T: Buffer>(mut queue: Virtqueue<T>, counters: &RxCounters) {
    while let Some(used) = queue.get_buf() {
        count_lost(&Returned::Used(used), counters);
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
            pair.rx.counters.kicks.add(1);
        }
        self.result
    }
}

/// Returns the number of descriptors that are free, or that the device was not told of, above which
/// a ring of `size` is refilled: half of the ring, or half of the budget of a poll.
pub(crate) fn low(size: u32) -> u32 {
    let weight = NAPI_WEIGHT.get().max(1) as u32;
    size.min(weight) / 2
}

/// Returns the smallest length of the mergeable buffers of a ring of `size` descriptors, header not
/// included.
pub(crate) fn min_len(negotiated: &Negotiated, size: u32) -> u32 {
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
    let header = negotiated.header.len as u32;
    ewma::buffer_len(
        (header, ip_padding(header)),
        average.get(),
        min_len,
        PAGE_SIZE as u32,
        CACHE_LINE,
    )
}

/// Returns the length of the mergeable buffers that are added now to the ring of a pair, header
/// included.
pub(crate) fn current_buffer_len(nic: &Nic<'_>, pair: &Pair) -> u32 {
    if nic.has_xdp.read_once() {
        return netdev::xdp::MAX_LEN;
    }
    let min_len = pair.rx.min_len.read_once();
    buffer_len(&nic.negotiated, pair.average(), min_len)
}

/// Returns the kind of the buffers that are added now to the ring of a pair.
pub(crate) fn kind(nic: &Nic<'_>, pair: &Pair) -> Option<RxKind> {
    let negotiated = &nic.negotiated;
    if nic.has_xdp.read_once() {
        xdp::kind(negotiated)
    } else if negotiated.rx_mode == RxMode::Mergeable {
        let len = current_buffer_len(nic, pair);
        mergeable::kind(len, negotiated.header.len as u32, negotiated.dma)
    } else {
        small::kind(negotiated.header.len as u32)
    }
}

/// Adds fragments from the pool to a queue until the ring is full. The queue is that of `pair`.
///
/// # Errors
///
/// Those of [`RxState::fill`].
fn fill_from_pool(
    queue: impl QueueOps<FragBuf>,
    mut pool: PoolSlot<'_, Nic<'_>>,
    nic: &Nic<'_>,
    pair: &Pair,
    gfp: Gfp,
) -> Result {
    let kind = kind(nic, pair).ok_or(EINVAL)?;
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
            Self::Xsk(vq) => vq.ring_size(),
        }
    }

    /// Returns the largest size of the ring.
    pub(crate) fn num_max(&self) -> u32 {
        match self {
            Self::Mergeable(vq) | Self::Small(vq) => vq.num_max(),
            Self::Big(vq) => vq.num_max(),
            Self::Xsk(vq) => vq.num_max(),
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
        // PERF: The usual kind first, and one look for the whole poll.
        Some(RxQueue::Mergeable(vq)) if !state.special => {
            let mode = Mergeable::<RawHeader>::new(pool);
            with_queue!(vq, |queue| poll_queue(queue, context, mode, budget))
        }
        _ => poll_other(context, state, pool, budget),
    };
    // PERF: The budget is compared once, because `complete` follows at once.
    if received >= budget.get() {
        return poll.stay_scheduled();
    }
    if context.pair().adaptive_rx.read_once() {
        poll = measure(poll);
    }
    poll.complete(received)
}

/// Polls a queue that is not of the usual kind, or of which the packets are not.
///
/// PERF: Apart, so that the usual kind is found by one comparison.
#[inline(never)]
fn poll_other<'a, 'b>(
    context: Context<'a, 'b>,
    state: &'a mut RxState,
    pool: PoolSlot<'a, Nic<'b>>,
    budget: Budget<'a>,
) -> i32 {
    match &mut state.queue {
        Some(RxQueue::Xsk(_)) => xsk::poll(context, state, pool, budget),
        Some(_) if state.xdp.is_some() => xdp::poll(context, state, pool, budget),
        Some(RxQueue::Mergeable(vq)) => poll_long(vq, context, pool, budget),
        Some(RxQueue::Small(vq)) => poll_small(vq, context, pool, budget),
        Some(RxQueue::Big(vq)) => poll_big(vq, context, &mut state.spare, budget),
        None => 0,
    }
}

/// Measures the traffic of the queue, for adaptive coalescing.
///
/// PERF: Not inlined, because it is off by default. By value, so that the poll stays in registers.
#[cold]
#[inline(never)]
fn measure<'a, 'b>(mut poll: RxPoll<'a, Nic<'b>>) -> RxPoll<'a, Nic<'b>> {
    let (_, _, napi) = poll.parts();
    let rx = &napi.pair().rx.counters;
    let (packets, bytes) = (rx.packets.get(), rx.bytes.get());
    poll.measure(packets, bytes);
    poll
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

/// Polls a queue of mergeable buffers with headers that have more fields than the usual ones.
#[inline(never)]
fn poll_long<'a, 'b>(
    vq: &mut Virtqueue<FragBuf>,
    context: Context<'a, 'b>,
    pool: PoolSlot<'a, Nic<'b>>,
    budget: Budget<'a>,
) -> i32 {
    let mode = Mergeable::<LongHeader>::new(pool);
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
        &self.pair().rx.counters
    }

    /// Whether the queue needs a refill: many of its descriptors are free, or have buffers that the
    /// device has not got yet.
    fn needs_refill<T: Buffer>(self, queue: &impl QueueOps<T>) -> bool {
        let lacking = u64::from(queue.num_free()).wrapping_add(queue.num_unkicked());
        lacking > self.pair().rx.low.read_once().into()
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
///
/// PERF: Not inlined, and all arguments are passed by value. Few polls need this function, and
/// without it the loop over the packets has all registers. That saves 10 instructions a packet of a
/// packed ring.
#[inline(never)]
fn refill_frags(
    context: Context<'_, '_>,
    queue: impl QueueOps<FragBuf>,
    pool: PoolSlot<'_, Nic<'_>>,
) -> Result {
    let nic = context.dev().data();
    fill_from_pool(queue, pool, nic, context.pair(), Gfp::Atomic)
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
    count_length_error(context);
}

/// Counts a packet with an impossible length, as a length error and as dropped.
#[cold]
fn count_wrong_length(context: Context<'_, '_>) {
    count_length_error(context);
    context.count_drop();
}

/// Counts a length error.
#[cold]
#[inline(never)]
fn count_length_error(context: Context<'_, '_>) {
    context.dev().data().errors.rx_length_errors.add_shared(1);
}
