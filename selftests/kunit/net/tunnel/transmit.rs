// SPDX-License-Identifier: GPL-2.0

//! Headers of packets in tunnels that are transmitted.

use super::{
    super::{
        frame::{
            vxlan6_from_us,
            VXLAN6_SHIFT, //
        },
        F_GUEST_HDRLEN, //
    },
    *,
};

#[kunit_tests(rust_virtio_net_tunnel_tx)]
mod suite {
    use super::*;

    /// A tunnel over IPv6.
    #[test]
    fn over_ipv6() -> Result {
        let fixture = segmenting(&[F_HOST_TUNNEL_CSUM])?;
        let nic = fixture.up()?;
        let tunnel = Tunnel {
            outer_transport: VXLAN_UDP + VXLAN6_SHIFT,
            inner_network: VXLAN_IP + VXLAN6_SHIFT,
            inner_transport: VXLAN_TCP + VXLAN6_SHIFT,
            ..tunnel(true)
        };
        nic.send_tunnel(&vxlan6_from_us(5000)?, &tunnel)?;
        check!(sent(&fixture, 1));
        let got: [u8; HEADER] = fixture.fake_nic.long_header(0).ok_or(ENODATA)?;
        // TCP over IPv4, in UDP over IPv6.
        check_eq!(got[1], 0x41);
        check_eq!(got[20..22], tunnel.outer_transport.to_le_bytes());
        check_eq!(got[22..24], tunnel.inner_network.to_le_bytes());
        Ok(())
    }

    /// A device that wants to know the length of the headers gets that of all headers, to the end
    /// of TCP in the tunnel.
    #[test]
    fn exact_header_length() -> Result {
        let fixture = segmenting(&[F_GUEST_HDRLEN])?;
        let nic = fixture.up()?;
        nic.send_tunnel(&vxlan_from_us(5000)?, &tunnel(false))?;
        check!(sent(&fixture, 1));
        let got: [u8; HEADER] = fixture.fake_nic.long_header(0).ok_or(ENODATA)?;
        check_eq!(got[2..4], (VXLAN_TCP + 20).to_le_bytes());
        Ok(())
    }
}
