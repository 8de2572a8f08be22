// SPDX-License-Identifier: GPL-2.0

//! The limits of notifications: commands, refusals, and what ethtool reads.

use super::{
    fake_nic::Answer,
    NetFixture,
    F_NOTF_COAL,
    F_VQ_NOTF_COAL, //
};
use kernel::prelude::*;
use virtio_fake::{
    wait,
    Coalesce,
    Nic,
    Rings,
    RING_RESET, //
};

/// The class of the commands, and their numbers.
const COAL: u8 = 6;
const TX_SET: u8 = 0;
const RX_SET: u8 = 1;
const VQ_SET: u8 = 2;

/// The time in which a setting has to be sent again, in milliseconds.
const DEADLINE_MS: u32 = 40_000;

/// The parameters of a new card.
const FIRST: Coalesce = Coalesce {
    rx: (0, 0),
    tx: (0, 1),
    adaptive_rx: false,
};
/// The parameters of a card without limits.
const FIXED: Coalesce = Coalesce {
    rx: (0, 1),
    tx: (0, 1),
    adaptive_rx: false,
};
/// Parameters to set.
const SOME: Coalesce = Coalesce {
    rx: (0x0102, 0x0304),
    tx: (0x0506, 0x0708),
    adaptive_rx: false,
};
/// Other parameters to set.
const OTHER: Coalesce = Coalesce {
    rx: (10, 20),
    tx: (30, 40),
    adaptive_rx: false,
};

/// Plugs a card with two pairs of queues, and these features besides.
fn fixture(features: &[u32]) -> Result<NetFixture> {
    NetFixture::with_pairs(2, features)
}

/// Returns the data of a command for all queues of a direction: the number of packets, then
/// microseconds (virtio spec §5.1.6.5.9).
fn of_all((usecs, packets): (u32, u32)) -> [u8; 8] {
    let mut data = [0; 8];
    let (first, second) = data.split_at_mut(4);
    first.copy_from_slice(&packets.to_le_bytes());
    second.copy_from_slice(&usecs.to_le_bytes());
    data
}

/// Returns the data of a command for the queue with this index.
fn of_queue(index: u8, limits: (u32, u32)) -> [u8; 12] {
    let mut data = [0; 12];
    data[0] = index;
    data[4..].copy_from_slice(&of_all(limits));
    data
}

/// Whether the card got a command after `skip` ones.
fn told(fixture: &NetFixture, skip: usize, number: u8, data: &[u8]) -> bool {
    fixture.fake_nic.was_told_since(skip, COAL, number, data)
}

/// Returns the number of commands of the class.
fn count(fixture: &NetFixture) -> usize {
    [TX_SET, RX_SET, VQ_SET]
        .map(|number| fixture.fake_nic.commands(COAL, number))
        .iter()
        .sum()
}

/// Checks that a change fails with `EINVAL`, and that ethtool reads the same as before.
fn check_refused(nic: &Nic, queue: Option<u16>, to: Coalesce) -> Result {
    let state = || {
        Ok::<_, Error>((
            nic.coalesce(None)?,
            nic.coalesce(Some(0))?,
            nic.coalesce(Some(1))?,
        ))
    };
    let before = state()?;
    check_eq!(nic.set_coalesce(queue, to), Err(EINVAL));
    check_eq!(state()?, before);
    Ok(())
}

#[kunit_tests(rust_virtio_net_coalesce)]
mod suite {
    use super::*;

    /// All queues get new limits, transmit queues first. Limits that do not change are sent again.
    #[test]
    fn all_queues() -> Result {
        let fixture = fixture(&[F_NOTF_COAL])?;
        let nic = fixture.up()?;
        check_eq!(nic.coalesce(None)?, FIRST);
        check_eq!(count(&fixture), 0);
        nic.set_coalesce(None, SOME)?;
        check!(fixture.fake_nic.was_told(COAL, TX_SET, &of_all(SOME.tx)));
        check!(fixture.fake_nic.was_told(COAL, RX_SET, &of_all(SOME.rx)));
        check_eq!(nic.coalesce(None)?, SOME);
        nic.set_coalesce(None, SOME)?;
        check_eq!(count(&fixture), 4);
        check_eq!(fixture.fake.violations(), 0);
        Ok(())
    }

    /// A queue gets limits of its own, the receive queue first. Limits of all queues replace them.
    #[test]
    fn one_queue() -> Result {
        let fixture = fixture(&[F_NOTF_COAL, F_VQ_NOTF_COAL])?;
        let nic = fixture.up()?;
        check_eq!(nic.coalesce(Some(0))?, FIRST);
        check_eq!(nic.coalesce(Some(1))?, FIRST);
        nic.set_coalesce(Some(1), SOME)?;
        check!(told(&fixture, 0, VQ_SET, &of_queue(2, SOME.rx)));
        check!(fixture
            .fake_nic
            .was_told(COAL, VQ_SET, &of_queue(3, SOME.tx)));
        check_eq!(count(&fixture), 2);
        check_eq!(nic.coalesce(Some(1))?, SOME);
        check_eq!(nic.coalesce(Some(0))?, FIRST);
        check_eq!(nic.coalesce(None)?, FIRST);
        nic.set_coalesce(None, OTHER)?;
        check_eq!(nic.coalesce(Some(0))?, OTHER);
        check_eq!(nic.coalesce(Some(1))?, OTHER);
        check_eq!(nic.set_coalesce(Some(2), SOME), Err(EINVAL));
        check_eq!(nic.coalesce(Some(2)), Err(EINVAL));
        Ok(())
    }

