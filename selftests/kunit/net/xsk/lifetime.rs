// SPDX-License-Identifier: GPL-2.0

//! The use of a pair of queues by a socket, from its start to its end: by the user, by a reset, and
//! by failures.

use super::{
    super::{
        fake_nic::FakeNic,
        frame::{
            from_us,
            to_us,
            ETHER_TYPE, //
        },
        Config,
        NetFixture,
        F_CTRL_VQ,
        F_GUEST_CSUM,
        F_GUEST_TSO4,
        F_MAC,
        F_MQ,
        F_MRG_RXBUF,
        ID, //
    },
    *,
};
use virtio_fake::{
    Action,
    RestartFault,
    Rings,
    Spec,
    XDP_COPY,
    XDP_ZEROCOPY, //
};

/// A card with `pairs` pairs that a socket can use.
fn card_with_pairs(pairs: u16) -> Result<NetFixture> {
    let queues = 2 * usize::from(pairs) + 1;
    let fake_nic = FakeNic::new(queues, true)?;
    let spec = Spec::new(ID)
        .features(&[F_MAC, F_MQ, F_CTRL_VQ, F_MRG_RXBUF, RING_RESET])
        .mapping(Addresses::Dma)
        .config(&Config::default().pairs(pairs).0)?
        .queues(queues, 64)?;
    NetFixture::of(fake_nic, spec)
}

/// Returns rings of one size.
fn rings(size: u32) -> Rings {
    Rings {
        rx: size,
        tx: size,
        ..Rings::default()
    }
}

#[kunit_tests(rust_virtio_net_xsk)]
mod suite {
    use super::*;

    /// A socket uses a pair, and gives it back. Traffic of the stack goes on after that.
    #[test]
    fn bound_and_closed() -> Result {
        if lacks_sockets() {
            return Ok(());
        }
        for features in MODES {
            let card = card(features)?;
            let nic = card.up()?;
            for _ in 0..3 {
                let fixture = XskFixture::new(&card, &nic, XskSpec::default())?;
                check!(fixture.xsk.is_zero_copy());
                check!(fixture.holds(0));
                fixture.give(0, 20)?;
                check!(fixture.holds(20));
                fixture.close()?;
                let capture = nic.capture(ETHER_TYPE)?;
                let frame = to_us(1, 300)?;
                receive(&card.fake, &[&rx_header(1), &frame], None)?;
                check!(arrives_at_stack(&capture, &frame));
            }
            check_eq!(card.fake.violations(), 0);
        }
        Ok(())
    }

    /// Each buffer goes back to the pool once when the device is reset, when the interface goes
    /// down, and when the sizes of rings change. The socket works on, and packets that were to be
    /// transmitted are given back.
    #[test]
    fn survives() -> Result {
        on_socket(&[F_MRG_RXBUF], 60, |fixture| {
            let (nic, xsk, card) = (fixture.nic, &fixture.xsk, fixture.card);
            let _prog = fixture.to_socket()?;
            for round in 0..5u64 {
                card.fake_nic.hold_tx(true);
                fixture.send(100, 10)?;
                check!(wait::until(5_000, || card.fake.held(TX) >= 10));
                match round {
                    0 => {
                        card.reset()?;
                    }
                    1 => {
                        nic.set_up(false)?;
                        check_eq!(xsk.wake(false), Err(ENETDOWN));
                        nic.set_up(true)?;
                    }
                    2 => nic.set_rings(rings(32))?,
                    3 => nic.set_rings(rings(64))?,
                    // The core restarts the receive queue.
                    _ => nic.restart_rx(0, RestartFault::None)?,
                }
                card.fake_nic.hold_tx(false);
                if round == 1 || round == 4 {
                    while card.fake.held(TX) > 0 {
                        card.fake.finish(TX, |_| Action::Complete(0))?;
                    }
                }
                xsk.wake(true)?;
                xsk.wake(false)?;
                check!(fixture.all_complete(100, 10));
                check!(fixture.holds(if round == 2 { 32 } else { 60 }));
                for i in 0..20 {
                    let addr = fixture.run(&to_us(i, 300)?)?;
                    check!(xsk.push(XskRing::Fill, addr & !(CHUNK - 1), 0));
                    xsk.wake(true)?;
                }
                fixture.transmit(90 * CHUNK, &from_us(1, 300)?)?;
            }
            Ok(())
        })
    }

