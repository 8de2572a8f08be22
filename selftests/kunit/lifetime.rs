// SPDX-License-Identifier: GPL-2.0

//! Driver data and queues when probe fails, and when a device is removed.

use crate::fixture::specs;
use kernel::{
    alloc::KVec,
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
    Queues,
    Virtqueue,
    WeakDevice, //
};
use virtio_fake::{
    wait,
    Action,
    Backend,
    DropCounter,
    Fake,
    HoldAll,
    Scenario,
    Spec,
    Task,
    TestBuffer, //
};

/// The step at which the driver fails.
#[derive(Clone, Copy, PartialEq)]
enum Failure {
    Never,
    /// In probe, before the queues are found.
    ProbeEarly,
    /// In probe, after the queues were found.
    ProbeLate,
    /// In start, before the device is ready.
    StartEarly,
    /// In start, with outstanding buffers.
    StartLate,
    /// None: in start the driver resets the device for good, with outstanding buffers.
    GivenUp,
}

/// A driver that keeps queues and buffers in its data, and fails at a given step.
#[pin_data]
struct Clumsy {
    failure: Failure,
    drops: DropCounter,
    #[pin]
    queues: Mutex<Option<Queues>>,
    #[pin]
    taken: Mutex<KVec<Virtqueue<TestBuffer>>>,
    ended: Atomic<i32>,
    removed: Atomic<i32>,
    callbacks: Atomic<i32>,
    /// Status of the device when the data was dropped.
    last_status: Atomic<i32>,
    /// Whether the device uses a buffer in `remove` with an interrupt, and another without.
    late_interrupts: bool,
}

impl Clumsy {
    fn find(&self, dev: &Device<Bound>) -> Result {
        let queues = dev.find_vqs(specs(2, false)?, Affinity::Default)?;
        *self.queues.lock() = Some(queues);
        Ok(())
    }

    fn fail_at(&self, point: Failure) -> Result {
        if self.failure == point {
            return Err(EIO);
        }
        Ok(())
    }

    /// Gives the device three buffers, which stay outstanding.
    fn post(&self) -> Result {
        let mut queues = self.queues.lock().take().ok_or(ENODEV)?;
        let mut vq = queues.take::<TestBuffer>(0)?;
        for number in 0..3 {
            let buffer = TestBuffer::new(number, &self.drops)?.in_(64)?;
            vq.add_buf(buffer)?;
        }
        vq.kick();
        self.taken.lock().push(vq, GFP_KERNEL)?;
        Ok(())
    }
}

impl Scenario for Clumsy {
    fn probe(&self, _fake: &Fake, dev: &Device<Bound>) -> Result {
        self.fail_at(Failure::ProbeEarly)?;
        self.find(dev)?;
        // Driver data owns its queues. This takes the place of the data, so it drops the queues as
        // the data would.
        self.fail_at(Failure::ProbeLate)
            .inspect_err(|_| drop(self.queues.lock().take()))
    }

    fn start(&self, _fake: &Fake, dev: &Device<Bound>) -> Result {
        self.fail_at(Failure::StartEarly)?;
        dev.ready();
        self.post()?;
        if self.failure == Failure::GivenUp {
            dev.reset();
            self.taken.lock().clear();
        }
        self.fail_at(Failure::StartLate)
    }

    fn remove(&self, fake: &Fake, _dev: &Device<Bound>) {
        self.removed.fetch_add(1, Full);
        if self.late_interrupts {
            let _ = fake.serve(0);
            let _ = fake.finish(0, |_| Action::Complete(1));
            let _ = fake.finish_silently(0, |_| Action::Complete(1));
        }
    }

    fn dropped(&self, fake: &Fake) {
        self.ended.fetch_add(1, Full);
        if self.late_interrupts {
            // The driver has not seen the interrupt of this used buffer yet.
            let _ = fake.interrupt(0);
        }
        self.last_status.store(fake.status().into(), Relaxed);
        drop(self.queues.lock().take());
        self.taken.lock().clear();
    }

    fn callback(&self, _fake: &Fake, _dev: &Device<Bound>, _queue: &QueueHandle) {
        self.callbacks.fetch_add(1, Full);
    }
}

fn clumsy(failure: Failure, late_interrupts: bool) -> Result<(Arc<Clumsy>, Fake)> {
    let drops = DropCounter::new()?;
    let scenario = Arc::pin_init(
        pin_init!(Clumsy {
            failure,
            drops,
            queues <- new_mutex!(None),
            taken <- new_mutex!(KVec::new()),
            ended: Atomic::new(0),
            removed: Atomic::new(0),
            callbacks: Atomic::new(0),
            last_status: Atomic::new(-1),
            late_interrupts,
        }),
        GFP_KERNEL,
    )?;
    let spec = Spec::scripted(scenario.clone()).queues(2, 8)?;
    let fake = Fake::new(spec, Arc::new(HoldAll, GFP_KERNEL)?)?;
    Ok((scenario, fake))
}

