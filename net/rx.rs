// SPDX-License-Identifier: GPL-2.0

//! Reception.
//!
//! A receive queue is polled by NAPI. How packets come out of buffers, and which buffers go in,
//! depends on [`RxMode`]: [`mergeable`], [`small`] and [`big`].
//!
//! Nothing that the device says is believed: lengths are checked against the buffer, the header
//! is parsed from a copy, and its contents are checked against the packet by the stack's own
//! function.

#[path = "rx/big.rs"]
mod big;
#[path = "rx/deliver.rs"]
mod deliver;
#[path = "rx/mergeable.rs"]
mod mergeable;
#[path = "rx/small.rs"]
mod small;

use crate::{
    counters::RxCounters,
    ewma::{
        self,
        Ewma, //
    },
    facts::{
        Facts,
        RxMode,
        GOOD_PACKET_LEN, //
    },
    nic::{
        Nic,
        Pair, //
    },
    tx, //
};
use kernel::{
    alloc::KVec,
    page::PAGE_SIZE,
    prelude::*, //
};
use net::{
    BigBuf,
    Device,
    Gfp,
    Napi,
    Polled,
    Pool,
    PoolPlace,
    RxFrag,
    RxKind,
    RxPoll, //
};
use virtio::{
    OnQueue,
    QueueOps,
    Virtqueue, //
};

/// Packets of this length or less are copied, so that their buffers can be used again at once.
const COPY_LEN: u32 = 128;

/// State of a receive queue.
pub(crate) struct RxState {
    /// The queue; none while the device sleeps.
    pub(crate) queue: Option<RxQueue>,
    /// Descriptors of the queue in all.
    size: u32,
    /// Average length of packets in mergeable buffers.
    average: Ewma,
    /// Smallest length of a mergeable buffer, header not included.
    min_len: u32,
    /// Buffers of pages that are not in the queue.
    spare: KVec<BigBuf>,
}

/// A receive virtqueue.
pub(crate) enum RxQueue {
    /// Of fragments of pages.
    Frag(Virtqueue<RxFrag>),
    /// Of whole pages.
    Big(Virtqueue<BigBuf>),
}

/// The poll of a receive queue: what is the same for all of its packets.
struct Context<'a, 'b> {
    dev: &'a Device<Nic<'b>>,
    pair: &'a Pair,
    index: usize,
    napi: Napi<'a>,
}

/// What was received in a poll.
#[derive(Default)]
struct Batch {
    packets: u32,
    bytes: u64,
    drops: u32,
}

impl RxState {
    /// A queue that is still to be [attached](RxState::attach).
    pub(crate) const fn new() -> Self {
        Self {
            queue: None,
            size: 0,
            average: Ewma::new(),
            min_len: 0,
            spare: KVec::new(),
        }
    }

    /// Takes a queue into use.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn attach(&mut self, facts: &Facts, queue: RxQueue) -> Result {
        self.size = queue.ring_size();
        self.min_len = min_len(facts, self.size);
        if let RxQueue::Big(_) = &queue {
            self.spare.reserve(self.size as usize, GFP_KERNEL)?;
        }
        self.queue = Some(queue);
        Ok(())
    }

    /// Takes the queue out of use, and frees the buffers that are not in it.
    pub(crate) fn detach(&mut self) -> Option<RxQueue> {
        self.spare.clear();
        self.queue.take()
    }

    /// Adds buffers until the ring is full, and notifies the device once. Nobody polls the queue.
    ///
    /// # Errors
    ///
    /// There are fewer. `ENOMEM`: memory is short, for now; `EIO`: the queue is broken.
    pub(crate) fn fill(
        &mut self,
        facts: &Facts,
        counters: &RxCounters,
        pool: &mut PoolPlace<'_>,
        gfp: Gfp,
    ) -> Result {
        match &mut self.queue {
            Some(RxQueue::Frag(vq)) => vq.on(Fill {
                kind: kind(facts, self.average, self.min_len).ok_or(EINVAL)?,
                pool: &mut pool.get().ok_or(EINVAL)?,
                counters,
                gfp,
            }),
            Some(RxQueue::Big(vq)) => big::fill(vq, &mut self.spare, facts, counters, gfp),
            None => Ok(()),
        }
    }
}

/// Smallest length of the mergeable buffers of a ring of `size` descriptors, header not included.
fn min_len(facts: &Facts, size: u32) -> u32 {
    ewma::min_buffer_len(
        facts.header.len as u32,
        facts.largest_packet,
        size,
        GOOD_PACKET_LEN,
    )
}

/// Length of the mergeable buffers of a ring whose packets have an average length, header included.
fn buffer_len(facts: &Facts, average: Ewma, min_len: u32) -> u32 {
    ewma::buffer_len(
        facts.header.len as u32,
        average.get(),
        min_len,
        PAGE_SIZE as u32,
        net::frag::CACHE_LINE,
    )
}

/// Length of the mergeable buffers that are added now to the ring of a pair, header included.
pub(crate) fn current_buffer_len(facts: &Facts, pair: &Pair) -> u32 {
    let (average, size) = pair.received();
    buffer_len(facts, average, min_len(facts, size))
}

/// The kind of the buffers that are added now.
fn kind(facts: &Facts, average: Ewma, min_len: u32) -> Option<RxKind> {
    if facts.rx_mode == RxMode::Mergeable {
        mergeable::kind(buffer_len(facts, average, min_len))
    } else {
        small::kind(facts.header.len as u32)
    }
}

/// Adds buffers to a queue until it is full.
struct Fill<'a, 'p> {
    kind: RxKind,
    pool: &'a mut Pool<'p>,
    counters: &'a RxCounters,
    gfp: Gfp,
}

