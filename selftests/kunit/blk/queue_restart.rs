// SPDX-License-Identifier: GPL-2.0

//! Disks with a queue that does not answer, and that can be started anew alone.

use super::{
    pattern,
    ramdisk::{
        Answer,
        FLUSH,
        GET_ID, //
    },
    timeout::{
        check_failed,
        check_read,
        impatient_with,
        read,
        write,
        Reading,
        DEADLINE_MS, //
    },
    Config,
    DiskFixture,
    F_FLUSH,
    F_MQ, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};
use virtio_fake::{
    messages,
    wait,
    Disk,
    OnCpu,
    Param,
    Task,
    EVENT_IDX,
    INDIRECT_DESC,
    RING_PACKED,
    RING_RESET, //
};

/// The message for a queue that was started anew alone.
const ALONE: &CStr = c"is stuck: started anew alone";
/// The message for a queue that could not be started anew alone.
const NOT_ALONE: &CStr = c"cannot be started anew alone";

/// The features of disks whose queues can be reset alone.
const LAYOUTS: [&[u32]; 3] = [
    &[F_FLUSH, F_MQ, RING_RESET],
    &[F_FLUSH, F_MQ, RING_RESET, EVENT_IDX, INDIRECT_DESC],
    &[F_FLUSH, F_MQ, RING_RESET, EVENT_IDX, RING_PACKED],
];

/// A disk with a queue for each of two CPUs, and with `reset_queues` set.
struct Stuck {
    fixture: DiskFixture,
    disk: Arc<Disk>,
    /// The queue that the first CPU uses.
    queue: usize,
    /// The number of resets of the device before the test.
    resets: u32,
    _param: Param,
}

impl Stuck {
    /// Makes the disk. `None`: `reset_queues` cannot be set.
    fn new(features: &[u32]) -> Result<Option<Self>> {
        let config = Config::default().u16(Config::NUM_QUEUES, 2);
        let fixture = DiskFixture::new(config, features, 2)?;
        let param = Param::set(c"rust_virtio_blk", c"reset_queues", c"1", c"0");
        if param.as_ref().is_err_and(|e| *e == ENOENT) {
            messages::skip(c"the driver is built in, or another one");
            return Ok(None);
        }
        let (fixture, disk) = impatient_with(fixture)?;
        let queue = {
            let _here = OnCpu::new(0)?;
            let kicks = fixture.fake.traffic(0).kicks;
            disk.read(0, 512)?;
            usize::from(fixture.fake.traffic(0).kicks == kicks)
        };
        messages::logged(ALONE);
        messages::logged(NOT_ALONE);
        Ok(Some(Self {
            queue,
            resets: fixture.fake.resets(),
            fixture,
            disk,
            _param: param?,
        }))
    }

    /// Starts a read on the first CPU, in a queue that the device ignores from now on.
    fn unheard_read(&self) -> Result<Reading> {
        let _here = OnCpu::new(0)?;
        let (fake, queue) = (&self.fixture.fake, self.queue);
        fake.fault(|faults| faults.mute_queue = Some(queue));
        let kicks = fake.traffic(queue).kicks;
        let task = read(&self.disk)?;
        check!(wait::until(DEADLINE_MS, || fake.traffic(queue).kicks > kicks));
        Ok(task)
    }

    /// Waits for a reset of a queue. From then on, the device handles all queues.
    fn speak_after_queue_reset(&self) -> Result {
        let fake = &self.fixture.fake;
        check!(wait::until(DEADLINE_MS, || fake.queue_resets() > 0));
        self.speak();
        Ok(())
    }

    fn speak(&self) {
        self.fixture.fake.fault(|faults| faults.mute_queue = None);
        self.fixture.fake.set_auto(true);
    }

    /// Checks the numbers of resets of queues and of the device.
    fn check_resets(&self, queues: u32, device: u32) -> Result {
        check_eq!(self.fixture.fake.queue_resets(), queues);
        check_eq!(self.fixture.fake.resets() - self.resets, device);
        check_eq!(self.fixture.fake.violations(), 0);
        Ok(())
    }

    fn remove(self) -> Result {
        drop(self.disk);
        self.fixture.remove(DEADLINE_MS, drop)
    }
}

/// Checks that a stuck queue is started anew, while a slow request of another queue goes on.
fn alone(features: &[u32]) -> Result {
    let Some(stuck) = Stuck::new(features)? else {
        return Ok(());
    };
    let (fake, disk) = (&stuck.fixture.fake, &stuck.disk);
    let reading = stuck.unheard_read()?;
    let writing = {
        let _here = OnCpu::new(0)?;
        write(disk)?
    };
    let several = disk.limits().nr_hw_queues > 1;
    let other = 1 - stuck.queue;
    if several {
        // The driver waits longer for this request.
        stuck.fixture.disk.answer(Answer::Hold, Some(GET_ID));
        let _there = OnCpu::new(1)?;
        check_err!(disk.attribute(c"serial").map(|_| ()), EIO);
        check_eq!(fake.held(other), 1);
        stuck.fixture.disk.answer(Answer::Honest, None);
    }
    stuck.speak_after_queue_reset()?;
    check_read(reading)?;
    writing.join(DEADLINE_MS)??;
    check!(stuck.fixture.disk.has(64, &pattern(6, 4096)?));
    check_eq!(messages::logged(ALONE), 1);
    if several {
        check_eq!(fake.held(other), 1);
        fake.finish(other, |chain| stuck.fixture.disk.complete(chain))?;
        check_eq!(&disk.attribute(c"serial")?[..], b"serial-of-20-bytes-x");
    }
    check_read(read(disk)?)?;
    stuck.check_resets(1, 0)?;
    stuck.remove()
}

