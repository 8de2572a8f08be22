// SPDX-License-Identifier: GPL-2.0

//! Correct and wrong configurations.

use super::{
    check_driver,
    config::{
        Config,
        SECTORS, //
    },
    device,
    device_of,
    pattern,
    DiskFixture,
    RamDisk,
    F_BLK_SIZE,
    F_CONFIG_WCE,
    F_DISCARD,
    F_FLUSH,
    F_MQ,
    F_RO,
    F_SEG_MAX,
    F_SIZE_MAX,
    F_TOPOLOGY,
    F_WRITE_ZEROES,
    ID, //
};
use kernel::{
    cpu::nr_cpu_ids,
    prelude::*, //
};
use virtio_fake::{
    Addresses,
    Disk,
    Fake,
    Spec,
    MAX_MAPPING,
    VERSION_1, //
};

/// Plugs a device that no driver can use. It must stay unbound, without queues.
fn refused(config: Config, features: &[u32]) -> Result {
    let (_, fake) = device(config, features, 4)?;
    let plug = fake.plug()?;
    check!(!fake.is_bound());
    check_eq!(fake.queues(), 0);
    check!(fake.status() & 4 == 0);
    drop(plug);
    // Checks that the driver binds to a correct device.
    DiskFixture::plain()?;
    Ok(())
}

/// Writes and reads at the beginning of a disk.
fn works(fixture: &DiskFixture) -> Result {
    let disk = fixture.open()?;
    let bytes = pattern(1, 32768)?;
    disk.write(8, &bytes)?;
    check!(fixture.disk.has(8, &bytes));
    let back = disk.read(8, bytes.len())?;
    check!(back[..] == bytes[..]);
    Ok(())
}

#[kunit_tests(rust_virtio_blk_probe)]
mod suite {
    use super::*;

    /// A plain disk has the expected limits.
    #[test]
    fn plain() -> Result {
        let fixture = DiskFixture::plain()?;
        let limits = fixture.open()?.limits();
        check_eq!(limits.sectors, SECTORS);
        check_eq!(limits.logical_block_size, 512);
        check_eq!(limits.nr_hw_queues, 1);
        check!(limits.max_segments >= 1 && limits.max_segments <= 16);
        check!(!limits.read_only);
        check!(limits.write_cache);
        works(&fixture)
    }

    /// A disk without any feature works.
    #[test]
    fn bare() -> Result {
        let fixture = DiskFixture::new(Config::default(), &[], 1)?;
        check!(!fixture.open()?.limits().write_cache);
        works(&fixture)
    }

    /// A disk without sectors: reads fail, and nothing breaks.
    #[test]
    fn no_capacity() -> Result {
        let fixture = DiskFixture::new(Config::default().capacity(0), &[], 1)?;
        let disk = fixture.open()?;
        check_eq!(disk.limits().sectors, 0);
        check!(disk.read(0, 512).is_err());
        Ok(())
    }

    /// A disk with the largest capacity may be limited or refused.
    #[test]
    fn endless_capacity() -> Result {
        let (_, fake) = device(Config::default().capacity(u64::MAX), &[], 1)?;
        let _plug = fake.plug()?;
        if fake.is_bound() {
            check_driver(&fake)?;
            let disk = Disk::open(&fake, false)?;
            check!(disk.limits().sectors > 0);
            check!(disk.limits().sectors <= u64::MAX >> 9);
            disk.read(0, 512)?;
        }
        Ok(())
    }

    /// A block size of 0 is refused.
    #[test]
    fn h081_block_size_zero() -> Result {
        refused(Config::default().u32(Config::BLK_SIZE, 0), &[F_BLK_SIZE])
    }

    /// A block size that is no power of two is refused.
    #[test]
    fn h081_block_size_three() -> Result {
        refused(Config::default().u32(Config::BLK_SIZE, 3), &[F_BLK_SIZE])
    }

    /// A block size below a sector is refused.
    #[test]
    fn block_size_small() -> Result {
        refused(Config::default().u32(Config::BLK_SIZE, 256), &[F_BLK_SIZE])
    }

    /// A huge block size is refused.
    #[test]
    fn h081_block_size_huge() -> Result {
        refused(
            Config::default().u32(Config::BLK_SIZE, 1 << 31),
            &[F_BLK_SIZE],
        )
    }

    /// Blocks of 4 KiB work.
    #[test]
    fn block_size_4k() -> Result {
        let fixture = DiskFixture::new(
            Config::default().u32(Config::BLK_SIZE, 4096),
            &[F_BLK_SIZE],
            1,
        )?;
        check_eq!(fixture.open()?.limits().logical_block_size, 4096);
        works(&fixture)
    }

    /// A wrong block size is ignored if the device does not offer the feature.
    #[test]
    fn block_size_unoffered() -> Result {
        let fixture = DiskFixture::new(Config::default().u32(Config::BLK_SIZE, 3), &[], 1)?;
        check_eq!(fixture.open()?.limits().logical_block_size, 512);
        works(&fixture)
    }

