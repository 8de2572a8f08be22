// SPDX-License-Identifier: GPL-2.0

//! Sleep and transport resets.

use crate::fixture::specs;
use kernel::{
    device::Bound,
    new_mutex,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Full,
            Relaxed, //
        },
        Arc,
        Mutex, //
    },
};
use virtio::{
    Affinity,
    Device,
    QueueHandle,
    Virtqueue, //
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

/// A driver that drops its queue for sleep.
#[pin_data]
struct Sleeper {
    drops: DropCounter,
    #[pin]
    vq: Mutex<Option<Virtqueue<TestBuffer>>>,
    callbacks: Atomic<u64>,
    refuse: Atomic<bool>,
    /// Gives the device up right after it woke up.
    tired: Atomic<bool>,
    /// Number of times that the device did not wake up.
    not_woken: Atomic<i32>,
}

impl Sleeper {
    fn wake(&self, dev: &Device<Bound>) -> Result {
        let mut queues = dev.find_vqs(specs(1, false)?, Affinity::Default)?;
        let mut vq = queues.take::<TestBuffer>(0)?;
        dev.ready();
        for number in 0..2 {
            let buffer = TestBuffer::new(number, &self.drops)?.in_(4)?;
            vq.add_buf(buffer)?;
        }
        vq.kick();
        *self.vq.lock() = Some(vq);
        Ok(())
    }

    fn give_up(&self) {
        let vq = self.vq.lock().take();
        drop(vq);
    }
}

impl Scenario for Sleeper {
    fn start(&self, _fake: &Fake, dev: &Device<Bound>) -> Result {
        self.wake(dev)
    }

    fn remove(&self, _fake: &Fake, _dev: &Device<Bound>) {
        self.give_up();
    }

    fn callback(&self, _fake: &Fake, _dev: &Device<Bound>, _queue: &QueueHandle) {
        self.callbacks.fetch_add(1, Full);
    }

    fn freeze(&self, _fake: &Fake, dev: &Device<Bound>) -> Result {
        if self.refuse.load(Relaxed) {
            return Err(EBUSY);
        }
        dev.reset();
        self.give_up();
        Ok(())
    }

    fn restore(&self, _fake: &Fake, dev: &Device<Bound>) -> Result {
        self.wake(dev)?;
        if self.tired.load(Relaxed) {
            dev.reset();
            self.give_up();
        }
        Ok(())
    }

    fn not_woken(&self, _fake: &Fake) {
        self.not_woken.fetch_add(1, Full);
    }
}

fn sleeper() -> Result<(Arc<Sleeper>, Fake, Plug)> {
    let drops = DropCounter::new()?;
    let scenario = Arc::pin_init(
        pin_init!(Sleeper {
            drops,
            vq <- new_mutex!(None),
            callbacks: Atomic::new(0),
            refuse: Atomic::new(false),
            tired: Atomic::new(false),
            not_woken: Atomic::new(0),
        }),
        GFP_KERNEL,
    )?;
    let spec = Spec::scripted(scenario.clone())
        .features(&[5])
        .queues(1, 8)?;
    let fake = Fake::new(spec, Arc::new(HoldAll, GFP_KERNEL)?)?;
    let plug = fake.plug()?;
    Ok((scenario, fake, plug))
}

const DRIVER_OK: u8 = 4;
const FAILED: u8 = 128;

/// Checks that the buffers from before the sleep come back once, and that the queue after the
/// wake-up works.
fn there_and_back(down: fn(&Plug) -> Result, up: fn(&Plug) -> Result) -> Result {
    let (scenario, fake, plug) = sleeper()?;
    check!(fake.is_bound());
    check_eq!(fake.serve(0)?, 2);
    down(&plug)?;
    check_eq!(fake.status(), 0);
    check_eq!(fake.queues(), 0);
    check_eq!(scenario.drops.count(), 2);
    up(&plug)?;
    check!(fake.status() & DRIVER_OK != 0);
    check!(fake.negotiated(5));
    check_eq!(fake.queues(), 1);
    check_eq!(fake.serve(0)?, 2);
    fake.finish(0, |_| Action::Complete(4))?;
    check_eq!(scenario.callbacks.load(Relaxed), 1);
    let number = match &mut *scenario.vq.lock() {
        Some(vq) => vq.get_buf().map(|used| used.buffer().number()),
        None => None,
    };
    check_eq!(number, Some(0));
    check_eq!(scenario.drops.count(), 3);
    drop(plug);
    check_eq!(scenario.drops.count(), 4);
    check_eq!(fake.violations(), 0);
    Ok(())
}

/// Checks that `DRIVER_OK` is not set for a device that its driver resets while it wakes up, and
/// that the device wakes up the next time. The driver gets one call for the failed wake-up, and
/// none after a successful one.
fn given_up(down: fn(&Plug) -> Result, up: fn(&Plug) -> Result) -> Result {
    let (scenario, fake, plug) = sleeper()?;
    down(&plug)?;
    scenario.tired.store(true, Relaxed);
    check_err!(up(&plug), EIO);
    check_eq!(fake.status() & (DRIVER_OK | FAILED), FAILED);
    check_eq!(fake.queues(), 0);
    check!(fake.is_bound());
    check_eq!(scenario.not_woken.load(Relaxed), 1);
    scenario.tired.store(false, Relaxed);
    down(&plug)?;
    up(&plug)?;
    check_eq!(fake.status() & (DRIVER_OK | FAILED), DRIVER_OK);
    check_eq!(fake.serve(0)?, 2);
    check_eq!(scenario.not_woken.load(Relaxed), 1);
    // A device that fails twice causes two calls.
    for count in 2..4 {
        down(&plug)?;
        scenario.tired.store(true, Relaxed);
        check_err!(up(&plug), EIO);
        check_eq!(scenario.not_woken.load(Relaxed), count);
    }
    Ok(())
}

#[kunit_tests(rust_virtio_power)]
mod suite {
    use super::*;

    /// A device survives suspend and resume.
    #[test]
    #[cfg(CONFIG_PM_SLEEP)]
    fn freeze_and_restore() -> Result {
        there_and_back(Plug::freeze, Plug::restore)
    }

    /// A device survives a reset of the transport.
    #[test]
    fn transport_reset() -> Result {
        there_and_back(Plug::reset_prepare, Plug::reset_done)
    }

    /// A reset of the transport races with the binding of another driver: the bus does not use the
    /// data of the other driver.
    #[test]
    fn transport_reset_of_another_driver() -> Result {
        let (scenario, fake, plug) = sleeper()?;
        // A device type that no driver has in its table.
        let spec = Spec::new(virtio_fake::SCRIPTED_ID + 1);
        let other = Fake::new(spec, Arc::new(HoldAll, GFP_KERNEL)?)?.plug()?;
        check_err!(plug.reset_prepare_late(&other), ENODEV);
        check_eq!((fake.queues(), scenario.drops.count()), (1, 0));
        plug.reset_prepare()?;
        check_eq!((fake.queues(), scenario.drops.count()), (0, 2));
        plug.reset_done()
    }

    /// A driver that refuses to sleep goes on.
    #[test]
    #[cfg(CONFIG_PM_SLEEP)]
    fn freeze_refused() -> Result {
        let (scenario, fake, plug) = sleeper()?;
        scenario.refuse.store(true, Relaxed);
        check_err!(plug.freeze(), EBUSY);
        check!(fake.status() & DRIVER_OK != 0);
        check_eq!(fake.serve(0)?, 2);
        fake.finish(0, |_| Action::Complete(0))?;
        check_eq!(scenario.callbacks.load(Relaxed), 1);
        Ok(())
    }

    /// The driver resets a device while the system wakes up.
    #[test]
    #[cfg(CONFIG_PM_SLEEP)]
    fn given_up_in_restore() -> Result {
        given_up(Plug::freeze, Plug::restore)
    }

    /// The driver resets a device after a reset of its transport.
    #[test]
    fn given_up_in_reset_done() -> Result {
        given_up(Plug::reset_prepare, Plug::reset_done)
    }

    /// If the queues cannot be found again, FAILED is set, and the device can be removed.
    #[test]
    #[cfg(CONFIG_PM_SLEEP)]
    fn restore_fails() -> Result {
        let (scenario, fake, plug) = sleeper()?;
        plug.freeze()?;
        fake.fault(|f| f.find_vqs = 5);
        check_err!(plug.restore(), EIO);
        check!(fake.status() & FAILED != 0);
        check_eq!(fake.queues(), 0);
        plug.within(10_000, drop)?;
        check_eq!(scenario.drops.count(), 2);
        Ok(())
    }

    /// The wake-up fails if the device refuses the features that it had.
    #[test]
    #[cfg(CONFIG_PM_SLEEP)]
    fn restore_refused_by_device() -> Result {
        let (_scenario, fake, plug) = sleeper()?;
        plug.freeze()?;
        fake.fault(|f| f.refuse_features = true);
        check_err!(plug.restore(), ENODEV);
        check!(fake.status() & DRIVER_OK == 0);
        plug.within(10_000, drop)
    }
}
