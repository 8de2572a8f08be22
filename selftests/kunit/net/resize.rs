// SPDX-License-Identifier: GPL-2.0

//! Changes of the sizes of rings, by resets of single queues (virtio spec §2.6.1).

#[path = "../hostile/net_resize.rs"]
mod hostile;

use super::{
    device,
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
    F_GUEST_CSUM,
    F_GUEST_TSO4,
    F_MAC,
    F_MRG_RXBUF,
    F_STATUS, //
};
use crate::ring::is_rust_ring;
use kernel::{
    prelude::*,
    sync::Arc, //
};
use virtio_fake::{
    messages,
    wait,
    Action,
    DropReason,
    Nic,
    Offload,
    Rings,
    Task,
    EVENT_IDX,
    INDIRECT_DESC,
    RING_PACKED,
    RING_RESET, //
};

/// The first receive queue, and the first transmit queue.
const RX: usize = 0;
const TX: usize = 1;

/// The time in which the driver and the thread of the device have done their work.
const DEADLINE_MS: u32 = 20_000;

/// The kinds of receive buffers.
const MODES: [&[u32]; 3] = [
    &[F_MRG_RXBUF],
    &[],
    &[F_GUEST_CSUM, F_GUEST_TSO4, INDIRECT_DESC],
];

/// The layouts of rings.
const LAYOUTS: [&[u32]; 3] = [&[], &[EVENT_IDX], &[RING_PACKED, EVENT_IDX]];

/// Returns sizes of rings.
fn rings(rx: u32, tx: u32) -> Rings {
    Rings {
        rx,
        tx,
        ..Rings::default()
    }
}

/// Plugs a card with one pair of queues of 64 descriptors, which can be reset.
fn fixture(features: &[&[u32]]) -> Result<NetFixture> {
    let mut all = KVec::new();
    all.push(RING_RESET, GFP_KERNEL)?;
    for features in features {
        all.extend_from_slice(features, GFP_KERNEL)?;
    }
    quiet(NetFixture::with(&all)?)
}

/// Has the stack send no frames of its own: the tests count those that the card has.
fn quiet(fixture: NetFixture) -> Result<NetFixture> {
    fixture.nic()?.disable_ipv6()?;
    Ok(fixture)
}

/// Plugs a card with a link state, a control queue and `pairs` pairs of queues, which can be reset.
fn with_pairs(pairs: u16) -> Result<NetFixture> {
    let features = [F_STATUS, F_MRG_RXBUF, RING_RESET];
    quiet(NetFixture::with_pairs(pairs, &features)?)
}

/// Has the card keep `count` frames that the stack sends.
fn hold(fixture: &NetFixture, nic: &Nic, count: usize) -> Result {
    fixture.fake_nic.hold_tx(true);
    for _ in 0..count {
        nic.send(&from_us(1, 64)?, 0, Offload::default())?;
    }
    check!(wait::until(DEADLINE_MS, || fixture.fake.held(TX) == count));
    Ok(())
}

/// Sends until the queue is stopped. The card keeps the frames.
fn fill(fixture: &NetFixture, nic: &Nic) -> Result<usize> {
    fixture.fake_nic.hold_tx(true);
    let frame = from_us(3, 64)?;
    let mut taken = 0;
    while nic.send(&frame, 0, Offload::default()).is_ok() {
        taken += 1;
        check!(taken <= 64);
    }
    check!(wait::until(DEADLINE_MS, || fixture.fake.held(TX) >= taken));
    Ok(taken)
}

/// Checks that frames go out and come in through the first pair, with their contents.
fn works(fixture: &NetFixture, nic: &Nic, seed: u8) -> Result {
    fixture.fake_nic.hold_tx(false);
    let sent = fixture.fake_nic.sent();
    for i in 0..70usize {
        let frame = from_us(seed.wrapping_add(i as u8), 60 + 11 * i)?;
        check!(wait::until(DEADLINE_MS, || nic
            .send(&frame, 0, Offload::default())
            .is_ok()));
        check!(wait::until(DEADLINE_MS, || fixture.fake_nic.sent() == sent + i + 1));
        check!(fixture.fake_nic.has_sent(sent + i, &[0; 12], &frame));
    }
    let capture = nic.capture(ETHER_TYPE)?;
    for i in 0..70usize {
        let frame = to_us(seed.wrapping_add(i as u8), 64 + 7 * i)?;
        receive(&fixture.fake, &[&rx_header(1), &frame], None)?;
        check!(wait::until(DEADLINE_MS, || !capture.is_empty()));
        let got = capture.pop().ok_or(ENODATA)?;
        check!(got[..] == frame[..]);
    }
    check_eq!(fixture.fake.violations(), 0);
    Ok(())
}

