// SPDX-License-Identifier: GPL-2.0

//! The poll of a receive queue, the same for all kinds of buffers.

use super::{
    report_broken,
    Context, //
};
use crate::tx;
use kernel::prelude::*;
use netdev::Budget;
use virtio::{
    Buffer,
    Callbacks,
    QueueOps, //
};

/// A kind of receive buffers: the parts of a poll that depend on it.
pub(super) trait PollMode {
    /// The buffers of the queue.
    type Buffer: Buffer;

    /// Receives the packet that begins in the next used buffer, and counts it. Returns false if
    /// there is no used buffer.
    fn receive(
        &mut self,
        context: Context<'_, '_>,
        queue: &mut impl QueueOps<Self::Buffer>,
    ) -> bool;

    /// Adds buffers until the ring is full, and notifies the device once.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: memory is short for now. `EIO`: the queue is broken. The ring is not full then.
    fn refill(&mut self, context: Context<'_, '_>, queue: impl QueueOps<Self::Buffer>) -> Result;
}

/// The loop of a poll. Receives with callbacks disabled until the queue is empty and callbacks are
/// enabled, or the budget is used up. `receive` takes used buffers, adds one to `$work` for each
/// packet, and evaluates to whether the budget is used up. The loop evaluates to `$work`.
///
/// Each round that the device causes by reporting more used buffers also counts as one unit. So a
/// device that reports buffers which are not there cannot keep the driver in the loop.
///
/// PERF: A macro. With closures, the compiler keeps addresses that few polls need, and reloads
/// values that each packet needs. That saves 7 instructions a packet.
macro_rules! until_quiet {
    (
        receive: |$work:ident| $receive:block,
        enable: $enable_cb:expr,
        disable: $disable_cb:expr,
        on_broken: $on_broken:expr $(,)?
    ) => {{
        let mut $work = 0i32;
        loop {
            if $receive {
                break $work;
            }
            match $enable_cb {
                Callbacks::On => break $work,
                Callbacks::Broken => {
                    $on_broken;
                    break $work;
                }
                Callbacks::Missed => {
                    $disable_cb;
                    // OVERFLOW: Less than the budget.
                    $work = $work.wrapping_add(1);
                }
            }
        }
    }};
}

/// Polls a queue. Returns the work done: less than the budget if the queue is empty and callbacks
/// are enabled.
///
/// PERF: Inlined, together with the functions of [`PollMode`] that the usual packets need.
/// Otherwise the compiler makes functions of them, because several kinds of headers and XDP use
/// them. That saves 13 instructions a packet.
#[inline(always)]
pub(super) fn poll_queue<M: PollMode>(
    mut queue: impl QueueOps<M::Buffer>,
    context: Context<'_, '_>,
    mut mode: M,
    budget: Budget<'_>,
) -> i32 {
    queue.disable_cb();
    tx::clean(context.0, budget);

    let budget = budget.get();
    until_quiet!(
        receive: |work| {
            // PERF: The compiler would compare the budget after the loop again, and compute the
            // larger one of both for that, for each packet.
            let full = loop {
                if work >= budget {
                    break true;
                }
                if !mode.receive(context, &mut queue) {
                    break false;
                }
                // OVERFLOW: Less than the budget.
                work = work.wrapping_add(1);
            };
            if context.needs_refill(&queue)
                && mode.refill(context, queue.reborrow()) == Err(ENOMEM)
            {
                // The ring may be empty, so that no interrupt leads to another refill: retry later.
                context.dev().rx_retry();
            }
            full
        },
        enable: queue.enable_cb(),
        disable: queue.disable_cb(),
        on_broken: report_broken(context),
    )
}

#[cfg(CONFIG_RUST_VIRTIO_KUNIT_TEST)]
#[kernel::prelude::kunit_tests(rust_virtio_net_rx_poll)]
mod tests {
    use super::*;

    /// A queue whose device always reports more used buffers.
    struct Liar {
        /// Number of rounds in which there is a used buffer.
        honest: i32,
        looks: i32,
        /// The number of times that callbacks were disabled again.
        disabled: i32,
        broken: bool,
    }

    impl Liar {
        /// Polls the queue. Returns the work, and how often the driver looked for packets.
        fn poll(honest: i32, budget: i32) -> (i32, i32) {
            let mut queue = Self {
                honest,
                looks: 0,
                disabled: 0,
                broken: false,
            };
            let work = until_quiet!(
                receive: |work| {
                    queue.looks += 1;
                    assert!(queue.looks < 100, "looked for ever");
                    work += i32::from(queue.looks <= queue.honest && work < budget);
                    work >= budget
                },
                enable: Callbacks::Missed,
                disable: queue.disabled += 1,
                on_broken: queue.broken = true,
            );
            assert_eq!((queue.disabled, queue.broken), (queue.looks - 1, false));
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
