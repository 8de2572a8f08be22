// SPDX-License-Identifier: GPL-2.0

//! Devices that are started anew, and devices that do not do a reset.

use crate::fixture::specs;
use kernel::{
    device::Bound,
    new_mutex,
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    },
};
use virtio::{
    time_limit::Haste,
    Affinity,
    Device,
    Exclusive,
    Restarts,
    Virtqueue,
    WeakDevice, //
};
use virtio_fake::{
    Action,
    DropCounter,
    Fake,
    HoldAll,
    Plug,
    Scenario,
    Spec,
    TestBuffer, //
};

/// A driver that lends its device to the test.
#[pin_data]
struct Reachable {
    drops: DropCounter,
    #[pin]
    vq: Mutex<Option<Virtqueue<TestBuffer>>>,
    #[pin]
    device: Mutex<Option<WeakDevice>>,
}

impl Reachable {
    /// Finds the queue, and adds a buffer.
    fn find(&self, dev: &Device<Bound>, number: u64) -> Result {
        let mut queues = dev.find_vqs(specs(1, false)?, Affinity::Default)?;
        let mut vq = queues.take::<TestBuffer>(0)?;
        dev.ready();
        let buffer = TestBuffer::new(number, &self.drops)?.in_(4)?;
        vq.add_buf(buffer)?;
        vq.kick();
        *self.vq.lock() = Some(vq);
        Ok(())
    }

    /// Drops the queue.
    fn give_up(&self) {
        let vq = self.vq.lock().take();
        drop(vq);
    }

    /// Starts the device anew.
    fn restart(&self, dev: &Exclusive<'_>) -> Result {
        dev.try_reset()?;
        self.give_up();
        dev.negotiate()?;
        self.find(dev, 1)
    }

    fn device(&self) -> Result<WeakDevice> {
        self.device.lock().clone().ok_or(ENODEV)
    }
}

impl Scenario for Reachable {
    fn start(&self, _fake: &Fake, dev: &Device<Bound>) -> Result {
        *self.device.lock() = Some(WeakDevice::new(dev)?);
        self.find(dev, 0)
    }

    fn remove(&self, _fake: &Fake, _dev: &Device<Bound>) {
        if let Ok(device) = self.device() {
            device.revoke();
        }
        self.give_up();
    }

    fn freeze(&self, _fake: &Fake, dev: &Device<Bound>) -> Result {
        dev.reset();
        self.give_up();
        Ok(())
    }

    fn restore(&self, _fake: &Fake, dev: &Device<Bound>) -> Result {
        self.find(dev, 2)
    }
}

fn reachable() -> Result<(Arc<Reachable>, Fake, Plug)> {
    let drops = DropCounter::new()?;
    let scenario = Arc::pin_init(
        pin_init!(Reachable {
            drops,
            vq <- new_mutex!(None),
            device <- new_mutex!(None),
        }),
        GFP_KERNEL,
    )?;
    let spec = Spec::scripted(scenario.clone())
        .features(&[5])
        .queues(1, 8)?;
    let fake = Fake::new(spec, Arc::new(HoldAll, GFP_KERNEL)?)?;
    let plug = fake.plug()?;
    check!(fake.is_bound());
    Ok((scenario, fake, plug))
}

const DRIVER_OK: u8 = 4;
const FAILED: u8 = 128;

#[kunit_tests(rust_virtio_restart)]
mod suite {
    use super::*;

    /// After a restart, the device has its features and its queue again, and the old buffers came
    /// back once.
    #[test]
    fn there_and_back() -> Result {
        let (scenario, fake, plug) = reachable()?;
        check_eq!(fake.serve(0)?, 1);
        let resets = fake.resets();
        scenario
            .device()?
            .try_exclusive(|dev| scenario.restart(dev))??;
        check_eq!(fake.resets(), resets + 1);
        check_eq!(scenario.drops.count(), 1);
        check!(fake.status() & DRIVER_OK != 0);
        check!(fake.negotiated(5));
        check_eq!(fake.serve(0)?, 1);
        fake.finish(0, |_| Action::Complete(4))?;
        let number = match &mut *scenario.vq.lock() {
            Some(vq) => vq.get_buf().map(|used| used.buffer().number()),
            None => None,
        };
        check_eq!(number, Some(1));
        check_eq!(fake.violations(), 0);
        plug.within(10_000, drop)
    }

