// SPDX-License-Identifier: GPL-2.0

//! Transmission.
//!
//! With NAPI, the default, packets are reaped in the poll of the queue, or in that of its receive
//! queue, whichever comes first; the byte limit of the queue holds packets back in the stack.
//! Without, they are reaped when the next one is sent, and let go of the stack at once, as they
//! may stay in the ring for long.

use crate::{
    counters::TxCounters,
    nic::Nic, //
};
use kernel::{
    prelude::*,
    sync::atomic::Relaxed, //
};
use net::{
    device::ratelimit,
    packet::{
        HeaderLayout,
        TxPacket, //
    },
    skb::MAX_SKB_FRAGS,
    Device,
    Napi,
    Polled,
    SkBuff,
    StackQueue,
    TxPoll,
    TxQueue, //
};
use virtio::Virtqueue;

/// Descriptors that a packet may take: fewer free ones stop the queue.
const ROOM: u32 = MAX_SKB_FRAGS as u32 + 2;

/// State of a transmit queue.
pub(crate) struct TxState {
    /// The queue; none while the device sleeps.
    pub(crate) queue: Option<TxRing>,
}

/// A transmit virtqueue.
pub(crate) struct TxRing {
    vq: Virtqueue<TxPacket>,
    /// Descriptors in all.
    size: u32,
    header: HeaderLayout,
    /// Callbacks were enabled since they were disabled last.
    armed: bool,
}

/// Packets that were transmitted.
#[derive(Clone, Copy, Default)]
struct Done {
    packets: u32,
    bytes: u32,
    /// Those of them that the byte limit knows of.
    counted_packets: u32,
    counted_bytes: u32,
}

impl TxRing {
    /// Wraps a queue.
    pub(crate) fn new(vq: Virtqueue<TxPacket>, header: HeaderLayout) -> Self {
        Self {
            size: vq.ring_size(),
            vq,
            header,
            armed: true,
        }
    }

    /// Takes the packets that the device is done with. `budget` as for [`SkBuff::consume`].
    #[inline]
    fn drain(&mut self, budget: i32) -> Done {
        let mut done = Done::default();
        while let Some(used) = self.vq.get_buf() {
            let len = used.buffer.len();
            done.packets += 1;
            done.bytes = done.bytes.wrapping_add(len);
            if used.buffer.is_counted() {
                done.counted_packets += 1;
                done.counted_bytes = done.counted_bytes.wrapping_add(len);
            }
            used.buffer.consume(budget);
        }
        done
    }

    /// Takes the packets that the device is done with, and accounts for them.
    #[inline]
    fn reap(&mut self, stack: StackQueue<'_>, counters: &TxCounters, budget: i32) {
        let done = self.drain(budget);
        if done.packets == 0 {
            return;
        }
        if done.counted_packets != 0 {
            stack.completed(done.counted_packets, done.counted_bytes);
        }
        counters.packets.add(done.packets.into());
        counters.bytes.add(done.bytes.into());
    }

    /// Whether a packet of any shape fits.
    #[inline(always)]
    fn has_room(&self) -> bool {
        self.vq.num_free() >= ROOM
    }

    /// Lets the stack send again, if there is room and it was stopped for the lack of it.
    #[inline]
    fn wake(&self, stack: StackQueue<'_>, counters: &TxCounters) {
        if self.has_room() && stack.is_stopped() {
            counters.wake.add_shared(1);
            stack.wake();
        }
    }

    #[inline]
    fn disable_cb(&mut self) {
        if self.armed {
            self.armed = false;
            self.vq.disable_cb();
        }
    }

    /// Enables callbacks for when most is done; false if it is done by now.
    #[inline]
    fn enable_cb_delayed(&mut self) -> bool {
        self.armed = true;
        self.vq.enable_cb_delayed()
    }

    /// Adds a packet with its header.
    ///
    /// # Errors
    ///
    /// What went wrong. The packet is dropped.
    #[inline]
    fn add(&mut self, nic: &Nic<'_>, skb: SkBuff, counted: bool) -> Result {
        let packet = TxPacket::new(skb, self.header, counted, |skb, header| {
            let (csum, gso) = (skb.partial_csum(), skb.gso());
            if csum.is_none() && gso.is_none() {
                return Ok(());
            }
            if nic.facts.header.encode(header, csum, gso, skb.head_len()) {
                Ok(())
            } else {
                Err(EPROTO)
            }
        })
        .map_err(|(e, _)| e)?;
        packet.add_to(&mut self.vq).map_err(|(e, _)| e)
    }

