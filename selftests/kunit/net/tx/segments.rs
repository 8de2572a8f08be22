// SPDX-License-Identifier: GPL-2.0

//! Kinds of packets that a device segments, besides TCP over IPv4.

use super::{
    super::{
        frame::{
            tcp,
            vxlan_from_us,
            TCP_CSUM,
            TCP_START,
            VXLAN_UDP, //
        },
        NetFixture,
        F_CSUM,
        F_GUEST_HDRLEN,
        F_HOST_TSO4, //
    },
    sent, //
};
use kernel::prelude::*;

/// Feature: the device segments TCP with ECN.
const F_HOST_ECN: u32 = 13;
/// Feature: the device segments UDP.
const F_HOST_USO: u32 = 56;

/// The offset of the checksum in a UDP header.
const UDP_CSUM: u16 = 6;

#[kunit_tests(rust_virtio_net_tx_segments)]
mod suite {
    use super::*;

    /// Only the first segment keeps the mark of a smaller window.
    #[test]
    fn ecn() -> Result {
        let fixture = NetFixture::with(&[F_CSUM, F_HOST_TSO4, F_HOST_ECN])?;
        let nic = fixture.up()?;
        nic.send_segments(&tcp(5000)?, true, (TCP_START, TCP_CSUM), 1448)?;
        check!(sent(&fixture.fake_nic, 1));
        let header = fixture.fake_nic.header(0).ok_or(ENODATA)?;
        // TCP over IPv4, with ECN.
        check_eq!(header[..2], [1, 0x81]);
        check_eq!(header[4..6], 1448u16.to_le_bytes());
        Ok(())
    }

    /// A datagram of several segments. The headers end with that of UDP.
    #[test]
    fn udp() -> Result {
        let fixture = NetFixture::with(&[F_CSUM, F_HOST_USO, F_GUEST_HDRLEN])?;
        let nic = fixture.up()?;
        nic.send_segments(&vxlan_from_us(5000)?, false, (VXLAN_UDP, UDP_CSUM), 1000)?;
        check!(sent(&fixture.fake_nic, 1));
        let header = fixture.fake_nic.header(0).ok_or(ENODATA)?;
        check_eq!(header[..2], [1, 5]);
        check_eq!(header[2..4], (VXLAN_UDP + 8).to_le_bytes());
        check_eq!(header[4..6], 1000u16.to_le_bytes());
        Ok(())
    }
}
