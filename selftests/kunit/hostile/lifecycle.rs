// SPDX-License-Identifier: GPL-2.0

//! Binding and unbinding with hostile devices, and their interrupts.

use crate::{
    fixture::{
        on_bench,
        on_each_layout,
        Setup,
        LAYOUTS, //
    },
    ring::{
        is_rust_ring,
        QUEUE_BROKEN, //
    },
};
use kernel::{
    device::Bound,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
};
use virtio::{
    with_queue,
    Device,
    QueueOps, //
};
use virtio_fake::{
    messages,
    Action,
    AddFn,
    CBuffer,
    DropCounter,
    Fake,
    HoldAll,
    Scenario,
    Spec,
    TestBuffer, //
};

/// Device status: the driver is ready.
const DRIVER_OK: u8 = 4;

/// A driver of a device that sets `DRIVER_OK` by itself.
struct Overtaken {
    started: Atomic<i32>,
}

impl Scenario for Overtaken {
    fn probe(&self, fake: &Fake, _dev: &Device<Bound>) -> Result {
        fake.claim_status(DRIVER_OK);
        Ok(())
    }

    fn start(&self, _fake: &Fake, dev: &Device<Bound>) -> Result {
        self.started.fetch_add(1, Relaxed);
        dev.ready();
        Ok(())
    }
}

/// Takes all that is used, of a device that uses one more each time. Returns whether the queue is
/// broken.
fn chase(mut queue: impl QueueOps<TestBuffer>, fake: &Fake, taken: &mut u64) -> bool {
    queue.drain(|_| {
        *taken += 1;
        let _ = fake.finish_silently(0, |_| Action::Complete(0));
    })
}

#[kunit_tests(rust_virtio_hostile_lifecycle)]
mod suite {
    use super::*;

    /// H042: interrupts without a reason, with and without outstanding buffers. They cause no
    /// callback, and the queue works.
    #[test]
    fn h042_spurious_interrupts() -> Result {
        on_each_layout(|bound, fake, _, mut queues| {
            let drops = DropCounter::new()?;
            let mut vq = queues.take::<TestBuffer>(0)?;
            for round in 1..=2 {
                for _ in 0..1000 {
                    fake.interrupt(0)?;
                }
                check_eq!(bound.callbacks(), round - 1);
                check_eq!(fake.traffic(0).spurious, 1000 * round);
                let buffer = TestBuffer::new(round, &drops)?.in_(8)?;
                vq.add_buf(buffer)?;
                vq.kick();
                check_eq!(fake.serve(0)?, 1);
                fake.finish(0, |_| Action::Complete(8))?;
                check_eq!(bound.callbacks(), round);
                check_eq!(vq.get_buf().ok_or(ENODATA)?.buffer().number(), round);
                check!(vq.enable_cb().is_quiet());
            }
            Ok(())
        })
    }

    /// H048: a device that uses a buffer whenever one is taken. The loop ends with the last buffer.
    #[test]
    fn h048_used_while_taking() -> Result {
        on_each_layout(|_, fake, _, mut queues| {
            let drops = DropCounter::new()?;
            let mut vq = queues.take::<TestBuffer>(0)?;
            for number in 0..8 {
                let buffer = TestBuffer::new(number, &drops)?.in_(8)?;
                vq.add_buf(buffer)?;
            }
            vq.kick();
            check_eq!(fake.serve(0)?, 8);
            fake.finish_silently(0, |_| Action::Complete(0))?;
            let mut taken = 0;
            // Buffers that are used during the loop may be left for the next callback.
            for _ in 0..8 {
                let broken = with_queue!(vq, |queue| chase(queue, fake, &mut taken));
                check!(!broken);
            }
            check_eq!((taken, drops.count()), (8, 8));
            check!(vq.get_buf().is_none());
            Ok(())
        })
    }

    /// H053: a device that sets `DRIVER_OK` by itself. The driver starts as usual.
    #[test]
    fn h053_driver_ok_by_the_device() -> Result {
        let scenario = Arc::new(
            Overtaken {
                started: Atomic::new(0),
            },
            GFP_KERNEL,
        )?;
        let fake = Fake::new(
            Spec::scripted(scenario.clone()),
            Arc::new(HoldAll, GFP_KERNEL)?,
        )?;
        messages::logged(c"WARNING:");
        let plug = fake.plug()?;
        check!(fake.is_bound());
        check_eq!(scenario.started.load(Relaxed), 1);
        check!(fake.status() & DRIVER_OK != 0);
        check_eq!(messages::logged(c"WARNING:"), 0);
        drop(plug);
        check_eq!(fake.status() & DRIVER_OK, 0);
        Ok(())
    }

    /// H067: queues that are reported larger than the largest ring. They get the largest size, and
    /// work.
    #[test]
    fn h067_queue_sizes() -> Result {
        // For the queues that say whose ring it is.
        on_bench(Setup::default(), |_, _, _, _| Ok(()))?;
        if !is_rust_ring() {
            messages::skip(c"the C ring has the size that the device reports");
            return Ok(());
        }
        messages::logged(QUEUE_BROKEN);
        for features in [LAYOUTS[1], LAYOUTS[4]] {
            for size in [1 << 16, 1 << 28, 1 << 31] {
                sized(features, size)?;
            }
        }
        check_eq!(messages::logged(QUEUE_BROKEN), 0);
        Ok(())
    }

    /// Plugs a device with this queue size, and sends one buffer.
    fn sized(features: &'static [u32], size: u32) -> Result {
        let finds = Arc::new(
            Finds {
                works: Atomic::new(0),
            },
            GFP_KERNEL,
        )?;
        let fake = Fake::new(
            Spec::scripted(finds.clone())
                .features(features)
                .queues(1, 8)?,
            Arc::new(HoldAll, GFP_KERNEL)?,
        )?;
        fake.fault(|f| f.queue_size = size);
        drop(fake.plug()?);
        check_eq!(finds.works.load(Relaxed), 1);
        check_eq!(fake.violations(), 0);
        Ok(())
    }

    /// A driver that sends one buffer when it starts, and keeps no queue.
    struct Finds {
        works: Atomic<i32>,
    }

    impl Scenario for Finds {
        fn start(&self, fake: &Fake, dev: &Device<Bound>) -> Result {
            let specs = crate::fixture::specs(1, false)?;
            let _queues = dev.find_vqs(specs, virtio::Affinity::Default)?;
            dev.ready();
            let mut vq = fake.c_queue(0)?;
            check!(vq.size() <= 32768);
            check_eq!(vq.num_free(), vq.size());
            vq.add(CBuffer::new(1, 1, 1)?, AddFn::Lists)?;
            check!(vq.kick());
            check_eq!(fake.serve(0)?, 1);
            fake.finish(0, |_| Action::Complete(16))?;
            check_eq!(vq.get()?.ok_or(ENODATA)?.buffer.number(), 1);
            self.works.store(1, Relaxed);
            Ok(())
        }
    }
}
