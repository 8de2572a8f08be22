// SPDX-License-Identifier: GPL-2.0

//! Disks that do not answer. They are started anew with their outstanding requests, or given up. No
//! thread waits for ever, also if the disk is removed or put to sleep at that time.

use super::{
    device,
    pattern,
    ramdisk::{
        Answer,
        FLUSH,
        GET_ID,
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
use virtio::time_limit::Haste;
use virtio_fake::{
    messages,
    wait,
    Disk,
    Plug,
    ReadError,
    Task, //
};

/// The time limit for operations that must end.
pub(super) const DEADLINE_MS: u32 = 30_000;
/// The time limit for operations with a device that does not complete a reset.
const DEAF_MS: u32 = 60_000;
/// The timeout of a request in these tests.
const TIMEOUT_MS: u32 = 300;
/// The message for a device that was started anew.
const ANEW: &CStr = c"started anew";
/// The reason in these messages.
const BROKEN: &CStr = c"a queue is broken";
/// The message for a device that was given up.
const GIVEN_UP: &CStr = c"all requests fail";

pub(super) type Reading = Task<Result<KVec<u8>, ReadError>>;

/// Returns a disk with content, whose requests time out soon.
fn impatient() -> Result<(DiskFixture, Arc<Disk>)> {
    impatient_with(DiskFixture::plain()?)
}

/// As [`impatient`], for a fixture.
pub(super) fn impatient_with(mut fixture: DiskFixture) -> Result<(DiskFixture, Arc<Disk>)> {
    fixture.hasten();
    fixture.disk.put(0, &pattern(5, 4096)?);
    let disk = Arc::new(fixture.open()?, GFP_KERNEL)?;
    disk.set_timeout(TIMEOUT_MS);
    messages::logged(ANEW);
    messages::logged(GIVEN_UP);
    Ok((fixture, disk))
}

/// Starts an operation, and waits until the disk keeps a request of it: one with `command`, or any.
pub(super) fn kept(
    fixture: &DiskFixture,
    disk: &Arc<Disk>,
    command: Option<u32>,
    operation: fn(&Disk) -> Result,
) -> Result<Task<Result>> {
    fixture.disk.answer(Answer::Hold, command);
    let disk = disk.clone();
    let task = Task::new(move || operation(&disk))?;
    check!(wait::until(DEADLINE_MS, || fixture.fake.held(0) == 1));
    Ok(task)
}

/// Starts a read.
pub(super) fn read(disk: &Arc<Disk>) -> Result<Reading> {
    let disk = disk.clone();
    Task::new(move || disk.read(0, 4096))
}

/// Starts a read that the device ignores.
pub(super) fn unheard_read(fixture: &DiskFixture, disk: &Arc<Disk>) -> Result<Reading> {
    fixture.fake.fault(|faults| faults.mute = true);
    let kicks = fixture.fake.traffic(0).kicks;
    let task = read(disk)?;
    check!(wait::until(DEADLINE_MS, || fixture.fake.traffic(0).kicks > kicks));
    Ok(task)
}

/// Starts a write of another pattern.
pub(super) fn write(disk: &Arc<Disk>) -> Result<Task<Result>> {
    let disk = disk.clone();
    Task::new(move || disk.write(64, &pattern(6, 4096)?))
}

/// Makes the device answer again.
pub(super) fn speak(fixture: &DiskFixture) {
    fixture.fake.fault(|faults| faults.mute = false);
    fixture.fake.set_auto(true);
}

/// Waits for a reset of the device, after which it answers again.
pub(super) fn speak_after_reset(fixture: &DiskFixture, resets: u32) -> Result {
    check!(wait::until(DEADLINE_MS, || fixture.fake.resets() > resets));
    speak(fixture);
    Ok(())
}

/// Checks that a read succeeded.
pub(super) fn check_read(task: Reading) -> Result {
    let bytes = task.join(DEADLINE_MS)??;
    check!(bytes[..] == pattern(5, 4096)?[..]);
    Ok(())
}

/// Checks that a read failed.
pub(super) fn check_failed(task: Reading, millis: u32) -> Result {
    match task.join(millis)? {
        Ok(_) => Err(ENODATA),
        Err(failed) => {
            check_eq!(failed.error, EIO);
            Ok(())
        }
    }
}

/// Checks that requests that are outstanding while the device sleeps succeed after the wake-up.
fn sleeps(down: fn(&Plug) -> Result, up: fn(&Plug) -> Result) -> Result {
    let (mut fixture, disk) = impatient()?;
    let reading = unheard_read(&fixture, &disk)?;
    let writing = write(&disk)?;
    let plug = fixture.plug.take().ok_or(ENODEV)?;
    let (slept, plug) = Task::new(move || (down(&plug), plug))?.join(DEADLINE_MS)?;
    slept?;
    check_eq!(fixture.fake.queues(), 0);
    check!(!reading.is_done());
    speak(&fixture);
    let (woken, plug) = Task::new(move || (up(&plug), plug))?.join(DEADLINE_MS)?;
    fixture.plug = Some(plug);
    woken?;
    check_read(reading)?;
    writing.join(DEADLINE_MS)??;
    check!(fixture.disk.has(64, &pattern(6, 4096)?));
    check_eq!(messages::logged(GIVEN_UP), 0);
    drop(disk);
    fixture.remove(DEADLINE_MS, drop)
}

/// Checks that requests wait after a failed wake-up, and succeed after the restart of the device.
fn wakes_late(down: fn(&Plug) -> Result, up: fn(&Plug) -> Result) -> Result {
    let (fixture, disk) = impatient()?;
    let plug = fixture.plug.as_ref().ok_or(ENODEV)?;
    down(plug)?;
    fixture.fake.fault(|faults| faults.find_vqs_once = 5);
    let reading = read(&disk)?;
    check_err!(up(plug), EIO);
    check_read(reading)?;
    check_eq!(messages::logged(ANEW), 1);
    drop(disk);
    fixture.remove(DEADLINE_MS, drop)
}

#[kunit_tests(rust_virtio_blk_timeout)]
mod suite {
    use super::*;

    /// A device that stops answering is started anew, and its outstanding reads and writes succeed.
    #[test]
    fn h073_started_anew() -> Result {
        let (fixture, disk) = impatient()?;
        let resets = fixture.fake.resets();
        let reading = unheard_read(&fixture, &disk)?;
        let writing = write(&disk)?;
        speak_after_reset(&fixture, resets)?;
        check_read(reading)?;
        writing.join(DEADLINE_MS)??;
        check!(fixture.disk.has(64, &pattern(6, 4096)?));
        check_eq!(messages::logged(ANEW), 1);
        check_eq!(fixture.fake.violations(), 0);
        check!(!fixture.fake.may_do_io());
        drop(disk);
        fixture.remove(DEADLINE_MS, drop)
    }

    /// A device with several queues is started anew.
    #[test]
    fn h073_several_queues() -> Result {
        let config = Config::default().u16(Config::NUM_QUEUES, 4);
        let mut fixture = DiskFixture::new(config, &[F_FLUSH, F_MQ], 4)?;
        fixture.hasten();
        fixture.disk.put(0, &pattern(5, 4096)?);
        let disk = Arc::new(fixture.open()?, GFP_KERNEL)?;
        disk.set_timeout(TIMEOUT_MS);
        let resets = fixture.fake.resets();
        fixture.fake.fault(|faults| faults.mute = true);
        let mut tasks = KVec::new();
        for _ in 0..8 {
            tasks.push(read(&disk)?, GFP_KERNEL)?;
        }
        speak_after_reset(&fixture, resets)?;
        for task in tasks {
            check_read(task)?;
        }
        check_eq!(fixture.fake.violations(), 0);
        drop(disk);
        fixture.remove(DEADLINE_MS, drop)
    }

    /// An outstanding flush fails, because the writes before it may be lost.
    #[test]
    fn flush_is_not_repeated() -> Result {
        long!();
        let (fixture, disk) = impatient()?;
        let resets = fixture.fake.resets();
        fixture.disk.answer(Answer::Hold, Some(FLUSH));
        let other = disk.clone();
        let flush = Task::new(move || other.flush())?;
        check!(wait::until(DEADLINE_MS, || fixture.fake.held(0) == 1));
        check!(wait::until(DEADLINE_MS, || fixture.fake.resets() > resets));
        check_err!(flush.join(DEADLINE_MS)?, EIO);
        fixture.disk.answer(Answer::Honest, None);
        disk.flush()?;
        check_read(read(&disk)?)?;
        drop(disk);
        fixture.remove(DEADLINE_MS, drop)
    }

    /// If an interrupt is lost, the answer is found, and the device is not reset.
    #[test]
    fn h043_lost_interrupt() -> Result {
        let (fixture, disk) = impatient()?;
        let resets = fixture.fake.resets();
        fixture.fake.fault(|faults| faults.swallow_interrupts = 1);
        check_read(read(&disk)?)?;
        // The next interrupt is delivered.
        check_read(read(&disk)?)?;
        check_eq!(fixture.fake.resets(), resets);
        check_eq!(messages::logged(ANEW), 0);
        drop(disk);
        fixture.remove(DEADLINE_MS, drop)
    }

    /// A device that asks for a reset is reset, and goes on.
    #[test]
    fn h054_needs_reset() -> Result {
        let (fixture, disk) = impatient()?;
        fixture.disk.answer(Answer::Hold, Some(IN));
        let reading = read(&disk)?;
        check!(wait::until(DEADLINE_MS, || fixture.fake.held(0) == 1));
        fixture.disk.answer(Answer::Honest, None);
        fixture.fake.needs_reset();
        check_read(reading)?;
        check_eq!(messages::logged(ANEW), 1);
        drop(disk);
        fixture.remove(DEADLINE_MS, drop)
    }

    /// A device that breaks its queue after each restart is given up after some.
    #[test]
    fn given_up_after_some() -> Result {
        let (fixture, disk) = impatient()?;
        let resets = fixture.fake.resets();
        fixture.disk.answer(Answer::WrongId, Some(IN));
        check_failed(read(&disk)?, DEADLINE_MS)?;
        // Five restarts are allowed.
        check_eq!(messages::logged(BROKEN), 6);
        check!(fixture.fake.resets() >= resets + 6);
        check_err!(disk.write(0, &pattern(1, 512)?), EIO);
        drop(disk);
        fixture.remove(DEADLINE_MS, drop)
    }

    /// The queues are not found by the first restart, but by the second one. No request is lost.
    #[test]
    fn second_restart() -> Result {
        let (fixture, disk) = impatient()?;
        let resets = fixture.fake.resets();
        fixture.fake.fault(|faults| faults.find_vqs_once = 12);
        let reading = unheard_read(&fixture, &disk)?;
        let writing = write(&disk)?;
        speak_after_reset(&fixture, resets)?;
        check_read(reading)?;
        writing.join(DEADLINE_MS)??;
        check!(fixture.disk.has(64, &pattern(6, 4096)?));
        check_eq!(messages::logged(c"cannot be started anew yet"), 1);
        check_read(read(&disk)?)?;
        drop(disk);
        fixture.remove(DEADLINE_MS, drop)
    }

    /// The queues are never found again. The device is given up after five restarts.
    #[test]
    fn no_restart_succeeds() -> Result {
        let (fixture, disk) = impatient()?;
        let reading = unheard_read(&fixture, &disk)?;
        fixture.fake.fault(|faults| faults.find_vqs = 12);
        check_failed(reading, DEADLINE_MS)?;
        check_err!(disk.write(0, &pattern(1, 512)?), EIO);
        check_eq!(messages::logged(c"a request is not answered"), 6);
        drop(disk);
        fixture.remove(DEADLINE_MS, drop)
    }

    /// A disk can be removed between two restarts. Its requests fail.
    #[test]
    fn removed_between_restarts() -> Result {
        let (fixture, disk) = impatient()?;
        let reading = unheard_read(&fixture, &disk)?;
        fixture.fake.fault(|faults| faults.find_vqs = 12);
        check!(wait::until(DEADLINE_MS, || messages::logged(
            c"cannot be started anew yet"
        ) > 0));
        fixture.remove(DEADLINE_MS, drop)?;
        check_failed(reading, DEADLINE_MS)
    }

    /// A device that no longer has rings of the former size is given up by the first restart.
    #[test]
    fn given_up_at_once() -> Result {
        let (fixture, disk) = impatient()?;
        let reading = unheard_read(&fixture, &disk)?;
        fixture.fake.fault(|faults| faults.queue_size = 4);
        check_failed(reading, DEADLINE_MS)?;
        check_eq!(messages::logged(c"a request is not answered"), 1);
        drop(disk);
        fixture.remove(DEADLINE_MS, drop)
    }

    /// A device that is gone is given up.
    #[test]
    fn h050_vanished() -> Result {
        let (fixture, disk) = impatient()?;
        let reading = unheard_read(&fixture, &disk)?;
        fixture.fake.fault(|faults| faults.gone = true);
        check_failed(reading, DEADLINE_MS)?;
        check_eq!(messages::logged(GIVEN_UP), 1);
        check_failed(read(&disk)?, DEADLINE_MS)?;
        drop(disk);
        fixture.remove(DEADLINE_MS, drop)
    }

    /// A device that does not complete a reset is given up.
    #[test]
    fn h049_deaf() -> Result {
        let (fixture, disk) = impatient()?;
        let reading = unheard_read(&fixture, &disk)?;
        fixture.fake.fault(|faults| faults.reset_ignored = true);
        check_failed(reading, DEAF_MS)?;
        check_eq!(messages::logged(GIVEN_UP), 1);
        drop(disk);
        fixture.remove(DEADLINE_MS, drop)
    }

    /// A disk that does not answer can be removed.
    #[test]
    fn h074_removed() -> Result {
        let (fixture, disk) = impatient()?;
        let reading = unheard_read(&fixture, &disk)?;
        fixture.remove(DEADLINE_MS, drop)?;
        check_failed(reading, DEADLINE_MS)
    }

    /// A disk that does not answer is removed long before its requests are late.
    #[test]
    fn h074_removed_before_timeout() -> Result {
        let (fixture, disk) = impatient()?;
        disk.set_timeout(10 * DEADLINE_MS);
        let reading = unheard_read(&fixture, &disk)?;
        let writing = write(&disk)?;
        fixture.remove(DEADLINE_MS, drop)?;
        check_failed(reading, DEADLINE_MS)?;
        check_err!(writing.join(DEADLINE_MS)?, EIO);
        check_eq!(messages::logged(GIVEN_UP), 1);
        Ok(())
    }

    /// A disk whose device is gone can be removed.
    #[test]
    fn h074_removed_vanished() -> Result {
        let (fixture, disk) = impatient()?;
        let reading = unheard_read(&fixture, &disk)?;
        fixture.fake.fault(|faults| faults.gone = true);
        fixture.remove(DEADLINE_MS, drop)?;
        check_failed(reading, DEADLINE_MS)
    }

    /// A disk that neither answers nor completes a reset can be removed.
    #[test]
    fn h074_removed_deaf() -> Result {
        let (fixture, disk) = impatient()?;
        let reading = unheard_read(&fixture, &disk)?;
        fixture.fake.fault(|faults| faults.reset_ignored = true);
        fixture.remove(DEAF_MS, drop)?;
        check_failed(reading, DEADLINE_MS)
    }

    /// The driver does not bind to a disk that does not answer from the beginning.
    #[test]
    fn mute_at_probe() -> Result {
        long!();
        let _haste = Haste::new();
        let (_disk, fake) = device(Config::default(), &[], 1)?;
        fake.fault(|faults| faults.mute = true);
        let other = fake.clone();
        let plug = Task::new(move || other.plug())?.join(DEAF_MS)??;
        check!(!fake.is_bound());
        check_eq!(fake.queues(), 0);
        plug.within(DEADLINE_MS, drop)
    }

    /// Outstanding requests survive sleep of the system.
    #[test]
    #[cfg(CONFIG_PM_SLEEP)]
    fn sleeps_and_wakes() -> Result {
        sleeps(Plug::freeze, Plug::restore)
    }

    /// Outstanding requests survive a reset of the transport.
    #[test]
    fn transport_reset() -> Result {
        sleeps(Plug::reset_prepare, Plug::reset_done)
    }

    /// After a failed wake-up the disk waits for a restart. If the transport is reset before that,
    /// requests succeed after the reset, without a restart.
    #[test]
    fn h077_reset_again() -> Result {
        let (fixture, disk) = impatient()?;
        let plug = fixture.plug.as_ref().ok_or(ENODEV)?;
        plug.reset_prepare()?;
        fixture.fake.fault(|faults| faults.find_vqs_once = 5);
        let reading = read(&disk)?;
        plug.in_one(|plug| {
            check_err!(plug.reset_done(), EIO);
            plug.reset_prepare()
        })?;
        check!(!reading.is_done());
        plug.reset_done()?;
        check_read(reading)?;
        check_eq!(messages::logged(GIVEN_UP) + messages::logged(ANEW), 0);
        drop(disk);
        fixture.remove(DEADLINE_MS, drop)
    }

    /// The queues are not found when the system wakes up, but by the restart.
    #[test]
    #[cfg(CONFIG_PM_SLEEP)]
    fn h077_wakes_late() -> Result {
        wakes_late(Plug::freeze, Plug::restore)
    }

    /// The queues are not found after a reset of the transport, but by the restart.
    #[test]
    fn h077_reset_done_late() -> Result {
        wakes_late(Plug::reset_prepare, Plug::reset_done)
    }

    /// The device is gone when the system wakes up: waiting requests fail.
    #[test]
    #[cfg(CONFIG_PM_SLEEP)]
    fn h077_gone_at_wake_up() -> Result {
        let (fixture, disk) = impatient()?;
        let plug = fixture.plug.as_ref().ok_or(ENODEV)?;
        plug.freeze()?;
        fixture.fake.fault(|faults| faults.gone = true);
        let reading = read(&disk)?;
        check!(plug.restore().is_err());
        check_failed(reading, DEADLINE_MS)?;
        drop(disk);
        fixture.remove(DEADLINE_MS, drop)
    }

    /// If the device does not answer a request for the identification string, the reader gets an
    /// error. The disk works, and can be removed.
    #[test]
    fn h090_no_identification() -> Result {
        let (fixture, disk) = impatient()?;
        let resets = fixture.fake.resets();
        fixture.disk.answer(Answer::Hold, Some(GET_ID));
        let other = disk.clone();
        let id = Task::new(move || other.attribute(c"serial").map(|_| ()))?;
        check_err!(id.join(DEADLINE_MS)?, EIO);
        check_read(read(&disk)?)?;
        check_err!(disk.attribute(c"serial").map(|_| ()), EIO);
        check_eq!(fixture.fake.resets(), resets);
        fixture.disk.answer(Answer::Honest, None);
        fixture
            .fake
            .finish(0, |chain| fixture.disk.complete(chain))?;
        check_eq!(&disk.attribute(c"serial")?[..], b"serial-of-20-bytes-x");
        fixture.disk.answer(Answer::Hold, Some(GET_ID));
        check_err!(disk.attribute(c"serial").map(|_| ()), EIO);
        drop(disk);
        fixture.remove(DEADLINE_MS, drop)
    }
}
