// SPDX-License-Identifier: GPL-2.0

//! Offloads of packets in UDP tunnels, with a header of 24 bytes (virtio spec §5.1.6).

mod transmit;

use super::{
    fake_nic::{
        receive,
        rx_header,
        FakeNic, //
    },
    frame::{
        from_us,
        tcp,
        to_us,
        vxlan_from_us,
        vxlan_to_us,
        ETHER_TYPE,
        TCP_CSUM,
        TCP_START,
        VXLAN_IP,
        VXLAN_TCP,
        VXLAN_UDP, //
    },
    Config,
    NetFixture,
    F_CSUM,
    F_CTRL_GUEST_OFFLOADS,
    F_CTRL_VQ,
    F_GUEST_CSUM,
    F_GUEST_TSO4,
    F_HOST_TSO4,
    F_MAC,
    F_MRG_RXBUF,
    ID, //
};
use kernel::prelude::*;
use virtio_fake::{
    wait,
    Nic,
    Offload,
    Spec,
    Tunnel,
    TunnelFeatures, //
};

/// Feature: the driver receives packets to segment in UDP tunnels.
const F_GUEST_TUNNEL: u32 = 65;
/// Feature: the driver receives such packets with checksums of the tunnel.
const F_GUEST_TUNNEL_CSUM: u32 = 66;
/// Feature: the device handles packets to segment in UDP tunnels.
const F_HOST_TUNNEL: u32 = 67;
/// Feature: the device handles such packets with checksums of the tunnel.
const F_HOST_TUNNEL_CSUM: u32 = 68;

/// Bytes of the header.
const HEADER: usize = 24;
/// Payload of each segment.
const GSO_SIZE: u16 = 1000;

/// The kinds of receive buffers of a card with tunnels.
const MODES: [&[u32]; 3] = [
    &[F_GUEST_CSUM, F_GUEST_TUNNEL, F_GUEST_TUNNEL_CSUM],
    &[
        F_GUEST_CSUM,
        F_GUEST_TUNNEL,
        F_GUEST_TUNNEL_CSUM,
        F_GUEST_TSO4,
    ],
    &[
        F_GUEST_CSUM,
        F_GUEST_TUNNEL,
        F_GUEST_TUNNEL_CSUM,
        F_GUEST_TSO4,
        F_MRG_RXBUF,
    ],
];

/// The tunnel of the frames of these tests.
fn tunnel(csum: bool) -> Tunnel {
    Tunnel {
        encapsulated: true,
        outer_transport: VXLAN_UDP,
        inner_network: VXLAN_IP,
        inner_transport: VXLAN_TCP,
        gso_size: GSO_SIZE,
        in_tunnel: true,
        csum,
        csum_level: 0,
    }
}

/// Plugs a card with a header of 24 bytes and these features besides its address.
fn card(features: &[u32]) -> Result<NetFixture> {
    let control = features.contains(&F_CTRL_VQ);
    let queues = 2 + usize::from(control);
    let fake_nic = FakeNic::new(queues, control)?;
    fake_nic.set_header_len(HEADER);
    let spec = Spec::new(ID)
        .features(&[F_MAC])
        .features(features)
        .config(&Config::default().0)?
        .queues(queues, 64)?;
    NetFixture::of(fake_nic, spec)
}

/// Plugs a card that segments packets in tunnels, with these features too.
fn segmenting(features: &[u32]) -> Result<NetFixture> {
    let mut all = KVec::new();
    all.extend_from_slice(&[F_CSUM, F_HOST_TSO4, F_HOST_TUNNEL], GFP_KERNEL)?;
    all.extend_from_slice(features, GFP_KERNEL)?;
    card(&all)
}

/// Waits until the card has sent `count` frames of the tests. Returns false if it sent another
/// number.
fn sent(fixture: &NetFixture, count: usize) -> bool {
    wait::until(5_000, || fixture.fake_nic.sent() >= count) && fixture.fake_nic.sent() == count
}

