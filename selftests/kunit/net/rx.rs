// SPDX-License-Identifier: GPL-2.0

//! Receiving: valid packets arrive whole, invalid ones are dropped and counted.

mod hash;
#[path = "../hostile/net_rx.rs"]
mod hostile;
#[path = "../hostile/net_lifecycle.rs"]
mod lifecycle;
mod memory;
mod outcome;
mod pairs;
mod reuse;
mod shortage;

use self::outcome::{
    arrived,
    dropped,
    frame_errors,
    frames,
    last_is,
    length_errors,
    refused,
    still_works, //
};
use super::{
    fake_nic::{
        receive,
        rx_header, //
    },
    frame::{
        from_us,
        to_us,
        ETHER_TYPE, //
    },
    NetFixture,
    F_GUEST_CSUM,
    F_GUEST_TSO4,
    F_MRG_RXBUF, //
};
use crate::ring::WRONG_LENGTH;
use kernel::prelude::*;
use virtio_fake::{
    messages,
    wait,
    Action,
    DropReason,
    Nic,
    Offload,
    EVENT_IDX,
    INDIRECT_DESC,
    RING_PACKED, //
};

/// The kinds of receive buffers.
const MODES: [&[u32]; 4] = [
    &[],
    &[F_MRG_RXBUF],
    &[F_GUEST_CSUM, F_GUEST_TSO4],
    &[F_GUEST_CSUM, F_GUEST_TSO4, F_MRG_RXBUF],
];

#[kunit_tests(rust_virtio_net_rx)]
mod suite {
    use super::*;

    /// A ring full of buffers for large packets: each takes one descriptor, whatever its length.
    #[test]
    fn big_buffers_fill_the_ring() -> Result {
        for layout in [
            &[INDIRECT_DESC, EVENT_IDX][..],
            &[INDIRECT_DESC, RING_PACKED],
        ] {
            let mut features = KVec::new();
            features.extend_from_slice(MODES[2], GFP_KERNEL)?;
            features.extend_from_slice(layout, GFP_KERNEL)?;
            let fixture = NetFixture::with(&features)?;
            let nic = fixture.up()?;
            check!(wait::until(5_000, || fixture.fake.held(0) == 64));
            frames(&fixture, &nic)?;
        }
        Ok(())
    }

    /// Frames of several sizes, with each kind of buffers.
    #[test]
    fn frames_of_one_buffer() -> Result {
        for features in MODES {
            let fixture = NetFixture::with(features)?;
            let nic = fixture.up()?;
            frames(&fixture, &nic)
                .inspect_err(|_| pr_err!("    # with features {:?}\n", features))?;
        }
        Ok(())
    }

    /// The same on each ring.
    #[test]
    fn frames_on_each_ring() -> Result {
        for features in crate::fixture::LAYOUTS {
            let mut all = KVec::new();
            all.push(F_MRG_RXBUF, GFP_KERNEL)?;
            all.extend_from_slice(features, GFP_KERNEL)?;
            let fixture = NetFixture::with(&all)?;
            let nic = fixture.up()?;
            frames(&fixture, &nic)
                .inspect_err(|_| pr_err!("    # with features {:?}\n", features))?;
        }
        Ok(())
    }

    /// Many frames: buffers are replaced.
    #[test]
    fn many() -> Result {
        for features in MODES {
            let fixture = NetFixture::with(features)?;
            let nic = fixture.up()?;
            let capture = nic.capture(ETHER_TYPE)?;
            for i in 0..300usize {
                check!(wait::until(5_000, || fixture.fake.held(0) > 0));
                let frame = to_us(i as u8, 64 + i)?;
                receive(&fixture.fake, &[&rx_header(1), &frame], None)?;
                check!(wait::until(5_000, || !capture.is_empty()));
                let got = capture.pop().ok_or(ENODATA)?;
                check!(got[..] == frame[..]);
            }
        }
        Ok(())
    }

    /// A frame in two buffers, and one in three.
    #[test]
    fn merged() -> Result {
        let fixture = NetFixture::with(&[F_MRG_RXBUF])?;
        let nic = fixture.up()?;
        let capture = nic.capture(ETHER_TYPE)?;
        let frame = to_us(9, 1400)?;
        let (one, rest) = frame.split_at(500);
        check!(fixture.fake.held(0) >= 5);
        fixture.fake.finish_silently(0, |chain| {
            let _ = chain.write(0, &rx_header(2));
            let _ = chain.write(12, one);
            virtio_fake::Action::Complete(512)
        })?;
        receive(&fixture.fake, &[rest], None)?;
        check!(arrived(&capture, 1));
        check!(last_is(&capture, &frame));

        let (two, three) = rest.split_at(300);
        fixture.fake.finish_silently(0, |chain| {
            let _ = chain.write(0, &rx_header(3));
            let _ = chain.write(12, one);
            virtio_fake::Action::Complete(512)
        })?;
        fixture.fake.finish_silently(0, |chain| {
            let _ = chain.write(0, two);
            virtio_fake::Action::Complete(300)
        })?;
        receive(&fixture.fake, &[three], None)?;
        check!(arrived(&capture, 2));
        check!(last_is(&capture, &frame));
        still_works(&fixture, &capture)
    }

