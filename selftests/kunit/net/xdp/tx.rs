// SPDX-License-Identifier: GPL-2.0

//! Frames that programs transmit.

use super::*;
use crate::net::frame::from_us;
use virtio_fake::{
    Offload,
    RedirectedFrames, //
};

/// The other address of a frame for the card.
fn turned(frame: &[u8]) -> Result<KVec<u8>> {
    let mut bytes = KVec::new();
    bytes.extend_from_slice(frame.get(6..12).ok_or(EINVAL)?, GFP_KERNEL)?;
    bytes.extend_from_slice(frame.get(..6).ok_or(EINVAL)?, GFP_KERNEL)?;
    bytes.extend_from_slice(frame.get(12..).ok_or(EINVAL)?, GFP_KERNEL)?;
    Ok(bytes)
}

/// Returns a program that exchanges the addresses.
fn turning(verdict: XdpVerdict, ifindex: i32, frags: bool) -> Result<XdpTest> {
    XdpTest::new(XdpActions {
        ifindex,
        frags,
        turn: true,
        ..XdpActions::new(verdict)
    })
}

/// Number of descriptors of the ring.
const RING: usize = 64;

/// Returns the number of frames of the tests among those that the card keeps.
fn held_of_tests(fixture: &NetFixture) -> Result<u64> {
    let mut ours = 0;
    for _ in 0..fixture.fake.held(1) {
        fixture.fake.finish_silently(1, |chain| {
            // Behind the header and the addresses.
            let mut kind = [0; 2];
            let read = chain.read(12 + 12, &mut kind);
            ours += u64::from(read == Ok(2) && kind == ETHER_TYPE.to_be_bytes());
            virtio_fake::Action::Hold
        })?;
    }
    Ok(ours)
}

#[kunit_tests(rust_virtio_net_tx_xdp)]
mod suite {
    use super::*;

    /// Frames that a program sends back, from small and mergeable buffers.
    #[test]
    fn sent_back() -> Result {
        for features in [&[][..], &[F_MRG_RXBUF]] {
            let prog = turning(Tx, 0, false)?;
            let fixture = NetFixture::with(features)?;
            let nic = fixture.up()?;
            let capture = nic.capture(ETHER_TYPE)?;
            set(&nic, Some(&prog))?;
            let sent = fixture.fake_nic.sent();
            for i in 0..200usize {
                let frame = to_us(i as u8, 60 + 7 * i)?;
                run(&fixture, &prog, &frame)?;
                check!(wait::until(5_000, || fixture.fake_nic.sent() == sent + i + 1));
                let expected = turned(&frame)?;
                check!(fixture.fake_nic.has_sent(sent + i, &[0; 12], &expected));
                check_eq!(fixture.fake_nic.pieces(sent + i), Some(1));
            }
            check_eq!(nic.statistic("rx0_xdp_tx")?, 200);
            check_eq!(nic.statistic("rx0_xdp_drops")?, 0);
            check_eq!(nic.statistic("tx_xdp_tx")?, 200);
            check_eq!(nic.statistic("tx_xdp_tx_drops")?, 0);
            check!(capture.is_empty());
            check_eq!(fixture.fake.violations(), 0);
        }
        Ok(())
    }

    /// As [`sent_back`], on each ring, and for a card whose memory is mapped.
    #[test]
    fn on_each_ring() -> Result {
        let send = |fixture: &NetFixture, prog: &XdpTest| -> Result {
            let nic = fixture.up()?;
            set(&nic, Some(prog))?;
            for i in 0..70usize {
                let frame = to_us(i as u8, 700)?;
                run(fixture, prog, &frame)?;
                check!(wait::until(5_000, || fixture.fake_nic.sent() == i + 1));
                let expected = turned(&frame)?;
                check!(fixture.fake_nic.has_sent(i, &[0; 12], &expected));
            }
            check_eq!(fixture.fake.violations(), 0);
            Ok(())
        };
        for layout in crate::fixture::LAYOUTS {
            let prog = turning(Tx, 0, false)?;
            let mut features = KVec::new();
            features.push(F_MRG_RXBUF, GFP_KERNEL)?;
            features.extend_from_slice(layout, GFP_KERNEL)?;
            send(&NetFixture::with(&features)?, &prog)?;
        }
        let prog = turning(Tx, 0, false)?;
        let mapped = NetFixture::mapped(virtio_fake::Addresses::Marked, &[F_MRG_RXBUF])?;
        send(&mapped, &prog)
    }

