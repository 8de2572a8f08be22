// SPDX-License-Identifier: GPL-2.0

//! Queues that break while they are used: the device is started anew, or given up, and nobody
//! waits.

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

/// The time that anything may take that must end.
const DEADLINE_MS: u32 = 10_000;
/// The message of the driver, logged once.
const BROKEN: &CStr = c"a queue is broken";

/// Device status: the driver is ready.
const DRIVER_OK: u8 = 4;
/// Device status: the driver has given up.
const FAILED: u8 = 128;

type Reading = Task<Result>;

/// Starts a read of what [`filled`] put there.
fn read(disk: &Arc<Disk>) -> Result<Reading> {
    let disk = disk.clone();
    Task::new(move || {
        let bytes = disk.read(0, 4096)?;
        check!(bytes[..] == pattern(3, 4096)?[..]);
        Ok(())
    })
}

/// Gives a disk something to be read.
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

/// Has the device give back a buffer of a queue that there is none of.
fn lie(fake: &Fake, queue: usize) -> Result {
    fake.finish(queue, |_| Action::CompleteAs { id: 0x7777, len: 1 })
}

/// Plugs a device that is given up while it is probed.
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

/// A disk with a polled queue, a read from it that the device keeps, and the number of the queue.
type Polled = (DiskFixture, Arc<Disk>, Reading, usize);

/// Makes a disk with a polled queue, if there are processors for two queues.
fn polled() -> Result<Option<Polled>> {
    let one = Param::set(c"rust_virtio_blk", c"poll_queues", c"1", c"0");
    let config = Config::default().u16(Config::NUM_QUEUES, 2);
    let fixture = DiskFixture::new(config, &[F_FLUSH, F_MQ], 2)?;
    let disk = Arc::new(fixture.open()?, GFP_KERNEL)?;
    if one.is_err() || fixture.fake.queues() < 2 {
        messages::skip(c"no queue that is polled");
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

/// A queue breaks while the disk is removed, which waits for `task`, a request that the queue has.
fn breaks_at_removal(mut fixture: DiskFixture, task: Reading, queue: usize) -> Result {
    let plug = fixture.plug.take().ok_or(ENODEV)?;
    let removal = Task::new(move || drop(plug))?;
    wait::pause(50);
    check!(!task.is_done());
    lie(&fixture.fake, queue)?;
    check!(task.join(DEADLINE_MS)?.is_err());
    removal.join(DEADLINE_MS)
}

/// As [`breaks_at_removal`], while the transport is about to be reset. It is reset then, and the
/// request is done after that.
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
    // The requests that wait then may be what memory is freed by.
    check!(!fixture.fake.may_do_io());
    fixture.plug = Some(plug);
    task.join(DEADLINE_MS)?
}

/// The device was started anew once, for a broken queue, and works.
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

    /// H075: a wrong id. What is under way is done after a restart.
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

    /// The requests of other queues go with the queue that breaks.
    #[test]
    fn h075_other_queue() -> Result {
        let config = Config::default().u16(Config::NUM_QUEUES, 2);
        let fixture = DiskFixture::new(config, &[F_FLUSH, F_MQ], 2)?;
        if fixture.fake.queues() < 2 {
            messages::skip(c"one processor");
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

    /// While the driver reads the partitions: it does not take the device, which gets to know.
    #[test]
    fn at_probe() -> Result {
        let (disk, fake) = device(Config::default(), &[], 1)?;
        disk.answer(Answer::WrongId, Some(IN));
        refused(&fake)
    }

    /// While the disk is removed, which waits for the request.
    #[test]
    fn h075_at_removal() -> Result {
        let fixture = DiskFixture::plain()?;
        let disk = Arc::new(fixture.open()?, GFP_KERNEL)?;
        let (task, queue) = held_read(&fixture, &disk)?;
        breaks_at_removal(fixture, task, queue)
    }

    /// As [`h075_at_removal`], where nobody but the poller sees it.
    #[test]
    fn polled_at_removal() -> Result {
        let Some((fixture, _disk, task, queue)) = polled()? else {
            return Ok(());
        };
        breaks_at_removal(fixture, task, queue)
    }

    /// As [`h075_at_reset`], where nobody but the poller sees it.
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

    /// While the driver reads the partitions: the device cannot be notified.
    #[test]
    fn unheard_at_probe() -> Result {
        let (_, fake) = device(Config::default(), &[], 1)?;
        fake.fault(|faults| faults.notify_fails = true);
        refused(&fake)
    }

    /// While the transport is about to be reset, which waits for the request; then the disk is as
    /// good as new.
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
