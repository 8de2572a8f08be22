// SPDX-License-Identifier: GPL-2.0

//! Packets that the memory of a socket receives: those for the socket, for the stack, and those
//! that are sent back.

use super::{
    super::{
        fake_nic::{
            receive,
            rx_header,
            FakeNic, //
        },
        frame::{
            from_us,
            to_us,
            ETHER_TYPE, //
        },
        Config,
        NetFixture,
        F_CTRL_VQ,
        F_HASH_REPORT,
        F_MAC,
        F_MRG_RXBUF,
        ID, //
    },
    *,
};
use virtio::shortage::Shortage;
use virtio_fake::{
    Action,
    Spec,
    XDP_ZEROCOPY, //
};

/// Receives a frame in so many buffers.
fn receive_parts(fixture: &XskFixture<'_>, frame: &[u8], parts: u16) -> Result {
    let fake = &fixture.card.fake;
    check!(wait::until(5_000, || fake.held(RX) >= parts.into()));
    let mut left = frame;
    for i in 0..parts {
        let (part, rest) = left.split_at(left.len() / usize::from(parts - i));
        left = rest;
        fake.finish_silently(RX, |chain| {
            let at = if i == 0 {
                chain.write(0, &rx_header(parts)).unwrap_or(0)
            } else {
                0
            };
            let end = at + chain.write(at, part).unwrap_or(0);
            Action::Complete(end as u32)
        })?;
    }
    fake.interrupt(RX)
}

#[kunit_tests(rust_virtio_net_xsk_rx)]
mod suite {
    use super::*;

    /// Packets reach the socket in its own memory, in each mode and with each kind of chunks.
    #[test]
    fn receives() -> Result {
        if lacks_sockets() {
            return Ok(());
        }
        for features in MODES {
            for (chunk_size, headroom, unaligned) in [
                (4096, 0, false),
                (4096, 64, false),
                (2048, 0, false),
                (4096, 0, true),
            ] {
                let spec = XskSpec {
                    chunk_size,
                    headroom,
                    unaligned,
                    ..XskSpec::default()
                };
                let chunk = u64::from(chunk_size);
                on_socket_of(&card(features)?, spec, 0, |fixture| {
                    let (nic, xsk) = (fixture.nic, &fixture.xsk);
                    let prog = fixture.to_socket()?;
                    for i in 0..60u64 {
                        check!(xsk.push(XskRing::Fill, i * chunk, 0));
                    }
                    xsk.wake(true)?;
                    check!(fixture.holds(60));
                    for i in 0..200u64 {
                        let addr = fixture.run(&to_us(i as u8, 60 + 7 * i as usize)?)?;
                        // The chunk, and in the upper bits the offset in it if chunks are anywhere.
                        let (base, offset) = if unaligned {
                            (addr & ((1 << 48) - 1), addr >> 48)
                        } else {
                            (addr & !(chunk - 1), addr & (chunk - 1))
                        };
                        check_eq!(offset, HEADROOM + u64::from(headroom));
                        check!(xsk.push(XskRing::Fill, base, 0));
                    }
                    check_eq!(prog.seen().count, 200);
                    check_eq!(nic.statistic("rx0_xdp_redirects")?, 200);
                    check_eq!(nic.stats().rx_dropped, 0);
                    Ok(())
                })?;
            }
        }
        Ok(())
    }

    /// The decisions of programs about packets in the memory of a socket.
    #[test]
    fn verdicts() -> Result {
        in_each_mode(30, |fixture, _| {
            let (nic, fake_nic) = (fixture.nic, &fixture.card.fake_nic);
            let capture = nic.capture(ETHER_TYPE)?;
            let frame = to_us(3, 900)?;
            // No program.
            fixture.receive(&frame)?;
            check!(arrives_at_stack(&capture, &frame));
            let passes = fixture.attach(XdpActions {
                metadata: 8,
                ..XdpActions::new(XdpVerdict::Pass)
            })?;
            fixture.receive(&frame)?;
            check!(wait::until(5_000, || !capture.is_empty()));
            check_eq!(capture.metadata(), 8);
            check!(arrives_at_stack(&capture, &frame));
            check_eq!(passes.seen().headroom, HEADROOM as u32);
            let drops = fixture.attach(XdpActions::new(XdpVerdict::Drop))?;
            fixture.receive(&frame)?;
            check!(wait::until(5_000, || drops.seen().count == 1));
            let _turns = fixture.attach(XdpActions {
                turn: true,
                ..XdpActions::new(XdpVerdict::Tx)
            })?;
            let sent = fake_nic.sent();
            fixture.receive(&frame)?;
            check!(wait::until(5_000, || fake_nic.sent() == sent + 1));
            check!(fake_nic.has_sent(sent, &[0; 12], &from_us(3, 900)?));
            check_eq!(nic.statistic("rx0_xdp_drops")?, 1);
            check!(capture.is_empty() && fixture.xsk.pop(XskRing::Rx).is_none());
            // All buffers but those in the ring were given back, and are used again.
            check!(fixture.holds(30));
            Ok(())
        })
    }