impl OnQueue<RxFrag> for Fill<'_, '_> {
    type Output = Result;

    #[inline(always)]
    fn run(self, queue: &mut impl QueueOps<RxFrag>) -> Result {
        fill_frags(queue, self.pool, self.kind, self.counters, self.gfp)
    }
}

/// Adds buffers until the ring is full, and notifies the device once.
///
/// # Errors
///
/// As [`RxState::fill`].
#[inline(never)]
fn fill_frags(
    queue: &mut impl QueueOps<RxFrag>,
    pool: &mut Pool<'_>,
    kind: RxKind,
    counters: &RxCounters,
    gfp: Gfp,
) -> Result {
    let ret = loop {
        if queue.num_free() == 0 {
            break Ok(());
        }
        let Some(frag) = pool.alloc(kind, gfp) else {
            break Err(ENOMEM);
        };
        if let Err((e, _)) = queue.add_buf(frag) {
            break Err(e);
        }
    };
    if queue.kick_prepare() && queue.notify() {
        counters.kicks.add(1);
    }
    ret
}

impl RxQueue {
    /// Size of the ring in descriptors.
    pub(crate) fn ring_size(&self) -> u32 {
        match self {
            Self::Frag(vq) => vq.ring_size(),
            Self::Big(vq) => vq.ring_size(),
        }
    }

    /// Largest size of the ring.
    pub(crate) fn num_max(&self) -> u32 {
        match self {
            Self::Frag(vq) => vq.num_max(),
            Self::Big(vq) => vq.num_max(),
        }
    }
}

/// The poll of a receive queue.
#[inline(always)]
pub(crate) fn poll<'a, 'b>(dev: &Device<Nic<'b>>, mut poll: RxPoll<'a, Nic<'b>>) -> Polled<'a> {
    let index = poll.index();
    let Some(pair) = dev.data().pairs.get(index) else {
        return poll.complete(0);
    };
    let (state, mut pool, napi) = poll.parts();
    let context = Context {
        dev,
        pair,
        index,
        napi,
    };
    let size = state.size;
    let done = match &mut state.queue {
        Some(RxQueue::Frag(vq)) => vq.on(FragPoll {
            context: &context,
            pool: &mut pool,
            average: &mut state.average,
            min_len: state.min_len,
            size,
        }),
        Some(RxQueue::Big(vq)) => big::poll(&context, vq, &mut state.spare, size),
        None => Some(0),
    };
    match done {
        Some(received) => poll.complete(received as i32),
        None => poll.again(),
    }
}

impl Context<'_, '_> {
    /// Packets that may be received.
    #[inline(always)]
    fn budget(&self) -> u32 {
        self.napi.budget().max(0) as u32
    }

    /// Counts what was received.
    #[inline(always)]
    fn count(&self, batch: &Batch) {
        let counters = &self.pair.counters.rx;
        if batch.packets != 0 {
            counters.packets.add(batch.packets.into());
            counters.bytes.add(batch.bytes);
            counters.drops.add(batch.drops.into());
        }
    }
}

/// The poll of a queue of fragments. Returns how many packets there were if that was all, with
/// callbacks on; nothing if there are more.
struct FragPoll<'a, 'b, 'p> {
    context: &'a Context<'a, 'b>,
    pool: &'a mut PoolPlace<'p>,
    average: &'a mut Ewma,
    min_len: u32,
    size: u32,
}

impl OnQueue<RxFrag> for FragPoll<'_, '_, '_> {
    type Output = Option<u32>;

    #[inline(always)]
    fn run(self, queue: &mut impl QueueOps<RxFrag>) -> Option<u32> {
        let Self {
            context,
            pool,
            average,
            min_len,
            size,
        } = self;
        let facts = &context.dev.data().facts;
        let budget = context.budget();
        // netpoll receives nothing.
        if budget != 0 {
            queue.disable_cb();
        }
        tx::clean(context.dev, context.index, context.pair, &context.napi);

        let mut batch = Batch::default();
        let done = loop {
            while batch.packets < budget {
                let Some(used) = queue.get_buf() else { break };
                // OVERFLOW: Less than the budget.
                batch.packets = batch.packets.wrapping_add(1);
                if facts.rx_mode == RxMode::Mergeable {
                    mergeable::receive(context, queue, average, used, &mut batch);
                } else {
                    small::receive(context, used.buffer, used.len, &mut batch);
                }
            }
            if queue.num_free() > budget.min(size) / 2 {
                refill(context, queue, pool, *average, min_len);
            }
            if batch.packets >= budget {
                break None;
            }
            if queue.enable_cb() {
                break Some(batch.packets);
            }
            queue.disable_cb();
        };
        context.count(&batch);
        context.pair.note_average(*average);
        done
    }
}

/// Fills the queue up.
#[inline(always)]
fn refill(
    context: &Context<'_, '_>,
    queue: &mut impl QueueOps<RxFrag>,
    pool: &mut PoolPlace<'_>,
    average: Ewma,
    min_len: u32,
) {
    let facts = &context.dev.data().facts;
    let counters = &context.pair.counters.rx;
    let (Some(kind), Some(mut pool)) = (kind(facts, average, min_len), pool.get()) else {
        return;
    };
    if fill_frags(queue, &mut pool, kind, counters, Gfp::Atomic) == Err(ENOMEM) {
        // There may be no buffer left whose use would bring us back here.
        context.dev.rx_retry();
    }
}

/// Counts a packet whose length cannot be.
#[cold]
fn wrong_length(context: &Context<'_, '_>, batch: &mut Batch) {
    context.dev.data().errors.rx_length_errors.add_shared(1);
    batch.drops += 1;
}
