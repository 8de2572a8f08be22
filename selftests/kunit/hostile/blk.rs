// SPDX-License-Identifier: GPL-2.0

//! Disks of the catalogue `docs/hostile.md` that no other suite tests.

use super::{
    device,
    pattern,
    ramdisk::{
        Answer,
        IN, //
    },
    Config,
    DiskFixture,
    RamDisk,
    F_FLUSH,
    F_MQ,
    F_SEG_MAX,
    ID, //
};
use crate::ring::is_rust_ring;
use kernel::{
    prelude::*,
    sync::Arc, //
};
use virtio_fake::{
    messages,
    wait,
    Action,
    Addresses,
    Disk,
    Fake,
    Spec,
    Task,
    INDIRECT_DESC,
    RING_PACKED, //
};

/// Feature: zones, which this driver does not support.
const F_ZONED: u32 = 17;

/// The time limit for operations that must end.
const DEADLINE_MS: u32 = 30_000;

type Reading = Task<Result<KVec<u8>>>;

/// Starts a read of 4 KiB.
fn start_read(disk: &Arc<Disk>) -> Result<Reading> {
    let disk = disk.clone();
    Task::new(move || disk.read(0, 4096).map_err(Error::from))
}

/// Starts a read that the device keeps.
fn held_read(fixture: &DiskFixture, disk: &Arc<Disk>) -> Result<Reading> {
    fixture.disk.answer(Answer::Hold, Some(IN));
    let task = start_read(disk)?;
    check!(wait::until(DEADLINE_MS, || fixture.fake.held(0) == 1));
    Ok(task)
}

/// Writes and reads.
fn works(fixture: &DiskFixture, disk: &Disk) -> Result {
    let bytes = pattern(7, 8192)?;
    disk.write(16, &bytes)?;
    check!(fixture.disk.has(16, &bytes));
    let back = disk.read(16, bytes.len())?;
    check!(back[..] == bytes[..]);
    Ok(())
}

/// Reads from the whole range of the disk, while its size changes. A read that fails is an I/O
/// error.
fn reads_all_over(disk: &Disk) -> Result {
    for round in 0..200u64 {
        match disk.read(round * 8 % 2048, 4096) {
            Err(failed) if failed.error != EIO => return Err(failed.error),
            _ => (),
        }
    }
    Ok(())
}

#[kunit_tests(rust_virtio_hostile_blk)]
mod suite {
    use super::*;

    /// H005: the device uses a buffer id again, which belongs to the next request now. That request
    /// fails, because its status was not written.
    #[test]
    fn h005_replayed_id() -> Result {
        let fixture = DiskFixture::plain()?;
        let disk = Arc::new(fixture.open()?, GFP_KERNEL)?;
        let first = held_read(&fixture, &disk)?;
        let mut id = 0;
        fixture.fake.finish(0, |chain| {
            id = chain.id().into();
            fixture.disk.complete(chain)
        })?;
        first.join(DEADLINE_MS)??;
        let second = held_read(&fixture, &disk)?;
        fixture
            .fake
            .finish(0, |_| Action::CompleteAs { id, len: 1 })?;
        check_err!(second.join(DEADLINE_MS)?, EIO);
        drop(disk);
        fixture.remove(DEADLINE_MS, drop)
    }

    /// H045: endless configuration interrupts without a change cause no message. With another size
    /// each time, there are ten messages in five seconds.
    #[test]
    fn h045_configuration_interrupts() -> Result {
        let fixture = DiskFixture::plain()?;
        let disk = fixture.open()?;
        messages::logged(c"new size");
        for _ in 0..300 {
            fixture.fake.config_interrupt();
        }
        works(&fixture, &disk)?;
        check_eq!(messages::logged(c"new size"), 0);
        let resize = || {
            for sectors in 1024..1124u64 {
                fixture.fake.set_config(0, &sectors.to_le_bytes());
                fixture.fake.config_interrupt();
                check!(wait::until(DEADLINE_MS, || disk.limits().sectors == sectors));
            }
            Ok(())
        };
        let (resized, millis) = wait::time(resize);
        resized?;
        let said = i64::from(messages::logged(c"new size"));
        check!((1..=10 * (2 + millis / 5_000)).contains(&said));
        works(&fixture, &disk)
    }