    /// Features are negotiated only with a device in reset. If the device refuses them, FAILED is
    /// set.
    #[test]
    fn negotiation() -> Result {
        let (scenario, fake, plug) = reachable()?;
        let device = scenario.device()?;
        check_err!(device.try_exclusive(|dev| dev.negotiate())?, EBUSY);
        fake.fault(|faults| faults.refuse_features = true);
        let refused = device.try_exclusive(|dev| scenario.restart(dev))?;
        check_err!(refused, ENODEV);
        check!(fake.status() & FAILED != 0);
        check_eq!(fake.queues(), 0);
        plug.within(10_000, drop)
    }

    /// A device that sleeps, or is not bound, cannot be started anew.
    #[test]
    fn not_meanwhile() -> Result {
        let (scenario, _fake, plug) = reachable()?;
        let device = scenario.device()?;
        plug.reset_prepare()?;
        check_err!(device.try_exclusive(|_| ()), EBUSY);
        plug.reset_done()?;
        device.try_exclusive(|_| ())?;
        plug.within(10_000, drop)?;
        check_err!(device.try_exclusive(|_| ()), ENODEV);
        Ok(())
    }

    /// H050: a device that is gone is given up at once, and works again after a reset of its
    /// transport.
    #[test]
    fn h050_gone_and_back() -> Result {
        let (scenario, fake, plug) = reachable()?;
        check_eq!(fake.serve(0)?, 1);
        let device = scenario.device()?;
        fake.fault(|faults| faults.gone = true);
        let result = device.try_exclusive(|dev| {
            let reset = dev.try_reset();
            scenario.give_up();
            check!(dev.is_given_up());
            check_eq!(dev.status(), 0);
            check_err!(dev.negotiate(), EINVAL);
            check_err!(scenario.find(dev, 3), ENODEV);
            reset
        })?;
        check_err!(result, ENODEV);
        check_eq!(scenario.drops.count(), 1);
        plug.reset_prepare()?;
        fake.fault(|faults| faults.gone = false);
        plug.reset_done()?;
        check!(fake.status() & DRIVER_OK != 0);
        check_eq!(fake.serve(0)?, 1);
        plug.within(10_000, drop)
    }

    /// H049: a device whose status does not become 0 is given up after one wait. Removal does not
    /// wait again.
    #[test]
    fn h049_no_reset() -> Result {
        let _haste = Haste::new();
        let (scenario, fake, plug) = reachable()?;
        fake.fault(|faults| faults.reset_ignored = true);
        let device = scenario.device()?;
        check_err!(device.try_exclusive(|dev| scenario.restart(dev))?, ENODEV);
        plug.within(5_000, drop)?;
        check_eq!(scenario.drops.count(), 1);
        Ok(())
    }

    /// A device that says that it cannot be reset is given up at once, and not asked again and
    /// again. FAILED that the driver has set says nothing of the kind.
    #[test]
    fn h049_reset_refused() -> Result {
        for failed_before in [false, true] {
            let _haste = Haste::new();
            let (scenario, fake, plug) = reachable()?;
            let device = scenario.device()?;
            let reads = device.try_exclusive(|dev| {
                dev.try_reset()?;
                scenario.give_up();
                if failed_before {
                    fake.fault(|faults| faults.refuse_features = true);
                    check_err!(dev.negotiate(), ENODEV);
                    check!(fake.status() & FAILED != 0);
                } else {
                    dev.negotiate()?;
                }
                fake.fault(|faults| faults.reset_refused = true);
                let before = fake.status_reads();
                check_err!(dev.try_reset(), ENODEV);
                check!(dev.is_given_up());
                Ok(fake.status_reads() - before)
            })??;
            // Once before the reset, and until the device answers.
            check_eq!(reads > 2, failed_before);
            plug.within(5_000, drop)?;
            check_eq!(scenario.drops.count(), 1);
        }
        Ok(())
    }

    /// A device gets five restarts in a row, with growing delays.
    #[test]
    fn a_row() -> Result {
        let restarts = Restarts::new();
        let mut last = -1;
        for _ in 0..5 {
            let delay = restarts.next().ok_or(ENODATA)?.as_millis();
            check!(delay > last || last < 0);
            last = delay;
        }
        check!(restarts.next().is_none());
        Ok(())
    }
}
