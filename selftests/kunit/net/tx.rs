// SPDX-License-Identifier: GPL-2.0

//! Transmitting: the bytes of frame and header, and the way of the frame back to its sender.

#[path = "../hostile/net_tx.rs"]
mod hostile;
mod ownership;
mod segments;

use super::{
    device,
    fake_nic::FakeNic,
    frame::{
        from_us,
        tcp,
        TCP_CSUM,
        TCP_START, //
    },
    Config,
    NetFixture,
    F_CSUM,
    F_CTRL_VQ,
    F_GUEST_HDRLEN,
    F_HASH_REPORT,
    F_HOST_TSO4,
    F_MAC,
    F_MRG_RXBUF,
    ID, //
};
use crate::ring::WRONG_LENGTH;
use kernel::prelude::*;
use virtio_fake::{
    messages,
    wait,
    Action,
    Addresses,
    DropReason,
    Fake,
    Nic,
    Offload,
    Param,
    Spec, //
};

/// Waits until the card has sent `count` frames of the tests. Returns false if it sent another
/// number.
fn sent(fake_nic: &FakeNic, count: usize) -> bool {
    wait::until(5_000, || fake_nic.sent() >= count) && fake_nic.sent() == count
}

#[kunit_tests(rust_virtio_net_tx)]
mod suite {
    use super::*;

    /// Frames of several sizes, behind a header of zeroes, on each ring.
    #[test]
    fn h117_frames() -> Result {
        for features in crate::fixture::LAYOUTS {
            let fixture = NetFixture::with(features)?;
            let nic = fixture.up()?;
            for (i, len) in [60, 64, 1000, 1514].into_iter().enumerate() {
                let frame = from_us(i as u8, len)?;
                nic.send(&frame, 0, Offload::default())?;
                check!(sent(&fixture.fake_nic, i + 1));
                check!(fixture.fake_nic.has_sent(i, &[0; 12], &frame));
            }
            check_eq!(fixture.fake.violations(), 0);
        }
        Ok(())
    }

    /// H008: devices that count the bytes that they read. Nothing is writable, so the driver
    /// ignores the length.
    #[test]
    fn h008_wrong_lengths() -> Result {
        for ring in crate::fixture::FORMATS {
            for len in [112, u32::MAX] {
                let fixture = NetFixture::with(ring)?;
                let nic = fixture.up()?;
                fixture.fake_nic.set_tx_len(len);
                messages::logged(WRONG_LENGTH);
                for i in 0..100 {
                    let frame = from_us(i, 100)?;
                    nic.send(&frame, 0, Offload::default())?;
                    check!(sent(&fixture.fake_nic, usize::from(i) + 1));
                    check!(fixture.fake_nic.has_sent(i.into(), &[0; 12], &frame));
                }
                check_eq!(messages::logged(WRONG_LENGTH), 0);
            }
        }
        Ok(())
    }

    /// A legacy device without merged buffers has a header of 10 bytes.
    #[test]
    fn h117_legacy_header() -> Result {
        if let Some(fixture) = NetFixture::legacy(&[F_MAC])? {
            let nic = fixture.up()?;
            let frame = from_us(1, 100)?;
            nic.send(&frame, 0, Offload::default())?;
            check!(sent(&fixture.fake_nic, 1));
            check!(fixture.fake_nic.has_sent(0, &[0; 10], &frame));
        }
        Ok(())
    }

    /// The header is in one descriptor with the frame if there is headroom, and has a descriptor of
    /// its own for devices that require this.
    #[test]
    fn pieces() -> Result {
        let frame = from_us(1, 500)?;
        let fixture = NetFixture::with(&[])?;
        fixture.up()?.send(&frame, 0, Offload::default())?;
        check!(sent(&fixture.fake_nic, 1));
        check_eq!(fixture.fake_nic.pieces(0), Some(1));
        for (features, pieces) in [(&[F_MAC][..], 2), (&[F_MAC, 27], 1)] {
            let fake_nic = FakeNic::new(2, false)?;
            fake_nic.set_header_len(10);
            let spec = Spec::new(ID)
                .legacy()
                .features(features)
                .config(&Config::default().0)?
                .queues(2, 64)?;
            let fake = Fake::new(spec, fake_nic.clone())?;
            fake.set_auto(true);
            let plug = Some(fake.plug()?);
            let fixture = NetFixture::around(fake_nic, fake, plug);
            fixture.up()?.send(&frame, 0, Offload::default())?;
            check!(sent(&fixture.fake_nic, 1));
            check_eq!(fixture.fake_nic.pieces(0), Some(pieces));
        }
        Ok(())
    }