    /// A program gets the hash that the device reports.
    #[test]
    fn hash() -> Result {
        if lacks_sockets() {
            return Ok(());
        }
        let fake_nic = FakeNic::new(3, true)?;
        fake_nic.set_header_len(20);
        let spec = Spec::new(ID)
            .features(&[F_MAC, F_CTRL_VQ, F_HASH_REPORT, F_MRG_RXBUF, RING_RESET])
            .mapping(Addresses::Dma)
            .config(&Config::default().0)?
            .queues(3, 64)?;
        let card = NetFixture::of(fake_nic, spec)?;
        on_socket_of(&card, XskSpec::default(), 4, |fixture| {
            fixture.nic.set_rxhash(true)?;
            let prog = fixture.to_socket()?;
            let mut header = [0; 20];
            header[..12].copy_from_slice(&rx_header(1));
            header[12..16].copy_from_slice(&0x1234_5678u32.to_le_bytes());
            header[16] = 3;
            let frame = to_us(1, 100)?;
            receive(&card.fake, &[&header, &frame], None)?;
            fixture.arrives(&frame)?;
            check_eq!(prog.seen().hash, Ok((0x1234_5678, 0x29)));
            Ok(())
        })
    }

    /// The kernel asks to be woken when there is no memory to receive to, and finds memory when it
    /// is woken.
    #[test]
    fn wakes() -> Result {
        if lacks_sockets() {
            return Ok(());
        }
        for flags in [XskSpec::default().flags, XDP_ZEROCOPY] {
            let spec = XskSpec {
                flags,
                ..XskSpec::default()
            };
            on_socket_of(&card(&[F_MRG_RXBUF])?, spec, 0, |fixture| {
                let xsk = &fixture.xsk;
                let _prog = fixture.to_socket()?;
                let asks = flags != XDP_ZEROCOPY;
                check!(wait::until(5_000, || xsk.needs_wakeup(XskRing::Fill) == asks));
                check!(xsk.push(XskRing::Fill, 0, 0));
                if asks {
                    xsk.wake(true)?;
                }
                check!(fixture.holds(1));
                check!(wait::until(5_000, || !xsk.needs_wakeup(XskRing::Fill) || asks));
                fixture.run(&to_us(1, 100)?)?;
                check!(wait::until(5_000, || xsk.needs_wakeup(XskRing::Fill) == asks));
                Ok(())
            })?;
        }
        Ok(())
    }

    /// A packet in several buffers reaches the stack, and no program.
    #[test]
    fn several_buffers() -> Result {
        on_socket(&[F_MRG_RXBUF], 60, |fixture| {
            let nic = fixture.nic;
            let capture = nic.capture(ETHER_TYPE)?;
            for (len, count) in [(3000, 2), (9000, 3), (20_000, 8), (60_000, 17)] {
                let frame = to_us(7, len)?;
                receive_parts(fixture, &frame, count)?;
                check!(arrives_at_stack(&capture, &frame));
            }
            let prog = fixture.to_socket()?;
            let drops = nic.statistic("rx0_xdp_drops")?;
            receive_parts(fixture, &to_us(7, 3000)?, 2)?;
            check!(wait::until(5_000, || {
                nic.statistic("rx0_xdp_drops") == Ok(drops + 1)
            }));
            check_eq!(prog.seen().count, 0);
            fixture.run(&to_us(1, 100)?)?;
            Ok(())
        })
    }

    /// No memory for the copy that the stack gets of a packet, or for the bytes of one of its
    /// buffers: the packet is dropped and counted once. All its buffers go back to the pool, and
    /// the next packet arrives.
    #[test]
    fn copy_without_memory() -> Result {
        if crate::ANY_DRIVER {
            messages::skip(c"only the memory of the Rust driver can be made short");
            return Ok(());
        }
        on_socket(&[F_MRG_RXBUF], 60, |fixture| {
            let nic = fixture.nic;
            let capture = nic.capture(ETHER_TYPE)?;
            let parts = 4;
            for left in 0..parts {
                let before = nic.stats().rx_dropped;
                let shortage = Shortage::after(left);
                receive_parts(fixture, &to_us(7, 12_000)?, parts)?;
                check!(wait::until(5_000, || nic.stats().rx_dropped > before));
                check_eq!(shortage.failed(), 1);
                drop(shortage);
                check_eq!(nic.stats().rx_dropped, before + 1);
                check!(capture.is_empty());
                let frame = to_us(8, 9000)?;
                receive_parts(fixture, &frame, 3)?;
                check!(arrives_at_stack(&capture, &frame));
            }
            check_eq!(nic.stats().rx_length_errors, 0);
            // No buffer is lost: the socket can get a packet in each of them.
            let _prog = fixture.to_socket()?;
            for i in 0..60 {
                fixture.run(&to_us(i, 200)?)?;
            }
            Ok(())
        })
    }
}
