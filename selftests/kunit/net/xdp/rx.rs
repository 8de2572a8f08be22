// SPDX-License-Identifier: GPL-2.0

//! The decisions of programs about received packets.

use super::*;
use virtio_fake::{
    Action,
    Addresses, //
};

/// Receives a frame in several buffers.
fn receive_parts(fixture: &NetFixture, parts: &[&[u8]]) -> Result {
    check!(wait::until(5_000, || fixture.fake.held(0) >= parts.len()));
    let header = rx_header(parts.len() as u16);
    for (i, part) in parts.iter().enumerate() {
        fixture.fake.finish_silently(0, |chain| {
            let at = if i == 0 {
                chain.write(0, &header).unwrap_or(0)
            } else {
                0
            };
            let end = at + chain.write(at, part).unwrap_or(0);
            Action::Complete(end as u32)
        })?;
    }
    fixture.fake.interrupt(0)
}

/// Receives so many frames that all buffers were added with the program attached.
fn replace_buffers(fixture: &NetFixture, prog: &XdpTest) -> Result {
    for i in 0..100u8 {
        run(fixture, prog, &to_us(i, 80)?)?;
    }
    Ok(())
}

#[kunit_tests(rust_virtio_net_rx_xdp)]
mod suite {
    use super::*;

    /// Packets that pass arrive unchanged, from buffers that were added before the program was
    /// attached, and after that. They have the headroom that programs may use.
    #[test]
    fn pass() -> Result {
        for features in [&[][..], &[F_MRG_RXBUF]] {
            let prog = program(Pass)?;
            let fixture = NetFixture::with(features)?;
            let nic = fixture.up()?;
            let capture = nic.capture(ETHER_TYPE)?;
            set(&nic, Some(&prog))?;
            for i in 0..200u32 {
                let frame = to_us(i as u8, 60 + 7 * i as usize)?;
                run(&fixture, &prog, &frame)?;
                check!(prog.seen().headroom >= 256 && prog.seen().queue == 0);
                check!(arrives(&capture, &frame));
                check!(capture.linear() == frame.len() as u32 || crate::ANY_DRIVER);
            }
            check_eq!(nic.statistic("rx0_xdp_packets")?, 200);
            check_eq!(nic.statistic("rx0_xdp_drops")?, 0);
            check_eq!(nic.stats().rx_dropped, 0);
            // And after it was detached, from buffers with its headroom.
            set(&nic, None)?;
            for i in 0..100u32 {
                let frame = to_us(i as u8, 60 + 11 * i as usize)?;
                receive(&fixture.fake, &[&rx_header(1), &frame], None)?;
                check!(arrives(&capture, &frame));
            }
            check_eq!(prog.seen().count, 200);
            check_eq!(fixture.fake.violations(), 0);
        }
        Ok(())
    }

    /// As [`pass`], on each ring, and on a legacy device.
    #[test]
    fn pass_on_each_ring() -> Result {
        for layout in crate::fixture::LAYOUTS {
            let prog = program(Pass)?;
            let mut features = KVec::new();
            features.push(F_MRG_RXBUF, GFP_KERNEL)?;
            features.extend_from_slice(layout, GFP_KERNEL)?;
            let fixture = NetFixture::with(&features)?;
            let nic = fixture.up()?;
            let capture = nic.capture(ETHER_TYPE)?;
            set(&nic, Some(&prog))?;
            for i in 0..70 {
                let frame = to_us(i, 1000)?;
                run(&fixture, &prog, &frame)?;
                check!(arrives(&capture, &frame));
            }
        }
        let prog = program(Pass)?;
        let Some(fixture) = NetFixture::legacy(&[F_MAC])? else {
            return Ok(());
        };
        let nic = fixture.up()?;
        let capture = nic.capture(ETHER_TYPE)?;
        set(&nic, Some(&prog))?;
        for i in 0..70 {
            let frame = to_us(i, 1000)?;
            receive(&fixture.fake, &[&[0; 10], &frame], None)?;
            check!(arrives(&capture, &frame));
            check_eq!(prog.seen().sum, sum(&frame));
        }
        Ok(())
    }

