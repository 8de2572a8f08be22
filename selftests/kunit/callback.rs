// SPDX-License-Identifier: GPL-2.0

//! Callbacks: enabled, disabled, and never lost (virtio spec §2.7.7, §2.8.10).

use crate::fixture::{
    on_bench,
    on_each_layout,
    BoundDevice,
    Setup,
    LAYOUTS, //
};
use kernel::{
    device::Bound,
    prelude::*, //
};
use virtio::{
    Device,
    Queues,
    Virtqueue, //
};
use virtio_fake::{
    wait,
    Action,
    DropCounter,
    Fake,
    TestBuffer,
    EVENT_IDX,
    RING_PACKED, //
};

/// Makes the device hold `count` buffers.
fn post(vq: &mut Virtqueue<TestBuffer>, fake: &Fake, count: u64, drops: &DropCounter) -> Result {
    for number in 0..count {
        let buffer = TestBuffer::new(number, drops)?.in_(8)?;
        vq.add_buf(buffer)?;
    }
    vq.kick();
    check_eq!(fake.serve(0)?, count as usize);
    Ok(())
}

/// Takes all used buffers.
fn drain(vq: &mut Virtqueue<TestBuffer>) -> u64 {
    let mut count = 0;
    while vq.get_buf().is_some() {
        count += 1;
    }
    count
}

/// Rounds of the stress test for each layout. A round is slow with KASAN and other checkers. On one
/// CPU, driver and device never run at the same time.
const ROUNDS: u32 = if cfg!(CONFIG_KASAN) || !cfg!(CONFIG_SMP) {
    150
} else {
    1500
};
/// The time after which a callback counts as lost.
const LOST_MS: u32 = 5_000;

/// Waits for a callback, as a driver that must not lose one.
fn collect(bound: &BoundDevice, vq: &mut Virtqueue<TestBuffer>, want: u64) -> Result {
    let mut got = 0;
    loop {
        let before = bound.callbacks();
        got += drain(vq);
        if got == want {
            return Ok(());
        }
        if !vq.enable_cb().is_quiet() {
            vq.disable_cb();
            continue;
        }
        for _ in 0..200 {
            if bound.callbacks() != before {
                break;
            }
            core::hint::spin_loop();
        }
        let called = wait::until(LOST_MS, || bound.callbacks() != before);
        if !called {
            let late = drain(vq);
            pr_err!(
                "    # no callback, {} used buffers found by looking\n",
                late
            );
            return Err(ETIMEDOUT);
        }
        vq.disable_cb();
    }
}

fn stress(bound: &BoundDevice, fake: &Fake, _dev: &Device<Bound>, mut queues: Queues) -> Result {
    let drops = DropCounter::new()?;
    let mut vq = queues.take::<TestBuffer>(0)?;
    bound.answer_by_itself(fake);
    let mut posted = 0u64;
    for round in 0..ROUNDS {
        let batch = u64::from(round % 5 + 1);
        for number in 0..batch {
            let buffer = TestBuffer::new(number, &drops)?.in_(8)?;
            vq.add_buf(buffer)?;
        }
        posted += batch;
        check!(vq.kick());
        collect(bound, &mut vq, batch)?;
        check_eq!(drops.count(), posted);
    }
    fake.set_auto(false);
    Ok(())
}

#[kunit_tests(rust_virtio_callback)]
mod suite {
    use super::*;

    /// A used buffer raises a callback.
    #[test]
    fn used_buffer_calls() -> Result {
        on_each_layout(|bound, fake, _, mut queues| {
            let drops = DropCounter::new()?;
            let mut vq = queues.take::<TestBuffer>(0)?;
            post(&mut vq, fake, 2, &drops)?;
            check_eq!(bound.callbacks(), 0);
            fake.finish(0, |_| Action::Complete(0))?;
            check_eq!(bound.callbacks(), 1);
            check_eq!(drain(&mut vq), 1);
            check!(vq.enable_cb().is_quiet());
            fake.finish(0, |_| Action::Complete(0))?;
            check_eq!(bound.callbacks(), 2);
            Ok(())
        })
    }

    /// Interrupts without a reason cause no callback.
    #[test]
    fn spurious_interrupt() -> Result {
        on_each_layout(|bound, fake, _, mut queues| {
            let drops = DropCounter::new()?;
            let mut vq = queues.take::<TestBuffer>(0)?;
            post(&mut vq, fake, 1, &drops)?;
            for _ in 0..10 {
                fake.interrupt(0)?;
            }
            check_eq!(bound.callbacks(), 0);
            check_eq!(fake.traffic(0).spurious, 10);
            Ok(())
        })
    }

    /// A device that reads the suppression raises no callback that is disabled.
    #[test]
    fn disabled() -> Result {
        on_each_layout(|bound, fake, _, mut queues| {
            // With an index, the split ring can only move the event, and not disable it.
            if fake.negotiated(EVENT_IDX) && !fake.negotiated(RING_PACKED) {
                return Ok(());
            }
            let drops = DropCounter::new()?;
            let mut vq = queues.take::<TestBuffer>(0)?;
            post(&mut vq, fake, 2, &drops)?;
            vq.disable_cb();
            fake.finish(0, |_| Action::Complete(0))?;
            fake.finish(0, |_| Action::Complete(0))?;
            check_eq!(bound.callbacks(), 0);
            check_eq!(drain(&mut vq), 2);
            Ok(())
        })
    }

