// SPDX-License-Identifier: GPL-2.0

//! Queues that break while they are in use. The device is started anew, or given up, and no thread
//! waits for ever.

use super::{
    device,
    pattern,
    ramdisk::{
        Answer,
        IN, //
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
    Action,
    Disk,
    Fake,
    Param,
    Task, //
};

/// The time limit for operations that must end.
const DEADLINE_MS: u32 = 10_000;
/// The message of the driver, which is logged once.
const BROKEN: &CStr = c"a queue is broken";

/// Device status: the driver is ready.
const DRIVER_OK: u8 = 4;
/// Device status: the driver has failed (`FAILED`).
const FAILED: u8 = 128;

type Reading = Task<Result>;

/// Starts a read of the bytes that [`filled`] has stored.
fn read(disk: &Arc<Disk>) -> Result<Reading> {
    let disk = disk.clone();
    Task::new(move || {
        let bytes = disk.read(0, 4096)?;
        check!(bytes[..] == pattern(3, 4096)?[..]);
        Ok(())
    })
}

/// Stores bytes on a disk.
fn filled(fixture: DiskFixture) -> Result<(DiskFixture, Arc<Disk>)> {
    fixture.disk.put(0, &pattern(3, 4096)?);
    let disk = Arc::new(fixture.open()?, GFP_KERNEL)?;
    Ok((fixture, disk))
}

/// Starts a read that the device keeps, and returns its queue.
fn held_read(fixture: &DiskFixture, disk: &Arc<Disk>) -> Result<(Reading, usize)> {
    fixture.disk.answer(Answer::Hold, Some(IN));
    let task = read(disk)?;
    let mut queue = None;
    check!(wait::until(DEADLINE_MS, || {
        queue = (0..fixture.fake.queues()).find(|&q| fixture.fake.held(q) == 1);
        queue.is_some()
    }));
    Ok((task, queue.ok_or(ENODATA)?))
}

/// Makes the device use a buffer id of a queue that is not outstanding.
fn lie(fake: &Fake, queue: usize) -> Result {
    fake.finish(queue, |_| Action::CompleteAs { id: 0x7777, len: 1 })
}

/// Plugs a device that fails during probe.
fn refused(fake: &Fake) -> Result {
    DiskFixture::plain()?;
    messages::logged(BROKEN);
    let other = fake.clone();
    let plug = Task::new(move || other.plug())?.join(DEADLINE_MS)??;
    check_eq!(messages::logged(BROKEN), 1);
    check!(!fake.is_bound());
    check_eq!(fake.queues(), 0);
    check_eq!(fake.status() & (DRIVER_OK | FAILED), FAILED);
    plug.within(DEADLINE_MS, drop)
}

/// A disk with a poll queue, a read by polling that the device keeps, and the number of the queue.
type Polled = (DiskFixture, Arc<Disk>, Reading, usize);

/// Makes a disk with a poll queue, if there are CPUs for two queues.
fn polled() -> Result<Option<Polled>> {
    let one = Param::set(c"rust_virtio_blk", c"poll_queues", c"1", c"0");
    let config = Config::default().u16(Config::NUM_QUEUES, 2);
    let fixture = DiskFixture::new(config, &[F_FLUSH, F_MQ], 2)?;
    let disk = Arc::new(fixture.open()?, GFP_KERNEL)?;
    if one.is_err() || fixture.fake.queues() < 2 {
        messages::skip(c"the disk has no poll queue");
        return Ok(None);
    }
    fixture.disk.put(0, &pattern(5, 4096)?);
    let start = disk.read_polled(0)?;
    check!(start[..] == pattern(5, 16)?[..]);
    fixture.disk.answer(Answer::Hold, Some(IN));
    let other = disk.clone();
    let task = Task::new(move || other.read_polled(0).map(|_| ()))?;
    check!(wait::until(DEADLINE_MS, || fixture.fake.held(1) == 1));
    Ok(Some((fixture, disk, task, 1)))
}

/// Breaks a queue while the disk is being removed. The removal waits for `task`, an outstanding
/// request of the queue.
fn breaks_at_removal(mut fixture: DiskFixture, task: Reading, queue: usize) -> Result {
    let plug = fixture.plug.take().ok_or(ENODEV)?;
    let removal = Task::new(move || drop(plug))?;
    wait::pause(50);
    check!(!task.is_done());
    lie(&fixture.fake, queue)?;
    check!(task.join(DEADLINE_MS)?.is_err());
    removal.join(DEADLINE_MS)
}

/// As [`breaks_at_removal`], while a reset of the transport is prepared. The transport is reset,
/// and the request succeeds after that.
fn breaks_at_reset(fixture: &mut DiskFixture, task: Reading, queue: usize) -> Result {
    let plug = fixture.plug.take().ok_or(ENODEV)?;
    let reset = Task::new(move || (plug.reset_prepare(), plug))?;
    wait::pause(50);
    check!(!task.is_done());
    lie(&fixture.fake, queue)?;
    let (prepared, plug) = reset.join(DEADLINE_MS)?;
    prepared?;
    check!(!task.is_done());
    check!(!fixture.fake.may_do_io());
    fixture.disk.answer(Answer::Honest, None);
    plug.reset_done()?;
    // The reset holds back requests, and memory reclaim may wait for these.
    check!(!fixture.fake.may_do_io());
    fixture.plug = Some(plug);
    task.join(DEADLINE_MS)?
}

/// Checks that the device was started anew once, for a broken queue, and works.
fn check_anew(fixture: &DiskFixture, disk: &Disk, resets: u32) -> Result {
    check_eq!(fixture.fake.resets(), resets + 1);
    check_eq!(messages::logged(BROKEN), 1);
    check!(!fixture.fake.may_do_io());
    disk.write(64, &pattern(1, 512)?)?;
    check!(fixture.disk.has(64, &pattern(1, 512)?));
    disk.flush()?;
    check_eq!(fixture.fake.violations(), 0);
    Ok(())
}

#[kunit_tests(rust_virtio_blk_broken)]
mod suite {
    use super::*;

    /// H075: a wrong id. Outstanding requests succeed after a restart.
    #[test]
    fn h075_wrong_id() -> Result {
        let (fixture, disk) = filled(DiskFixture::plain()?)?;
        let (first, queue) = held_read(&fixture, &disk)?;
        let second = read(&disk)?;
        check!(wait::until(DEADLINE_MS, || fixture.fake.held(queue) == 2));
        messages::logged(BROKEN);
        let resets = fixture.fake.resets();
        fixture.disk.answer(Answer::Honest, None);
        lie(&fixture.fake, queue)?;
        first.join(DEADLINE_MS)??;
        second.join(DEADLINE_MS)??;
        check_anew(&fixture, &disk, resets)?;
        fixture.remove(DEADLINE_MS, drop)
    }

    /// The restart for a broken queue also issues the requests of other queues again.
    #[test]
    fn h075_other_queue() -> Result {
        let config = Config::default().u16(Config::NUM_QUEUES, 2);
        let fixture = DiskFixture::new(config, &[F_FLUSH, F_MQ], 2)?;
        if fixture.fake.queues() < 2 {
            messages::skip(c"there is only one CPU");
            return Ok(());
        }
        let (fixture, disk) = filled(fixture)?;
        let (task, queue) = held_read(&fixture, &disk)?;
        messages::logged(BROKEN);
        let resets = fixture.fake.resets();
        fixture.disk.answer(Answer::Honest, None);
        let other = 1 - queue;
        fixture.fake.inject(other, |ring| {
            let split = ring.split()?;
            let next = split.used_idx().wrapping_add(1);
            split.set_used_idx(next)
        })?;
        fixture.fake.interrupt(other)?;
        task.join(DEADLINE_MS)??;
        check_anew(&fixture, &disk, resets)?;
        fixture.remove(DEADLINE_MS, drop)
    }

    /// A queue breaks while the driver reads the partitions. The driver does not bind, and sets
    /// `FAILED`.
    #[test]
    fn at_probe() -> Result {
        let (disk, fake) = device(Config::default(), &[], 1)?;
        disk.answer(Answer::WrongId, Some(IN));
        refused(&fake)
    }

    /// A queue breaks while removal of the disk waits for its request.
    #[test]
    fn h075_at_removal() -> Result {
        let fixture = DiskFixture::plain()?;
        let disk = Arc::new(fixture.open()?, GFP_KERNEL)?;
        let (task, queue) = held_read(&fixture, &disk)?;
        breaks_at_removal(fixture, task, queue)
    }

    /// As [`h075_at_removal`], with a queue without interrupt: only the poller sees that it is
    /// broken.
    #[test]
    fn polled_at_removal() -> Result {
        let Some((fixture, _disk, task, queue)) = polled()? else {
            return Ok(());
        };
        breaks_at_removal(fixture, task, queue)
    }

    /// As [`h075_at_reset`], with a queue without interrupt: only the poller sees that it is
    /// broken.
    #[test]
    fn polled_at_reset() -> Result {
        let Some((mut fixture, disk, task, queue)) = polled()? else {
            return Ok(());
        };
        breaks_at_reset(&mut fixture, task, queue)?;
        let start = disk.read_polled(0)?;
        check!(start[..] == pattern(5, 16)?[..]);
        drop(disk);
        fixture.remove(DEADLINE_MS, drop)
    }

    /// Notifications fail while the driver reads the partitions.
    #[test]
    fn unheard_at_probe() -> Result {
        let (_, fake) = device(Config::default(), &[], 1)?;
        fake.fault(|faults| faults.notify_fails = true);
        refused(&fake)
    }

    /// A queue breaks while the preparation of a transport reset waits for its request. After the
    /// reset the disk works.
    #[test]
    fn h075_at_reset() -> Result {
        let (mut fixture, disk) = filled(DiskFixture::plain()?)?;
        let (task, queue) = held_read(&fixture, &disk)?;
        breaks_at_reset(&mut fixture, task, queue)?;
        let bytes = disk.read(0, 4096)?;
        check!(bytes[..] == pattern(3, 4096)?[..]);
        drop(disk);
        fixture.remove(DEADLINE_MS, drop)
    }
}