    /// The memory of the card is mapped: programs get copies.
    #[test]
    fn mapped() -> Result {
        for features in [&[][..], &[F_MRG_RXBUF]] {
            let prog = program(Pass)?;
            let fixture = NetFixture::mapped(Addresses::Marked, features)?;
            let nic = fixture.up()?;
            let capture = nic.capture(ETHER_TYPE)?;
            set(&nic, Some(&prog))?;
            for i in 0..100 {
                let frame = to_us(i, 1400)?;
                run(&fixture, &prog, &frame)?;
                check!(arrives(&capture, &frame));
            }
            set(&nic, None)?;
            for i in 0..100 {
                let frame = to_us(i, 1400)?;
                receive(&fixture.fake, &[&rx_header(1), &frame], None)?;
                check!(arrives(&capture, &frame));
                // No head is in memory of the card.
                check!(capture.linear() <= 14 + 128);
            }
            check_eq!(fixture.fake.violations(), 0);
        }
        Ok(())
    }

    /// Packets that the program drops, in each way, are counted and reported, and do not arrive.
    #[test]
    fn drops() -> Result {
        for (verdict, exceptions) in [(Drop, 0), (Aborted, 1), (Unknown, 1)] {
            for features in [&[][..], &[F_MRG_RXBUF]] {
                let prog = program(verdict)?;
                let fixture = NetFixture::with(features)?;
                let nic = fixture.up()?;
                let capture = nic.capture(ETHER_TYPE)?;
                set(&nic, Some(&prog))?;
                for i in 0..150 {
                    run(&fixture, &prog, &to_us(i, 100)?)?;
                }
                check!(wait::until(5_000, || nic.stats().rx_dropped == 150));
                check_eq!(nic.statistic("rx0_xdp_packets")?, 150);
                check_eq!(nic.statistic("rx0_xdp_drops")?, 150);
                check_eq!(nic.statistic("rx0_drops")?, 150);
                // Exceptions are reported by a tracepoint.
                check!(prog.exceptions() == 150 * exceptions || !cfg!(CONFIG_TRACEPOINTS));
                check!(capture.is_empty());
            }
        }
        Ok(())
    }

    /// The program adds and removes bytes at the start, and adds metadata.
    #[test]
    fn changes() -> Result {
        for features in [&[][..], &[F_MRG_RXBUF]] {
            // The added bytes become the start of the frame, with its type 12 bytes on.
            for (head, metadata) in [(0, 0), (0, 32), (0, 4), (-200, 0), (14, 8)] {
                let actions = XdpActions {
                    head,
                    metadata,
                    ..XdpActions::new(Pass)
                };
                let prog = XdpTest::new(actions)?;
                let fixture = NetFixture::with(features)?;
                let nic = fixture.up()?;
                let ether_type = if head < 0 { 0xaaaa } else { ETHER_TYPE };
                let capture = nic.capture(ether_type)?;
                set(&nic, Some(&prog))?;
                let mut frame = to_us(1, 500)?;
                if head > 0 {
                    // Another frame is in the first one.
                    frame.truncate(14);
                    frame.extend_from_slice(&to_us(2, 500)?, GFP_KERNEL)?;
                }
                for _ in 0..80 {
                    run(&fixture, &prog, &frame)?;
                    let mut expected = KVec::new();
                    if head < 0 {
                        expected.resize(head.unsigned_abs() as usize, 0xaa, GFP_KERNEL)?;
                    }
                    let rest = frame.get(head.max(0) as usize..).ok_or(EINVAL)?;
                    expected.extend_from_slice(rest, GFP_KERNEL)?;
                    check!(arrives(&capture, &expected));
                    check_eq!(capture.metadata(), metadata);
                }
            }
        }
        Ok(())
    }