    /// Without NAPI, transmitted frames are reaped when the next one is sent, and not before.
    #[test]
    fn without_napi() -> Result {
        let off = Param::set(c"rust_virtio_net", c"napi_tx", c"0", c"1");
        if off.is_err() {
            messages::skip(c"the driver is no module");
            return Ok(());
        }
        let fixture = NetFixture::with(&[])?;
        let nic = fixture.up()?;
        fixture.fake_nic.hold_tx(true);
        for _ in 0..20 {
            let let_go = Nic::let_go();
            nic.send(&from_us(1, 200)?, 0, Offload::default())?;
            // The frame may be with the device for long.
            check_eq!(Nic::let_go(), let_go + 1);
            check!(wait::until(5_000, || fixture.fake.held(1) > 0));
            let before = nic.stats().tx_packets;
            while fixture.fake.held(1) > 0 {
                fixture.fake.finish(1, |_| Action::Complete(0))?;
            }
            fixture.fake.interrupt(1)?;
            wait::pause(20);
            if fixture.fake.held(1) > 0 {
                // The stack has sent a frame of its own, or the device takes frames late. The next
                // round begins without a frame of this one, or it would end in the same way.
                wait::pause(200);
                while fixture.fake.held(1) > 0 {
                    fixture.fake.finish(1, |_| Action::Complete(0))?;
                }
                continue;
            }
            check_eq!(nic.stats().tx_packets, before);
            nic.send(&from_us(2, 200)?, 0, Offload::default())?;
            check!(nic.stats().tx_packets > before);
            return Ok(());
        }
        Err(EBUSY)
    }

    /// With NAPI, a frame belongs to its sender until the device has used it.
    #[test]
    fn holds_the_sender() -> Result {
        let fixture = NetFixture::with(&[])?;
        let nic = fixture.up()?;
        fixture.fake_nic.hold_tx(true);
        let let_go = Nic::let_go();
        nic.send(&from_us(1, 200)?, 0, Offload::default())?;
        check!(wait::until(5_000, || fixture.fake.held(1) > 0));
        check_eq!(Nic::let_go(), let_go);
        while fixture.fake.held(1) > 0 {
            fixture.fake.finish(1, |_| Action::Complete(0))?;
        }
        check!(wait::until(5_000, || Nic::let_go() == let_go + 1));
        Ok(())
    }

    /// A frame that cannot be mapped for the device is dropped and counted, and the next frame is
    /// sent.
    #[test]
    fn no_mapping_for_now() -> Result {
        let fixture = NetFixture::mapped(Addresses::Marked, &[])?;
        let nic = fixture.up()?;
        let drops = nic.drops()?;
        let (before, let_go) = (nic.stats(), Nic::let_go());
        fixture.fake.limit_maps(Some(0));
        nic.send(&from_us(1, 200)?, 0, Offload::default())?;
        fixture.fake.limit_maps(None);
        check_eq!(Nic::let_go(), let_go + 1);
        let after = nic.stats();
        check!(after.tx_dropped > before.tx_dropped);
        check_eq!(
            after.tx_fifo_errors - before.tx_fifo_errors,
            after.tx_dropped - before.tx_dropped
        );
        check!(drops.are(after.tx_dropped - before.tx_dropped, DropReason::NoMem));
        let frame = from_us(2, 200)?;
        nic.send(&frame, 0, Offload::default())?;
        check!(sent(&fixture.fake_nic, 1));
        check!(fixture.fake_nic.has_sent(0, &[0; 12], &frame));
        Ok(())
    }