/// Returns the header of a received packet of these tests, without errors.
fn valid_header(csum: bool) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[0] = 1 | if csum { 8 } else { 0 };
    header[1] = 0x21;
    header[2..4].copy_from_slice(&(VXLAN_TCP + 20).to_le_bytes());
    header[4..6].copy_from_slice(&GSO_SIZE.to_le_bytes());
    header[6..8].copy_from_slice(&VXLAN_TCP.to_le_bytes());
    header[8..10].copy_from_slice(&16u16.to_le_bytes());
    header[10] = 1;
    header[20..22].copy_from_slice(&VXLAN_UDP.to_le_bytes());
    header[22..24].copy_from_slice(&VXLAN_IP.to_le_bytes());
    header
}

/// Receives a packet behind this header. It must not arrive, and has to be counted; the next packet
/// arrives.
fn dropped(fixture: &NetFixture, nic: &Nic, header: &[u8]) -> Result {
    let frame = vxlan_to_us(1300)?;
    let capture = nic.capture(0x0800)?;
    let before = nic.stats();
    receive(&fixture.fake, &[header, &frame], None)?;
    check!(wait::until(5_000, || nic.stats().rx_frame_errors
        > before.rx_frame_errors));
    check_eq!(nic.stats().rx_frame_errors, before.rx_frame_errors + 1);
    check_eq!(nic.stats().rx_dropped, before.rx_dropped);
    let mut header = [0; HEADER];
    header[..12].copy_from_slice(&rx_header(1));
    receive(&fixture.fake, &[&header, &frame], None)?;
    check!(wait::until(5_000, || capture.len() == 1));
    check!(capture.pop().is_some_and(|got| got[..] == frame[..]));
    Ok(())
}

#[kunit_tests(rust_virtio_net_tunnel)]
mod suite {
    use super::*;

    /// The features of the interface are those of the card: packets in tunnels, packets with
    /// checksums of the tunnel, and for the packet in a tunnel all other offloads.
    #[test]
    fn features() -> Result {
        let none = TunnelFeatures::default();
        let gso = TunnelFeatures {
            gso: true,
            inner_gso: true,
            inner_tso: true,
            inner_csum: true,
            ..none
        };
        let both = TunnelFeatures {
            gso_csum: true,
            inner_gso_csum: true,
            ..gso
        };
        for (features, expected) in [
            (&[F_CSUM, F_HOST_TSO4][..], none),
            (&[F_CSUM, F_HOST_TSO4, F_HOST_TUNNEL], gso),
            (
                &[F_CSUM, F_HOST_TSO4, F_HOST_TUNNEL, F_HOST_TUNNEL_CSUM],
                both,
            ),
            // Each needs the one before it.
            (&[F_CSUM, F_HOST_TSO4, F_HOST_TUNNEL_CSUM], none),
            (&[F_HOST_TSO4, F_HOST_TUNNEL, F_HOST_TUNNEL_CSUM], none),
            (&[F_CSUM, F_GUEST_TUNNEL, F_GUEST_TUNNEL_CSUM], none),
        ] {
            let fixture = card(features)?;
            check!(features.iter().all(|&bit| fixture.fake.negotiated(bit)));
            check_eq!(fixture.nic()?.tunnel_features(), expected);
        }
        Ok(())
    }

    /// A packet that the device has to segment with the headers of its tunnel.
    #[test]
    fn segmentation() -> Result {
        let frame = vxlan_from_us(5000)?;
        for csum in [false, true] {
            let fixture = segmenting(&[F_HOST_TUNNEL_CSUM])?;
            let nic = fixture.up()?;
            nic.send_tunnel(&frame, &tunnel(csum))?;
            check!(sent(&fixture, 1));
            let mut header = valid_header(csum);
            let got: [u8; HEADER] = fixture.fake_nic.long_header(0).ok_or(ENODATA)?;
            // A hint: at least the length of the headers.
            check!(u16::from_le_bytes([got[2], got[3]]) >= VXLAN_TCP + 20);
            header[2..4].copy_from_slice(&got[2..4]);
            header[10] = 0;
            check!(fixture.fake_nic.has_sent(0, &header, &frame));
            check_eq!(fixture.fake.violations(), 0);
        }
        Ok(())
    }