    /// Enabling returns whether buffers are used already: once before and once after they were
    /// taken.
    #[test]
    fn enable_looks_again() -> Result {
        on_each_layout(|_, fake, _, mut queues| {
            let drops = DropCounter::new()?;
            let mut vq = queues.take::<TestBuffer>(0)?;
            post(&mut vq, fake, 2, &drops)?;
            vq.disable_cb();
            fake.finish_silently(0, |_| Action::Complete(0))?;
            check!(!vq.enable_cb().is_quiet());
            check_eq!(drain(&mut vq), 1);
            check!(vq.enable_cb().is_quiet());
            Ok(())
        })
    }

    /// A buffer that is used between the two steps of enabling is seen by the second step.
    #[test]
    fn completion_between_prepare_and_poll() -> Result {
        on_each_layout(|_, fake, _, mut queues| {
            let drops = DropCounter::new()?;
            let mut vq = queues.take::<TestBuffer>(0)?;
            post(&mut vq, fake, 2, &drops)?;
            vq.disable_cb();
            let armed = vq.enable_cb_prepare();
            check!(!vq.poll(armed));
            fake.finish_silently(0, |_| Action::Complete(0))?;
            check!(vq.poll(armed));
            check!(vq.handle().poll(armed));
            check_eq!(drain(&mut vq), 1);
            let armed = vq.enable_cb_prepare();
            check!(!vq.poll(armed));
            Ok(())
        })
    }

    /// A buffer that is used after the last check, and before callbacks are enabled, is seen.
    #[test]
    fn completion_before_enable() -> Result {
        on_each_layout(|bound, fake, _, mut queues| {
            let drops = DropCounter::new()?;
            let mut vq = queues.take::<TestBuffer>(0)?;
            post(&mut vq, fake, 3, &drops)?;
            vq.disable_cb();
            check_eq!(drain(&mut vq), 0);
            fake.finish_silently(0, |_| Action::Complete(0))?;
            check!(!vq.enable_cb().is_quiet());
            check_eq!(drain(&mut vq), 1);
            check!(vq.enable_cb().is_quiet());
            let before = bound.callbacks();
            fake.finish(0, |_| Action::Complete(0))?;
            check_eq!(bound.callbacks(), before + 1);
            Ok(())
        })
    }

    /// A delayed callback comes not for the first buffer of many (with an index), and at the latest
    /// for the last one.
    #[test]
    fn delayed() -> Result {
        on_each_layout(|bound, fake, _, mut queues| {
            let drops = DropCounter::new()?;
            let mut vq = queues.take::<TestBuffer>(0)?;
            post(&mut vq, fake, 8, &drops)?;
            vq.disable_cb();
            fake.finish_silently(0, |_| Action::Complete(0))?;
            check_eq!(drain(&mut vq), 1);
            check!(vq.enable_cb_delayed().is_quiet());
            fake.finish(0, |_| Action::Complete(0))?;
            if fake.negotiated(EVENT_IDX) {
                check_eq!(bound.callbacks(), 0);
            }
            for _ in 0..6 {
                fake.finish(0, |_| Action::Complete(0))?;
            }
            check!(bound.callbacks() >= 1);
            check_eq!(drain(&mut vq), 7);
            Ok(())
        })
    }

    /// Delaying reports it if most buffers are used already.
    #[test]
    fn delayed_too_late() -> Result {
        on_each_layout(|_, fake, _, mut queues| {
            let drops = DropCounter::new()?;
            let mut vq = queues.take::<TestBuffer>(0)?;
            post(&mut vq, fake, 8, &drops)?;
            vq.disable_cb();
            for _ in 0..8 {
                fake.finish_silently(0, |_| Action::Complete(0))?;
            }
            check!(!vq.enable_cb_delayed().is_quiet());
            check_eq!(drain(&mut vq), 8);
            Ok(())
        })
    }

    /// A lost interrupt loses no buffer: the driver finds it when it checks.
    #[test]
    fn lost_interrupt() -> Result {
        on_each_layout(|bound, fake, _, mut queues| {
            let drops = DropCounter::new()?;
            let mut vq = queues.take::<TestBuffer>(0)?;
            post(&mut vq, fake, 1, &drops)?;
            fake.fault(|f| f.swallow_interrupts = 1);
            fake.finish(0, |_| Action::Complete(0))?;
            check_eq!(bound.callbacks(), 0);
            check!(!vq.enable_cb().is_quiet());
            check_eq!(drain(&mut vq), 1);
            Ok(())
        })
    }

    /// A broken queue calls no callback, and does not keep a driver in a loop.
    #[test]
    fn broken() -> Result {
        on_each_layout(|bound, fake, dev, mut queues| {
            let drops = DropCounter::new()?;
            let mut vq = queues.take::<TestBuffer>(0)?;
            post(&mut vq, fake, 2, &drops)?;
            dev.break_device();
            fake.finish(0, |_| Action::Complete(0))?;
            check_eq!(bound.callbacks(), 0);
            check!(vq.enable_cb().is_quiet());
            check!(vq.enable_cb_delayed().is_quiet());
            let armed = vq.enable_cb_prepare();
            check!(!vq.poll(armed));
            Ok(())
        })
    }

    /// Driver and device run at the same time, and the driver sleeps between callbacks: no callback
    /// is lost.
    #[test]
    fn no_wakeup_is_lost() -> Result {
        for features in LAYOUTS {
            on_bench(
                Setup {
                    features,
                    ..Setup::default()
                },
                stress,
            )
            .inspect_err(|_| pr_err!("    # with features {:?}\n", features))?;
        }
        Ok(())
    }
}
