// SPDX-License-Identifier: GPL-2.0

//! Honest disks that take long. Their requests succeed, and the driver does not reset them.

use super::{
    device,
    pattern,
    ramdisk::{
        Answer,
        DISCARD,
        FLUSH,
        IN,
        OUT,
        SECURE_ERASE,
        WRITE_ZEROES, //
    },
    timeout::{
        check_read,
        impatient_with,
        kept,
        read,
        write,
        DEADLINE_MS, //
    },
    Config,
    DiskFixture,
    F_DISCARD,
    F_FLUSH,
    F_SECURE_ERASE,
    F_WRITE_ZEROES, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};
use virtio::time_limit::Haste;
use virtio_fake::{
    wait,
    Disk,
    Fake,
    Task, //
};

/// The number of notifications of a late request after which the driver, if it had no patience with
/// the operation, would have started the device anew.
const SEVERAL: u64 = 4;

/// Waits until the driver has notified the device of late requests several times. Fails if it
/// resets the device instead.
fn wait_for_rounds(fake: &Fake, resets: u32) -> Result {
    let kicks = fake.traffic(0).kicks;
    check!(wait::until(DEADLINE_MS, || {
        fake.traffic(0).kicks >= kicks + SEVERAL || fake.resets() > resets
    }));
    check_eq!(fake.resets(), resets);
    Ok(())
}

/// Ends the oldest request that the disk has kept.
fn finish(fixture: &DiskFixture) -> Result {
    fixture.fake.finish(0, |chain| fixture.disk.complete(chain))
}

/// Checks that an operation succeeds that the disk ends after several timeouts.
fn takes_long(feature: u32, command: u32, operation: fn(&Disk) -> Result) -> Result {
    let config = Config::default().secure_erase();
    let (fixture, disk) = impatient_with(DiskFixture::new(config, &[feature], 1)?)?;
    let resets = fixture.fake.resets();
    let task = kept(&fixture, &disk, Some(command), operation)?;
    wait_for_rounds(&fixture.fake, resets)?;
    finish(&fixture)?;
    task.join(DEADLINE_MS)??;
    check_eq!(fixture.fake.resets(), resets);
    drop(disk);
    fixture.remove(DEADLINE_MS, drop)
}

#[kunit_tests(rust_virtio_blk_slow)]
mod suite {
    use super::*;

    /// A disk that takes several timeouts for its first read is used.
    #[test]
    fn first_read() -> Result {
        let _haste = Haste::new();
        let (disk, fake) = device(Config::default(), &[], 1)?;
        disk.answer(Answer::Hold, Some(IN));
        let other = fake.clone();
        let plug = Task::new(move || other.plug())?;
        check!(wait::until(DEADLINE_MS, || fake.held(0) == 1));
        let resets = fake.resets();
        wait_for_rounds(&fake, resets)?;
        disk.answer(Answer::Honest, None);
        fake.finish(0, |chain| disk.complete(chain))?;
        let plug = plug.join(DEADLINE_MS)??;
        check!(fake.is_bound());
        let disk = Disk::open(&fake, true)?;
        check!(disk.read(0, 4096).is_ok());
        drop(disk);
        plug.within(DEADLINE_MS, drop)
    }

    /// A flush that takes several timeouts succeeds.
    #[test]
    fn flush() -> Result {
        takes_long(F_FLUSH, FLUSH, Disk::flush)
    }

    /// A discard that takes several timeouts is not repeated.
    #[test]
    fn discard() -> Result {
        takes_long(F_DISCARD, DISCARD, |disk| disk.discard(64, 16))
    }

    /// A write of zeroes that takes several timeouts is not repeated.
    #[test]
    fn zeroes() -> Result {
        takes_long(F_WRITE_ZEROES, WRITE_ZEROES, |disk| disk.zero(64, 16))
    }

    /// A secure erase that takes several timeouts is not repeated.
    #[test]
    fn secure_erase() -> Result {
        takes_long(F_SECURE_ERASE, SECURE_ERASE, |disk| {
            disk.secure_erase(64, 16)
        })
    }