    /// A packet in several buffers, for a program that takes fragments, and for one that does not.
    #[test]
    fn several_buffers() -> Result {
        for frags in [true, false] {
            for mapped in [false, true] {
                let actions = XdpActions {
                    frags,
                    ..XdpActions::new(Pass)
                };
                let prog = XdpTest::new(actions)?;
                let fixture = NetFixture::maybe_mapped(mapped, &[F_MRG_RXBUF])?;
                let nic = fixture.up()?;
                let capture = nic.capture(ETHER_TYPE)?;
                set(&nic, Some(&prog))?;
                let frame = to_us(3, 1500)?;
                let parts = [&frame[..500], &frame[500..900], &frame[900..]];
                for round in 0..60 {
                    receive_parts(&fixture, &parts)?;
                    check!(arrives(&capture, &frame));
                    let seen = prog.seen();
                    check_eq!(
                        (seen.count, seen.len, seen.sum),
                        (round + 1, 1500, sum(&frame))
                    );
                    check_eq!(seen.frags, if frags { 2 } else { 0 });
                }
                check_eq!(nic.stats().rx_dropped, 0);
                check_eq!(nic.stats().rx_bytes, 60 * 1500);
            }
        }
        Ok(())
    }

    /// Buffers that were added before the program was attached, and that are longer than a page
    /// with the room for programs. The frames do not fit one page.
    #[test]
    fn long_buffers() -> Result {
        for (mapped, frags, expected) in [(false, true, 3), (true, true, 3), (false, false, 0)] {
            let actions = XdpActions {
                frags,
                ..XdpActions::new(Pass)
            };
            let prog = XdpTest::new(actions)?;
            let fixture = NetFixture::maybe_mapped(mapped, &[F_MRG_RXBUF])?;
            let nic = fixture.up()?;
            let capture = nic.capture(ETHER_TYPE)?;
            // Buffers become as long as they can, because packets are.
            let long = to_us(1, 30_000)?;
            for _ in 0..20 {
                let mut parts = KVec::new();
                for part in long.chunks(1500) {
                    parts.push(part, GFP_KERNEL)?;
                }
                receive_parts(&fixture, &parts)?;
                check!(arrives(&capture, &long));
            }
            set(&nic, Some(&prog))?;
            let frame = to_us(2, 9000)?;
            let parts = [&frame[..4000], &frame[4000..8000], &frame[8000..]];
            for round in 1..=10 {
                receive_parts(&fixture, &parts)?;
                if !frags {
                    let drops = || nic.statistic("rx0_xdp_drops");
                    check!(wait::until(5_000, || drops() == Ok(round.into())));
                    check_eq!(prog.seen().count, 0);
                    continue;
                }
                check!(arrives(&capture, &frame));
                let seen = prog.seen();
                check_eq!((seen.count, seen.sum), (round, sum(&frame)));
                check_eq!((seen.len, seen.frags), (9000, expected));
            }
        }
        Ok(())
    }

    /// The most buffers that a packet may have, and one more.
    #[test]
    fn most_buffers() -> Result {
        let actions = XdpActions {
            frags: true,
            ..XdpActions::new(Pass)
        };
        let prog = XdpTest::new(actions)?;
        let fixture = NetFixture::with(&[F_MRG_RXBUF])?;
        let nic = fixture.up()?;
        let capture = nic.capture(ETHER_TYPE)?;
        set(&nic, Some(&prog))?;
        let parts_of = |frame: &KVec<u8>, n: usize| -> Result {
            let mut parts = KVec::new();
            for i in 0..n {
                parts.push(&frame[100 * i..100 * (i + 1)], GFP_KERNEL)?;
            }
            receive_parts(&fixture, &parts)
        };
        let most = virtio_fake::MAX_SKB_FRAGS + 1;
        let frame = to_us(1, 100 * most)?;
        parts_of(&frame, most)?;
        check!(arrives(&capture, &frame));
        check_eq!(prog.seen().frags as usize, most - 1);
        let frame = to_us(1, 100 * (most + 1))?;
        parts_of(&frame, most + 1)?;
        check!(wait::until(5_000, || nic.stats().rx_dropped == 1));
        check_eq!(prog.seen().count, 1);
        check_eq!(nic.statistic("rx0_xdp_drops")?, 1);
        // The queue works on.
        let frame = to_us(1, 100)?;
        run(&fixture, &prog, &frame)?;
        check!(arrives(&capture, &frame));
        Ok(())
    }

