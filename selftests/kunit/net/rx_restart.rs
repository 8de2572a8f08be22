// SPDX-License-Identifier: GPL-2.0

//! Restarts of single receive queues by the core (`struct netdev_queue_mgmt_ops`).

#[path = "../hostile/net_rx_restart.rs"]
mod hostile;

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
    F_MRG_RXBUF,
    F_NOTF_COAL,
    F_STATUS,
    F_VQ_NOTF_COAL, //
};
use kernel::prelude::*;
use virtio_fake::{
    wait,
    Action,
    Capture,
    Coalesce,
    Nic,
    Offload,
    RestartFault,
    Rings,
    Task,
    XdpActions,
    XdpTest,
    XdpVerdict,
    EVENT_IDX,
    INDIRECT_DESC,
    RING_PACKED,
    RING_RESET, //
};

/// The receive queues of two pairs, and the first transmit queue.
const RX: [usize; 2] = [0, 2];
const TX: usize = 1;

/// Number of buffers of a ring.
const RING: usize = 64;

/// The time in which the driver and the thread of the device have done their work.
const DEADLINE_MS: u32 = 20_000;

/// The kinds of receive buffers of queues that can be restarted.
const MODES: [&[u32]; 2] = [&[F_MRG_RXBUF], &[]];

/// The layouts of rings.
const LAYOUTS: [&[u32]; 3] = [&[], &[EVENT_IDX], &[RING_PACKED, EVENT_IDX]];

/// Plugs a card with one pair of queues, which can be reset.
fn card(features: &[&[u32]]) -> Result<NetFixture> {
    let mut all = KVec::new();
    all.push(RING_RESET, GFP_KERNEL)?;
    for features in features {
        all.extend_from_slice(features, GFP_KERNEL)?;
    }
    let card = NetFixture::with(&all)?;
    card.nic()?.disable_ipv6()?;
    Ok(card)
}

/// Plugs a card with two pairs of queues, which can be reset.
fn two_pairs() -> Result<NetFixture> {
    let card = NetFixture::with_pairs(2, &[F_STATUS, F_MRG_RXBUF, RING_RESET])?;
    card.nic()?.disable_ipv6()?;
    Ok(card)
}

/// Whether the device gets all buffers of a receive queue.
fn is_full(card: &NetFixture, queue: usize) -> bool {
    let full = wait::until(DEADLINE_MS, || card.fake.held(queue) == RING);
    if !full {
        pr_err!("    # the device has {} buffers\n", card.fake.held(queue));
    }
    full
}

/// Has the device write a frame to a buffer of a receive queue.
fn write(card: &NetFixture, queue: usize, frame: &[u8], interrupt: bool) -> Result {
    check!(wait::until(DEADLINE_MS, || card.fake.held(queue) > 0));
    let fill = |chain: &mut virtio_fake::Chain| {
        let at = chain.write(0, &rx_header(1)).unwrap_or(0);
        let end = at + chain.write(at, frame).unwrap_or(0);
        Action::Complete(end as u32)
    };
    if interrupt {
        card.fake.finish(queue, fill)
    } else {
        card.fake.finish_silently(queue, fill)
    }
}

/// Checks that a frame arrives through a receive queue as the device wrote it.
fn arrives(card: &NetFixture, capture: &Capture, queue: usize, frame: &[u8]) -> Result {
    write(card, queue, frame, true)?;
    check!(wait::until(DEADLINE_MS, || !capture.is_empty()));
    let got = capture.pop().ok_or(ENODATA)?;
    check!(got[..] == frame[..]);
    Ok(())
}

/// Checks that frames arrive through the first receive queue, more than its ring has buffers, and
/// none is dropped.
fn receives(card: &NetFixture, nic: &Nic, seed: u8) -> Result {
    let capture = nic.capture(ETHER_TYPE)?;
    let before = nic.stats();
    let count = RING + 9;
    for i in 0..count {
        let frame = to_us(seed.wrapping_add(i as u8), 64 + 17 * i)?;
        arrives(card, &capture, RX[0], &frame)?;
    }
    let stats = nic.stats();
    check_eq!(stats.rx_packets - before.rx_packets, count as u64);
    check_eq!(stats.rx_dropped, before.rx_dropped);
    check_eq!(card.fake.violations(), 0);
    Ok(())
}

/// Restarts the first receive queue, and checks that it was reset alone and has all its buffers.
fn restarts(card: &NetFixture, nic: &Nic) -> Result {
    let resets = card.fake.queue_resets();
    nic.restart_rx(0, RestartFault::None)?;
    check_eq!(card.fake.queue_resets() - resets, 1);
    check!(is_full(card, RX[0]));
    Ok(())
}

#[kunit_tests(rust_virtio_net_rx_restart)]
mod suite {
    use super::*;