    /// The length is 0.
    #[test]
    fn h095_empty() -> Result {
        for features in MODES {
            dropped(features, &[], None, length_errors)?;
        }
        Ok(())
    }

    /// The length is less than the header.
    #[test]
    fn h095_shorter_than_header() -> Result {
        for features in MODES {
            dropped(features, &[&rx_header(1)], Some(11), length_errors)?;
        }
        Ok(())
    }

    /// A header, and less than an Ethernet header.
    #[test]
    fn h095_shorter_than_ethernet() -> Result {
        for features in MODES {
            let frame = to_us(1, 64)?;
            dropped(
                features,
                &[&rx_header(1), &frame],
                Some(12 + 13),
                length_errors,
            )?;
        }
        Ok(())
    }

    /// A count of 0 buffers: dropped, and the next frame arrives.
    #[test]
    fn h098_no_buffers() -> Result {
        let frame = to_us(1, 64)?;
        let fixture = NetFixture::with(&[F_MRG_RXBUF])?;
        let nic = fixture.up()?;
        let capture = nic.capture(ETHER_TYPE)?;
        receive(&fixture.fake, &[&rx_header(0), &frame], None)?;
        wait::pause(20);
        check!(capture.is_empty());
        still_works(&fixture, &capture)
    }

    /// A count of more buffers than there are.
    #[test]
    fn h099_too_many_buffers() -> Result {
        let frame = to_us(1, 64)?;
        let fixture = NetFixture::with(&[F_MRG_RXBUF])?;
        let nic = fixture.up()?;
        let capture = nic.capture(ETHER_TYPE)?;
        let drops = nic.drops()?;
        receive(&fixture.fake, &[&rx_header(65535), &frame], None)?;
        check!(wait::until(5_000, || nic.stats().rx_length_errors > 0));
        check_eq!(nic.stats().rx_dropped, 1);
        check!(wait::until(5_000, || drops.are(1, DropReason::DevHdr)));
        check!(capture.is_empty());
        still_works(&fixture, &capture)
    }

    /// The second buffer has a length of 0, or an impossible one: the frame has a hole. The next
    /// frame arrives.
    #[test]
    fn h096_wrong_second_buffer() -> Result {
        for len in [0, 4_000_000_000] {
            let frame = to_us(1, 500)?;
            let fixture = NetFixture::with(&[F_MRG_RXBUF])?;
            let nic = fixture.up()?;
            let capture = nic.capture(ETHER_TYPE)?;
            fixture.fake.finish_silently(0, |chain| {
                let _ = chain.write(0, &rx_header(2));
                let _ = chain.write(12, &frame);
                virtio_fake::Action::Complete(512)
            })?;
            receive(&fixture.fake, &[], Some(len))?;
            check!(wait::until(5_000, || nic.stats().rx_length_errors > 0));
            check_eq!(nic.stats().rx_length_errors, 1);
            check_eq!(nic.stats().rx_dropped, 1);
            check!(capture.is_empty());
            still_works(&fixture, &capture)?;
        }
        Ok(())
    }

    /// Longer than the packet of a small buffer may be. The buffer has room for a few bytes more.
    #[test]
    fn longer_than_usual() -> Result {
        let frame = to_us(1, 1519)?;
        refused(&[], &[&rx_header(1), &frame], None, length_errors, Some(1))
    }

    /// H096: longer than the buffer: the frame is dropped, counted and logged, and the next frame
    /// arrives.
    #[test]
    fn h096_longer_than_buffer() -> Result {
        let frame = to_us(1, 64)?;
        for features in MODES {
            for len in [74_000, 4_000_000_000] {
                messages::logged(WRONG_LENGTH);
                let parts: [&[u8]; 2] = [&rx_header(1), &frame];
                dropped(features, &parts, Some(len), length_errors)?;
                check!(messages::logged(WRONG_LENGTH) == 1 || crate::ANY_DRIVER);
            }
        }
        Ok(())
    }

    /// A kind of segmentation that is not defined, and one without a size.
    #[test]
    fn bogus_gso() -> Result {
        for (kind, size) in [(0x7f, 1000), (9, 1000), (1, 0), (4, 0)] {
            let frame = to_us(1, 200)?;
            let mut header = rx_header(1);
            header[1] = kind;
            header[4..6].copy_from_slice(&u16::to_le_bytes(size));
            dropped(
                &[F_GUEST_CSUM, F_GUEST_TSO4, F_MRG_RXBUF],
                &[&header, &frame],
                None,
                frame_errors,
            )?;
        }
        Ok(())
    }

    /// A checksum that starts outside of the frame, or whose place is outside.
    #[test]
    fn bogus_checksum() -> Result {
        for (start, offset) in [(65535, 0), (14, 65535), (300, 16), (199, 16)] {
            let frame = to_us(1, 200)?;
            let mut header = rx_header(1);
            header[0] = 1;
            header[6..8].copy_from_slice(&u16::to_le_bytes(start));
            header[8..10].copy_from_slice(&u16::to_le_bytes(offset));
            dropped(
                &[F_GUEST_CSUM, F_MRG_RXBUF],
                &[&header, &frame],
                None,
                frame_errors,
            )?;
        }
        Ok(())
    }