    /// H060: the device has fewer queues than it reports. With one CPU, one is enough.
    #[test]
    fn h060_fewer_queues_than_told() -> Result {
        let config = Config::default().u16(Config::NUM_QUEUES, 4);
        let (disk, fake) = device(config, &[F_MQ], 1)?;
        let plug = fake.plug()?;
        if !fake.is_bound() {
            check_eq!(fake.queues(), 0);
            return Ok(());
        }
        check_eq!(fake.queues(), 1);
        let fixture = DiskFixture::around(disk, fake, plug);
        works(&fixture, &fixture.open()?)
    }

    /// H070: an unknown status. Two values are of zones, and have their own errors.
    #[test]
    fn h070_unknown_status() -> Result {
        let fixture = DiskFixture::plain()?;
        let disk = fixture.open()?;
        let bytes = pattern(1, 512)?;
        for status in 3..=255 {
            fixture.disk.answer(Answer::Status(status), None);
            for result in [
                disk.read(0, 512).map(|_| ()).map_err(Error::from),
                disk.write(0, &bytes),
                disk.flush(),
            ] {
                check!(result.is_err_and(|e| e == EIO || [5, 6].contains(&status)));
            }
        }
        fixture.disk.answer(Answer::Honest, None);
        works(&fixture, &disk)
    }

    /// H071: the status changes after the request was used. The driver reads the status once, and
    /// that value counts.
    #[test]
    fn h071_status_changes() -> Result {
        let fixture = DiskFixture::plain()?;
        let disk = Arc::new(fixture.open()?, GFP_KERNEL)?;
        for (then, looked_at) in [(0, 1), (1, 0)] {
            let task = held_read(&fixture, &disk)?;
            let mut byte = Err(ENODATA);
            fixture.fake.finish_silently(0, |chain| {
                byte = chain.byte_at(chain.writable().wrapping_sub(1));
                fixture.disk.complete(chain)
            })?;
            let byte = byte?;
            byte.write(looked_at)?;
            fixture.fake.interrupt(0)?;
            check_eq!(task.join(DEADLINE_MS)?.is_ok(), looked_at == 0);
            // The command of a request lives as long as the disk.
            byte.write(then)?;
        }
        fixture.disk.answer(Answer::Honest, None);
        works(&fixture, &disk)
    }

    /// H076: the device reports another number of queues after a reset of the transport. The driver
    /// uses as many as before.
    #[test]
    fn h076_number_of_queues_changes() -> Result {
        for (before, after) in [(1u16, 4u16), (2, 1), (2, 65535), (2, 0)] {
            let config = Config::default().u16(Config::NUM_QUEUES, before);
            let mut fixture = DiskFixture::new(config, &[F_FLUSH, F_MQ], 4)?;
            let queues = fixture.fake.queues();
            let disk = fixture.open()?;
            let plug = fixture.plug.take().ok_or(ENODEV)?;
            plug.reset_prepare()?;
            fixture
                .fake
                .set_config(Config::NUM_QUEUES, &after.to_le_bytes());
            plug.reset_done()?;
            fixture.plug = Some(plug);
            check_eq!(fixture.fake.queues(), queues);
            check_eq!(disk.limits().nr_hw_queues as usize, queues);
            works(&fixture, &disk)?;
        }
        Ok(())
    }

    /// H077: no queues after a reset of the transport. Waiting and later requests fail.
    #[test]
    fn h077_queues_do_not_come_back() -> Result {
        let mut fixture = DiskFixture::plain()?;
        let disk = Arc::new(fixture.open()?, GFP_KERNEL)?;
        let plug = fixture.plug.take().ok_or(ENODEV)?;
        plug.reset_prepare()?;
        let waiting = start_read(&disk)?;
        wait::pause(20);
        check!(!waiting.is_done());
        fixture.fake.fault(|f| f.find_vqs = 12);
        check!(plug.reset_done().is_err());
        fixture.plug = Some(plug);
        check_err!(waiting.join(DEADLINE_MS)?, EIO);
        check_err!(disk.read(0, 512).map_err(Error::from), EIO);
        check_err!(disk.write(0, &pattern(1, 512)?), EIO);
        drop(disk);
        fixture.remove(DEADLINE_MS, drop)
    }