    /// A legacy card gets the header in a descriptor of its own.
    #[test]
    fn legacy() -> Result {
        let prog = turning(Tx, 0, false)?;
        let Some(fixture) = NetFixture::legacy(&[F_MAC])? else {
            return Ok(());
        };
        let nic = fixture.up()?;
        set(&nic, Some(&prog))?;
        let frame = to_us(1, 500)?;
        receive(&fixture.fake, &[&[0; 10], &frame], None)?;
        check!(wait::until(5_000, || fixture.fake_nic.sent() == 1));
        check!(fixture.fake_nic.has_sent(0, &[0; 10], &turned(&frame)?));
        check_eq!(fixture.fake_nic.pieces(0), Some(2));
        Ok(())
    }

    /// A frame in several buffers.
    #[test]
    fn several_buffers() -> Result {
        let prog = turning(Tx, 0, true)?;
        let fixture = NetFixture::with(&[F_MRG_RXBUF])?;
        let nic = fixture.up()?;
        set(&nic, Some(&prog))?;
        let frame = to_us(3, 1500)?;
        for i in 0..40 {
            check!(wait::until(5_000, || fixture.fake.held(0) >= 2));
            fixture.fake.finish_silently(0, |chain| {
                let at = chain.write(0, &rx_header(2)).unwrap_or(0);
                let end = at + chain.write(at, &frame[..600]).unwrap_or(0);
                virtio_fake::Action::Complete(end as u32)
            })?;
            receive(&fixture.fake, &[&frame[600..]], None)?;
            check!(wait::until(5_000, || fixture.fake_nic.sent() == i + 1));
            check!(fixture.fake_nic.has_sent(i, &[0; 12], &turned(&frame)?));
            check_eq!(fixture.fake_nic.pieces(i), Some(2));
        }
        Ok(())
    }

    /// With enough pairs, the frames go to the pair of the CPU, and those of the stack do not.
    #[test]
    fn own_pairs() -> Result {
        let prog = turning(Tx, 0, false)?;
        let fixture = with_pairs(1 + cpus())?;
        let nic = fixture.up()?;
        nic.set_pairs(1)?;
        set(&nic, Some(&prog))?;
        for i in 0..100 {
            run(&fixture, &prog, &to_us(i as u8, 200)?)?;
            check!(wait::until(5_000, || fixture.fake_nic.sent() == i + 1));
        }
        check_eq!(nic.statistic("tx0_xdp_tx")?, 0);
        check_eq!(nic.statistic("tx_xdp_tx")?, 100);
        nic.send(&from_us(1, 100)?, 0, Offload::default())?;
        check!(wait::until(5_000, || fixture.fake_nic.sent() == 101));
        // The pairs are given back, with the frames in them.
        set(&nic, None)?;
        nic.set_pairs((1 + cpus()).into())?;
        nic.send(&from_us(1, 100)?, cpus(), Offload::default())?;
        check!(wait::until(5_000, || fixture.fake_nic.sent() == 102));
        Ok(())
    }

    /// The card does not transmit: frames are dropped and counted when the ring is full. The stack,
    /// which shares the queue, goes on afterwards.
    #[test]
    fn full_ring() -> Result {
        let prog = turning(Tx, 0, false)?;
        let fixture = NetFixture::with(&[F_MRG_RXBUF])?;
        // Frames of the stack take places in the ring. There are few of them without IPv6.
        fixture.nic()?.disable_ipv6()?;
        let nic = fixture.up()?;
        set(&nic, Some(&prog))?;
        fixture.fake_nic.hold_tx(true);
        for i in 0..100 {
            run(&fixture, &prog, &to_us(i, 200)?)?;
        }
        check!(wait::until(5_000, || fixture.fake.held(1) == RING));
        let ours = held_of_tests(&fixture)?;
        check!(ours > RING as u64 / 2);
        // The counter of all frames changes before that of the dropped ones.
        check!(wait::until(5_000, || {
            nic.statistic("tx_xdp_tx") == Ok(100)
                && nic.statistic("tx_xdp_tx_drops") == Ok(100 - ours)
        }));
        check_eq!(nic.statistic("rx_xdp_drops")?, 0);
        check!(nic.state().tx_stopped);
        fixture.fake_nic.hold_tx(false);
        while fixture.fake.held(1) > 0 {
            fixture
                .fake
                .finish(1, |_| virtio_fake::Action::Complete(0))?;
        }
        check!(wait::until(10_000, || !nic.state().tx_stopped));
        nic.send(&from_us(1, 100)?, 0, Offload::default())?;
        check!(wait::until(5_000, || fixture.fake_nic.sent() == 1));
        Ok(())
    }

