// SPDX-License-Identifier: GPL-2.0

//! The memory that a received packet is in: the buffer of the device, and the head that the stack
//! works on.

use super::{
    super::{
        fake_nic::{
            receive,
            rx_header, //
        },
        frame::{
            tcp_to_us,
            to_us,
            ETHER_TYPE, //
        },
        NetFixture,
        F_GUEST_CSUM,
        F_MAC,
        F_MRG_RXBUF, //
    },
    outcome::{
        arrived,
        frames,
        last_is, //
    },
    MODES, //
};
use kernel::{
    page::PAGE_SIZE,
    prelude::*, //
};
use virtio_fake::{
    wait,
    Addresses, //
};

/// The smallest headroom of a received packet (C: `NET_SKB_PAD` on machines with cache lines of 64
/// bytes or less).
const NET_SKB_PAD: u32 = 64;

/// Bytes that the stack reserves before a packet that is sent to a tunnel of WireGuard: those of
/// the tunnel, 128, and the alignment of a link header.
const WIREGUARD: u32 = 128 + 16;

/// Receives long frames behind a header, and checks that each stays in its buffer, with its IP
/// header aligned where the architecture asks for that.
fn stays(fixture: &NetFixture, header: &[u8]) -> Result {
    let nic = fixture.up()?;
    let capture = nic.capture(ETHER_TYPE)?;
    for (i, len) in [1000, 1400, 1514].into_iter().enumerate() {
        check!(wait::until(5_000, || fixture.fake.held(0) > 0));
        let frame = to_us(i as u8, len)?;
        receive(&fixture.fake, &[header, &frame], None)?;
        check!(arrived(&capture, i + 1));
        check!(last_is(&capture, &frame));
        check!((capture.linear() == len as u32 && capture.is_aligned()) || crate::ANY_DRIVER);
    }
    Ok(())
}

#[kunit_tests(rust_virtio_net_rx_memory)]
mod suite {
    use super::*;

    /// Each frame has as much room before it as the stack leaves in a frame that it sends, so that
    /// it can be forwarded without a copy. Its IP header is aligned, where the architecture asks
    /// for that.
    #[test]
    fn room_for_headers() -> Result {
        for features in MODES {
            let fixture = NetFixture::with(features)?;
            let nic = fixture.up()?;
            let capture = nic.capture(ETHER_TYPE)?;
            for len in [100, 1514, 1400] {
                check!(wait::until(5_000, || fixture.fake.held(0) > 0));
                receive(&fixture.fake, &[&rx_header(1), &to_us(1, len)?], None)?;
                check!(wait::until(5_000, || capture.pop().is_some()));
                let headroom = capture.headroom();
                check!(headroom >= nic.state().reserved);
                check!(headroom >= NET_SKB_PAD || crate::ANY_DRIVER);
                check!(capture.is_aligned());
            }
        }
        Ok(())
    }

    /// A frame that was built around its buffer has room for the headers of a tunnel, if a page has
    /// that room anyway.
    #[test]
    fn room_for_a_tunnel() -> Result {
        for features in [&[][..], &[F_MRG_RXBUF]] {
            let fixture = NetFixture::with(features)?;
            let nic = fixture.up()?;
            let capture = nic.capture(ETHER_TYPE)?;
            for i in 0..4 {
                check!(wait::until(5_000, || fixture.fake.held(0) > 0));
                receive(&fixture.fake, &[&rx_header(1), &to_us(i, 1514)?], None)?;
                check!(wait::until(5_000, || capture.pop().is_some()));
                check_eq!(capture.linear(), 1514);
                let room = PAGE_SIZE != 4096 || capture.headroom() >= WIREGUARD;
                check!(room || crate::ANY_DRIVER);
            }
        }
        Ok(())
    }

    /// A long frame in one buffer stays where the device wrote it, on each architecture.
    #[test]
    fn not_copied() -> Result {
        for features in [&[][..], &[F_MRG_RXBUF]] {
            stays(&NetFixture::with(features)?, &rx_header(1))?;
        }
        // A legacy device has no number of buffers in its header.
        if let Some(fixture) = NetFixture::legacy(&[F_MAC])? {
            stays(&fixture, &[0; 10])?;
        }
        Ok(())
    }

    /// Of a device that is given memory by mapping it, which may still write a buffer when it is a
    /// packet: what the stack keeps of the packet is elsewhere.
    #[test]
    fn mapped() -> Result {
        for features in [&[][..], &[F_MRG_RXBUF]] {
            let fixture = NetFixture::mapped(Addresses::Marked, features)?;
            let nic = fixture.up()?;
            let capture = nic.capture(ETHER_TYPE)?;
            let frame = to_us(1, 1400)?;
            receive(&fixture.fake, &[&rx_header(1), &frame], None)?;
            check!(arrived(&capture, 1));
            check!(last_is(&capture, &frame));
            check!(capture.linear() <= 14 + 128);
            frames(&fixture, &nic)?;
        }
        Ok(())
    }

    /// Segments of a stream that are received together are one packet, also where the last one is
    /// so short that it is copied.
    #[test]
    fn merged_by_the_stack() -> Result {
        for len in [1000, 74, 1] {
            let fixture = NetFixture::with(&[F_GUEST_CSUM, F_MRG_RXBUF])?;
            let nic = fixture.up()?;
            let capture = nic.capture(0x0800)?;
            // The device checked the checksum.
            let mut header = rx_header(1);
            header[0] = 2;
            let (first, last) = (tcp_to_us(1, 1400)?, tcp_to_us(1401, len)?);
            check!(fixture.fake.held(0) >= 2);
            fixture.fake.finish_silently(0, |chain| {
                let _ = chain.write(0, &header);
                let _ = chain.write(12, &first);
                virtio_fake::Action::Complete(12 + first.len() as u32)
            })?;
            receive(&fixture.fake, &[&header, &last], None)?;
            check!(arrived(&capture, 1));
            let packet = capture.pop().ok_or(ENODATA)?;
            check_eq!(packet.len(), first.len() + len);
            check!(packet.get(54..1454) == first.get(54..));
            check!(packet.get(1454..) == last.get(54..));
        }
        Ok(())
    }
}