    /// H078: an unknown cache mode counts as a cache that is on, for block layer and sysfs.
    #[test]
    fn h078_cache_mode() -> Result {
        for mode in [2, 3, 0x7f, 0x80, 0xff] {
            let config = Config::default().u8(Config::WCE, mode);
            let fixture = DiskFixture::new(config, &[super::super::F_CONFIG_WCE, F_FLUSH], 1)?;
            let disk = fixture.open()?;
            check!(disk.limits().write_cache);
            check_eq!(&disk.attribute(c"cache_type")?[..], b"write back\n");
        }
        Ok(())
    }

    /// H084: the disk shrinks while it is read. Reads succeed or fail with an I/O error.
    #[test]
    fn h084_shrinks_under_io() -> Result {
        let fixture = DiskFixture::plain()?;
        let disk = Arc::new(fixture.open()?, GFP_KERNEL)?;
        let mut tasks = KVec::new();
        for _ in 0..2 {
            let disk = disk.clone();
            tasks.push(Task::new(move || reads_all_over(&disk))?, GFP_KERNEL)?;
        }
        for sectors in [1024u64, 8, 0, 512, 0, 2048] {
            fixture.fake.set_config(0, &sectors.to_le_bytes());
            fixture.fake.config_interrupt();
            check!(wait::until(DEADLINE_MS, || disk.limits().sectors == sectors));
        }
        for task in tasks {
            task.join(6 * DEADLINE_MS)??;
        }
        works(&fixture, &disk)
    }

    /// H088, H089: a serial number without a terminator, and one that is no text.
    #[test]
    fn h088_h089_serial_number() -> Result {
        let fixture = DiskFixture::plain()?;
        let disk = fixture.open()?;
        for (id, text) in [
            (b"twenty-bytes-exactly", &b"twenty-bytes-exactly"[..]),
            (b"a\x07\x1b[2J\n\0hidden text.", b"a\\x07\\x1b[2J\\x0a"),
            (b"back\\slash\0\0\0\0\0\0\0\0\0\0", b"back\\x5cslash"),
            (
                b"\xff\xfe\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
                b"\\xff\\xfe",
            ),
            (b"\0not shown not shown", b""),
        ] {
            fixture.disk.set_serial(*id);
            check_eq!(&disk.attribute(c"serial")?[..], text);
        }
        Ok(())
    }

    /// H091, H092, H093: zones are not negotiated, so their fields are not used.
    #[test]
    fn h091_h092_h093_zones_are_not_negotiated() -> Result {
        let fixture = DiskFixture::new(Config::default(), &[F_ZONED, F_SEG_MAX], 1)?;
        check!(!fixture.fake.negotiated(F_ZONED));
        works(&fixture, &fixture.open()?)
    }

    /// H144: a request whose memory cannot be mapped is issued later, and does not fail.
    #[test]
    fn h144_no_mapping_for_now() -> Result {
        for features in [&[][..], &[RING_PACKED], &[INDIRECT_DESC]] {
            let disk = RamDisk::new()?;
            let spec = Spec::new(ID)
                .features(&[F_SEG_MAX])
                .features(features)
                .mapping(Addresses::Marked)
                .config(Config::default().bytes())?
                .queues(1, 64)?;
            let fake = Fake::new(spec, disk.clone())?;
            fake.set_auto(true);
            let plug = fake.plug()?;
            check!(fake.is_bound());
            let fixture = DiskFixture::around(disk, fake, plug);
            if !is_rust_ring() && features.contains(&RING_PACKED) {
                // The packed C ring reports an error.
                continue;
            }
            fixture.disk.put(0, &pattern(9, 4096)?);
            let disk = Arc::new(fixture.open()?, GFP_KERNEL)?;
            fixture.fake.limit_maps(Some(0));
            let task = start_read(&disk)?;
            wait::pause(50);
            check!(!task.is_done());
            fixture.fake.limit_maps(None);
            check!(task.join(DEADLINE_MS)??[..] == pattern(9, 4096)?[..]);
            works(&fixture, &disk)?;
            check_eq!((fixture.fake.mapped(), fixture.fake.mapped_wrong()), (0, 0));
        }
        Ok(())
    }
}