/// Checks a series of sizes, each with frames that the card has at that time.
fn sizes(features: &[&[u32]]) -> Result {
    let fixture = fixture(features)?;
    let nic = fixture.up()?;
    check_eq!(nic.rings(), (rings(64, 64), rings(64, 64)));
    let series = [(16, 64), (16, 32), (64, 64), (32, 32), (1, 32), (64, 64)];
    for (n, (rx, tx)) in series.into_iter().enumerate() {
        let before = nic.rings().0;
        let resets = fixture.fake.queue_resets();
        let (stats, let_go) = (nic.stats(), Nic::let_go());
        let drops = nic.drops()?;
        hold(&fixture, &nic, 3)?;
        nic.set_rings(rings(rx, tx))?;
        check_eq!(nic.rings(), (rings(rx, tx), rings(64, 64)));
        let changed = u32::from(before.rx != rx) + u32::from(before.tx != tx);
        check_eq!(fixture.fake.queue_resets() - resets, changed);
        if before.rx != rx {
            check!(wait::until(DEADLINE_MS, || fixture.fake.held(RX) == rx as usize));
        }
        if before.tx != tx {
            // The frames are lost, and counted as dropped.
            check_eq!(fixture.fake.held(TX), 0);
            check_eq!(Nic::let_go() - let_go, 3);
            check_eq!(nic.stats().tx_packets, stats.tx_packets);
            check_eq!(nic.stats().tx_dropped - stats.tx_dropped, 3);
            check!(drops.are(3, DropReason::QueuePurge));
        } else {
            fixture.fake_nic.hold_tx(false);
            for _ in 0..3 {
                fixture.fake.finish(TX, |_| Action::Complete(0))?;
            }
        }
        works(&fixture, &nic, n as u8)?;
        check!(!nic.state().tx_stopped);
    }
    drop(nic);
    fixture.remove(DEADLINE_MS, drop)
}

/// Checks that a change of sizes is refused with an error before any queue is reset.
fn is_refused(fixture: &NetFixture, nic: &Nic, rings: Rings, error: Error) -> Result {
    let (before, resets) = (nic.rings(), fixture.fake.queue_resets());
    check_err!(nic.set_rings(rings), error);
    check_eq!(nic.rings(), before);
    check_eq!(fixture.fake.queue_resets(), resets);
    Ok(())
}

#[kunit_tests(rust_virtio_net_resize)]
mod suite {
    use super::*;

    /// Rings get smaller and larger, with each kind of buffers on each layout, and frames go out
    /// and come in after each change.
    #[test]
    fn smaller_and_larger() -> Result {
        for mode in MODES {
            for layout in LAYOUTS {
                sizes(&[mode, layout])
                    .inspect_err(|_| pr_err!("    # with features {:?} {:?}\n", mode, layout))?;
            }
        }
        Ok(())
    }

    /// A queue that was stopped because its ring was full is woken, with and without NAPI.
    #[test]
    fn full_ring() -> Result {
        for tx_frames in [1, 0] {
            for layout in LAYOUTS {
                let fixture = fixture(&[layout])?;
                fixture.nic()?.set_tx_frames(tx_frames)?;
                let nic = fixture.up()?;
                let taken = fill(&fixture, &nic)? as u32;
                let let_go = Nic::let_go();
                nic.set_rings(rings(64, 32))?;
                // Without NAPI, frames release their senders when they are sent.
                check_eq!(Nic::let_go() - let_go, taken * tx_frames);
                check!(!nic.state().tx_stopped);
                works(&fixture, &nic, 9)?;
                // The smaller ring is full earlier, and goes on, too.
                let more = fill(&fixture, &nic)? as u64;
                check!(more <= 32);
                nic.set_rings(rings(64, 64))?;
                works(&fixture, &nic, 10)?;
                check_eq!(nic.stats().tx_dropped, u64::from(taken) + more);
            }
        }
        Ok(())
    }

