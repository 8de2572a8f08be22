// SPDX-License-Identifier: GPL-2.0

//! AF_XDP and the hostile catalogue (`docs/hostile.md`): devices that lie about packets in the
//! memory of a socket, and user space that lies about its memory.

use super::{
    super::{
        fake_nic::{
            receive,
            rx_header, //
        },
        frame::{
            from_us,
            to_us, //
        },
        F_MRG_RXBUF, //
    },
    *,
};
use virtio_fake::Action;

/// The time in which a restart has to come, in milliseconds.
const DEADLINE_MS: u32 = 20_000;

/// Whether the card was started anew since it had `resets` resets, and is in use again.
fn starts_anew(card: &NetFixture, nic: &Nic, resets: u32) -> bool {
    wait::until(DEADLINE_MS, || {
        card.fake.resets() > resets && !card.fake.may_do_io() && nic.state().carrier
    })
}

#[kunit_tests(rust_virtio_hostile_net_xsk)]
mod suite {
    use super::*;

    /// H112: a device that lies about lengths and numbers of buffers: nothing but a count.
    #[test]
    fn h112_lies() -> Result {
        in_each_mode(60, |fixture, is_mergeable| {
            let (nic, fake) = (fixture.nic, &fixture.card.fake);
            let prog = fixture.to_socket()?;
            let frame = to_us(1, 100)?;
            // Shorter than the header or than an Ethernet header, and longer than the buffer.
            for len in [0, 1, 11, 12, 25, 4096, 5000, u32::MAX] {
                let errors = nic.stats().rx_length_errors;
                receive(fake, &[&rx_header(1), &frame], Some(len))?;
                check!(wait::until(5_000, || nic.stats().rx_length_errors > errors));
            }
            if is_mergeable {
                // No buffer, and more than there are.
                for buffers in [0, 2, 100, u16::MAX] {
                    let before = nic.stats();
                    receive(fake, &[&rx_header(buffers), &frame], None)?;
                    check!(wait::until(5_000, || {
                        let now = nic.stats();
                        now.rx_dropped > before.rx_dropped
                            || now.rx_length_errors > before.rx_length_errors
                    }));
                }
            }
            // A checksum that is to be completed.
            let mut header = rx_header(1);
            header[0] = 1;
            let drops = nic.statistic("rx0_xdp_drops")?;
            receive(fake, &[&header, &frame], None)?;
            check!(wait::until(5_000, || {
                nic.statistic("rx0_xdp_drops").is_ok_and(|now| now > drops)
            }));
            check_eq!(prog.seen().count, 0);
            fixture.run(&frame)?;
            Ok(())
        })
    }

    /// H004, H031: a buffer of the socket that is used twice. The first use counts; the second one
    /// breaks the queue, and the card is started anew. Each buffer goes back once, and the socket
    /// works on.
    #[test]
    fn h004_received_twice() -> Result {
        in_each_mode(60, |fixture, _| {
            let (nic, card) = (fixture.nic, fixture.card);
            let _prog = fixture.to_socket()?;
            let resets = card.fake.resets();
            let frame = to_us(0, 300)?;
            card.fake.finish(RX, |chain| {
                let at = chain.write(0, &rx_header(1)).unwrap_or(0);
                let end = at + chain.write(at, &frame).unwrap_or(0);
                Action::Twice(end as u32)
            })?;
            let addr = fixture.arrives(&frame)?;
            check!(starts_anew(card, nic, resets));
            // The socket has one of the buffers, and the card has the others.
            fixture.xsk.wake(true)?;
            check!(fixture.holds(59));
            check!(fixture.xsk.pop(XskRing::Rx).is_none());
            check!(fixture.xsk.push(XskRing::Fill, addr & !(CHUNK - 1), 0));
            fixture.xsk.wake(true)?;
            for i in 0..60 {
                fixture.run(&to_us(i, 200)?)?;
            }
            Ok(())
        })
    }

    /// H116: a packet of the socket that is completed twice: the queue is broken, and the card is
    /// started anew. User space gets each packet back once, in order, and the socket works on.
    #[test]
    fn h116_transmitted_twice() -> Result {
        in_each_mode(0, |fixture, _| {
            let (nic, card) = (fixture.nic, fixture.card);
            for _ in 0..2 {
                let resets = card.fake.resets();
                card.fake_nic.hold_tx(true);
                fixture.send(0, 8)?;
                check!(wait::until(5_000, || card.fake.held(TX) >= 8));
                card.fake_nic.hold_tx(false);
                card.fake.finish(TX, |_| Action::Twice(0))?;
                check!(fixture.all_complete(0, 8));
                check!(starts_anew(card, nic, resets));
                check!(fixture.xsk.pop(XskRing::Completion).is_none());
                fixture.transmit(90 * CHUNK, &from_us(1, 300)?)?;
            }
            Ok(())
        })
    }

    /// User space that gives the same memory twice, or memory that it does not have.
    #[test]
    fn bad_memory() -> Result {
        on_socket(&[F_MRG_RXBUF], 0, |fixture| {
            let xsk = &fixture.xsk;
            let _prog = fixture.to_socket()?;
            for i in 0..40u64 {
                let addr = match i % 4 {
                    0 | 1 => 7 * CHUNK,
                    2 => (1 << 40) + i * CHUNK,
                    _ => (20 + i) * CHUNK,
                };
                check!(xsk.push(XskRing::Fill, addr, 0));
            }
            xsk.wake(true)?;
            check!(fixture.holds(11));
            for i in 0..5 {
                fixture.run(&to_us(i, 100)?)?;
            }
            for (addr, len) in [
                (u64::MAX, 100),
                (1 << 40, 60),
                (4000, 400),
                (0, 0),
                (0, 5000),
            ] {
                check!(xsk.push(XskRing::Tx, addr, len));
            }
            check!(xsk.push(XskRing::Tx, 90 * CHUNK, 100));
            xsk.write(90 * CHUNK, &from_us(1, 100)?)?;
            // The core ends a batch at each packet that it refuses.
            let mut got = None;
            check!(wait::until(5_000, || {
                let _ = xsk.wake(false);
                // The core gives refused ones back, too.
                got = xsk.pop(XskRing::Completion).or(got);
                got == Some((90 * CHUNK, 0))
            }));
            Ok(())
        })
    }

    /// User space names one buffer in all entries of the fill ring, and says that there are two
    /// billions: each poll ends, and so do the start and the end of the use.
    #[test]
    fn one_buffer_for_ever() -> Result {
        on_socket(&[F_MRG_RXBUF], 0, |fixture| {
            let (nic, xsk) = (fixture.nic, &fixture.xsk);
            while xsk.push(XskRing::Fill, 7 * CHUNK, 0) {}
            xsk.jump(XskRing::Fill, i32::MAX as u32);
            xsk.wake(true)?;
            check!(fixture.holds(1));
            nic.set_up(false)?;
            nic.set_up(true)?;
            check!(fixture.holds(1));
            Ok(())
        })
    }
}
