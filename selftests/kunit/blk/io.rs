// SPDX-License-Identifier: GPL-2.0

//! I/O with a disk that follows the specification.

use super::{
    config::{
        Config,
        SECTORS, //
    },
    device,
    pattern,
    ramdisk::{
        DISCARD,
        FLUSH,
        GET_ID,
        IN,
        OUT,
        SECURE_ERASE,
        WRITE_ZEROES, //
    },
    DiskFixture,
    RamDisk,
    F_DISCARD,
    F_FLUSH,
    F_MQ,
    F_SECURE_ERASE,
    F_SEG_MAX,
    F_SIZE_MAX,
    F_WRITE_ZEROES,
    ID, //
};
use kernel::{
    alloc::KVec,
    prelude::*,
    sync::{
        atomic::Relaxed,
        Arc, //
    },
};
use virtio_fake::{
    messages,
    wait,
    Disk,
    Fake,
    Param,
    Spec,
    Task,
    EVENT_IDX,
    INDIRECT_DESC,
    RING_PACKED, //
};
use vring::tables::ALLOCATIONS_LEFT;

/// Writes and reads ranges of several sizes.
fn round_trips(fixture: &DiskFixture) -> Result {
    let disk = fixture.open()?;
    for (seed, len) in [(1, 512), (2, 4096), (3, 65536), (4, 1024)] {
        let bytes = pattern(seed, len)?;
        let sector = u64::from(seed) * 256;
        fixture.disk.forget();
        disk.write(sector, &bytes)?;
        check!(fixture.disk.has(sector, &bytes));
        check_eq!(fixture.disk.last(OUT).map(|s| s.sector), Some(sector));
        let back = disk.read(sector, len)?;
        check!(back[..] == bytes[..]);
        let read = fixture.disk.last(IN).ok_or(ENODATA)?;
        check_eq!((read.sector, read.len), (sector, len));
    }
    check_eq!(fixture.fake.violations(), 0);
    Ok(())
}

/// Bytes of a request that has more segments than the ring of [`disk_with_short_ring`] has
/// descriptors.
const LONG: usize = 65536;

/// Returns a disk with a ring of 8 descriptors, and requests of up to 126 segments of a page each.
fn disk_with_short_ring(features: &[u32]) -> Result<DiskFixture> {
    let mut all = KVec::new();
    all.extend_from_slice(&[F_SEG_MAX, F_SIZE_MAX], GFP_KERNEL)?;
    all.extend_from_slice(features, GFP_KERNEL)?;
    let config = Config::default()
        .u32(Config::SEG_MAX, 126)
        .u32(Config::SIZE_MAX, 4096);
    let disk = RamDisk::new()?;
    let spec = Spec::new(ID)
        .features(&all)
        .config(config.bytes())?
        .queues(1, 8)?;
    let fake = Fake::new(spec, disk.clone())?;
    fake.set_auto(true);
    let plug = fake.plug()?;
    check!(fake.is_bound());
    Ok(DiskFixture::around(disk, fake, plug))
}

/// Runs several threads, each on its own part of the disk.
fn crowd(fixture: &DiskFixture) -> Result {
    let disk = Arc::new(fixture.open()?, GFP_KERNEL)?;
    let mut tasks = KVec::new();
    for seed in 0..4u8 {
        let disk = disk.clone();
        let task = Task::new(move || -> Result {
            for i in 0..40u64 {
                let bytes = pattern(seed.wrapping_add(i as u8), 8192)?;
                let sector = u64::from(seed) * 512 + (i % 16) * 16;
                disk.write(sector, &bytes)?;
                let back = disk.read(sector, bytes.len())?;
                check!(back[..] == bytes[..]);
            }
            Ok(())
        })?;
        tasks.push(task, GFP_KERNEL)?;
    }
    for task in tasks {
        task.join(60_000)??;
    }
    check_eq!(fixture.fake.violations(), 0);
    Ok(())
}

#[kunit_tests(rust_virtio_blk_io)]
mod suite {
    use super::*;

    /// Writes store their data, and reads return it, with each ring layout.
    #[test]
    fn write_and_read() -> Result {
        for features in crate::fixture::LAYOUTS {
            let mut all = KVec::new();
            all.extend_from_slice(&[F_SEG_MAX, F_FLUSH], GFP_KERNEL)?;
            all.extend_from_slice(features, GFP_KERNEL)?;
            let fixture = DiskFixture::new(Config::default(), &all, 1)?;
            round_trips(&fixture)
                .inspect_err(|_| pr_err!("    # with features {:?}\n", features))?;
        }
        Ok(())
    }

    /// Requests with more segments than the ring has descriptors work (B14, R17).
    #[test]
    fn longer_than_the_ring() -> Result {
        for features in [
            &[INDIRECT_DESC, EVENT_IDX][..],
            &[INDIRECT_DESC, RING_PACKED],
        ] {
            let fixture = disk_with_short_ring(features)?;
            let limits = fixture.open()?.limits();
            check_eq!((limits.max_segments, limits.max_segment_size), (126, 4096));
            round_trips(&fixture)
                .inspect_err(|_| pr_err!("    # with features {:?}\n", features))?;
            crowd(&fixture)?;
        }
        Ok(())
    }

