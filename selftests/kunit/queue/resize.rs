// SPDX-License-Identifier: GPL-2.0

//! Reset and change of size of single queues (virtio spec §2.6.1).

use super::add_some;
use crate::{
    fixture::{
        on_bench,
        on_each_layout,
        Setup,
        LAYOUTS, //
    },
    ring::is_rust_ring, //
};
use kernel::prelude::*;
use virtio::Returned;
use virtio_fake::{
    Action,
    DropCounter,
    TestBuffer,
    EVENT_IDX,
    RING_PACKED,
    RING_RESET, //
};

/// Returns the features of a layout, with the reset of queues.
fn with_reset(layout: &[u32]) -> &'static [u32] {
    if layout.contains(&RING_PACKED) {
        &[RING_RESET, RING_PACKED, EVENT_IDX]
    } else {
        &[RING_RESET, EVENT_IDX]
    }
}

#[kunit_tests(rust_virtio_queue_resize)]
mod suite {
    use super::*;

    /// A change of size passes outstanding buffers to the closure, and the queue works after that.
    #[test]
    fn resize() -> Result {
        for layout in LAYOUTS {
            on_bench(
                Setup {
                    features: with_reset(layout),
                    ..Setup::default()
                },
                |_, fake, _, mut queues| {
                    let drops = DropCounter::new()?;
                    let mut vq = queues.take::<TestBuffer>(0)?;
                    check_eq!(vq.num_max(), 8);
                    check_err!(vq.resize(16, drop), E2BIG);
                    check_err!(vq.resize(0, drop), EINVAL);
                    add_some(&mut vq, 1, 3, &drops)?;
                    vq.resize(8, drop)?;
                    check_eq!(drops.count(), 0);
                    vq.kick();
                    fake.serve_some(0, 2)?;
                    let mut sum = 0;
                    vq.resize(4, |buffer| sum += buffer.into_buffer().number())?;
                    check_eq!(sum, 1 + 2 + 3);
                    check_eq!(drops.count(), 3);
                    check_eq!(vq.ring_size(), 4);
                    check_eq!(vq.num_free(), 4);
                    add_some(&mut vq, 10, 4, &drops)?;
                    check!(vq.kick());
                    check_eq!(fake.serve(0)?, 4);
                    fake.finish(0, |_| Action::Complete(7))?;
                    check_eq!(vq.get_buf().ok_or(ENODATA)?.len(), 7);
                    vq.reset(|buffer| sum += buffer.into_buffer().number())?;
                    check_eq!(sum, 6 + 11 + 12 + 13);
                    check_eq!(vq.ring_size(), 4);
                    add_some(&mut vq, 20, 1, &drops)?;
                    vq.kick();
                    check_eq!(fake.serve(0)?, 1);
                    Ok(())
                },
            )?;
        }
        Ok(())
    }

    /// A used buffer that was not taken comes back as used, with its length.
    #[test]
    fn used_by_then() -> Result {
        for layout in LAYOUTS {
            on_bench(
                Setup {
                    features: with_reset(layout),
                    ..Setup::default()
                },
                |_, fake, _, mut queues| {
                    let drops = DropCounter::new()?;
                    let mut vq = queues.take::<TestBuffer>(0)?;
                    for size in [None, Some(4)] {
                        add_some(&mut vq, 1, 3, &drops)?;
                        vq.kick();
                        check_eq!(fake.serve(0)?, 3);
                        fake.finish(0, |_| Action::Complete(7))?;
                        let (mut used, mut unused) = ((0, 0), 0);
                        let take = |buffer: Returned<TestBuffer>| match buffer {
                            Returned::Used(buffer) => {
                                used = (buffer.buffer().number(), buffer.len())
                            }
                            Returned::Unused(buffer) => unused += buffer.number(),
                        };
                        match size {
                            None => vq.reset(take)?,
                            Some(size) => vq.resize(size, take)?,
                        }
                        check_eq!(used, (1, 7));
                        check_eq!(unused, 2 + 3);
                    }
                    check_eq!(drops.count(), 6);
                    Ok(())
                },
            )?;
        }
        Ok(())
    }

    /// A device that cannot reset a queue keeps its buffers.
    #[test]
    fn resize_without_feature() -> Result {
        on_each_layout(|_, fake, _, mut queues| {
            let drops = DropCounter::new()?;
            let mut vq = queues.take::<TestBuffer>(0)?;
            add_some(&mut vq, 0, 1, &drops)?;
            vq.kick();
            fake.serve(0)?;
            check_err!(vq.resize(4, drop), ENOENT);
            check_err!(vq.reset(drop), ENOENT);
            check_eq!(drops.count(), 0);
            fake.finish(0, |_| Action::Complete(0))?;
            check!(vq.get_buf().is_some());
            Ok(())
        })
    }

    /// The reset of a queue does not enable it while the device is in reset. Its buffers belong to
    /// the driver, also if the driver changes the device status.
    #[test]
    fn not_of_a_device_in_reset() -> Result {
        on_bench(
            Setup {
                features: &[RING_RESET],
                ..Setup::default()
            },
            |_, fake, dev, mut queues| {
                let drops = DropCounter::new()?;
                let mut vq = queues.take::<TestBuffer>(0)?;
                add_some(&mut vq, 0, 1, &drops)?;
                vq.kick();
                check_eq!(fake.serve(0)?, 1);
                dev.reset();
                check_err!(vq.reset(drop), ENODEV);
                check_err!(vq.resize(4, drop), ENODEV);
                check_eq!(drops.count(), 0);
                dev.ready();
                add_some(&mut vq, 1, 1, &drops)?;
                vq.kick();
                check_eq!(fake.serve(0)?, 0);
                for number in 0..2 {
                    let buffer = vq.detach_unused_buf().ok_or(ENODATA)?;
                    check_eq!(buffer.number(), number);
                }
                check!(vq.detach_unused_buf().is_none());
                Ok(())
            },
        )
    }

    /// A position from `enable_cb` in a larger ring is not used in a smaller one.
    #[test]
    fn armed_before_resize() -> Result {
        on_bench(
            Setup {
                features: &[RING_RESET, RING_PACKED],
                ..Setup::default()
            },
            |bound, fake, _, mut queues| {
                let drops = DropCounter::new()?;
                let mut vq = queues.take::<TestBuffer>(0)?;
                bound.answer_when_served();
                add_some(&mut vq, 0, 6, &drops)?;
                vq.kick();
                check_eq!(fake.serve(0)?, 6);
                while vq.get_buf().is_some() {}
                let armed = vq.enable_cb_prepare();
                let handle = vq.handle();
                check!(!handle.poll(armed) && !vq.poll(armed));
                vq.resize(4, drop)?;
                // The Rust ring uses its last position.
                let looked = is_rust_ring();
                check_eq!((handle.poll(armed), vq.poll(armed)), (!looked, !looked));
                Ok(())
            },
        )
    }

    /// If the queue cannot be enabled again, the result is an error, and each buffer comes back
    /// once.
    #[test]
    fn h051_resize_fails_to_enable() -> Result {
        on_bench(
            Setup {
                features: &[RING_RESET],
                ..Setup::default()
            },
            |_, fake, _, mut queues| {
                let drops = DropCounter::new()?;
                let mut vq = queues.take::<TestBuffer>(0)?;
                add_some(&mut vq, 0, 2, &drops)?;
                fake.fault(|f| f.enable_fails = true);
                check_err!(vq.resize(4, drop), EBUSY);
                check_eq!(drops.count(), 2);
                drop(vq);
                check_eq!(drops.count(), 2);
                Ok(())
            },
        )
    }
}