    /// A checksum is left to the device, with its start and its place.
    #[test]
    fn checksum() -> Result {
        let fixture = NetFixture::with(&[F_CSUM])?;
        let nic = fixture.up()?;
        let frame = tcp(100)?;
        let offload = Offload {
            csum: Some((TCP_START, TCP_CSUM)),
            ..Offload::default()
        };
        nic.send(&frame, 0, offload)?;
        check!(sent(&fixture.fake_nic, 1));
        let header = fixture.fake_nic.header(0).ok_or(ENODATA)?;
        check_eq!(header, [1, 0, 0, 0, 0, 0, 34, 0, 16, 0, 0, 0]);
        Ok(())
    }

    /// A device that completes no checksums gets complete ones.
    #[test]
    fn checksum_unoffered() -> Result {
        let fixture = NetFixture::with(&[])?;
        let nic = fixture.up()?;
        let offload = Offload {
            csum: Some((TCP_START, TCP_CSUM)),
            ..Offload::default()
        };
        nic.send(&tcp(100)?, 0, offload)?;
        check!(sent(&fixture.fake_nic, 1));
        check_eq!(fixture.fake_nic.header(0).ok_or(ENODATA)?, [0; 12]);
        Ok(())
    }

    /// The checksum of an encapsulated packet is left to the device only if the device segments the
    /// packet. No other feature is cleared, and none for other packets.
    #[test]
    fn checksum_in_a_tunnel() -> Result {
        let fixture = NetFixture::with(&[F_CSUM, F_HOST_TSO4])?;
        let nic = fixture.nic()?;
        for gso in [false, true] {
            for device_cuts in [false, true] {
                check!(nic.completes_checksum(false, gso, device_cuts)?);
                let completes = nic.completes_checksum(true, gso, device_cuts)?;
                check_eq!(completes, gso && device_cuts);
            }
        }
        Ok(())
    }

    /// A packet that the device has to segment.
    #[test]
    fn segmentation() -> Result {
        let fixture = NetFixture::with(&[F_CSUM, F_HOST_TSO4])?;
        let nic = fixture.up()?;
        let frame = tcp(5000)?;
        let offload = Offload {
            csum: Some((TCP_START, TCP_CSUM)),
            gso_size: 1448,
        };
        nic.send(&frame, 0, offload)?;
        check!(sent(&fixture.fake_nic, 1));
        let header = fixture.fake_nic.header(0).ok_or(ENODATA)?;
        check_eq!(header[0], 1);
        check_eq!(header[1], 1);
        // A hint: at least the length of the headers.
        check!(u16::from_le_bytes([header[2], header[3]]) >= 54);
        check_eq!(header[4..6], 1448u16.to_le_bytes());
        check_eq!(header[6..8], 34u16.to_le_bytes());
        check_eq!(header[8..10], 16u16.to_le_bytes());
        check_eq!(header[10..12], [0; 2]);
        Ok(())
    }

    /// A device that wants to know the length of the headers gets it.
    #[test]
    fn exact_header_length() -> Result {
        let fixture = NetFixture::with(&[F_CSUM, F_HOST_TSO4, F_GUEST_HDRLEN])?;
        let nic = fixture.up()?;
        for (i, words) in [5, 8, 15].into_iter().enumerate() {
            let mut frame = tcp(5000)?;
            frame[usize::from(TCP_START) + 12] = (words as u8) << 4;
            let offload = Offload {
                csum: Some((TCP_START, TCP_CSUM)),
                gso_size: 1448,
            };
            nic.send(&frame, 0, offload)?;
            check!(sent(&fixture.fake_nic, i + 1));
            let header = fixture.fake_nic.header(i).ok_or(ENODATA)?;
            check_eq!(header[1], 1);
            check_eq!(header[2..4], (TCP_START + 4 * words).to_le_bytes());
            check_eq!(header[4..6], 1448u16.to_le_bytes());
        }
        // Of a packet that is not segmented, the device needs no length.
        let offload = Offload {
            csum: Some((TCP_START, TCP_CSUM)),
            ..Offload::default()
        };
        nic.send(&tcp(100)?, 0, offload)?;
        check!(sent(&fixture.fake_nic, 4));
        check_eq!(fixture.fake_nic.header(3).ok_or(ENODATA)?[1..4], [0; 3]);
        Ok(())
    }