    /// 0 segments mean one.
    #[test]
    fn h082_seg_max_zero() -> Result {
        let fixture = DiskFixture::new(Config::default().u32(Config::SEG_MAX, 0), &[F_SEG_MAX], 1)?;
        check_eq!(fixture.open()?.limits().max_segments, 1);
        works(&fixture)
    }

    /// More segments than the largest ring are limited.
    #[test]
    fn h083_seg_max_huge() -> Result {
        let fixture = DiskFixture::new(
            Config::default().u32(Config::SEG_MAX, u32::MAX),
            &[F_SEG_MAX],
            1,
        )?;
        // A ring of 64 without indirect tables, less header and status.
        check_eq!(fixture.open()?.limits().max_segments, 62);
        works(&fixture)
    }

    /// The size of a segment is respected.
    #[test]
    fn size_max() -> Result {
        let fixture = DiskFixture::new(
            Config::default().u32(Config::SIZE_MAX, 8192),
            &[F_SIZE_MAX, F_SEG_MAX],
            1,
        )?;
        check_eq!(fixture.open()?.limits().max_segment_size, 8192);
        works(&fixture)
    }

    /// A transport may know its mapping operations only after a queue was made, as virtio-vdpa
    /// does. No segment is longer than its largest mapping.
    #[test]
    fn size_max_of_the_transport() -> Result {
        for features in [&[F_SEG_MAX][..], &[F_SEG_MAX, F_SIZE_MAX]] {
            let config = Config::default().u32(Config::SIZE_MAX, 4 << 20);
            let (disk, fake) = device_of(config, features, 1, Some(Addresses::Marked))?;
            let plug = fake.plug()?;
            check!(fake.is_bound());
            check_driver(&fake)?;
            let fixture = DiskFixture::around(disk, fake, plug);
            check_eq!(
                fixture.open()?.limits().max_segment_size as usize,
                MAX_MAPPING
            );
            works(&fixture)?;
            check_eq!(fixture.fake.mapped_wrong(), 0);
        }
        Ok(())
    }

    /// A device without queues is refused.
    #[test]
    fn h087_no_queues() -> Result {
        refused(Config::default().u16(Config::NUM_QUEUES, 0), &[F_MQ])
    }

    /// The driver limits a huge number of queues.
    #[test]
    fn h087_many_queues() -> Result {
        let fixture = DiskFixture::new(
            Config::default().u16(Config::NUM_QUEUES, 65535),
            &[F_MQ],
            16,
        )?;
        // One for each CPU, of the 16 that the device has.
        check_eq!(fixture.fake.queues(), nr_cpu_ids().min(16) as usize);
        check_eq!(fixture.open()?.limits().nr_hw_queues, nr_cpu_ids().min(16));
        works(&fixture)
    }

    /// Of all features, the driver accepts those of its table, of a modern and of a legacy device.
    #[test]
    fn every_feature() -> Result {
        let mut all = KVec::new();
        // The bits in between belong to ring and transport.
        for bits in [0..24, 42..128] {
            for bit in bits {
                all.push(bit, GFP_KERNEL)?;
            }
        }
        let config = Config::default()
            .u32(Config::MAX_SECURE_ERASE_SECTORS, 8)
            .u32(Config::MAX_SECURE_ERASE_SEG, 1)
            .u32(Config::SECURE_ERASE_ALIGNMENT, 1);
        let table = [1, 2, 4, 5, 6, 9, 10, 11, 12, 13, 14, 16];
        let low = table.iter().fold(0u64, |word, bit| word | 1 << bit);
        let (_, fake) = device(config, &all, 1)?;
        let plug = fake.plug()?;
        check!(fake.is_bound());
        check_driver(&fake)?;
        check_eq!(fake.driver_features(), [low | 1 << VERSION_1, 0]);
        drop(plug);
        let spec = Spec::new(ID)
            .legacy()
            .features(&all)
            .config(config.bytes())?
            .queues(1, 64)?;
        let fake = Fake::new(spec, RamDisk::new()?)?;
        fake.set_auto(true);
        let _plug = fake.plug()?;
        check_eq!(fake.driver_features(), [low, 0]);
        Ok(())
    }

    /// The driver accepts lists of requests.
    #[test]
    fn takes_lists() -> Result {
        let fixture = DiskFixture::plain()?;
        check!(fixture.open()?.limits().batches);
        Ok(())
    }

    /// Two queues work.
    #[test]
    fn two_queues() -> Result {
        let fixture = DiskFixture::new(Config::default().u16(Config::NUM_QUEUES, 2), &[F_MQ], 2)?;
        check!(fixture.fake.queues() <= 2);
        works(&fixture)
    }

    /// An unknown cache mode counts as a cache that is on, which is safe. All users may read the
    /// mode.
    #[test]
    fn cache_mode_two() -> Result {
        let fixture = DiskFixture::new(
            Config::default().u8(Config::WCE, 2),
            &[F_CONFIG_WCE, F_FLUSH],
            1,
        )?;
        let disk = fixture.open()?;
        check!(disk.limits().write_cache);
        check_eq!(&disk.attribute(c"cache_type")?[..], b"write back\n");
        works(&fixture)
    }