    /// A device without segmentation of packets in tunnels gets segments, each with the headers of
    /// the tunnel; also one without checksums of the tunnel, if these are asked for.
    #[test]
    fn segmentation_unoffered() -> Result {
        let frame = vxlan_from_us(5000)?;
        for (features, csum) in [
            (&[F_CSUM, F_HOST_TSO4, F_GUEST_TUNNEL][..], false),
            (&[F_CSUM, F_HOST_TSO4, F_GUEST_TUNNEL], true),
            (&[F_CSUM, F_HOST_TSO4, F_HOST_TUNNEL], true),
        ] {
            let fixture = card(features)?;
            let nic = fixture.up()?;
            nic.send_tunnel(&frame, &tunnel(csum))?;
            check!(sent(&fixture, 5));
            for i in 0..5 {
                let header: [u8; HEADER] = fixture.fake_nic.long_header(i).ok_or(ENODATA)?;
                check_eq!(header[1], 0);
                check_eq!(header[12..], [0; 12]);
            }
        }
        Ok(())
    }

    /// Other packets to such a device: a plain one, and one to segment that is in no tunnel. The
    /// bytes of the header that they do not use are zero.
    #[test]
    fn h117_other_packets() -> Result {
        let fixture = segmenting(&[])?;
        let nic = fixture.up()?;
        let frame = from_us(1, 500)?;
        nic.send(&frame, 0, Offload::default())?;
        check!(sent(&fixture, 1));
        check!(fixture.fake_nic.has_sent(0, &[0; HEADER], &frame));
        let offload = Offload {
            csum: Some((TCP_START, TCP_CSUM)),
            gso_size: GSO_SIZE,
        };
        nic.send(&tcp(5000)?, 0, offload)?;
        check!(sent(&fixture, 2));
        let header: [u8; HEADER] = fixture.fake_nic.long_header(1).ok_or(ENODATA)?;
        check_eq!(header[..2], [1, 1]);
        check_eq!(header[10..], [0; 14]);
        Ok(())
    }

    /// A packet in a tunnel arrives with its tunnel described, in buffers of each kind.
    #[test]
    fn received() -> Result {
        for features in MODES {
            for csum in [false, true] {
                let fixture = card(features)?;
                let nic = fixture.up()?;
                let capture = nic.capture(0x0800)?;
                let frame = vxlan_to_us(1300)?;
                receive(&fixture.fake, &[&valid_header(csum), &frame], None)?;
                check!(wait::until(5_000, || capture.len() == 1));
                check_eq!(capture.tunnel(), tunnel(csum));
                check_eq!(capture.summed(), 3);
                check!(capture.pop().is_some_and(|got| got[..] == frame[..]));
                check_eq!(nic.stats().rx_frame_errors, 0);
            }
        }
        Ok(())
    }

    /// A packet that is not to be segmented, with a checked checksum of the packet in the tunnel
    /// too.
    #[test]
    fn checked() -> Result {
        for features in MODES {
            for (flags, level) in [(2, 0), (2 | 8, 1)] {
                let fixture = card(features)?;
                let nic = fixture.up()?;
                let capture = nic.capture(ETHER_TYPE)?;
                let frame = to_us(1, 400)?;
                let mut header = [0; HEADER];
                header[..12].copy_from_slice(&rx_header(1));
                header[0] = flags;
                receive(&fixture.fake, &[&header, &frame], None)?;
                check!(wait::until(5_000, || capture.len() == 1));
                check_eq!(capture.summed(), 1);
                check_eq!(capture.tunnel().csum_level, level);
            }
        }
        Ok(())
    }