    /// A queue is restarted, with each kind of buffers on each layout. Frames arrive after that,
    /// and those that the device has to transmit stay there.
    #[test]
    fn again_and_again() -> Result {
        for mode in MODES {
            for layout in LAYOUTS {
                let card = card(&[mode, layout])?;
                let nic = card.up()?;
                card.fake_nic.hold_tx(true);
                for i in 0..3 {
                    nic.send(&from_us(i, 100)?, 0, Offload::default())?;
                }
                check!(wait::until(DEADLINE_MS, || card.fake.held(TX) == 3));
                for seed in 0..4 {
                    restarts(&card, &nic)?;
                    check_eq!(card.fake.held(TX), 3);
                    receives(&card, &nic, seed)?;
                }
                check_eq!(nic.stats().tx_dropped, 0);
                drop(nic);
                card.remove(DEADLINE_MS, drop)?;
            }
        }
        Ok(())
    }

    /// While a queue is being reset, the other queue receives, and loses nothing.
    #[test]
    fn other_queue_goes_on() -> Result {
        let card = two_pairs()?;
        let nic = card.up()?;
        check!(is_full(&card, RX[0]) && is_full(&card, RX[1]));
        let capture = nic.capture(ETHER_TYPE)?;
        let resets = card.fake.queue_resets();
        card.fake.fault(|f| f.queue_reset_waits = true);
        let other = nic.clone();
        let task = Task::new(move || other.restart_rx(0, RestartFault::None))?;
        check!(wait::until(DEADLINE_MS, || card.fake.queue_resets() > resets));
        for i in 0..RING + 9 {
            arrives(&card, &capture, RX[1], &to_us(i as u8, 64 + 13 * i)?)?;
        }
        check!(!task.is_done());
        card.fake.fault(|f| f.queue_reset_waits = false);
        check_eq!(task.join(DEADLINE_MS)?, Ok(()));
        check_eq!(card.fake.queue_resets() - resets, 1);
        check_eq!(nic.stats().rx_packets, (RING + 9) as u64);
        check_eq!(nic.stats().rx_dropped, 0);
        check!(is_full(&card, RX[0]));
        drop(capture);
        receives(&card, &nic, 1)
    }

    /// Frames that the device has received without an interrupt count as dropped, unless the driver
    /// has found them before.
    #[test]
    fn received_by_then() -> Result {
        for mode in MODES {
            let card = card(&[mode])?;
            let nic = card.up()?;
            let count = || nic.stats().rx_packets + nic.stats().rx_dropped;
            let before = count();
            for i in 0..2 {
                write(&card, RX[0], &to_us(i, 100)?, false)?;
            }
            restarts(&card, &nic)?;
            check_eq!(count(), before + 2);
            receives(&card, &nic, 0)?;
        }
        Ok(())
    }

    /// There is no memory: the queue is not reset, and keeps its buffers and what it has received.
    #[test]
    fn no_memory() -> Result {
        for mode in MODES {
            let card = card(&[mode])?;
            let nic = card.up()?;
            check!(is_full(&card, RX[0]));
            let resets = card.fake.queue_resets();
            let capture = nic.capture(ETHER_TYPE)?;
            let frame = to_us(3, 900)?;
            write(&card, RX[0], &frame, false)?;
            check_err!(nic.restart_rx(0, RestartFault::NoMemory), ENOMEM);
            check_eq!(card.fake.queue_resets(), resets);
            check!(card.fake.held(RX[0]) >= RING - 1);
            // The interrupt of the next frame has the driver find both.
            write(&card, RX[0], &frame, true)?;
            for _ in 0..2 {
                check!(wait::until(DEADLINE_MS, || !capture.is_empty()));
                check!(capture.pop().ok_or(ENODATA)?[..] == frame[..]);
            }
            drop(capture);
            receives(&card, &nic, 0)?;
            restarts(&card, &nic)?;
            receives(&card, &nic, 1)?;
        }
        Ok(())
    }

    /// The start with the new memory fails: the queue starts with the old memory.
    #[test]
    fn old_memory() -> Result {
        for mode in MODES {
            let card = card(&[mode])?;
            let nic = card.up()?;
            check_err!(nic.restart_rx(0, RestartFault::NoStart), ENOMEM);
            check!(is_full(&card, RX[0]));
            receives(&card, &nic, 0)?;
            restarts(&card, &nic)?;
            receives(&card, &nic, 1)?;
        }
        Ok(())
    }

    /// A card that cannot reset a queue, a card with big buffers, and memory that the CPU must not
    /// read.
    #[test]
    fn refused() -> Result {
        let big = [F_GUEST_CSUM, F_GUEST_TSO4, INDIRECT_DESC, RING_RESET];
        for features in [&[F_MRG_RXBUF][..], &big] {
            let card = NetFixture::with(features)?;
            let nic = card.up()?;
            check_err!(nic.restart_rx(0, RestartFault::None), EOPNOTSUPP);
            check_eq!(card.fake.queue_resets(), 0);
            receives(&card, &nic, 0)?;
        }
        let card = card(&[&[F_MRG_RXBUF]])?;
        let nic = card.up()?;
        check_err!(nic.restart_rx(0, RestartFault::Provider), EOPNOTSUPP);
        check_eq!(card.fake.queue_resets(), 0);
        receives(&card, &nic, 0)
    }

