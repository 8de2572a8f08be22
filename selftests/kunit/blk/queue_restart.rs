// SPDX-License-Identifier: GPL-2.0

//! Disks with a queue that does not answer, which can be started anew alone.

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

/// The driver started a queue anew alone.
const ALONE: &CStr = c"is stuck: started anew alone";
/// The driver could not.
const NOT_ALONE: &CStr = c"cannot be started anew alone";

/// Features of disks whose queues can be reset alone.
const LAYOUTS: [&[u32]; 3] = [
    &[F_FLUSH, F_MQ, RING_RESET],
    &[F_FLUSH, F_MQ, RING_RESET, EVENT_IDX, INDIRECT_DESC],
    &[F_FLUSH, F_MQ, RING_RESET, EVENT_IDX, RING_PACKED],
];

/// A disk with a queue for each of two CPUs, and a driver that may reset queues.
struct Stuck {
    fixture: DiskFixture,
    disk: Arc<Disk>,
    /// The queue that the first CPU uses.
    queue: usize,
    /// Resets of the device so far.
    resets: u32,
    _param: Param,
}

impl Stuck {
    /// Makes the disk. `None`: the driver cannot be told.
    fn new(features: &[u32]) -> Result<Option<Self>> {
        let config = Config::default().u16(Config::NUM_QUEUES, 2);
        let fixture = DiskFixture::new(config, features, 2)?;
        let param = Param::set(c"rust_virtio_blk", c"reset_queues", c"1", c"0");
        if param.as_ref().is_err_and(|e| *e == ENOENT) {
            messages::skip(c"the driver is part of the kernel, or another one");
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

    /// Starts a read on the first CPU, in a queue that the device looks at no more.
    fn unheard_read(&self) -> Result<Reading> {
        let _here = OnCpu::new(0)?;
        let (fake, queue) = (&self.fixture.fake, self.queue);
        fake.fault(|faults| faults.mute_queue = Some(queue));
        let kicks = fake.traffic(queue).kicks;
        let task = read(&self.disk)?;
        check!(wait::until(DEADLINE_MS, || fake.traffic(queue).kicks > kicks));
        Ok(task)
    }

    /// Waits for a reset of a queue, and has the device look at all queues from then on.
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

    /// So many queues were reset, and so often the device.
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

/// A queue is stuck, and a request of another one takes its time. The first is started anew, and
/// the other not touched.
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
        // The driver waits longer for it than for others.
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

/// A flush is answered after the driver has looked for answers the last time before it has the
/// queue reset.
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

    /// A queue is started anew alone, in each layout.
    #[test]
    fn queue_alone() -> Result {
        LAYOUTS.iter().try_for_each(|features| alone(features))
    }

    /// A queue that is stuck again at once is not what is wrong: the device is started anew.
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

    /// The device does not reset the queue: it is reset itself.
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

    /// The device does not take the queue back: it is reset, and what was taken from it is done
    /// then.
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

    /// A flush that the queue had fails, as after a restart of the device.
    #[test]
    fn flush_is_not_repeated() -> Result {
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

    /// A flush that the device answers while its queue is being reset has succeeded, in each
    /// layout.
    #[test]
    fn flush_is_answered_at_last() -> Result {
        LAYOUTS.iter().try_for_each(|features| answered(features))
    }

    /// The disk is removed with a queue stuck, or just after that was started anew.
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

    /// By default, and where a queue cannot be reset alone, the device is.
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