    /// The offloads of packets in tunnels are switched by bits of their own.
    #[test]
    fn switched() -> Result {
        let fixture = card(&[
            F_GUEST_CSUM,
            F_GUEST_TUNNEL,
            F_GUEST_TUNNEL_CSUM,
            F_GUEST_TSO4,
            F_CTRL_VQ,
            F_CTRL_GUEST_OFFLOADS,
        ])?;
        let nic = fixture.nic()?;
        nic.set_gro_hw(false)?;
        let csum = 1u64 << F_GUEST_CSUM;
        check!(fixture.fake_nic.was_told(5, 0, &csum.to_le_bytes()));
        nic.set_gro_hw(true)?;
        let all = csum | 1 << F_GUEST_TSO4 | 1 << 46 | 1 << 47;
        check!(fixture.fake_nic.was_told(5, 0, &all.to_le_bytes()));
        Ok(())
    }

    /// H106: tunnels that do not fit their packet, or that cannot be.
    #[test]
    fn h106_bogus_tunnels() -> Result {
        let word = |at: usize, value: u16| {
            move |header: &mut [u8; HEADER]| {
                header[at..at + 2].copy_from_slice(&value.to_le_bytes());
            }
        };
        let byte = |at: usize, value: u8| move |header: &mut [u8; HEADER]| header[at] = value;
        type Lie<'a> = &'a dyn Fn(&mut [u8; HEADER]);
        let lies: [Lie<'_>; 24] = [
            // A tunnel over IPv4 and IPv6 at once.
            &byte(1, 0x61),
            // Nothing to segment, UFO, and kinds that are not defined.
            &byte(1, 0x20),
            &byte(1, 0x23),
            &byte(1, 0x22),
            &byte(1, 0x3f),
            // TCP over IPv6, and a tunnel over IPv6, whose headers are longer.
            &byte(1, 0x24),
            &byte(1, 0x41),
            // UDP, with the checksum at the place of that of TCP.
            &byte(1, 0x25),
            // No checksum to complete, and one that is checked and to be completed.
            &byte(0, 0),
            &byte(0, 8),
            &byte(0, 1 | 2),
            // No size.
            &word(4, 0),
            // The headers of the tunnel: at other places, and beyond the packet.
            &word(20, 0),
            &word(20, 33),
            &word(20, VXLAN_IP - 7),
            &word(20, VXLAN_TCP),
            &word(20, 0xffff),
            &word(22, 0),
            &word(22, VXLAN_UDP + 7),
            &word(22, VXLAN_TCP - 19),
            &word(22, 0xffff),
            &word(6, VXLAN_IP + 19),
            &word(6, 0xffff),
            &word(8, 0xffff),
        ];
        for features in MODES {
            let fixture = card(features)?;
            let nic = fixture.up()?;
            for (i, lie) in lies.iter().enumerate() {
                let mut header = valid_header(false);
                lie(&mut header);
                dropped(&fixture, &nic, &header)
                    .inspect_err(|_| pr_err!("    # lie {}: {:?}\n", i, header))?;
            }
        }
        Ok(())
    }

    /// H106: tunnels, and checksums of tunnels, that were not negotiated.
    #[test]
    fn h106_not_negotiated() -> Result {
        for (features, csum) in [
            (&[F_GUEST_CSUM, F_GUEST_TUNNEL][..], true),
            (&[F_GUEST_CSUM, F_HOST_TUNNEL], false),
            (&[F_GUEST_CSUM, F_HOST_TUNNEL, F_GUEST_TUNNEL_CSUM], true),
        ] {
            let fixture = card(features)?;
            let nic = fixture.up()?;
            dropped(&fixture, &nic, &valid_header(csum))?;
        }
        Ok(())
    }
}