/// Checks a flush that the device answers during the reset of its queue, after the last check of
/// the driver for answers.
fn answered(features: &[u32]) -> Result {
    let Some(stuck) = Stuck::new(features)? else {
        return Ok(());
    };
    let fake = &stuck.fixture.fake;
    stuck.fixture.disk.answer(Answer::Hold, Some(FLUSH));
    fake.fault(|faults| faults.queue_reset_waits = true);
    let other = stuck.disk.clone();
    let flush = Task::new(move || other.flush())?;
    check!(wait::until(DEADLINE_MS, || fake.queue_resets() > 0));
    let queue = usize::from(fake.held(0) == 0);
    fake.finish_silently(queue, |chain| stuck.fixture.disk.complete(chain))?;
    stuck.fixture.disk.answer(Answer::Honest, None);
    fake.fault(|faults| faults.queue_reset_waits = false);
    flush.join(DEADLINE_MS)??;
    check_read(read(&stuck.disk)?)?;
    check_eq!(messages::logged(ALONE), 1);
    stuck.check_resets(1, 0)?;
    stuck.remove()
}

#[kunit_tests(rust_virtio_blk_queue_restart)]
mod suite {
    use super::*;

    /// A queue is started anew alone, with each ring layout.
    #[test]
    fn queue_alone() -> Result {
        LAYOUTS.iter().try_for_each(|features| alone(features))
    }

    /// If a queue is stuck again at once, the device is started anew.
    #[test]
    fn stuck_again() -> Result {
        let Some(stuck) = Stuck::new(LAYOUTS[0])? else {
            return Ok(());
        };
        let reading = stuck.unheard_read()?;
        let fake = &stuck.fixture.fake;
        check!(wait::until(DEADLINE_MS, || fake.resets() > stuck.resets));
        stuck.speak();
        check_read(reading)?;
        check_eq!(messages::logged(ALONE), 1);
        stuck.check_resets(1, 1)?;
        stuck.remove()
    }

    /// If the reset of the queue fails, the device is reset.
    #[test]
    fn h051_reset_fails() -> Result {
        let Some(stuck) = Stuck::new(LAYOUTS[0])? else {
            return Ok(());
        };
        let fake = &stuck.fixture.fake;
        fake.fault(|faults| faults.queue_reset_fails = true);
        let reading = stuck.unheard_read()?;
        check!(wait::until(DEADLINE_MS, || fake.resets() > stuck.resets));
        stuck.speak();
        check_read(reading)?;
        check_eq!(messages::logged(NOT_ALONE), 1);
        check_eq!(messages::logged(ALONE), 0);
        stuck.check_resets(0, 1)?;
        stuck.remove()
    }

    /// If the queue cannot be enabled again, the device is reset. The requests that were taken from
    /// the queue succeed then.
    #[test]
    fn h051_enable_fails() -> Result {
        let Some(stuck) = Stuck::new(LAYOUTS[0])? else {
            return Ok(());
        };
        let fake = &stuck.fixture.fake;
        fake.fault(|faults| faults.enable_fails = true);
        let reading = stuck.unheard_read()?;
        check!(wait::until(DEADLINE_MS, || fake.resets() > stuck.resets));
        stuck.speak();
        check_read(reading)?;
        check_eq!(messages::logged(NOT_ALONE), 1);
        stuck.check_resets(1, 1)?;
        stuck.remove()
    }

    /// An outstanding flush of the queue fails, as after a restart of the device.
    #[test]
    fn flush_is_not_repeated() -> Result {
        long!();
        let Some(stuck) = Stuck::new(LAYOUTS[0])? else {
            return Ok(());
        };
        stuck.fixture.disk.answer(Answer::Hold, Some(FLUSH));
        let other = stuck.disk.clone();
        let flush = Task::new(move || other.flush())?;
        stuck.speak_after_queue_reset()?;
        check_err!(flush.join(DEADLINE_MS)?, EIO);
        stuck.fixture.disk.answer(Answer::Honest, None);
        stuck.disk.flush()?;
        check_read(read(&stuck.disk)?)?;
        stuck.check_resets(1, 0)?;
        stuck.remove()
    }

    /// A flush that the device answers during the reset of its queue succeeds, with each ring
    /// layout.
    #[test]
    fn flush_is_answered_at_last() -> Result {
        long!();
        LAYOUTS.iter().try_for_each(|features| answered(features))
    }

    /// The disk can be removed while a queue is stuck, and just after the queue was started anew.
    #[test]
    fn removed() -> Result {
        for reset in [false, true] {
            let Some(stuck) = Stuck::new(LAYOUTS[0])? else {
                return Ok(());
            };
            let reading = stuck.unheard_read()?;
            let fake = &stuck.fixture.fake;
            check!(!reset || wait::until(DEADLINE_MS, || fake.queue_resets() > 0));
            stuck.remove()?;
            check_failed(reading, DEADLINE_MS)?;
        }
        Ok(())
    }

    /// By default, and if a queue cannot be reset alone, the device is reset.
    #[test]
    fn whole_device() -> Result {
        for offered in [true, false] {
            let features = if offered {
                LAYOUTS[0]
            } else {
                &[F_FLUSH, F_MQ]
            };
            let Some(stuck) = Stuck::new(features)? else {
                return Ok(());
            };
            let off = match offered {
                true => Some(Param::set(c"rust_virtio_blk", c"reset_queues", c"0", c"0")?),
                false => None,
            };
            let reading = stuck.unheard_read()?;
            let fake = &stuck.fixture.fake;
            check!(wait::until(DEADLINE_MS, || fake.resets() > stuck.resets));
            stuck.speak();
            check_read(reading)?;
            check_eq!(messages::logged(ALONE), 0);
            stuck.check_resets(0, 1)?;
            stuck.remove()?;
            drop(off);
        }
        Ok(())
    }
}