    /// Frames that the card has transmitted without an interrupt count as sent.
    #[test]
    fn sent_by_then() -> Result {
        for layout in LAYOUTS {
            let fixture = fixture(&[layout])?;
            let nic = fixture.up()?;
            hold(&fixture, &nic, 3)?;
            let before = nic.stats().tx_packets;
            for _ in 0..2 {
                fixture.fake.finish_silently(TX, |_| Action::Complete(0))?;
            }
            check_eq!(nic.stats().tx_packets, before);
            nic.set_rings(rings(64, 32))?;
            check_eq!(nic.stats().tx_packets, before + 2);
            works(&fixture, &nic, 0)?;
        }
        Ok(())
    }

    /// Frames that the card has received without an interrupt count as dropped, unless the driver
    /// has found them before.
    #[test]
    fn received_by_then() -> Result {
        for mode in MODES {
            let fixture = fixture(&[mode])?;
            let nic = fixture.up()?;
            check!(wait::until(DEADLINE_MS, || fixture.fake.held(RX) >= 2));
            let count = || nic.stats().rx_packets + nic.stats().rx_dropped;
            let before = count();
            let frame = to_us(1, 100)?;
            for _ in 0..2 {
                fixture.fake.finish_silently(RX, |chain| {
                    let at = chain.write(0, &rx_header(1)).unwrap_or(0);
                    let end = at + chain.write(at, &frame).unwrap_or(0);
                    Action::Complete(end as u32)
                })?;
            }
            nic.set_rings(rings(32, 64))?;
            check_eq!(count(), before + 2);
            works(&fixture, &nic, 0)?;
        }
        Ok(())
    }

    /// Sizes that the driver refuses, and sizes that the layout of the ring cannot have.
    #[test]
    fn wrong_sizes() -> Result {
        for layout in LAYOUTS {
            let fixture = fixture(&[layout])?;
            let nic = fixture.up()?;
            for (rx, tx) in [(65, 64), (64, 65), (u32::MAX, 64), (64, u32::MAX), (0, 64)] {
                is_refused(&fixture, &nic, rings(rx, tx), EINVAL)?;
            }
            messages::logged(c") cannot be smaller than 19");
            for tx in [0, 1, 16, 18, 19] {
                is_refused(&fixture, &nic, rings(64, tx), EINVAL)?;
            }
            check_eq!(messages::logged(c") cannot be smaller than 19"), 5);
            for (rx_mini, rx_jumbo) in [(1, 0), (0, 1)] {
                let sizes = Rings {
                    rx_mini,
                    rx_jumbo,
                    ..rings(32, 32)
                };
                is_refused(&fixture, &nic, sizes, EINVAL)?;
            }
            // Nothing to change.
            let resets = fixture.fake.queue_resets();
            nic.set_rings(rings(64, 64))?;
            check_eq!(fixture.fake.queue_resets(), resets);

            if layout.contains(&RING_PACKED) {
                nic.set_rings(rings(47, 20))?;
                check_eq!(nic.rings().0, rings(47, 20));
            } else if is_rust_ring() {
                is_refused(&fixture, &nic, rings(48, 64), EINVAL)?;
                is_refused(&fixture, &nic, rings(64, 48), EINVAL)?;
            } else {
                // The C ring looks at the size after the reset.
                check_err!(nic.set_rings(rings(48, 64)), ENOMEM);
                check_err!(nic.set_rings(rings(64, 48)), ENOMEM);
                check_eq!(nic.rings().0, rings(64, 64));
            }
            works(&fixture, &nic, 0)?;
        }
        Ok(())
    }

