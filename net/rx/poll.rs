// SPDX-License-Identifier: GPL-2.0

//! The poll of a receive queue, whatever the mode of its buffers.

use super::{
    broken,
    Context, //
};
use crate::tx;
use kernel::prelude::*;
use netdev::Budget;
use virtio::{
    Buffer,
    Callbacks,
    QueueOps,
    Used, //
};

/// A mode of receive buffers: the parts of a poll that depend on it.
pub(super) trait PollMode {
    /// The buffers of the queue.
    type Buffer: Buffer;

    /// Receives the packet that begins in `used`.
    fn receive(
        &mut self,
        context: Context<'_, '_>,
        queue: &mut impl QueueOps<Self::Buffer>,
        used: Used<Self::Buffer>,
    );

    /// Adds buffers until the ring is full, and notifies the device once.
    ///
    /// # Errors
    ///
    /// There are fewer. `ENOMEM`: memory is short, for now; `EIO`: the queue is broken.
    fn refill(&mut self, context: Context<'_, '_>, queue: impl QueueOps<Self::Buffer>) -> Result;
}

/// Polls a queue. Returns the work that this was: less than the budget if the queue is empty and
/// callbacks are on.
pub(super) fn poll_queue<M: PollMode>(
    mut queue: impl QueueOps<M::Buffer>,
    context: Context<'_, '_>,
    mut mode: M,
    budget: Budget<'_>,
) -> i32 {
    queue.disable_cb();
    tx::clean(context.0, budget);

    let budget = budget.get();
    until_quiet(
        &mut queue,
        budget,
        |queue, mut work| {
            while work < budget {
                let Some(used) = queue.get_buf() else { break };
                // OVERFLOW: Less than the budget.
                work = work.wrapping_add(1);
                context.counters().packets.add(1);
                mode.receive(context, queue, used);
            }
            if context.is_low(queue.num_free())
                && mode.refill(context, queue.again()) == Err(ENOMEM)
            {
                // There may be no buffer left whose use would bring us back here.
                context.dev().rx_retry();
            }
            work
        },
        |queue| queue.enable_cb(),
        |queue| queue.disable_cb(),
        || broken(context),
    )
}

/// Receives with callbacks off until the queue is empty and callbacks are on, or the `budget` is
/// used up. `receive` takes the used buffers. It is given the work so far, and returns the new one,
/// which is also the result in the end: a unit for each packet.
///
/// A device that says that there are more used buffers costs a unit too. Otherwise a device could
/// keep the driver here for as long as it liked, by saying so of a queue that is empty.
fn until_quiet<Q>(
    queue: &mut Q,
    budget: i32,
    mut receive: impl FnMut(&mut Q, i32) -> i32,
    enable_cb: impl Fn(&mut Q) -> Callbacks,
    disable_cb: impl Fn(&mut Q),
    broken: impl Fn(),
) -> i32 {
    let mut work = 0i32;
    loop {
        work = receive(queue, work);
        if work >= budget {
            return work;
        }
        match enable_cb(queue) {
            Callbacks::On => return work,
            Callbacks::Broken => {
                broken();
                return work;
            }
            Callbacks::Missed => {
                disable_cb(queue);
                // OVERFLOW: Less than the budget.
                work = work.wrapping_add(1);
            }
        }
    }
}

#[cfg(CONFIG_RUST_VIRTIO_KUNIT_TEST)]
#[kernel::prelude::kunit_tests(rust_virtio_net_rx_poll)]
mod tests {
    use super::*;

    /// A queue of which the device says each time that there is more.
    struct Liar {
        /// The rounds in which there is.
        honest: i32,
        looks: i32,
    }

    impl Liar {
        /// Polls the queue. Returns the work, and how often the driver looked for packets.
        fn poll(honest: i32, budget: i32) -> (i32, i32) {
            let mut queue = Self { honest, looks: 0 };
            let work = until_quiet(
                &mut queue,
                budget,
                |queue, work| {
                    queue.looks += 1;
                    assert!(queue.looks < 100, "looked for ever");
                    work + i32::from(queue.looks <= queue.honest && work < budget)
                },
                |_| Callbacks::Missed,
                |_| (),
                || (),
            );
            (work, queue.looks)
        }
    }

    #[test]
    fn a_liar_uses_up_the_budget() {
        assert_eq!(Liar::poll(0, 64), (64, 65));
        assert_eq!(Liar::poll(5, 64), (64, 60));
        assert_eq!(Liar::poll(90, 64), (64, 33));
    }
}
