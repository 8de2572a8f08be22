// SPDX-License-Identifier: GPL-2.0

//! The configuration space (virtio spec §2.5): byte order, tearing, ends.

use kernel::{
    device::Bound,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
};
use virtio::{
    config::GENERATION_RETRIES,
    endian::{
        Le16,
        Le32,
        Le64,
        Virtio16,
        Virtio32,
        Virtio64, //
    },
    Device,
    Feature,
    Field, //
};
use virtio_fake::{
    Backend,
    Fake,
    Scenario,
    Spec, //
};

/// The code of a test that uses the configuration.
type Body = fn(&Fake, &Device<Bound>) -> Result;

struct Reader {
    body: Body,
    outcome: Atomic<i32>,
}

impl Scenario for Reader {
    fn start(&self, fake: &Fake, dev: &Device<Bound>) -> Result {
        dev.ready();
        let errno = (self.body)(fake, dev).map_or_else(|e| e.to_errno(), |()| 0);
        self.outcome.store(errno, Relaxed);
        Ok(())
    }
}

/// The time at which the device changes its configuration during reads.
#[derive(Clone, Copy)]
enum Changes {
    Never,
    /// Before the access of this number, to `0xbb` throughout.
    At(u64),
}

impl Backend for Changes {
    fn config_read(&self, nth: u64, config: &mut [u8]) -> bool {
        match *self {
            Self::At(at) if at == nth => {
                config.fill(0xbb);
                true
            }
            _ => false,
        }
    }
}

fn with_config(spec: fn(Spec) -> Result<Spec>, changes: Changes, body: Body) -> Result {
    let reader = Arc::new(
        Reader {
            body,
            outcome: Atomic::new(1),
        },
        GFP_KERNEL,
    )?;
    let spec = spec(Spec::scripted(reader.clone()))?;
    let fake = Fake::new(spec, Arc::new(changes, GFP_KERNEL)?)?;
    let plug = fake.plug()?;
    check!(fake.is_bound());
    drop(plug);
    match reader.outcome.load(Relaxed) {
        0 => Ok(()),
        1 => Err(ENODEV),
        errno => Err(Error::from_errno(errno)),
    }
}

const BYTES: [u8; 16] = [
    0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 0x10,
];

const BYTE: Field<u8> = Field::at(3);
const MAC: Field<[u8; 6]> = Field::at(0);
const LE16: Field<Le16> = Field::at(2);
const LE32: Field<Le32> = Field::at(4);
const LE64: Field<Le64> = Field::at(8);
const VIRTIO16: Field<Virtio16> = Field::at(2);
const VIRTIO32: Field<Virtio32> = Field::at(4);
const VIRTIO64: Field<Virtio64> = Field::at(8);
const LAST: Field<u8> = Field::at(15);
const BEYOND: Field<u8> = Field::at(16);
const ACROSS: Field<Le32> = Field::at(14);
const ACROSS_MAC: Field<[u8; 6]> = Field::at(12);

#[kunit_tests(rust_virtio_config)]
mod suite {
    use super::*;

    /// All fields of a modern device are little-endian.
    #[test]
    fn modern_is_little_endian() -> Result {
        with_config(
            |s| s.config(&BYTES),
            Changes::Never,
            |_, dev| {
                let config = dev.config();
                check_eq!(config.read(BYTE)?, 0x04);
                check_eq!(config.read(MAC)?, [1, 2, 3, 4, 5, 6]);
                check_eq!(config.read(LE16)?, 0x0403);
                check_eq!(config.read(LE32)?, 0x0807_0605);
                check_eq!(config.read(LE64)?, 0x100f_0e0d_0c0b_0a09);
                check_eq!(config.read(VIRTIO16)?, 0x0403);
                check_eq!(config.read(VIRTIO32)?, 0x0807_0605);
                check_eq!(config.read(VIRTIO64)?, 0x100f_0e0d_0c0b_0a09);
                Ok(())
            },
        )
    }