    /// H111: packets that are to be segmented, or whose checksum is incomplete, do not reach the
    /// program. Its result for one whose checksum was checked is kept.
    #[test]
    fn h111_offloaded() -> Result {
        for features in [&[][..], &[F_MRG_RXBUF]] {
            let prog = program(Pass)?;
            let fixture = NetFixture::with(features)?;
            let nic = fixture.up()?;
            let capture = nic.capture(ETHER_TYPE)?;
            set(&nic, Some(&prog))?;
            let frame = to_us(1, 200)?;
            for (i, (flags, gso)) in [(1, 0), (0, 1), (1, 1), (3, 0), (0, 4)]
                .into_iter()
                .enumerate()
            {
                let mut header = rx_header(1);
                header[0] = flags;
                header[1] = gso;
                receive(&fixture.fake, &[&header, &frame], None)?;
                check!(wait::until(5_000, || nic.stats().rx_dropped == i as u64 + 1));
            }
            check_eq!(prog.seen().count, 0);
            check_eq!(nic.statistic("rx0_xdp_packets")?, 0);
            check_eq!(nic.statistic("rx0_xdp_drops")?, 5);
            let mut header = rx_header(1);
            header[0] = 2;
            receive(&fixture.fake, &[&header, &frame], None)?;
            check!(arrives(&capture, &frame));
            check_eq!((prog.seen().count, capture.summed()), (1, 1));
        }
        Ok(())
    }

    /// Packets that no program may get: too short, too long, with a hole, with missing buffers or
    /// with none. The queue works on.
    #[test]
    fn malformed() -> Result {
        let prog = program(Pass)?;
        let fixture = NetFixture::with(&[F_MRG_RXBUF])?;
        let nic = fixture.up()?;
        let capture = nic.capture(ETHER_TYPE)?;
        set(&nic, Some(&prog))?;
        replace_buffers(&fixture, &prog)?;
        wait::until(5_000, || capture.len() == 64);
        while capture.pop().is_some() {}
        let seen = prog.seen().count;
        let frame = to_us(1, 300)?;
        let errors = || nic.stats().rx_length_errors;
        for (i, (buffers, len)) in [
            (1, Some(11)),
            (1, Some(12)),
            (1, Some(25)),
            (0, None),
            // The other buffers are missing.
            (3, None),
        ]
        .into_iter()
        .enumerate()
        {
            receive(&fixture.fake, &[&rx_header(buffers), &frame], len)?;
            check!(wait::until(5_000, || errors() == i as u64 + 1));
        }
        // A hole, and more bytes than fit a page.
        receive_parts(&fixture, &[&frame, &[], &frame])?;
        check!(wait::until(5_000, || errors() == 6));
        let long = to_us(1, 1500)?;
        let drops = nic.statistic("rx0_xdp_drops")?;
        receive_parts(&fixture, &[&long, &long, &long])?;
        check!(wait::until(5_000, || {
            nic.statistic("rx0_xdp_drops") == Ok(drops + 1)
        }));
        check_eq!(prog.seen().count, seen);
        check!(capture.is_empty());
        run(&fixture, &prog, &frame)?;
        check!(arrives(&capture, &frame));
        Ok(())
    }
}