    /// H083: there is no memory for the indirect table of such a request, and no outstanding
    /// request whose end would start the queue again. The request waits for memory, and then goes
    /// on (B12).
    #[test]
    fn h083_no_memory() -> Result {
        let fixture = disk_with_short_ring(&[INDIRECT_DESC, EVENT_IDX])?;
        if !crate::ring::is_rust_ring() {
            messages::skip(c"only failslab takes the memory from the C ring");
            return Ok(());
        }
        let disk = fixture.open()?;
        let bytes = pattern(5, LONG)?;
        ALLOCATIONS_LEFT.store(0, Relaxed);
        let before = fixture.disk.count(OUT);
        let task = Task::new(move || disk.write(0, &bytes));
        // Long enough for more than one attempt.
        wait::pause(200);
        let none = fixture.disk.count(OUT) == before;
        ALLOCATIONS_LEFT.store(-1, Relaxed);
        task?.join(10_000)??;
        check!(none);
        check!(fixture.disk.has(0, &pattern(5, LONG)?));
        Ok(())
    }

    /// Reads return data that was on the disk before.
    #[test]
    fn reads_what_is_there() -> Result {
        let fixture = DiskFixture::plain()?;
        let bytes = pattern(99, 4096)?;
        fixture.disk.put(SECTORS - 8, &bytes);
        let back = fixture.open()?.read(SECTORS - 8, 4096)?;
        check!(back[..] == bytes[..]);
        Ok(())
    }

    /// A legacy device uses headers in the byte order of the guest.
    #[test]
    fn legacy() -> Result {
        let disk = RamDisk::new()?;
        let spec = Spec::new(ID)
            .legacy()
            .config(Config::default().bytes())?
            .queues(1, 64)?;
        let fake = Fake::new(spec, disk.clone())?;
        fake.set_auto(true);
        let plug = fake.plug()?;
        // A driver need not support legacy devices.
        if fake.is_bound() {
            round_trips(&DiskFixture::around(disk, fake, plug))?;
        }
        Ok(())
    }

    /// I/O beyond the end of the disk fails.
    #[test]
    fn beyond_the_end() -> Result {
        let fixture = DiskFixture::plain()?;
        let disk = fixture.open()?;
        fixture.disk.forget();
        check!(disk.read(SECTORS, 512).is_err());
        check!(disk.read(SECTORS - 1, 1024).is_err());
        check_eq!(fixture.disk.count(IN), 0);
        Ok(())
    }

    /// A flush reaches the disk.
    #[test]
    fn flush() -> Result {
        let fixture = DiskFixture::plain()?;
        let disk = fixture.open()?;
        fixture.disk.forget();
        disk.flush()?;
        check_eq!(fixture.disk.count(FLUSH), 1);
        check_eq!(
            fixture.disk.last(FLUSH).map(|s| (s.sector, s.len)),
            Some((0, 0))
        );
        Ok(())
    }

    /// A disk without a cache is not asked to flush.
    #[test]
    fn no_flush() -> Result {
        let fixture = DiskFixture::new(Config::default(), &[], 1)?;
        let disk = fixture.open()?;
        fixture.disk.forget();
        disk.flush()?;
        check_eq!(fixture.disk.count(FLUSH), 0);
        Ok(())
    }

    /// A discard has its range.
    #[test]
    fn discard() -> Result {
        let fixture = DiskFixture::new(Config::default(), &[F_DISCARD, F_SEG_MAX], 1)?;
        let disk = fixture.open()?;
        let bytes = pattern(7, 8192)?;
        disk.write(64, &bytes)?;
        fixture.disk.forget();
        disk.discard(64, 16)?;
        check_eq!(
            fixture.disk.last(DISCARD).map(|s| s.range),
            Some((64, 16, 0))
        );
        check!(fixture.disk.has(64, &[0; 512]));
        Ok(())
    }

    /// A write of zeroes has its range; larger ones are split.
    #[test]
    fn zeroes() -> Result {
        let fixture = DiskFixture::new(Config::default(), &[F_WRITE_ZEROES, F_SEG_MAX], 1)?;
        let disk = fixture.open()?;
        let bytes = pattern(8, 65536)?;
        disk.write(0, &bytes)?;
        disk.write(128, &bytes)?;
        fixture.disk.forget();
        disk.zero(8, 16)?;
        // The device may deallocate the sectors.
        check_eq!(
            fixture.disk.last(WRITE_ZEROES).map(|s| s.range),
            Some((8, 16, 1))
        );
        check!(fixture.disk.has(8, &[0; 512]));
        disk.zero_allocated(40, 16)?;
        check_eq!(
            fixture.disk.last(WRITE_ZEROES).map(|s| s.range),
            Some((40, 16, 0))
        );
        check!(fixture.disk.has(40, &[0; 512]));
        fixture.disk.forget();
        disk.zero(0, 256)?;
        check_eq!(fixture.disk.count(WRITE_ZEROES), 2);
        check!(fixture.disk.has(255, &[0; 512]));
        Ok(())
    }