    /// Of a legacy device, the `__virtio` fields are native and the `__le` fields are not.
    #[test]
    fn legacy_is_native_endian() -> Result {
        with_config(
            |s| s.legacy().config(&BYTES),
            Changes::Never,
            |_, dev| {
                let config = dev.config();
                check_eq!(config.read(LE16)?, 0x0403);
                check_eq!(config.read(LE32)?, 0x0807_0605);
                check_eq!(config.read(VIRTIO16)?, u16::from_ne_bytes([3, 4]));
                check_eq!(config.read(VIRTIO32)?, u32::from_ne_bytes([5, 6, 7, 8]));
                check_eq!(
                    config.read(VIRTIO64)?,
                    u64::from_ne_bytes([9, 10, 11, 12, 13, 14, 15, 16])
                );
                Ok(())
            },
        )
    }

    /// Written values read back, in the device's byte order.
    #[test]
    fn writes() -> Result {
        with_config(
            |s| s.config(&[0; 16]),
            Changes::Never,
            |fake, dev| {
                let config = dev.config();
                config.write(BYTE, 0xaa)?;
                config.write(LE32, 0x1122_3344)?;
                config.write(Field::<[u8; 6]>::at(8), [1, 2, 3, 4, 5, 6])?;
                check_eq!(fake.config::<4>(0), [0, 0, 0, 0xaa]);
                check_eq!(fake.config::<4>(4), [0x44, 0x33, 0x22, 0x11]);
                check_eq!(fake.config::<8>(8), [1, 2, 3, 4, 5, 6, 0, 0]);
                check_eq!(config.read(LE32)?, 0x1122_3344);
                Ok(())
            },
        )
    }

    /// A field that changes between two accesses is read again: never half of each.
    #[test]
    fn torn_read_is_repeated() -> Result {
        with_config(
            |s| s.config(&[0xaa; 16]),
            Changes::At(3),
            |fake, dev| {
                check_eq!(dev.config().read(MAC)?, [0xbb; 6]);
                check_eq!(fake.config_reads(), 12);
                Ok(())
            },
        )
    }

    /// A field of eight bytes that changes after its read is read again.
    #[test]
    fn changed_generation_is_repeated() -> Result {
        with_config(
            |s| s.config(&[0xaa; 16]),
            Changes::Never,
            |fake, dev| {
                let config = dev.config();
                check_eq!(config.read(LE64)?, 0xaaaa_aaaa_aaaa_aaaa);
                check_eq!(fake.config_reads(), 1);
                // The generation at the beginning of a read may also be that after a change.
                fake.fault(|f| f.restless_config = 2);
                check_eq!(config.read(LE64)?, 0xaaaa_aaaa_aaaa_aaaa);
                check_eq!(fake.config_reads(), 3);
                Ok(())
            },
        )
    }

    /// A field of one access does not read the generation.
    #[test]
    fn small_fields_need_no_generation() -> Result {
        with_config(
            |s| s.config(&BYTES),
            Changes::Never,
            |fake, dev| {
                fake.fault(|f| f.restless_config = u32::MAX);
                check_eq!(dev.config().read(LE32)?, 0x0807_0605);
                check_eq!(fake.config_reads(), 1);
                Ok(())
            },
        )
    }

    /// A read fails if the device changes its configuration at each read.
    #[test]
    fn h055_restless_device_is_given_up() -> Result {
        with_config(
            |s| s.config(&BYTES),
            Changes::Never,
            |fake, dev| {
                fake.fault(|f| f.restless_config = u32::MAX);
                check_err!(dev.config().read(LE64), EIO);
                check_eq!(fake.config_reads(), GENERATION_RETRIES as u64);
                check_err!(dev.config().read(MAC), EIO);
                check_err!(dev.config().stable(|c| c.read(BYTE)), EIO);
                fake.fault(|f| f.restless_config = 0);
                check_eq!(dev.config().read(MAC)?, [1, 2, 3, 4, 5, 6]);
                Ok(())
            },
        )
    }