    /// A queue that gets another size gets its limits again. The other queues keep theirs.
    #[test]
    fn after_a_change_of_size() -> Result {
        let fixture = fixture(&[F_NOTF_COAL, F_VQ_NOTF_COAL, RING_RESET])?;
        let nic = fixture.up()?;
        nic.set_coalesce(Some(1), SOME)?;
        let (all, _) = nic.rings();
        let before = fixture.fake_nic.told();
        nic.set_rings(Rings { tx: 32, ..all })?;
        check!(told(&fixture, before, VQ_SET, &of_queue(3, SOME.tx)));
        check!(told(&fixture, before, VQ_SET, &of_queue(1, FIRST.tx)));
        check!(!told(&fixture, before, VQ_SET, &of_queue(2, SOME.rx)));
        let before = fixture.fake_nic.told();
        nic.set_rings(Rings {
            rx: 32,
            tx: 32,
            ..all
        })?;
        check!(told(&fixture, before, VQ_SET, &of_queue(2, SOME.rx)));
        check!(!told(&fixture, before, VQ_SET, &of_queue(3, SOME.tx)));
        check_eq!(nic.coalesce(Some(1))?, SOME);
        check_eq!(fixture.fake.violations(), 0);
        Ok(())
    }

    /// A card has limits for all queues and none for single ones, or the other way round.
    #[test]
    fn one_feature() -> Result {
        for (feature, fixed) in [(F_NOTF_COAL, Some(1)), (F_VQ_NOTF_COAL, None)] {
            let fixture = fixture(&[feature])?;
            let nic = fixture.nic()?;
            check_eq!(nic.coalesce(fixed)?, FIXED);
            for (to, error) in [
                (
                    Coalesce {
                        rx: (1, 1),
                        ..FIXED
                    },
                    EOPNOTSUPP,
                ),
                (
                    Coalesce {
                        tx: (1, 1),
                        ..FIXED
                    },
                    EOPNOTSUPP,
                ),
                (
                    Coalesce {
                        rx: (0, 2),
                        ..FIXED
                    },
                    EINVAL,
                ),
                (
                    Coalesce {
                        tx: (0, 2),
                        ..FIXED
                    },
                    EINVAL,
                ),
            ] {
                check_eq!(nic.set_coalesce(fixed, to), Err(error));
            }
            nic.set_coalesce(fixed, FIXED)?;
            nic.set_coalesce(
                fixed,
                Coalesce {
                    tx: (0, 0),
                    ..FIXED
                },
            )?;
            check_eq!(nic.coalesce(fixed)?.tx, (0, 0));
            check_eq!(count(&fixture), 0);
            let free = if fixed.is_none() { Some(1) } else { None };
            nic.set_coalesce(free, SOME)?;
            check_eq!(nic.coalesce(free)?, SOME);
            check_eq!(count(&fixture), 2);
        }
        Ok(())
    }

    /// The card refuses, or answers with a value that is not defined: nothing changes. A direction
    /// that was changed before gets its limits back.
    #[test]
    fn refused() -> Result {
        for answer in [Answer::Ack(1), Answer::Ack(7), Answer::Empty] {
            let fixture = fixture(&[F_NOTF_COAL, F_VQ_NOTF_COAL])?;
            let nic = fixture.up()?;
            nic.set_coalesce(None, OTHER)?;
            nic.set_coalesce(Some(1), SOME)?;

            fixture.fake_nic.answer_some(&[COAL, TX_SET], answer)?;
            let skip = count(&fixture);
            check_refused(&nic, None, SOME)?;
            check_eq!(count(&fixture), skip + 1);

            fixture.fake_nic.answer_some(&[COAL, RX_SET], answer)?;
            let skip = fixture.fake_nic.told();
            check_refused(&nic, None, SOME)?;
            check!(told(&fixture, skip, TX_SET, &of_all(SOME.tx)));
            check!(fixture.fake_nic.was_told(COAL, TX_SET, &of_all(OTHER.tx)));
            check!(fixture
                .fake_nic
                .was_told(COAL, VQ_SET, &of_queue(3, SOME.tx)));

            // The transmit queue of the first pair.
            fixture.fake_nic.answer_some(&[COAL, VQ_SET, 1], answer)?;
            let skip = fixture.fake_nic.told();
            check_refused(&nic, Some(0), SOME)?;
            check!(told(&fixture, skip, VQ_SET, &of_queue(0, SOME.rx)));
            check!(fixture
                .fake_nic
                .was_told(COAL, VQ_SET, &of_queue(0, OTHER.rx)));

            // The receive queue.
            fixture.fake_nic.answer_some(&[COAL, VQ_SET, 0], answer)?;
            let skip = count(&fixture);
            check_refused(&nic, Some(0), SOME)?;
            check_eq!(count(&fixture), skip + 1);
        }
        Ok(())
    }