    /// A queue of an interface that is down is not touched, and the interface comes up later.
    #[test]
    fn while_down() -> Result {
        let card = card(&[&[F_MRG_RXBUF]])?;
        let nic = card.nic()?;
        nic.restart_rx(0, RestartFault::None)?;
        card.up()?;
        receives(&card, &nic, 0)?;
        nic.set_up(false)?;
        nic.restart_rx(0, RestartFault::None)?;
        check_eq!(card.fake.queue_resets(), 0);
        nic.set_up(true)?;
        check!(wait::until(DEADLINE_MS, || nic.state().carrier));
        receives(&card, &nic, 1)?;
        restarts(&card, &nic)?;
        receives(&card, &nic, 2)
    }

    /// While the device has no queues, their restart fails, and nothing else happens.
    #[test]
    fn without_queues() -> Result {
        let card = two_pairs()?;
        let nic = card.up()?;
        card.reset_with(|| {
            check_err!(nic.restart_rx(0, RestartFault::None), ENETDOWN);
            Ok(())
        })?;
        check!(wait::until(DEADLINE_MS, || nic.state().carrier));
        check!(is_full(&card, RX[0]));
        receives(&card, &nic, 0)?;
        restarts(&card, &nic)?;
        receives(&card, &nic, 1)
    }

    /// A queue keeps the size that the user has set, and its limits of notifications.
    #[test]
    fn keeps_its_settings() -> Result {
        let features = [F_MRG_RXBUF, RING_RESET, F_NOTF_COAL, F_VQ_NOTF_COAL];
        let card = NetFixture::with_pairs(2, &features)?;
        let nic = card.up()?;
        nic.set_pairs(2)?;
        let rings = Rings {
            rx: 16,
            tx: 64,
            ..Rings::default()
        };
        nic.set_rings(rings)?;
        let limits = Coalesce {
            rx: (7, 5),
            tx: (0, 1),
            adaptive_rx: false,
        };
        nic.set_coalesce(Some(1), limits)?;
        let told = card.fake_nic.told();
        nic.restart_rx(1, RestartFault::None)?;
        check!(wait::until(DEADLINE_MS, || card.fake.held(RX[1]) == 16));
        // Queue 2, packets, microseconds (virtio spec §5.1.6.5.9.1).
        let data = [2, 0, 0, 0, 5, 0, 0, 0, 7, 0, 0, 0];
        check!(card.fake_nic.was_told_since(told, 6, 2, &data));
        check_eq!(nic.rings().0, rings);
        Ok(())
    }

    /// A program gets the frames after a restart, also on a card for which memory is mapped, where
    /// it gets copies.
    #[test]
    fn with_program() -> Result {
        for mode in MODES {
            for mapped in [false, true] {
                let mut all = KVec::new();
                all.push(RING_RESET, GFP_KERNEL)?;
                all.extend_from_slice(mode, GFP_KERNEL)?;
                let card = NetFixture::maybe_mapped(mapped, &all)?;
                let nic = card.up()?;
                let prog = XdpTest::new(XdpActions::new(XdpVerdict::Pass))?;
                nic.set_xdp(Some(&prog)).map_err(|(e, _)| e)?;
                for seed in 0..3 {
                    nic.restart_rx(0, RestartFault::None)?;
                    check!(is_full(&card, RX[0]));
                    let capture = nic.capture(ETHER_TYPE)?;
                    for i in 0..RING + 9 {
                        let seen = prog.seen().count;
                        let frame = to_us(seed + i as u8, 64 + 11 * i)?;
                        receive(&card.fake, &[&rx_header(1), &frame], None)?;
                        check!(wait::until(DEADLINE_MS, || !capture.is_empty()));
                        check!(capture.pop().ok_or(ENODATA)?[..] == frame[..]);
                        check_eq!(prog.seen().count, seen + 1);
                    }
                }
                nic.set_xdp(None).map_err(|(e, _)| e)?;
                nic.restart_rx(0, RestartFault::None)?;
                receives(&card, &nic, 7)?;
                drop(prog);
            }
        }
        Ok(())
    }

    /// Restarts, while another thread changes the rings and brings the interface down and up.
    #[test]
    fn beside_others() -> Result {
        let card = two_pairs()?;
        let nic = card.up()?;
        nic.set_pairs(2)?;
        let other = nic.clone();
        let task = Task::new(move || {
            for i in 0..60 {
                other.restart_rx(i % 2, RestartFault::None)?;
            }
            Ok(())
        })?;
        for i in 0..10 {
            let rx = if i % 2 == 0 { 32 } else { 64 };
            nic.set_rings(Rings {
                rx,
                tx: 64,
                ..Rings::default()
            })?;
            nic.set_up(false)?;
            nic.set_up(true)?;
        }
        let result: Result = task.join(60_000)?;
        check_eq!(result, Ok(()));
        check!(wait::until(DEADLINE_MS, || nic.state().carrier));
        check!(is_full(&card, RX[0]) && is_full(&card, RX[1]));
        receives(&card, &nic, 0)
    }
}