/// A driver that resets its device from another thread while it finds its queues.
#[pin_data]
struct Racer {
    drops: DropCounter,
    #[pin]
    device: Mutex<Option<WeakDevice>>,
    #[pin]
    reset: Mutex<Option<Task<()>>>,
    /// Whether the driver took back a buffer that the device had.
    both: Atomic<bool>,
    ran: Atomic<bool>,
}

impl Racer {
    fn run(&self, fake: &Fake, dev: &Device<Bound>) -> Result {
        *self.device.lock() = Some(WeakDevice::new(dev)?);
        let mut queues = dev.find_vqs(specs(1, false)?, Affinity::Default)?;
        let reset = self.reset.lock().take().ok_or(ENODATA)?;
        reset.join(60_000)?;
        dev.ready();
        let mut vq = queues.take::<TestBuffer>(0)?;
        vq.add_buf(TestBuffer::new(1, &self.drops)?.in_(64)?)?;
        vq.kick();
        let served = fake.serve(0)? != 0;
        self.both
            .store(served && vq.detach_unused_buf().is_some(), Relaxed);
        self.ran.store(true, Relaxed);
        Ok(())
    }
}

impl Scenario for Racer {
    fn start(&self, fake: &Fake, dev: &Device<Bound>) -> Result {
        self.run(fake, dev)
    }
}

impl Backend for Racer {
    fn finding(&self) {
        let Some(device) = self.device.lock().take() else {
            return;
        };
        let task = Task::new(move || {
            device.with(|dev| dev.reset());
        });
        if let Ok(task) = task {
            // The reset may wait until the queues are found.
            wait::until(50, || task.is_done());
            *self.reset.lock() = Some(task);
        }
    }
}

/// Status bits that are 0 after a reset.
const IN_USE: i32 = 2 | 4 | 8;

#[kunit_tests(rust_virtio_lifetime)]
mod suite {
    use super::*;

    fn probe_fails(failure: Failure) -> Result<(Arc<Clumsy>, Fake)> {
        let (scenario, fake) = clumsy(failure, false)?;
        let plug = fake.plug()?;
        check!(!fake.is_bound());
        check_eq!(fake.queues(), 0);
        check_eq!(scenario.ended.load(Relaxed), 1);
        check_eq!(scenario.removed.load(Relaxed), 0);
        drop(plug);
        check_eq!(scenario.ended.load(Relaxed), 1);
        check_eq!(scenario.removed.load(Relaxed), 0);
        Ok((scenario, fake))
    }

    /// If probe fails before the queues are found, nothing is left.
    #[test]
    fn probe_fails_early() -> Result {
        probe_fails(Failure::ProbeEarly)?;
        Ok(())
    }

    /// If probe fails after the queues were found, they are deleted.
    #[test]
    fn probe_fails_late() -> Result {
        probe_fails(Failure::ProbeLate)?;
        Ok(())
    }

    /// If `start` fails, the data is dropped once, with the device in reset.
    #[test]
    fn start_fails_early() -> Result {
        let (scenario, _) = probe_fails(Failure::StartEarly)?;
        check_eq!(scenario.last_status.load(Relaxed) & IN_USE, 0);
        Ok(())
    }

    /// If `start` fails with outstanding buffers, each comes back once, after the reset.
    #[test]
    fn start_fails_late() -> Result {
        let (scenario, fake) = probe_fails(Failure::StartLate)?;
        check_eq!(scenario.last_status.load(Relaxed) & IN_USE, 0);
        check_eq!(scenario.drops.count(), 3);
        check_eq!(fake.traffic(0).kicks, 1);
        Ok(())
    }

    /// A device that `start` gives up is removed, and not said to be ready.
    #[test]
    fn given_up_in_start() -> Result {
        let (scenario, fake) = clumsy(Failure::GivenUp, false)?;
        let plug = fake.plug()?;
        check!(!fake.is_bound());
        check_eq!(i32::from(fake.status()) & 4, 0);
        check_eq!(fake.queues(), 0);
        check_eq!(scenario.removed.load(Relaxed), 1);
        check_eq!(scenario.ended.load(Relaxed), 1);
        check_eq!(scenario.drops.count(), 3);
        drop(plug);
        check_eq!(scenario.ended.load(Relaxed), 1);
        Ok(())
    }

    /// If a device is removed with outstanding buffers, it is reset, and then each is dropped once.
    #[test]
    fn removal_with_outstanding_buffers() -> Result {
        let (scenario, fake) = clumsy(Failure::Never, false)?;
        let plug = fake.plug()?;
        check!(fake.is_bound());
        check_eq!(fake.serve(0)?, 3);
        check_eq!(fake.held(0), 3);
        check_eq!(scenario.drops.count(), 0);
        drop(plug);
        check_eq!(scenario.removed.load(Relaxed), 1);
        check_eq!(scenario.ended.load(Relaxed), 1);
        check_eq!(scenario.last_status.load(Relaxed) & IN_USE, 0);
        check_eq!(scenario.drops.count(), 3);
        check_eq!(fake.queues(), 0);
        Ok(())
    }