    /// The cache can be switched between its two modes.
    #[test]
    fn cache_modes() -> Result {
        let fixture = DiskFixture::new(
            Config::default().u8(Config::WCE, 0),
            &[F_CONFIG_WCE, F_FLUSH],
            1,
        )?;
        let disk = fixture.open()?;
        check!(!disk.limits().write_cache);
        check_eq!(&disk.attribute(c"cache_type")?[..], b"write through\n");
        disk.set_attribute(c"cache_type", b"write back")?;
        check_eq!(fixture.fake.config::<1>(Config::WCE), [1]);
        check!(disk.limits().write_cache);
        check!(disk.set_attribute(c"cache_type", b"nonsense").is_err());
        check_eq!(fixture.fake.config::<1>(Config::WCE), [1]);
        disk.set_attribute(c"cache_type", b"write through")?;
        check_eq!(fixture.fake.config::<1>(Config::WCE), [0]);
        check!(!disk.limits().write_cache);
        Ok(())
    }

    /// A physical block has 8 logical ones.
    #[test]
    fn topology() -> Result {
        let fixture = DiskFixture::new(
            Config::default()
                .u8(Config::PHYSICAL_BLOCK_EXP, 3)
                .u32(Config::OPT_IO_SIZE, 64),
            &[F_TOPOLOGY, F_BLK_SIZE],
            1,
        )?;
        let limits = fixture.open()?.limits();
        check_eq!(limits.physical_block_size, 4096);
        check_eq!(limits.io_opt, 32768);
        works(&fixture)
    }

    /// Exponents that overflow the size of a physical block are ignored.
    #[test]
    fn h079_topology_overflows() -> Result {
        for exp in [23, 31, 32, 63, 64, 255] {
            let (_, fake) = device(
                Config::default()
                    .u8(Config::PHYSICAL_BLOCK_EXP, exp)
                    .u32(Config::OPT_IO_SIZE, u32::MAX),
                &[F_TOPOLOGY],
                1,
            )?;
            let _plug = fake.plug()?;
            // A driver may also refuse such a device.
            if fake.is_bound() {
                check_driver(&fake)?;
                let limits = Disk::open(&fake, false)?.limits();
                check!(limits.physical_block_size >= 512);
                check!(limits.physical_block_size.is_power_of_two());
                check!(limits.logical_block_size == 512);
            }
        }
        Ok(())
    }

    /// A read-only disk cannot be written.
    #[test]
    fn read_only() -> Result {
        let fixture = DiskFixture::new(Config::default(), &[F_RO], 1)?;
        let disk = Disk::open(&fixture.fake, false)?;
        check!(disk.limits().read_only);
        disk.read(0, 512)?;
        Ok(())
    }

    /// Discards and writes of zeroes have their limits.
    #[test]
    fn discard_limits() -> Result {
        let fixture = DiskFixture::new(Config::default(), &[F_DISCARD, F_WRITE_ZEROES], 1)?;
        let limits = fixture.open()?.limits();
        check_eq!(limits.max_discard_sectors, 256);
        check_eq!(limits.discard_granularity, 4096);
        check_eq!(limits.max_write_zeroes_sectors, 128);
        Ok(())
    }

    /// Limits of discards that overflow or contradict each other are harmless.
    #[test]
    fn h086_discard_limits_odd() -> Result {
        for (sectors, seg, alignment) in [
            (0, 0, 0),
            (u32::MAX, u32::MAX, u32::MAX),
            (1, 0, 1 << 23),
            (256, 1, 3),
        ] {
            let (_, fake) = device(
                Config::default()
                    .u32(Config::MAX_DISCARD_SECTORS, sectors)
                    .u32(Config::MAX_DISCARD_SEG, seg)
                    .u32(Config::DISCARD_ALIGNMENT, alignment),
                &[F_DISCARD],
                1,
            )?;
            let _plug = fake.plug()?;
            if fake.is_bound() {
                check_driver(&fake)?;
                check!(
                    Disk::open(&fake, false)?.limits().discard_granularity >= 512 || sectors == 0
                );
            }
        }
        Ok(())
    }

    /// If the configuration changes at each read, probe fails, and does not wait for ever.
    #[test]
    fn h055_restless_configuration() -> Result {
        let (_, fake) = device(Config::default(), &[], 1)?;
        fake.fault(|f| f.restless_config = u32::MAX);
        let plug = fake.plug()?;
        check!(!fake.is_bound());
        drop(plug);
        Ok(())
    }

    /// An interrupt before the driver is ready is not handled.
    #[test]
    fn h039_early_interrupt() -> Result {
        let (disk, fake) = device(Config::default(), &[], 1)?;
        fake.fault(|f| f.early_interrupt = true);
        let plug = fake.plug()?;
        check!(fake.is_bound());
        works(&DiskFixture::around(disk, fake, plug))
    }

    /// Probe fails if the transport has no queue.
    #[test]
    fn h062_find_vqs_fails() -> Result {
        let (_, fake) = device(Config::default(), &[], 1)?;
        fake.fault(|f| f.find_vqs = 12);
        let plug = fake.plug()?;
        check!(!fake.is_bound());
        drop(plug);
        Ok(())
    }
}
