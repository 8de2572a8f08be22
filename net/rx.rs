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
    nic::Nic,
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
    RxFrag,
    RxPoll, //
};
use virtio::Virtqueue;

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
        self.min_len = ewma::min_buffer_len(
            facts.header.len as u32,
            facts.largest_packet,
            self.size,
            GOOD_PACKET_LEN,
        );
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

    /// Length of the mergeable buffers that are added now, header included.
    pub(crate) fn buffer_len(&self, facts: &Facts) -> u32 {
        ewma::buffer_len(
            facts.header.len as u32,
            self.average.get(),
            self.min_len,
            PAGE_SIZE as u32,
            net::frag::CACHE_LINE,
        )
    }

    /// Adds buffers until the ring is full, and notifies the device once.
    ///
    /// # Errors
    ///
    /// There are fewer. `ENOMEM`: memory is short, for now; `EIO`: the queue is broken.
    pub(crate) fn fill(
        &mut self,
        facts: &Facts,
        counters: &RxCounters,
        pool: &mut Option<Pool<'_>>,
        gfp: Gfp,
    ) -> Result {
        let len = self.buffer_len(facts);
        let ret = match (&mut self.queue, facts.rx_mode) {
            (Some(RxQueue::Frag(vq)), RxMode::Mergeable) => pool
                .as_mut()
                .map(|pool| mergeable::fill(vq, pool, len, gfp)),
            (Some(RxQueue::Frag(vq)), _) => pool
                .as_mut()
                .map(|pool| small::fill(vq, pool, facts.header.len as u32, gfp)),
            (Some(RxQueue::Big(vq)), RxMode::Big { pages }) => {
                Some(big::fill(vq, &mut self.spare, pages, facts, gfp))
            }
            _ => None,
        };
        if let Some(queue) = self.queue.as_mut() {
            if queue.kick() {
                counters.kicks.add(1);
            }
        }
        ret.unwrap_or(Ok(()))
    }
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

    #[inline]
    fn num_free(&self) -> u32 {
        match self {
            Self::Frag(vq) => vq.num_free(),
            Self::Big(vq) => vq.num_free(),
        }
    }

    #[inline]
    fn disable_cb(&self) {
        match self {
            Self::Frag(vq) => vq.disable_cb(),
            Self::Big(vq) => vq.disable_cb(),
        }
    }

    #[inline]
    fn enable_cb_prepare(&mut self) -> virtio::Armed {
        match self {
            Self::Frag(vq) => vq.enable_cb_prepare(),
            Self::Big(vq) => vq.enable_cb_prepare(),
        }
    }

    /// Notifies the device if it wants to know, and returns whether it was notified.
    #[inline]
    fn kick(&mut self) -> bool {
        match self {
            Self::Frag(vq) => vq.kick_prepare() && vq.notify(),
            Self::Big(vq) => vq.kick_prepare() && vq.notify(),
        }
    }
}

/// The poll of a receive queue.
#[inline]
pub(crate) fn poll<'a, 'b>(dev: &Device<Nic<'b>>, mut poll: RxPoll<'a, Nic<'b>>) -> Polled<'a> {
    let nic = dev.data();
    let index = poll.index();
    let (state, mut pool, napi) = poll.parts();
    let (Some(queue), Some(pair)) = (state.queue.as_mut(), nic.pairs.get(index)) else {
        return poll.complete(0, None);
    };
    let counters = &pair.counters.rx;

    // netpoll receives nothing.
    if napi.budget() > 0 {
        queue.disable_cb();
    }
    tx::clean(dev, index, &napi);

    let mut batch = Batch::default();
    receive(dev, index, state, &napi, &mut batch);

    let received = batch.packets as i32;
    if let Some(queue) = &state.queue {
        let wanted = (napi.budget() as u32).min(state.size) / 2;
        if queue.num_free() > wanted
            && state.fill(&nic.facts, counters, &mut pool, Gfp::Atomic) == Err(ENOMEM)
        {
            // There may be no buffer left whose use would bring us back here.
            dev.rx_retry();
        }
    }
    if batch.packets != 0 {
        counters.packets.add(batch.packets.into());
        counters.bytes.add(batch.bytes);
        counters.drops.add(batch.drops.into());
    }
    if nic.facts.rx_mode == RxMode::Mergeable {
        pair.note_buffer_len(state.buffer_len(&nic.facts));
    }

    if received >= napi.budget() {
        return poll.again();
    }
    let armed = state.queue.as_mut().map(RxQueue::enable_cb_prepare);
    poll.complete(received, armed)
}

/// Receives what there is, within the budget.
#[inline]
fn receive<'b>(
    dev: &Device<Nic<'b>>,
    index: usize,
    state: &mut RxState,
    napi: &Napi<'_>,
    batch: &mut Batch,
) {
    let budget = napi.budget().max(0) as u32;
    let mode = dev.data().facts.rx_mode;
    match (&mut state.queue, mode) {
        (Some(RxQueue::Frag(vq)), RxMode::Mergeable) => {
            while batch.packets < budget {
                let Some(used) = vq.get_buf() else { break };
                batch.packets += 1;
                mergeable::receive(dev, index, vq, &mut state.average, napi, used, batch);
            }
        }
        (Some(RxQueue::Frag(vq)), _) => {
            while batch.packets < budget {
                let Some(used) = vq.get_buf() else { break };
                batch.packets += 1;
                small::receive(dev, index, napi, used, batch);
            }
        }
        (Some(RxQueue::Big(vq)), _) => {
            while batch.packets < budget {
                let Some(used) = vq.get_buf() else { break };
                batch.packets += 1;
                let buffer = big::receive(dev, index, napi, used, batch);
                // Room was reserved for all of the ring.
                if let Err(e) = state.spare.push_within_capacity(buffer) {
                    drop(e);
                }
            }
        }
        (None, _) => {}
    }
}

/// Counts a packet whose length cannot be.
#[cold]
fn wrong_length(dev: &Device<Nic<'_>>, batch: &mut Batch) {
    dev.data().errors.rx_length_errors.add_shared(1);
    batch.drops += 1;
}
