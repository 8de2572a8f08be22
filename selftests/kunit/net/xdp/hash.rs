// SPDX-License-Identifier: GPL-2.0

//! Hashes that programs ask for.

use super::*;
use crate::net::{
    F_HASH_REPORT,
    F_RSS, //
};

/// A hash.
const HASH: u32 = 0x4433_2211;

/// The types that programs see (`XDP_RSS_TYPE_*`), by the report of the device.
const TYPES: [u32; 10] = [0, 1, 0x19, 0x29, 2, 0x1a, 0x2a, 6, 0x1e, 0x2e];

/// Returns a receive header with [`HASH`] as a report says.
fn header(report: u16) -> [u8; 20] {
    let mut header = [0xee; 20];
    header[..12].copy_from_slice(&rx_header(1));
    header[12..16].copy_from_slice(&HASH.to_le_bytes());
    header[16..18].copy_from_slice(&report.to_le_bytes());
    header
}

/// Receives a frame with this header. Returns the answer that the program got.
fn ask(fixture: &NetFixture, prog: &XdpTest, header: &[u8]) -> Result<Result<(u32, u32)>> {
    let before = prog.seen().count;
    receive(&fixture.fake, &[header, &to_us(1, 300)?], None)?;
    check!(wait::until(5_000, || prog.seen().count == before + 1));
    Ok(prog.seen().hash)
}

#[kunit_tests(rust_virtio_net_xdp_hash)]
mod suite {
    use super::*;

    /// A program gets the hash of the device with its type, from each kind of buffers, also if the
    /// program has changed the packet. Without the feature of the interface it gets none.
    #[test]
    fn reports() -> Result {
        for features in [
            &[F_CTRL_VQ, F_HASH_REPORT][..],
            &[F_CTRL_VQ, F_HASH_REPORT, F_MRG_RXBUF],
        ] {
            let prog = program(Drop)?;
            let fixture = NetFixture::with(features)?;
            fixture.fake_nic.set_header_len(20);
            let nic = fixture.up()?;
            set(&nic, Some(&prog))?;
            // Off at first.
            check_eq!(ask(&fixture, &prog, &header(2))?, Err(ENODATA));
            nic.set_rxhash(true)?;
            for (report, kind) in (0..).zip(TYPES) {
                check_eq!(ask(&fixture, &prog, &header(report))?, Ok((HASH, kind)));
            }
            for report in [10, 0x102, u16::MAX] {
                check_eq!(ask(&fixture, &prog, &header(report))?, Ok((HASH, 0)));
            }
            nic.set_rxhash(false)?;
            check_eq!(ask(&fixture, &prog, &header(2))?, Err(ENODATA));
        }
        Ok(())
    }

    /// The header of a device without reports has no hash.
    #[test]
    fn not_offered() -> Result {
        let prog = program(Drop)?;
        let fixture = NetFixture::with(&[F_CTRL_VQ, F_MRG_RXBUF])?;
        let nic = fixture.up()?;
        set(&nic, Some(&prog))?;
        check_eq!(ask(&fixture, &prog, &rx_header(1))?, Err(EOPNOTSUPP));
        let config = Config::default().pairs(1);
        let rss = NetFixture::new(config, &[F_MAC, F_CTRL_VQ, F_RSS, F_MRG_RXBUF], 3)?;
        let nic = rss.up()?;
        set(&nic, Some(&prog))?;
        check_eq!(ask(&rss, &prog, &rx_header(1))?, Err(ENODATA));
        Ok(())
    }
}
