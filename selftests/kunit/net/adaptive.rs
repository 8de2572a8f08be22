// SPDX-License-Identifier: GPL-2.0

//! Limits of notifications that the driver adapts to the traffic.

use super::{
    fake_nic::{
        receive,
        rx_header,
        Answer, //
    },
    frame::to_us,
    NetFixture,
    F_MRG_RXBUF,
    F_NOTF_COAL,
    F_VQ_NOTF_COAL, //
};
use kernel::prelude::*;
use virtio_fake::{
    wait,
    Coalesce,
    Nic, //
};

/// The class of the commands, and their numbers.
const COAL: u8 = 6;
const TX_SET: u8 = 0;
const RX_SET: u8 = 1;
const VQ_SET: u8 = 2;

/// The largest number of frames of a part of a test. The kernel decides after each 64 interrupts.
const FRAMES: usize = 2_000;
/// The length of frames changes after this number of them, so that the kernel sees other traffic.
const CHANGE: usize = 200;

/// The parameters of a new card, adapted to the traffic.
const ADAPTIVE: Coalesce = Coalesce {
    rx: (0, 0),
    tx: (0, 1),
    adaptive_rx: true,
};

/// Plugs a card with two pairs of queues and limits of notifications.
fn fixture() -> Result<NetFixture> {
    NetFixture::with_pairs(2, &[F_MRG_RXBUF, F_NOTF_COAL, F_VQ_NOTF_COAL])
}

/// The card receives frames, one at a time, until the condition holds. Returns whether it holds.
fn traffic(fixture: &NetFixture, done: impl Fn() -> bool) -> Result<bool> {
    for i in 0..FRAMES {
        if done() {
            return Ok(true);
        }
        let len = if i / CHANGE % 2 == 0 { 100 } else { 1_400 };
        receive(&fixture.fake, &[&rx_header(1), &to_us(i as u8, len)?], None)?;
    }
    // The command follows in a work item.
    Ok(wait::until(1_000, done))
}

/// Returns the number of commands for limits of a queue.
fn sent(fixture: &NetFixture) -> usize {
    fixture.fake_nic.commands(COAL, VQ_SET)
}

/// Whether the limits of the first receive queue are others than those of a new card.
fn is_adapted(nic: &Nic) -> bool {
    nic.coalesce(Some(0)).is_ok_and(|state| state.rx != (0, 0))
}

#[kunit_tests(rust_virtio_net_adaptive)]
mod suite {
    use super::*;

    /// The limits follow the traffic of their queue, until the user sets other ones.
    #[test]
    fn all_queues() -> Result {
        let fixture = fixture()?;
        let nic = fixture.up()?;
        check!(!traffic(&fixture, || sent(&fixture) > 0)?);
        nic.set_coalesce(None, ADAPTIVE)?;
        check_eq!(fixture.fake_nic.commands(COAL, RX_SET), 0);
        check_eq!(fixture.fake_nic.commands(COAL, TX_SET), 1);
        check_eq!(nic.coalesce(None)?, ADAPTIVE);
        check_eq!(nic.coalesce(Some(1))?, ADAPTIVE);
        check!(traffic(&fixture, || sent(&fixture) > 0)?);
        // The limits that the kernel tries first: 256 packets, 8 us.
        let first = [0, 0, 0, 0, 0, 1, 0, 0, 8, 0, 0, 0];
        check!(fixture.fake_nic.was_told_since(0, COAL, VQ_SET, &first));
        check!(wait::until(5_000, || is_adapted(&nic)));
        check_eq!(nic.coalesce(None)?, ADAPTIVE);
        check_eq!(nic.coalesce(Some(1))?, ADAPTIVE);

        let off = Coalesce {
            adaptive_rx: false,
            ..ADAPTIVE
        };
        nic.set_coalesce(None, off)?;
        check_eq!(fixture.fake_nic.commands(COAL, RX_SET), 1);
        check_eq!(nic.coalesce(Some(0))?, off);
        let before = sent(&fixture);
        check!(!traffic(&fixture, || sent(&fixture) > before)?);
        check_eq!(nic.coalesce(Some(0))?, off);
        check_eq!(fixture.fake.violations(), 0);
        Ok(())
    }

    /// A single queue.
    #[test]
    fn one_queue() -> Result {
        let fixture = fixture()?;
        let nic = fixture.up()?;
        nic.set_coalesce(Some(1), ADAPTIVE)?;
        // That of the transmit queue.
        check_eq!(sent(&fixture), 1);
        check!(nic.coalesce(Some(1))?.adaptive_rx);
        check!(!nic.coalesce(None)?.adaptive_rx);
        check!(!traffic(&fixture, || sent(&fixture) > 1)?);
        nic.set_coalesce(Some(0), ADAPTIVE)?;
        check!(traffic(&fixture, || sent(&fixture) > 2)?);
        check!(wait::until(5_000, || is_adapted(&nic)));
        // The limits that the queue has now cannot be set together with this.
        let wrong = Coalesce {
            rx: (1, 1),
            ..ADAPTIVE
        };
        check_eq!(nic.set_coalesce(Some(0), wrong), Err(EINVAL));
        let rx = nic.coalesce(Some(0))?.rx;
        nic.set_coalesce(
            Some(0),
            Coalesce {
                rx,
                adaptive_rx: false,
                ..ADAPTIVE
            },
        )?;
        check_eq!(nic.coalesce(Some(0))?.rx, rx);
        check!(!nic.coalesce(Some(0))?.adaptive_rx);
        Ok(())
    }