    /// A card that cannot reset a queue keeps its frames, and a full ring is woken as usual.
    #[test]
    fn without_feature() -> Result {
        for tx_frames in [1, 0] {
            let fixture = NetFixture::with(&[])?;
            fixture.nic()?.set_tx_frames(tx_frames)?;
            let nic = fixture.up()?;
            let taken = fill(&fixture, &nic)?;
            for (sizes, message) in [
                (rings(64, 32), c"resize tx fail: tx queue index: 0 err: -2"),
                (rings(32, 64), c"resize rx fail: rx queue index: 0 err: -2"),
            ] {
                messages::logged(message);
                check_err!(nic.set_rings(sizes), ENOENT);
                check_eq!(messages::logged(message), 1);
            }
            check_eq!(nic.rings().0, rings(64, 64));
            check_eq!(fixture.fake.held(TX), taken);
            for _ in 0..taken {
                fixture.fake.finish(TX, |_| Action::Complete(0))?;
            }
            works(&fixture, &nic, 0)?;
            check_eq!(nic.stats().tx_dropped, 0);
        }
        Ok(())
    }

    /// All pairs get the sizes, also those that are not in use.
    #[test]
    fn unused_pairs() -> Result {
        let fixture = with_pairs(4)?;
        let nic = fixture.up()?;
        nic.set_pairs(1)?;
        nic.set_rings(rings(16, 32))?;
        check_eq!(fixture.fake.queue_resets(), 8);
        nic.set_pairs(4)?;
        for pair in 0..4 {
            check!(wait::until(DEADLINE_MS, || fixture.fake.held(2 * pair) == 16));
            let sent = fixture.fake_nic.sent();
            nic.send(&from_us(5, 100)?, pair as u16, Offload::default())?;
            check!(wait::until(DEADLINE_MS, || fixture.fake_nic.sent() > sent));
        }
        works(&fixture, &nic, 0)
    }

    /// The sizes change while the interface is down.
    #[test]
    fn while_down() -> Result {
        for tx_frames in [1, 0] {
            let fixture = fixture(&[&[F_MRG_RXBUF]])?;
            let nic = fixture.nic()?;
            nic.set_tx_frames(tx_frames)?;
            nic.set_rings(rings(16, 32))?;
            check_eq!(fixture.fake.held(RX), 0);
            nic.set_up(true)?;
            check!(wait::until(DEADLINE_MS, || fixture.fake.held(RX) == 16));
            works(&fixture, &nic, 0)?;
            fill(&fixture, &nic)?;
            nic.set_up(false)?;
            nic.set_rings(rings(64, 64))?;
            check_eq!(nic.rings().0, rings(64, 64));
            nic.set_up(true)?;
            check!(wait::until(DEADLINE_MS, || fixture.fake.held(RX) == 64));
            check!(wait::until(DEADLINE_MS, || nic.state().carrier));
            works(&fixture, &nic, 1)?;
        }
        Ok(())
    }

    /// After a reset of the device, rings have the sizes that the user asked for.
    #[test]
    fn kept_over_reset() -> Result {
        let fixture = with_pairs(2)?;
        let nic = fixture.up()?;
        nic.set_rings(rings(16, 32))?;
        for seed in 0..2 {
            let mut buffers = 0;
            fixture.reset_with(|| {
                buffers = fixture.fake_nic.buffers();
                Ok(())
            })?;
            check_eq!(nic.rings().0, rings(16, 32));
            check!(wait::until(DEADLINE_MS, || fixture.fake.held(RX) == 16
                && fixture.fake.held(2) == 16
                && nic.state().carrier));
            // No larger ring was filled before.
            check_eq!(fixture.fake_nic.buffers() - buffers, 32);
            works(&fixture, &nic, seed)?;
        }
        // A queue breaks. The card may not yet have taken the buffers that replace those of the
        // frames.
        check!(wait::until(DEADLINE_MS, || fixture.fake.held(RX) > 0));
        fixture
            .fake
            .finish(RX, |_| Action::CompleteAs { id: 0x7777, len: 9 })?;
        check!(wait::until(DEADLINE_MS, || messages::logged(
            c"a queue is broken: started anew"
        ) > 0));
        check_eq!(nic.rings().0, rings(16, 32));
        works(&fixture, &nic, 2)
    }
}