    /// A device that is reset when its queues are deleted keeps the status that the core has set
    /// for the next driver (§3.1.1 step 2), or because the driver failed.
    #[test]
    fn status_stays_when_queues_are_deleted() -> Result {
        const ACKNOWLEDGE: u8 = 1;
        const FAILED: u8 = 128;
        for (failure, last) in [(Failure::Never, ACKNOWLEDGE), (Failure::StartLate, FAILED)] {
            let (scenario, fake) = clumsy(failure, false)?;
            fake.fault(|f| f.deletion_resets = true);
            drop(fake.plug()?);
            check_eq!(scenario.ended.load(Relaxed), 1);
            check_eq!(fake.queues(), 0);
            check_eq!(fake.status(), last);
        }
        Ok(())
    }

    /// Callbacks get the data until `remove` has returned, and no callback runs after that.
    #[test]
    fn h041_no_callback_after_remove() -> Result {
        let (scenario, fake) = clumsy(Failure::Never, true)?;
        let plug = fake.plug()?;
        check_eq!(scenario.callbacks.load(Relaxed), 0);
        drop(plug);
        check_eq!(scenario.callbacks.load(Relaxed), 1);
        check_eq!(fake.traffic(0).handled, 2);
        check_err!(fake.interrupt(9), ENOENT);
        fake.interrupt(0)?;
        check_eq!(scenario.callbacks.load(Relaxed), 1);
        Ok(())
    }

    /// If the transport makes no queues, probe fails, and nothing is left.
    #[test]
    fn h062_find_vqs_fails() -> Result {
        let (scenario, fake) = clumsy(Failure::Never, false)?;
        fake.fault(|f| f.find_vqs = 12);
        let plug = fake.plug()?;
        check!(!fake.is_bound());
        check_eq!(scenario.ended.load(Relaxed), 1);
        check_eq!(fake.queues(), 0);
        drop(plug);
        Ok(())
    }

    /// If the device has fewer queues than the driver needs, probe fails, and nothing is left.
    #[test]
    fn too_few_queues() -> Result {
        let drops = DropCounter::new()?;
        let scenario = Arc::pin_init(
            pin_init!(Clumsy {
                failure: Failure::Never,
                drops,
                queues <- new_mutex!(None),
                taken <- new_mutex!(KVec::new()),
                ended: Atomic::new(0),
                removed: Atomic::new(0),
                callbacks: Atomic::new(0),
                last_status: Atomic::new(-1),
                late_interrupts: false,
            }),
            GFP_KERNEL,
        )?;
        let spec = Spec::scripted(scenario.clone()).queues(1, 8)?;
        let fake = Fake::new(spec, Arc::new(HoldAll, GFP_KERNEL)?)?;
        let _plug = fake.plug()?;
        check!(!fake.is_bound());
        check_eq!(fake.queues(), 0);
        check_eq!(scenario.ended.load(Relaxed), 1);
        Ok(())
    }

    /// A reset does not run while queues are being found, only before or after that. Otherwise a
    /// driver could take back buffers that the device has.
    #[test]
    fn reset_while_queues_are_found() -> Result {
        let drops = DropCounter::new()?;
        let racer = Arc::pin_init(
            pin_init!(Racer {
                drops,
                device <- new_mutex!(None),
                reset <- new_mutex!(None),
                both: Atomic::new(false),
                ran: Atomic::new(false),
            }),
            GFP_KERNEL,
        )?;
        let spec = Spec::scripted(racer.clone()).queues(1, 8)?;
        let fake = Fake::new(spec, racer.clone())?;
        let _plug = fake.plug()?;
        check!(racer.ran.load(Relaxed));
        check!(!racer.both.load(Relaxed));
        check_eq!(racer.drops.count(), 1);
        Ok(())
    }

    /// An interrupt with an entry in the ring, before the driver has its queues, is harmless.
    #[test]
    fn h039_early_interrupt_is_ignored() -> Result {
        let (scenario, fake) = clumsy(Failure::Never, false)?;
        fake.fault(|f| f.early_interrupt = true);
        let plug = fake.plug()?;
        check!(fake.is_bound());
        check_eq!(fake.traffic(0).handled, 1);
        check_eq!(scenario.callbacks.load(Relaxed), 0);
        drop(plug);
        Ok(())
    }

    /// A device that is removed by surprise is unbound, and its buffers come back.
    #[test]
    fn torn_out() -> Result {
        let (scenario, fake) = clumsy(Failure::Never, false)?;
        let plug = fake.plug()?;
        fake.serve(0)?;
        plug.within(10_000, |plug| plug.yank())?;
        check_eq!(scenario.ended.load(Relaxed), 1);
        check_eq!(scenario.drops.count(), 3);
        Ok(())
    }
}
