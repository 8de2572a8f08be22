// SPDX-License-Identifier: GPL-2.0

//! Hashes of received frames, in the header that has them (virtio spec §5.1.6.4.3).

use super::{
    super::{
        fake_nic::{
            receive,
            rx_header, //
        },
        frame::{
            to_us,
            ETHER_TYPE, //
        },
        NetFixture,
        F_CTRL_VQ,
        F_GUEST_CSUM,
        F_GUEST_TSO4,
        F_HASH_REPORT,
        F_MRG_RXBUF, //
    },
    outcome::{
        arrived,
        last_is, //
    },
};
use kernel::prelude::*;
use virtio_fake::{
    wait,
    Action,
    Capture,
    Nic, //
};

/// The kinds of receive buffers, of devices that report hashes.
const MODES: [&[u32]; 3] = [
    &[F_CTRL_VQ, F_HASH_REPORT],
    &[F_CTRL_VQ, F_HASH_REPORT, F_MRG_RXBUF],
    &[F_CTRL_VQ, F_HASH_REPORT, F_GUEST_CSUM, F_GUEST_TSO4],
];

/// A hash.
const HASH: u32 = 0x4433_2211;

/// Returns a receive header with the number of buffers, and [`HASH`] as a report says. The padding
/// is not zero.
fn header(buffers: u16, report: u16) -> [u8; 20] {
    let mut header = [0xee; 20];
    header[..12].copy_from_slice(&rx_header(buffers));
    header[12..16].copy_from_slice(&HASH.to_le_bytes());
    header[16..18].copy_from_slice(&report.to_le_bytes());
    header
}

/// A card that reports hashes, which its interface uses.
struct HashFixture {
    capture: Capture,
    nic: Nic,
    /// Dropped last: the removal waits until the interface is not used.
    fixture: NetFixture,
}

impl HashFixture {
    fn new(features: &[u32]) -> Result<Self> {
        let fixture = NetFixture::with(features)?;
        fixture.fake_nic.set_header_len(20);
        let nic = fixture.up()?;
        nic.set_rxhash(true)?;
        Ok(Self {
            capture: nic.capture(ETHER_TYPE)?,
            nic,
            fixture,
        })
    }

    /// Receives a frame of `len` bytes with a report, and checks that it arrives. Returns its hash,
    /// and whether that is of addresses and ports.
    fn receives(&self, len: usize, report: u16) -> Result<(u32, bool)> {
        let before = self.capture.len();
        let frame = to_us(len as u8, len)?;
        receive(&self.fixture.fake, &[&header(1, report), &frame], None)?;
        check!(arrived(&self.capture, before + 1));
        check!(last_is(&self.capture, &frame));
        Ok(self.capture.hash())
    }
}

#[kunit_tests(rust_virtio_net_rx_hash)]
mod suite {
    use super::*;

    /// The hash reaches the packet, also of frames without other fields in the header, with each
    /// kind of buffers. It is one of addresses and ports if the report says so.
    #[test]
    fn reports() -> Result {
        for features in MODES {
            let hashes = HashFixture::new(features)?;
            for (report, with_ports) in
                (1..10).zip([false, true, true, false, true, true, false, true, true])
            {
                for len in [60, 1000, 1514] {
                    check_eq!(hashes.receives(len, report)?, (HASH, with_ports));
                    check!(hashes.capture.pop().is_some());
                }
            }
            check_eq!(hashes.fixture.fake.violations(), 0);
        }
        Ok(())
    }

    /// H107: a report that is not defined is as none: the stack calculates a hash when it needs
    /// one.
    #[test]
    fn h107_bogus_reports() -> Result {
        for features in MODES {
            let hashes = HashFixture::new(features)?;
            for report in [0, 10, 0x102, 0x200, u16::MAX] {
                let (_, with_ports) = hashes.receives(100, report)?;
                check!(!with_ports);
            }
        }
        Ok(())
    }

    /// No hash is used while the interface has the feature off, which it has at first.
    #[test]
    fn switched() -> Result {
        for features in MODES {
            let hashes = HashFixture::new(features)?;
            for on in [false, true, false] {
                hashes.nic.set_rxhash(on)?;
                let hash = if on { (HASH, true) } else { (0, false) };
                check_eq!(hashes.receives(100, 2)?, hash);
                check_eq!(hashes.receives(1000, 2)?, hash);
            }
        }
        let fixture = NetFixture::with(MODES[1])?;
        let nic = fixture.up()?;
        let capture = nic.capture(ETHER_TYPE)?;
        let frame = to_us(1, 100)?;
        receive(&fixture.fake, &[&header(1, 2), &frame], None)?;
        check!(arrived(&capture, 1) && last_is(&capture, &frame));
        check_eq!(capture.hash(), (0, false));
        Ok(())
    }

    /// An interface has no such feature if its device reports no hashes, and the header is the
    /// usual one.
    #[test]
    fn not_offered() -> Result {
        let fixture = NetFixture::with(&[F_CTRL_VQ, F_MRG_RXBUF])?;
        let nic = fixture.up()?;
        check!(nic.set_rxhash(true).is_err());
        let capture = nic.capture(ETHER_TYPE)?;
        let frame = to_us(1, 100)?;
        receive(&fixture.fake, &[&rx_header(1), &frame], None)?;
        check!(arrived(&capture, 1) && last_is(&capture, &frame));
        check_eq!(capture.hash(), (0, false));
        Ok(())
    }

    /// A frame in several buffers has the hash of its header. So has one with a checksum field.
    #[test]
    fn with_other_fields() -> Result {
        let hashes = HashFixture::new(&[F_CTRL_VQ, F_HASH_REPORT, F_MRG_RXBUF, F_GUEST_CSUM])?;
        let fake = &hashes.fixture.fake;
        let frame = to_us(3, 1400)?;
        let (first, second) = frame.split_at(700);
        check!(wait::until(5_000, || fake.held(0) > 1));
        fake.finish_silently(0, |chain| {
            let at = chain.write(0, &header(2, 2)).unwrap_or(0);
            let end = at + chain.write(at, first).unwrap_or(0);
            Action::Complete(end as u32)
        })?;
        receive(fake, &[second], None)?;
        check!(arrived(&hashes.capture, 1) && last_is(&hashes.capture, &frame));
        check_eq!(hashes.capture.hash(), (HASH, true));

        let mut checked = header(1, 5);
        checked[0] = 2;
        receive(fake, &[&checked, &frame], None)?;
        check!(arrived(&hashes.capture, 2) && last_is(&hashes.capture, &frame));
        check_eq!(hashes.capture.hash(), (HASH, true));
        check_eq!(hashes.capture.summed(), 1);
        Ok(())
    }

    /// Frames that end in the header, or directly after it, are counted, and the queue works on.
    #[test]
    fn shorter_than_the_header() -> Result {
        for features in MODES {
            let hashes = HashFixture::new(features)?;
            for len in [0, 11, 12, 19, 20, 33] {
                let errors = hashes.nic.stats().rx_length_errors;
                let parts: [&[u8]; 2] = [&header(1, 2), &[0; 20]];
                receive(&hashes.fixture.fake, &parts, Some(len))?;
                check!(wait::until(5_000, || {
                    hashes.nic.stats().rx_length_errors > errors
                }));
            }
            check!(hashes.capture.is_empty());
            check_eq!(hashes.receives(60, 2)?, (HASH, true));
        }
        Ok(())
    }
}
