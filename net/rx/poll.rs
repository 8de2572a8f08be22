// SPDX-License-Identifier: GPL-2.0

//! The poll of a receive queue, whatever the mode of its buffers.

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
    QueueOps,
    Used, //
};

/// A mode of receive buffers: the parts of a poll that depend on it.
pub(super) trait PollMode {
    /// The buffers of the queue.
    type Buffer: Buffer;

    /// Receives the packet that begins in `used`, and counts it.
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

/// Receives with callbacks off until the queue is empty and callbacks are on, or the `$budget` is
/// used up. `$receive` takes the used buffers. It adds to the `$work` so far, which is also the
/// result in the end: a unit for each packet.
///
/// A device that says that there are more used buffers costs a unit too. Otherwise a device could
/// keep the driver here for as long as it liked, by saying so of a queue that is empty.
///
/// PERF: A macro: with closures, the compiler keeps addresses that few polls need, and reloads what
/// each packet needs. That saves 7 instructions a packet.
macro_rules! until_quiet {
    (
        budget: $budget:ident,
        receive: |$work:ident| $receive:block,
        enable: $enable_cb:expr,
        disable: $disable_cb:expr,
        on_broken: $on_broken:expr $(,)?
    ) => {{
        let mut $work = 0i32;
        loop {
            $receive
            if $work >= $budget {
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
    until_quiet!(
        budget: budget,
        receive: |work| {
            while work < budget {
                let Some(used) = queue.get_buf() else { break };
                // OVERFLOW: Less than the budget.
                work = work.wrapping_add(1);
                mode.receive(context, &mut queue, used);
            }
            if context.needs_refill(queue.num_free())
                && mode.refill(context, queue.reborrow()) == Err(ENOMEM)
            {
                // There may be no buffer left whose use would bring us back here.
                context.dev().rx_retry();
            }
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
            let work = until_quiet!(
                budget: budget,
                receive: |work| {
                    queue.looks += 1;
                    assert!(queue.looks < 100, "looked for ever");
                    work += i32::from(queue.looks <= queue.honest && work < budget);
                },
                enable: Callbacks::Missed,
                disable: (),
                on_broken: (),
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