    /// A queue that breaks, or cannot be reset, and a device that goes away: the memory comes back.
    #[test]
    fn failures() -> Result {
        if lacks_sockets() {
            return Ok(());
        }
        for failure in 0..4 {
            let mut card = card(&[F_MRG_RXBUF])?;
            card.hasten();
            let nic = card.up()?;
            let fixture = XskFixture::new(&card, &nic, XskSpec::default())?;
            fixture.give(0, 60)?;
            check!(fixture.holds(60));
            match failure {
                0 => card.fake.fault(|f| f.queue_reset_fails = true),
                1 => card.fake.fault(|f| f.enable_fails = true),
                2 => card
                    .fake
                    .finish(RX, |_| Action::CompleteAs { id: 0x7777, len: 1 })?,
                _ => card.fake.fault(|f| f.gone = true),
            }
            check!(fixture.xsk.close());
            card.fake.fault(|f| {
                f.queue_reset_fails = false;
                f.enable_fails = false;
            });
        }
        Ok(())
    }

    /// A card that is removed while a socket uses it.
    #[test]
    fn removed() -> Result {
        if lacks_sockets() {
            return Ok(());
        }
        let card = card(&[F_MRG_RXBUF])?;
        let xsk = {
            let nic = card.up()?;
            let fixture = XskFixture::new(&card, &nic, XskSpec::default())?;
            fixture.give(0, 60)?;
            check!(fixture.holds(60));
            fixture.xsk.leave()
        };
        card.remove(30_000, drop)?;
        check!(xsk.wake(true).is_err());
        check!(xsk.close());
        Ok(())
    }

    /// Requests that are refused, with the error of C.
    #[test]
    fn refused() -> Result {
        if lacks_sockets() {
            return Ok(());
        }
        let spec = XskSpec {
            flags: XDP_ZEROCOPY,
            ..XskSpec::default()
        };
        // No mapping.
        let card = NetFixture::with(&[F_MRG_RXBUF, RING_RESET])?;
        check!(matches!(card.up()?.xsk(spec), Err(EINVAL)));
        // Mappings of the transport.
        let card = NetFixture::mapped(Addresses::Marked, &[F_MRG_RXBUF, RING_RESET])?;
        check!(matches!(card.up()?.xsk(spec), Err(EINVAL)));
        // Queues cannot be reset.
        let card = NetFixture::mapped(Addresses::Dma, &[F_MRG_RXBUF])?;
        let nic = card.up()?;
        check!(matches!(nic.xsk(spec), Err(ENOENT)));
        // The traffic of the stack goes on.
        let capture = nic.capture(ETHER_TYPE)?;
        let frame = to_us(1, 300)?;
        receive(&card.fake, &[&rx_header(1), &frame], None)?;
        check!(arrives_at_stack(&capture, &frame));
        // Big buffers.
        let card = NetFixture::with(&[F_CTRL_VQ, F_GUEST_CSUM, F_GUEST_TSO4])?;
        check!(matches!(card.up()?.xsk(spec), Err(EOPNOTSUPP)));
        // A pair that is not in use, and one that is used already.
        let card = card_with_pairs(2)?;
        let nic = card.up()?;
        nic.set_pairs(1)?;
        check!(matches!(nic.xsk(XskSpec { queue: 1, ..spec }), Err(EINVAL)));
        nic.set_pairs(2)?;
        let second = nic.xsk(XskSpec { queue: 1, ..spec })?;
        check!(matches!(nic.xsk(XskSpec { queue: 1, ..spec }), Err(EBUSY)));
        check!(nic.xsk(spec)?.is_zero_copy());
        // The number of pairs cannot become less than that.
        check!(nic.set_pairs(1).is_err() || second.is_zero_copy());
        drop(second);
        // Copies are always possible.
        let copies = NetFixture::with(&[F_MRG_RXBUF])?;
        let nic = copies.up()?;
        let xsk = nic.xsk(XskSpec {
            flags: XDP_COPY,
            ..spec
        })?;
        check!(!xsk.is_zero_copy());
        Ok(())
    }
}