    /// The header of a device that reports hashes is longer, and cleared as a whole.
    #[test]
    fn h117_header_with_hash() -> Result {
        let fixture = NetFixture::with(&[F_CTRL_VQ, F_HASH_REPORT])?;
        fixture.fake_nic.set_header_len(20);
        let nic = fixture.up()?;
        for (i, len) in [60, 1514].into_iter().enumerate() {
            let frame = from_us(i as u8, len)?;
            nic.send(&frame, 0, Offload::default())?;
            check!(sent(&fixture.fake_nic, i + 1));
            check!(fixture.fake_nic.has_sent(i, &[0; 20], &frame));
            check_eq!(fixture.fake_nic.pieces(i), Some(1));
        }
        Ok(())
    }

    /// A device without segmentation gets segments.
    #[test]
    fn segmentation_unoffered() -> Result {
        let fixture = NetFixture::with(&[F_CSUM])?;
        let nic = fixture.up()?;
        let offload = Offload {
            csum: Some((TCP_START, TCP_CSUM)),
            gso_size: 1448,
        };
        nic.send(&tcp(5000)?, 0, offload)?;
        check!(sent(&fixture.fake_nic, 4));
        for i in 0..4 {
            check_eq!(fixture.fake_nic.header(i).ok_or(ENODATA)?[1], 0);
        }
        Ok(())
    }

    /// More frames than the ring has room for arrive in their order, and are counted.
    #[test]
    fn many() -> Result {
        for features in [&[][..], &[F_MRG_RXBUF], &[34, 29]] {
            let fixture = NetFixture::with(features)?;
            let nic = fixture.up()?;
            let mut count = 0;
            for i in 0..300usize {
                let frame = from_us(i as u8, 64 + i)?;
                let done = wait::until(5_000, || nic.send(&frame, 0, Offload::default()).is_ok());
                check!(done);
                count += 1;
            }
            check!(sent(&fixture.fake_nic, count));
            for i in 0..300usize {
                check!(fixture
                    .fake_nic
                    .has_sent(i, &[0; 12], &from_us(i as u8, 64 + i)?));
            }
            // Completions are counted when the driver reaps them.
            check!(wait::until(5_000, || {
                let stats = nic.stats();
                (stats.tx_packets, stats.tx_bytes) == fixture.fake_nic.count()
            }));
            check_eq!(nic.stats().tx_dropped, 0);
        }
        Ok(())
    }

    /// Two queues, each with its own frames. The frames of a queue that is no longer in use still
    /// count.
    #[test]
    fn two_queues() -> Result {
        let (fake_nic, fake) = device(Config::default().pairs(2), &[F_MAC, 17, 22], 5)?;
        let plug = Some(fake.plug()?);
        check!(fake.is_bound());
        let fixture = NetFixture::around(fake_nic, fake, plug);
        // Only frames of the test count.
        fixture.nic()?.disable_ipv6()?;
        let nic: Nic = fixture.up()?;
        nic.set_pairs(2)?;
        let before = fixture.fake.traffic(3).kicks;
        nic.send(&from_us(1, 64)?, 1, Offload::default())?;
        check!(sent(&fixture.fake_nic, 1));
        check!(fixture.fake.traffic(3).kicks > before);
        let beyond = nic.send(&from_us(1, 64)?, 2, Offload::default());
        check_eq!(beyond, Err(EINVAL));
        check!(wait::until(5_000, || nic.stats().tx_packets == 1));
        nic.set_pairs(1)?;
        check_eq!((nic.stats().tx_packets, nic.stats().tx_bytes), (1, 64));
        Ok(())
    }
}