    /// Several fields are read again if the configuration changes during the read.
    #[test]
    fn stable_reads_fields_together() -> Result {
        with_config(
            |s| s.config(&[0xaa; 16]),
            Changes::At(1),
            |_, dev| {
                let pair = dev
                    .config()
                    .stable(|c| Ok((c.read(BYTE)?, c.read(LE16)?)))?;
                check_eq!(pair, (0xbb, 0xbbbb));
                Ok(())
            },
        )
    }

    /// An error of a read ends it, without repetition.
    #[test]
    fn stable_passes_errors_on() -> Result {
        with_config(
            |s| s.config(&BYTES),
            Changes::Never,
            |fake, dev| {
                check_err!(dev.config().stable(|_| -> Result { Err(ENODATA) }), ENODATA);
                check_eq!(fake.config_reads(), 0);
                Ok(())
            },
        )
    }

    /// An access beyond a known end is refused, and does not reach the transport.
    #[test]
    fn h056_end_is_respected() -> Result {
        with_config(
            |s| s.config(&BYTES),
            Changes::Never,
            |fake, dev| {
                dev.limit_config(16);
                let config = dev.config();
                check_eq!(config.read(LAST)?, 0x10);
                let reads = fake.config_reads();
                check_err!(config.read(BEYOND), EINVAL);
                check_err!(config.read(ACROSS), EINVAL);
                check_err!(config.read(ACROSS_MAC), EINVAL);
                check_err!(config.write(BEYOND, 1), EINVAL);
                check_err!(config.write(ACROSS, 1), EINVAL);
                check_err!(config.read(Field::<Le32>::at(u32::MAX - 3)), EINVAL);
                check_eq!(fake.config_reads(), reads);
                check_eq!(fake.out_of_range(), 0);
                Ok(())
            },
        )
    }

    /// If the transport does not report the end, accesses beyond the configuration of all device
    /// types are refused.
    #[test]
    fn unknown_end_is_respected() -> Result {
        with_config(
            |s| s.config(&[0xaa; 256]),
            Changes::Never,
            |fake, dev| {
                let config = dev.config();
                check_eq!(config.read(Field::<u8>::at(255))?, 0xaa);
                let reads = fake.config_reads();
                check_err!(config.read(Field::<u8>::at(256)), EINVAL);
                check_err!(config.read(Field::<Le32>::at(254)), EINVAL);
                check_err!(config.write(Field::<u8>::at(4096), 0), EINVAL);
                check_err!(config.read(Field::<Le32>::at(u32::MAX - 3)), EINVAL);
                check_eq!((fake.config_reads(), fake.out_of_range()), (reads, 0));
                Ok(())
            },
        )
    }

    /// Without access to the configuration, reads and writes fail.
    #[test]
    fn no_configuration() -> Result {
        with_config(
            |s| Ok(s.without_config()),
            Changes::Never,
            |_, dev| {
                check!(!dev.has_config());
                check_err!(dev.config().read(BYTE), EINVAL);
                check_err!(dev.config().write(BYTE, 0), EINVAL);
                Ok(())
            },
        )
    }

    /// A field is read only if its feature was negotiated.
    #[test]
    fn read_depends_on_feature() -> Result {
        with_config(
            |s| s.features(&[5]).config(&BYTES),
            Changes::Never,
            |fake, dev| {
                let config = dev.config();
                check_eq!(config.read_if(Feature::new(5), BYTE)?, Some(0x04));
                check_eq!(config.read_if(Feature::new(0), BYTE)?, None);
                check_eq!(fake.config_reads(), 1);
                Ok(())
            },
        )
    }

    /// A device that is gone reads as ones, and does not block the driver.
    #[test]
    fn gone_device_reads_ones() -> Result {
        with_config(
            |s| s.config(&BYTES),
            Changes::Never,
            |fake, dev| {
                fake.fault(|f| f.gone = true);
                check_eq!(dev.config().read(BYTE)?, 0xff);
                check_eq!(dev.config().read(LE64)?, u64::MAX);
                check_eq!(dev.status(), 0xff);
                fake.fault(|f| f.gone = false);
                Ok(())
            },
        )
    }
}