    /// A partial checksum that was not negotiated, of a switch on the host that forwards the packet
    /// of another guest. The packet is taken, because the fields fit the frame.
    #[test]
    fn checksum_not_negotiated() -> Result {
        let fixture = NetFixture::with(&[F_MRG_RXBUF])?;
        let nic = fixture.up()?;
        let capture = nic.capture(ETHER_TYPE)?;
        let frame = to_us(1, 200)?;
        let mut header = rx_header(1);
        header[0] = 1;
        header[6..8].copy_from_slice(&u16::to_le_bytes(34));
        header[8..10].copy_from_slice(&u16::to_le_bytes(16));
        receive(&fixture.fake, &[&header, &frame], None)?;
        check!(arrived(&capture, 1));
        check!(last_is(&capture, &frame));
        check_eq!(nic.stats().rx_frame_errors, 0);
        Ok(())
    }

    /// The checksum flags reach the packet: none, checked, or to be completed.
    #[test]
    fn checksums() -> Result {
        for features in [
            &[F_GUEST_CSUM, F_MRG_RXBUF][..],
            &[F_GUEST_CSUM],
            &[F_GUEST_CSUM, F_GUEST_TSO4],
        ] {
            for len in [100, 800] {
                for (flags, summed) in [(0, 0), (2, 1), (1, 3)] {
                    let fixture = NetFixture::with(features)?;
                    let nic = fixture.up()?;
                    let capture = nic.capture(ETHER_TYPE)?;
                    let frame = to_us(1, len)?;
                    let mut header = rx_header(1);
                    header[0] = flags;
                    header[6] = 34;
                    header[8] = 16;
                    receive(&fixture.fake, &[&header, &frame], None)?;
                    check!(arrived(&capture, 1));
                    check!(last_is(&capture, &frame));
                    check_eq!(capture.summed(), summed);
                }
            }
        }
        Ok(())
    }

    /// The poll of the receive queue reaps transmitted frames, without an interrupt of the transmit
    /// queue.
    #[test]
    fn reaps_transmitted() -> Result {
        'modes: for features in MODES {
            let fixture = NetFixture::with(features)?;
            let nic = fixture.up()?;
            let capture = nic.capture(ETHER_TYPE)?;
            fixture.fake_nic.hold_tx(true);
            for _ in 0..20 {
                nic.send(&from_us(1, 200)?, 0, Offload::default())?;
                check!(wait::until(5_000, || fixture.fake.held(1) > 0));
                let before = nic.stats().tx_packets;
                while fixture.fake.held(1) > 0 {
                    fixture.fake.finish_silently(1, |_| Action::Complete(0))?;
                }
                wait::pause(20);
                if fixture.fake.held(1) > 0 {
                    // The stack has sent a frame of its own, or the device takes frames late. The
                    // next round begins without a frame of this one, or it would end in the same
                    // way.
                    wait::pause(200);
                    while fixture.fake.held(1) > 0 {
                        fixture.fake.finish_silently(1, |_| Action::Complete(0))?;
                    }
                    continue;
                }
                check_eq!(nic.stats().tx_packets, before);
                still_works(&fixture, &capture)?;
                check!(wait::until(5_000, || nic.stats().tx_packets > before));
                continue 'modes;
            }
            return Err(EBUSY);
        }
        Ok(())
    }

    /// An impossible header length is ignored, because it is a hint.
    #[test]
    fn h105_bogus_header_length() -> Result {
        let fixture = NetFixture::with(&[F_MRG_RXBUF])?;
        let nic = fixture.up()?;
        let capture = nic.capture(ETHER_TYPE)?;
        let frame = to_us(1, 200)?;
        let mut header = rx_header(1);
        header[2..4].copy_from_slice(&[0xff; 2]);
        receive(&fixture.fake, &[&header, &frame], None)?;
        check!(arrived(&capture, 1));
        check!(last_is(&capture, &frame));
        Ok(())
    }

    /// Interrupts without a used buffer, and one that is lost while another comes.
    #[test]
    fn interrupts() -> Result {
        let fixture = NetFixture::with(&[F_MRG_RXBUF])?;
        let nic = fixture.up()?;
        let capture = nic.capture(ETHER_TYPE)?;
        for _ in 0..50 {
            fixture.fake.interrupt(0)?;
        }
        still_works(&fixture, &capture)?;
        fixture.fake.fault(|f| f.swallow_interrupts = 1);
        let frame = to_us(5, 100)?;
        receive(&fixture.fake, &[&rx_header(1), &frame], None)?;
        receive(&fixture.fake, &[&rx_header(1), &frame], None)?;
        check!(wait::until(5_000, || capture.len() == 3 || {
            // With an event index, the driver asked for the first of the two interrupts only.
            let _ = fixture.fake.interrupt(0);
            false
        }));
        Ok(())
    }
}