    /// Notifies the device if it wants to know.
    #[inline]
    fn kick(&mut self, counters: &TxCounters) {
        if self.vq.kick_prepare() && self.vq.notify() {
            counters.kicks.add(1);
        }
    }
}

/// `ndo_start_xmit`.
#[inline]
pub(crate) fn start_xmit<'b>(
    dev: &Device<Nic<'b>>,
    queue: &mut TxQueue<'_, Nic<'b>>,
    mut skb: SkBuff,
    more: bool,
) {
    let nic = dev.data();
    let index = queue.index();
    let Some(pair) = nic.pairs.get(index) else {
        return;
    };
    let counters = &pair.counters.tx;
    let use_napi = pair.tx_napi.load(Relaxed);
    let (state, stack) = queue.parts();
    let Some(ring) = state.queue.as_mut() else {
        nic.errors.tx_dropped.add_shared(1);
        return;
    };

    if use_napi {
        ring.disable_cb();
    } else {
        ring.reap(stack, counters, 0);
        if skb.orphan_frags().is_err() {
            nic.errors.tx_dropped.add_shared(1);
            drop(skb);
            if !more || stack.is_xmit_stopped() {
                ring.kick(counters);
            }
            return;
        }
    }

    skb.tx_timestamp();
    let len = skb.len();
    if let Err(e) = ring.add(nic, skb, use_napi) {
        failed(dev, index, e);
        // For those before it, if it was to be the last.
        if !more {
            ring.kick(counters);
        }
        return;
    }

    if !ring.has_room() {
        stack.stop();
        counters.stop.add(1);
        if !use_napi && !ring.enable_cb_delayed() {
            // More has been done by now.
            ring.reap(stack, counters, 0);
            if ring.has_room() {
                ring.wake(stack, counters);
                ring.disable_cb();
            }
        }
    }

    let kick = if use_napi {
        stack.sent(len, more)
    } else {
        !more || stack.is_xmit_stopped()
    };
    if kick {
        ring.kick(counters);
        if use_napi && !ring.enable_cb_delayed() {
            queue.schedule();
        }
    }
}

/// A packet did not get into the ring, which there was room in.
#[cold]
fn failed(dev: &Device<Nic<'_>>, index: usize, e: Error) {
    let nic = dev.data();
    nic.errors.tx_fifo_errors.add_shared(1);
    nic.errors.tx_dropped.add_shared(1);
    if ratelimit() {
        dev_warn!(
            nic.vdev.as_ref(),
            "Unexpected TXQ ({}) queue failure: {}\n",
            index,
            e.to_errno()
        );
    }
}

/// The poll of a transmit queue.
pub(crate) fn poll<'a, 'b>(dev: &Device<Nic<'b>>, poll: TxPoll<'a, Nic<'b>>) -> Polled<'a> {
    let mut guard = poll.lock();
    let (state, stack) = guard.parts();
    let pair = dev.data().pairs.get(poll.index());
    let (Some(ring), Some(pair)) = (state.queue.as_mut(), pair) else {
        return poll.complete(guard, None);
    };
    ring.vq.disable_cb();
    if pair.tx_stuck.load(Relaxed) && pair.tx_stuck.xchg(false, Relaxed) {
        ring.vq.notify();
    }
    ring.reap(stack, &pair.counters.tx, poll.budget());
    ring.wake(stack, &pair.counters.tx);
    ring.armed = true;
    let armed = ring.vq.enable_cb_prepare();
    poll.complete(guard, Some(armed))
}

/// Reaps the transmit queue of a pair in the poll of the receive queue.
#[inline]
pub(crate) fn clean<'b>(dev: &Device<Nic<'b>>, index: usize, napi: &Napi<'_>) {
    let Some(pair) = dev.data().pairs.get(index) else {
        return;
    };
    if !pair.tx_napi.load(Relaxed) {
        return;
    }
    let Some(mut guard) = dev.tx_try_lock(index, napi) else {
        return;
    };
    let (state, stack) = guard.parts();
    let Some(ring) = state.queue.as_mut() else {
        return;
    };
    // Nothing is under way.
    if ring.vq.num_free() == ring.size {
        return;
    }
    loop {
        ring.vq.disable_cb();
        ring.reap(stack, &pair.counters.tx, napi.budget());
        if ring.enable_cb_delayed() {
            break;
        }
    }
    ring.wake(stack, &pair.counters.tx);
}