    /// A limit of no packet switches transmit NAPI off, which needs an interface that is down.
    #[test]
    fn transmit_napi() -> Result {
        let none = Coalesce {
            tx: (0, 0),
            ..OTHER
        };
        for queue in [None, Some(1)] {
            let fixture = fixture(&[F_NOTF_COAL, F_VQ_NOTF_COAL])?;
            let nic = fixture.up()?;
            check_eq!(nic.set_coalesce(queue, none), Err(EBUSY));
            check_eq!(count(&fixture), 0);
            nic.set_coalesce(queue, OTHER)?;
            nic.set_up(false)?;
            nic.set_coalesce(queue, none)?;
            check_eq!(nic.coalesce(queue)?, none);
            // Refused: NAPI stays as it is.
            fixture.fake_nic.answer_class(COAL, Answer::Ack(1));
            check_refused(&nic, queue, OTHER)?;
            fixture.fake_nic.answer_class(COAL, Answer::Ack(0));
            nic.set_up(true)?;
            check_eq!(nic.set_coalesce(queue, OTHER), Err(EBUSY));
            nic.set_coalesce(queue, none)?;
        }
        Ok(())
    }

    /// Without limits of a single queue, they cannot be adapted to the traffic.
    #[test]
    fn adaptive_needs_limits_of_a_queue() -> Result {
        let fixture = fixture(&[F_NOTF_COAL])?;
        let nic = fixture.up()?;
        let adaptive = Coalesce {
            adaptive_rx: true,
            ..FIRST
        };
        check_eq!(nic.set_coalesce(None, adaptive), Err(EOPNOTSUPP));
        check_eq!(nic.coalesce(None)?, FIRST);
        check_eq!(count(&fixture), 0);
        Ok(())
    }

    /// A change of the number of pairs changes no limit.
    #[test]
    fn pairs_change() -> Result {
        let fixture = fixture(&[F_NOTF_COAL, F_VQ_NOTF_COAL])?;
        let nic = fixture.up()?;
        nic.set_pairs(2)?;
        nic.set_coalesce(Some(1), SOME)?;
        let told = count(&fixture);
        nic.set_pairs(1)?;
        check_eq!(nic.coalesce(Some(1))?, SOME);
        nic.set_pairs(2)?;
        check_eq!(nic.coalesce(Some(1))?, SOME);
        check_eq!(count(&fixture), told);
        Ok(())
    }

    /// After a reset the card gets the limits that it had, and no others, before there is traffic.
    #[test]
    fn restored() -> Result {
        let fixture = fixture(&[F_NOTF_COAL, F_VQ_NOTF_COAL])?;
        let nic = fixture.up()?;
        fixture.reset()?;
        check_eq!(count(&fixture), 0);
        nic.set_coalesce(None, OTHER)?;
        nic.set_coalesce(Some(1), SOME)?;
        let before = count(&fixture);
        let mut buffers = 0;
        let skip = fixture.reset_with(|| {
            buffers = fixture.fake_nic.buffers();
            Ok(())
        })?;
        check_eq!(count(&fixture), before + 4);
        check!(told(&fixture, skip, TX_SET, &of_all(OTHER.tx)));
        check!(told(&fixture, skip, RX_SET, &of_all(OTHER.rx)));
        check!(told(&fixture, skip, VQ_SET, &of_queue(2, SOME.rx)));
        check!(told(&fixture, skip, VQ_SET, &of_queue(3, SOME.tx)));
        let around = fixture.fake_nic.around(skip, COAL, TX_SET);
        check_eq!(around.ok_or(ENODATA)?.1, buffers);
        check_eq!(nic.coalesce(None)?, OTHER);
        check_eq!(nic.coalesce(Some(1))?, SOME);
        // A refusal does not keep the interface down.
        fixture.fake_nic.answer_class(COAL, Answer::Ack(1));
        fixture.reset()?;
        check!(nic.state().running && nic.state().carrier);
        Ok(())
    }

    /// A change fails because the card does not answer. The card may have made the change, so the
    /// driver sends the limits that the interface has.
    #[test]
    fn changed_all_the_same() -> Result {
        long!();
        let fixture = fixture(&[F_NOTF_COAL, F_VQ_NOTF_COAL])?;
        let nic = fixture.up()?;
        for (number, queue) in [(TX_SET, None), (VQ_SET, Some(1))] {
            let refused = || check_refused(&nic, queue, SOME);
            let (refused, skip) = fixture.unanswered(&[COAL, number], refused)?;
            refused?;
            check!(wait::until(DEADLINE_MS, || match queue {
                None =>
                    told(&fixture, skip, TX_SET, &of_all(FIRST.tx))
                        && told(&fixture, skip, RX_SET, &of_all(FIRST.rx)),
                Some(_) =>
                    told(&fixture, skip, VQ_SET, &of_queue(2, FIRST.rx))
                        && told(&fixture, skip, VQ_SET, &of_queue(3, FIRST.tx)),
            }));
        }
        Ok(())
    }
}