    /// Frames that are redirected to the interface itself, in one buffer and in two.
    #[test]
    fn redirected() -> Result {
        if lacks_bpf() {
            return Ok(());
        }
        let fixture = NetFixture::with(&[F_MRG_RXBUF])?;
        let nic = fixture.nic()?;
        let prog = turning(Redirect, nic.ifindex(), false)?;
        nic.set_up(true)?;
        check!(wait::until(5_000, || fixture.fake.held(0) > 0 && nic.state().carrier));
        set(&nic, Some(&prog))?;
        for i in 0..150usize {
            let frame = to_us(i as u8, 60 + 8 * i)?;
            run(&fixture, &prog, &frame)?;
            check!(wait::until(5_000, || fixture.fake_nic.sent() == i + 1));
            check!(fixture.fake_nic.has_sent(i, &[0; 12], &turned(&frame)?));
        }
        check_eq!(nic.statistic("rx_xdp_redirects")?, 150);
        check_eq!(nic.statistic("rx_xdp_drops")?, 0);
        check_eq!(nic.statistic("tx_xdp_tx")?, 150);
        set(&nic, None)
    }

    /// Frames that another interface redirects to one that is detached are dropped: its device may
    /// be in reset. When the interface is attached again, they are sent.
    #[test]
    fn redirected_to_detached() -> Result {
        if lacks_bpf() {
            return Ok(());
        }
        let pass = program(Pass)?;
        let target = NetFixture::with(&[F_MRG_RXBUF])?;
        let to = target.up()?;
        set(&to, Some(&pass))?;
        let prog = turning(Redirect, to.ifindex(), false)?;
        let fixture = NetFixture::with(&[F_MRG_RXBUF])?;
        let nic = fixture.up()?;
        set(&nic, Some(&prog))?;
        let frame = to_us(1, 200)?;
        for (present, sent) in [(true, 1), (false, 1), (true, 2)] {
            to.set_present(present)?;
            run(&fixture, &prog, &frame)?;
            check!(wait::until(5_000, || target.fake_nic.sent() >= sent));
            // The frames of the poll are flushed when it ends.
            wait::pause(100);
            check_eq!(target.fake_nic.sent(), sent);
        }
        check_eq!(nic.statistic("rx_xdp_redirects")?, 3);
        set(&nic, None)?;
        set(&to, None)
    }

    /// An interface that does not exist: the frames are dropped and counted.
    #[test]
    fn redirected_nowhere() -> Result {
        let prog = turning(Redirect, i32::MAX, false)?;
        let fixture = NetFixture::with(&[F_MRG_RXBUF])?;
        let nic = fixture.up()?;
        set(&nic, Some(&prog))?;
        for i in 0..100 {
            run(&fixture, &prog, &to_us(i, 200)?)?;
        }
        check!(wait::until(5_000, || nic.stats().rx_dropped == 100));
        check_eq!(nic.statistic("rx_xdp_redirects")?, 100);
        check_eq!(nic.statistic("rx_xdp_drops")?, 100);
        check_eq!(fixture.fake_nic.sent(), 0);
        Ok(())
    }

    /// More frames of another interface than the ring has room for: the driver says how many it
    /// took, and leaves the others to the caller.
    #[test]
    fn redirected_to_full_ring() -> Result {
        let prog = program(Pass)?;
        let fixture = NetFixture::with(&[F_MRG_RXBUF])?;
        // No frame of the stack is in the ring.
        fixture.nic()?.disable_ipv6()?;
        let nic = fixture.up()?;
        set(&nic, Some(&prog))?;
        fixture.fake_nic.hold_tx(true);
        let mut frames = RedirectedFrames::new(100)?;
        check_eq!(frames.transmit(&nic, 60)?, 64);
        check_eq!(frames.owned(), 64);
        check_eq!(nic.statistic("tx_xdp_tx")?, 100);
        check_eq!(nic.statistic("tx_xdp_tx_drops")?, 100 - 64);
        check!(wait::until(5_000, || fixture.fake.held(1) == 64));
        fixture.fake_nic.hold_tx(false);
        while fixture.fake.held(1) > 0 {
            fixture
                .fake
                .finish(1, |_| virtio_fake::Action::Complete(0))?;
        }
        check!(wait::until(5_000, || frames.owned() == 0));
        Ok(())
    }

    /// Other interfaces may send only while there is a program, and only with known flags.
    #[test]
    fn refused() -> Result {
        let prog = program(Pass)?;
        let fixture = NetFixture::with(&[F_MRG_RXBUF])?;
        let nic = fixture.up()?;
        check_eq!(nic.xdp_xmit_none(0), Err(ENXIO));
        set(&nic, Some(&prog))?;
        check_eq!(nic.xdp_xmit_none(0), Ok(()));
        check_eq!(nic.xdp_xmit_none(1), Ok(()));
        check_eq!(nic.xdp_xmit_none(2), Err(EINVAL));
        set(&nic, None)?;
        check_eq!(nic.xdp_xmit_none(1), Err(ENXIO));
        Ok(())
    }
}