    /// The user can either set limits or have them adapted.
    #[test]
    fn limits_with_it_are_refused() -> Result {
        let fixture = fixture()?;
        let nic = fixture.up()?;
        for rx in [(1, 0), (0, 1)] {
            for queue in [None, Some(0)] {
                let both = Coalesce { rx, ..ADAPTIVE };
                check_eq!(nic.set_coalesce(queue, both), Err(EINVAL));
            }
        }
        check_eq!(fixture.fake_nic.commands(COAL, TX_SET), 0);
        check_eq!(sent(&fixture), 0);
        check!(!nic.coalesce(None)?.adaptive_rx);
        // Refused by the card: it stays off.
        fixture.fake_nic.answer_class(COAL, Answer::Ack(1));
        check_eq!(nic.set_coalesce(None, ADAPTIVE), Err(EINVAL));
        check_eq!(nic.set_coalesce(Some(0), ADAPTIVE), Err(EINVAL));
        check!(!nic.coalesce(None)?.adaptive_rx && !nic.coalesce(Some(0))?.adaptive_rx);
        // And on, if it was on.
        fixture.fake_nic.answer_class(COAL, Answer::Ack(0));
        nic.set_coalesce(None, ADAPTIVE)?;
        fixture
            .fake_nic
            .answer_some(&[COAL, RX_SET], Answer::Ack(1))?;
        let off = Coalesce {
            adaptive_rx: false,
            ..ADAPTIVE
        };
        check_eq!(nic.set_coalesce(None, off), Err(EINVAL));
        check_eq!(nic.coalesce(None)?, ADAPTIVE);
        check!(nic.coalesce(Some(1))?.adaptive_rx);
        Ok(())
    }

    /// The card refuses the limits: they stay, and frames come in.
    #[test]
    fn refused() -> Result {
        let fixture = fixture()?;
        let nic = fixture.up()?;
        nic.set_coalesce(None, ADAPTIVE)?;
        fixture.fake_nic.answer_class(COAL, Answer::Ack(1));
        check!(traffic(&fixture, || sent(&fixture) > 0)?);
        let before = nic.stats().rx_packets;
        check!(traffic(&fixture, || nic.stats().rx_packets > before + 10)?);
        check_eq!(nic.coalesce(Some(0))?, ADAPTIVE);
        check!(nic.state().running && nic.state().carrier);
        Ok(())
    }

    /// The card does not answer the command, and the interface goes down: it does not wait for
    /// ever, and the card can be removed.
    #[test]
    fn silence() -> Result {
        let mut fixture = fixture()?;
        fixture.hasten();
        let nic = fixture.up()?;
        nic.set_coalesce(None, ADAPTIVE)?;
        fixture.fake_nic.answer_class(COAL, Answer::Silence);
        check!(traffic(&fixture, || sent(&fixture) > 0)?);
        let (result, millis) = wait::time(|| nic.set_up(false));
        result?;
        check!(millis < 60_000);
        check!(!is_adapted(&nic));
        drop(nic);
        fixture.remove(10_000, drop)
    }

    /// The interface goes down and up during traffic, again and again: the limits still follow the
    /// traffic.
    #[test]
    fn over_down() -> Result {
        let fixture = fixture()?;
        let nic = fixture.up()?;
        nic.set_coalesce(None, ADAPTIVE)?;
        for _ in 0..20 {
            let before = nic.stats().rx_packets;
            check!(traffic(&fixture, || nic.stats().rx_packets > before + 70)?);
            nic.set_up(false)?;
            nic.set_up(true)?;
            check!(wait::until(5_000, || fixture.fake.held(0) > 0));
        }
        let before = sent(&fixture);
        check!(traffic(&fixture, || sent(&fixture) > before)?);
        check!(nic.coalesce(None)?.adaptive_rx);
        Ok(())
    }

    /// After a reset the card gets the last limits of the queue, and they still follow the traffic.
    #[test]
    fn over_reset() -> Result {
        let fixture = fixture()?;
        let nic = fixture.up()?;
        nic.set_coalesce(None, ADAPTIVE)?;
        check!(traffic(&fixture, || is_adapted(&nic))?);
        let mut rx = (0, 0);
        let skip = fixture.reset_with(|| {
            rx = nic.coalesce(Some(0))?.rx;
            Ok(())
        })?;
        let mut data = [0; 12];
        data[4..8].copy_from_slice(&rx.1.to_le_bytes());
        data[8..].copy_from_slice(&rx.0.to_le_bytes());
        check!(fixture.fake_nic.was_told_since(skip, COAL, VQ_SET, &data));
        check_eq!(nic.coalesce(None)?, ADAPTIVE);
        check!(nic.coalesce(Some(0))?.adaptive_rx);
        let before = sent(&fixture);
        check!(traffic(&fixture, || sent(&fixture) > before)?);
        Ok(())
    }

    /// The card is removed during traffic.
    #[test]
    fn removed() -> Result {
        for how in [drop::<virtio_fake::Plug> as fn(_), virtio_fake::Plug::yank] {
            let fixture = fixture()?;
            let nic = fixture.up()?;
            nic.set_coalesce(None, ADAPTIVE)?;
            let before = nic.stats().rx_packets;
            check!(traffic(&fixture, || nic.stats().rx_packets > before + 70)?);
            drop(nic);
            fixture.remove(10_000, how)?;
        }
        Ok(())
    }
}