    /// A secure erase has its range, and larger ones are split.
    #[test]
    fn secure_erase() -> Result {
        let config = Config::default().secure_erase();
        let fixture = DiskFixture::new(config, &[F_SECURE_ERASE, F_SEG_MAX], 1)?;
        let disk = fixture.open()?;
        disk.write(0, &pattern(8, 65536)?)?;
        disk.write(128, &pattern(9, 65536)?)?;
        fixture.disk.forget();
        disk.secure_erase(8, 16)?;
        check_eq!(
            fixture.disk.last(SECURE_ERASE).map(|s| s.range),
            Some((8, 16, 0))
        );
        check!(fixture.disk.has(8, &[0; 8192]) && !fixture.disk.has(24, &[0; 512]));
        fixture.disk.forget();
        disk.secure_erase(0, 256)?;
        check_eq!(fixture.disk.count(SECURE_ERASE), 2);
        check!(fixture.disk.has(255, &[0; 512]));
        check_eq!(
            fixture.disk.count(DISCARD) + fixture.disk.count(WRITE_ZEROES),
            0
        );
        Ok(())
    }

    /// A disk without these features gets no such request.
    #[test]
    fn no_discard() -> Result {
        let fixture = DiskFixture::plain()?;
        let disk = fixture.open()?;
        // A discard is a hint for the block layer, which reports no error.
        disk.discard(0, 8)?;
        check_err!(disk.zero(0, 8), EOPNOTSUPP);
        check_eq!(
            fixture.disk.count(DISCARD) + fixture.disk.count(WRITE_ZEROES),
            0
        );
        Ok(())
    }

    /// The serial number has no terminator if it is 20 bytes long.
    #[test]
    fn serial() -> Result {
        let fixture = DiskFixture::plain()?;
        let disk = fixture.open()?;
        check_eq!(&disk.attribute(c"serial")?[..], b"serial-of-20-bytes-x");
        fixture
            .disk
            .set_serial(*b"short\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
        check_eq!(&disk.attribute(c"serial")?[..], b"short");
        check!(fixture.disk.count(GET_ID) >= 2);
        Ok(())
    }

    /// Many requests at a time work, on one queue and on two.
    #[test]
    fn many_at_a_time() -> Result {
        crowd(&DiskFixture::new(
            Config::default(),
            &[F_SEG_MAX, INDIRECT_DESC, EVENT_IDX],
            1,
        )?)?;
        crowd(&DiskFixture::new(
            Config::default().u16(Config::NUM_QUEUES, 2),
            &[F_SEG_MAX, F_MQ, RING_PACKED, EVENT_IDX],
            2,
        )?)
    }

    /// A polled request ends in the batch of the poller.
    #[test]
    fn polled_in_batches() -> Result {
        let one = Param::set(c"rust_virtio_blk", c"poll_queues", c"1", c"0");
        let config = Config::default().u16(Config::NUM_QUEUES, 2);
        let fixture = DiskFixture::new(config, &[F_FLUSH, F_MQ], 2)?;
        if one.is_err() || fixture.fake.queues() < 2 {
            messages::skip(c"the disk has no poll queue");
            return Ok(());
        }
        fixture.disk.put(8, &pattern(5, 4096)?);
        let (start, batched) = fixture.open()?.read_polled_batched(8)?;
        check!(batched && start[..] == pattern(5, 16)?[..]);
        Ok(())
    }

    /// With a ring of a few descriptors, requests wait for room.
    #[test]
    fn small_ring() -> Result {
        let disk = RamDisk::new()?;
        let spec = Spec::new(ID)
            .features(&[F_SEG_MAX])
            .config(Config::default().u32(Config::SEG_MAX, 2).bytes())?
            .queues(1, 4)?;
        let fake = Fake::new(spec, disk.clone())?;
        fake.set_auto(true);
        let plug = fake.plug()?;
        check!(fake.is_bound());
        crowd(&DiskFixture::around(disk, fake, plug))
    }

    /// The capacity follows a disk that grows and shrinks.
    #[test]
    fn resize() -> Result {
        let (_, fake) = device(Config::default().capacity(1024), &[], 1)?;
        let _plug = fake.plug()?;
        let disk = Disk::open(&fake, false)?;
        check_eq!(disk.limits().sectors, 1024);
        for sectors in [2048u64, 512] {
            fake.set_config(0, &sectors.to_le_bytes());
            fake.config_interrupt();
            check!(wait::until(5_000, || disk.limits().sectors == sectors));
        }
        Ok(())
    }
}