    /// The disk goes to sleep. It takes more than five seconds for a flush, and ends nothing else
    /// in that time. The flush succeeds.
    #[test]
    fn flush_before_sleep() -> Result {
        long!();
        let mut fixture = DiskFixture::plain()?;
        let disk = Arc::new(fixture.open()?, GFP_KERNEL)?;
        let flush = kept(&fixture, &disk, Some(FLUSH), Disk::flush)?;
        let plug = fixture.plug.take().ok_or(ENODEV)?;
        let sleep = Task::new(move || (plug.reset_prepare(), plug))?;
        wait::pause(8_000);
        check!(!sleep.is_done());
        finish(&fixture)?;
        flush.join(DEADLINE_MS)??;
        let (slept, plug) = sleep.join(DEADLINE_MS)?;
        slept?;
        plug.reset_done()?;
        fixture.plug = Some(plug);
        drop(disk);
        fixture.remove(DEADLINE_MS, drop)
    }

    /// The disk is removed. It takes more than ten seconds for a flush, and ends nothing else in
    /// that time. The flush succeeds.
    #[test]
    fn flush_before_removal() -> Result {
        long!();
        let mut fixture = DiskFixture::plain()?;
        let disk = Arc::new(fixture.open()?, GFP_KERNEL)?;
        let flush = kept(&fixture, &disk, Some(FLUSH), Disk::flush)?;
        let plug = fixture.plug.take().ok_or(ENODEV)?;
        let removal = Task::new(move || drop(plug))?;
        wait::pause(15_000);
        check!(!removal.is_done());
        finish(&fixture)?;
        flush.join(DEADLINE_MS)??;
        removal.join(DEADLINE_MS)
    }

    /// The disk is removed. It takes eight seconds for the flush before a write, and then as long
    /// for the write. Neither fails: the end of the flush counts.
    #[test]
    fn flush_and_write_before_removal() -> Result {
        long!();
        let mut fixture = DiskFixture::plain()?;
        let disk = Arc::new(fixture.open()?, GFP_KERNEL)?;
        let write = kept(&fixture, &disk, None, |disk| {
            disk.write_safely(64, &pattern(6, 4096)?)
        })?;
        let plug = fixture.plug.take().ok_or(ENODEV)?;
        let removal = Task::new(move || drop(plug))?;
        for _ in 0..2 {
            wait::pause(8_000);
            check!(!removal.is_done());
            check_eq!(fixture.fake.held(0), 1);
            finish(&fixture)?;
            check!(wait::until(DEADLINE_MS, || fixture.fake.held(0) == 1 || write.is_done()));
        }
        fixture.disk.answer(Answer::Honest, None);
        if fixture.fake.held(0) == 1 {
            finish(&fixture)?;
        }
        write.join(DEADLINE_MS)??;
        check!(fixture.disk.has(64, &pattern(6, 4096)?));
        removal.join(DEADLINE_MS)
    }

    /// The disk is removed, and ends one write every four seconds. No write is lost, although this
    /// takes longer than a silent disk has.
    #[test]
    fn writes_before_removal() -> Result {
        long!();
        let mut fixture = DiskFixture::plain()?;
        let disk = Arc::new(fixture.open()?, GFP_KERNEL)?;
        fixture.disk.answer(Answer::Hold, Some(OUT));
        let mut writes = KVec::new();
        for n in 1..=4 {
            writes.push(write(&disk)?, GFP_KERNEL)?;
            check!(wait::until(DEADLINE_MS, || fixture.fake.held(0) == n));
        }
        let plug = fixture.plug.take().ok_or(ENODEV)?;
        let removal = Task::new(move || drop(plug))?;
        for _ in 0..writes.len() {
            wait::pause(4_000);
            check!(!removal.is_done());
            finish(&fixture)?;
        }
        for write in writes {
            write.join(DEADLINE_MS)??;
        }
        check!(fixture.disk.has(64, &pattern(6, 4096)?));
        removal.join(DEADLINE_MS)
    }

    /// During a slow flush the disk ends nothing else. Neither the flush fails nor the other
    /// request.
    #[test]
    fn all_wait_for_a_flush() -> Result {
        let (fixture, disk) = impatient_with(DiskFixture::plain()?)?;
        let resets = fixture.fake.resets();
        let flush = kept(&fixture, &disk, None, Disk::flush)?;
        let reading = read(&disk)?;
        check!(wait::until(DEADLINE_MS, || fixture.fake.held(0) == 2));
        // Each of the two is notified of.
        wait_for_rounds(&fixture.fake, resets)?;
        wait_for_rounds(&fixture.fake, resets)?;
        finish(&fixture)?;
        finish(&fixture)?;
        flush.join(DEADLINE_MS)??;
        check_read(reading)?;
        check_eq!(fixture.fake.resets(), resets);
        drop(disk);
        fixture.remove(DEADLINE_MS, drop)
    }
}
