// SPDX-License-Identifier: GPL-2.0

//! Cards of the hostile catalogue (`docs/hostile.md`) whose rings change their sizes.

use super::*;
use virtio_fake::Faults;

/// The message about a restart after the reset of a queue failed.
const ANEW: &CStr = c"a queue is broken: started anew";

/// The time after which the watchdog takes a queue for stuck, in milliseconds: less than usual.
const WATCHDOG_MS: u32 = 1_000;

/// Checks that the device is started anew, and works with rings of the old sizes.
fn is_started_anew(fixture: &NetFixture, nic: &Nic, resets: u32, seed: u8) -> Result {
    check!(wait::until(DEADLINE_MS, || fixture.fake.resets() > resets
        && !fixture.fake.may_do_io()
        && fixture.fake.held(RX) > 0
        && nic.state().carrier));
    check!(wait::until(DEADLINE_MS, || messages::logged(ANEW) > 0));
    check_eq!(nic.rings().0, rings(64, 64));
    works(fixture, nic, seed)
}

/// Starts a change of the sizes, and waits until the first transmit queue is being reset. The reset
/// takes until [`end_reset`].
fn begin_reset(fixture: &NetFixture, nic: &Nic) -> Result<Task<Result>> {
    let resets = fixture.fake.queue_resets();
    fixture.fake.fault(|f| f.queue_reset_waits = true);
    let other = nic.clone();
    let task = Task::new(move || other.set_rings(rings(64, 32)))?;
    check!(wait::until(DEADLINE_MS, || fixture.fake.queue_resets() > resets));
    Ok(task)
}

fn end_reset(fixture: &NetFixture) {
    fixture.fake.fault(|f| f.queue_reset_waits = false);
}

/// Checks that a frame goes out through the second pair, and none through the first.
fn first_is_paused(fixture: &NetFixture, nic: &Nic) -> Result {
    let frame = from_us(7, 200)?;
    check_err!(nic.send(&frame, 0, Offload::default()), EBUSY);
    let sent = fixture.fake_nic.sent();
    check!(wait::until(DEADLINE_MS, || nic
        .send(&frame, 1, Offload::default())
        .is_ok()));
    check!(wait::until(DEADLINE_MS, || fixture.fake_nic.sent() > sent));
    check!(fixture.fake_nic.has_sent(sent, &[0; 12], &frame));
    check_err!(nic.send(&frame, 0, Offload::default()), EBUSY);
    Ok(())
}

/// A card with rings of `size` descriptors, as it reports them.
fn of_size(size: u32) -> Result<NetFixture> {
    let features = [F_MAC, F_MRG_RXBUF, RING_RESET];
    let (fake_nic, fake): (Arc<FakeNic>, _) = device(Config::default(), &features, 2)?;
    fake.fault(|f| f.queue_size = size);
    let plug = Some(fake.plug()?);
    check!(fake.is_bound());
    Ok(NetFixture::around(fake_nic, fake, plug))
}

/// Has `fault` happen after a reset of the device with rings that were resized. Checks that the
/// device is started anew with the first sizes, and that so many resets of queues have failed.
fn fails_after_reset(fault: impl FnOnce(&mut Faults), failed: u32) -> Result {
    let fixture = with_pairs(2)?;
    let nic = fixture.up()?;
    nic.set_rings(rings(32, 32))?;
    messages::logged(ANEW);
    let mut resets = 0;
    fixture.reset_with(|| {
        resets = fixture.fake.resets();
        fixture.fake.fault(fault);
        Ok(())
    })?;
    is_started_anew(&fixture, &nic, resets, 0)?;
    check_eq!(fixture.fake.failed_queue_resets(), failed);
    drop(nic);
    fixture.remove(DEADLINE_MS, drop)
}

#[kunit_tests(rust_virtio_hostile_net_resize)]
mod suite {
    use super::*;

    /// H051: a queue is not reset. The error is that of the transport, and the device is started
    /// anew.
    #[test]
    fn h051_reset_fails() -> Result {
        for (seed, sizes) in [(0, rings(64, 32)), (1, rings(32, 64))] {
            let fixture = with_pairs(2)?;
            let nic = fixture.up()?;
            hold(&fixture, &nic, 3)?;
            messages::logged(ANEW);
            let resets = fixture.fake.resets();
            fixture.fake.fault(|f| f.queue_reset_fails = true);
            check_err!(nic.set_rings(sizes), ETIMEDOUT);
            is_started_anew(&fixture, &nic, resets, seed)?;
            drop(nic);
            fixture.remove(DEADLINE_MS, drop)?;
        }
        Ok(())
    }

    /// H051: a queue cannot be enabled after its reset.
    #[test]
    fn h051_enable_fails() -> Result {
        for (seed, sizes) in [(0, rings(64, 32)), (1, rings(32, 64))] {
            let fixture = with_pairs(2)?;
            let nic = fixture.up()?;
            hold(&fixture, &nic, 3)?;
            messages::logged(ANEW);
            let resets = fixture.fake.resets();
            fixture.fake.fault(|f| f.enable_fails = true);
            check_err!(nic.set_rings(sizes), EBUSY);
            is_started_anew(&fixture, &nic, resets, seed)?;
            drop(nic);
            fixture.remove(DEADLINE_MS, drop)?;
        }
        Ok(())
    }

    /// H051: after a reset of the device, queues cannot be reset any longer. The driver waits for
    /// one of them only, the rings keep the sizes that they have, and the device works.
    #[test]
    fn h051_sizes_are_not_restored() -> Result {
        fails_after_reset(|f| f.queue_reset_fails = true, 1)
    }

    /// H051: after a reset of the device, which is there, the register for the reset of a queue
    /// reads as if there were no device. The rings keep the sizes that they have, and the device
    /// works after another restart.
    #[test]
    fn h051_reads_as_ones() -> Result {
        // No ring was tried again in the restart.
        fails_after_reset(|f| f.queue_reset_ones = true, 4)
    }

    /// H051: the reset of each queue takes long, but ends. The driver does not hold the RTNL for
    /// all of them: the last rings keep the sizes that they have, and all queues work.
    #[test]
    fn h051_all_slow() -> Result {
        let mut fixture = with_pairs(2)?;
        fixture.hasten();
        let nic = fixture.up()?;
        let slowly = |millis| fixture.fake.fault(|f| f.queue_reset_millis = millis);
        let resets = fixture.fake.queue_resets();
        // The limit is a second in haste.
        slowly(600);
        check_err!(nic.set_rings(rings(32, 32)), ETIMEDOUT);
        check!(fixture.fake.queue_resets() - resets < 4);
        slowly(0);
        nic.set_rings(rings(32, 32))?;
        let mut resets = 0;
        fixture.reset_with(|| {
            resets = fixture.fake.queue_resets();
            slowly(600);
            Ok(())
        })?;
        check!(fixture.fake.queue_resets() - resets < 4);
        check!(wait::until(DEADLINE_MS, || nic.state().carrier));
        works(&fixture, &nic, 0)?;
        // The sizes are not forgotten.
        slowly(0);
        fixture.reset()?;
        for pair in 0..2 {
            check!(wait::until(DEADLINE_MS, || fixture.fake.held(2 * pair) == 32));
        }
        works(&fixture, &nic, 1)?;
        drop(nic);
        fixture.remove(DEADLINE_MS, drop)
    }

    /// A reset takes long. The other pair goes on, the watchdog does not take the queue for stuck,
    /// and frames go through the queue after that.
    #[test]
    fn h051_slow_reset() -> Result {
        let fixture = with_pairs(2)?;
        fixture.nic()?.set_watchdog(WATCHDOG_MS)?;
        let nic = fixture.up()?;
        hold(&fixture, &nic, 3)?;
        fixture.fake_nic.hold_tx(false);
        let task = begin_reset(&fixture, &nic)?;
        messages::logged(c"NETDEV WATCHDOG");
        // Far from the time after which the driver gives up.
        for _ in 0..5 {
            first_is_paused(&fixture, &nic)?;
            wait::pause(1_000);
        }
        check_eq!(messages::logged(c"NETDEV WATCHDOG"), 0);
        end_reset(&fixture);
        task.join(DEADLINE_MS)??;
        check_eq!(nic.rings().0, rings(64, 32));
        works(&fixture, &nic, 0)?;
        // Those that the card held.
        check_eq!((nic.stats().tx_errors, nic.stats().tx_dropped), (0, 3));
        drop(nic);
        fixture.remove(DEADLINE_MS, drop)
    }

    /// While a queue is reset, its frames are transmitted, with interrupts, and the link goes and
    /// comes. Nothing wakes the queue.
    #[test]
    fn h051_not_woken() -> Result {
        for tx_frames in [1, 0] {
            let fixture = with_pairs(2)?;
            fixture.nic()?.set_tx_frames(tx_frames)?;
            let nic = fixture.up()?;
            let taken = fill(&fixture, &nic)?;
            let before = nic.stats().tx_packets;
            fixture.fake_nic.hold_tx(false);
            let task = begin_reset(&fixture, &nic)?;
            for _ in 0..taken {
                fixture.fake.finish(TX, |_| Action::Complete(0))?;
                fixture.fake.interrupt(TX)?;
            }
            first_is_paused(&fixture, &nic)?;
            for up in [0, 1] {
                fixture.fake.set_config(6, &[up, 0]);
                fixture.fake.config_interrupt();
                wait::pause(200);
            }
            first_is_paused(&fixture, &nic)?;
            end_reset(&fixture);
            task.join(DEADLINE_MS)??;
            check!(!nic.state().tx_stopped);
            check!(nic.stats().tx_packets >= before + taken as u64);
            works(&fixture, &nic, tx_frames as u8)?;
            check_eq!(nic.stats().tx_dropped, 0);
            drop(nic);
            fixture.remove(DEADLINE_MS, drop)?;
        }
        Ok(())
    }

    /// The card is removed, or its function is reset, while a queue is being reset: each ends when
    /// the reset has ended.
    #[test]
    fn h051_removed_in_reset() -> Result {
        let mut fixture = with_pairs(2)?;
        let nic = fixture.up()?;
        let plug = fixture.plug.take().ok_or(ENODEV)?;
        let task = begin_reset(&fixture, &nic)?;
        drop(nic);
        let removal = Task::new(move || drop(plug))?;
        wait::pause(200);
        end_reset(&fixture);
        task.join(DEADLINE_MS)??;
        removal.join(DEADLINE_MS)?;
        check_eq!(fixture.fake.queues(), 0);
        Ok(())
    }

    /// A transmit ring that is too small for the largest packet keeps its size.
    #[test]
    fn tiny_rings() -> Result {
        let fixture = of_size(4)?;
        let nic = fixture.up()?;
        check_eq!(nic.rings(), (rings(4, 4), rings(4, 4)));
        is_refused(&fixture, &nic, rings(4, 2), EINVAL)?;
        is_refused(&fixture, &nic, rings(8, 4), EINVAL)?;
        nic.set_rings(rings(2, 4))?;
        works(&fixture, &nic, 0)?;
        nic.set_rings(rings(1, 4))?;
        works(&fixture, &nic, 1)?;
        drop(nic);
        fixture.remove(DEADLINE_MS, drop)
    }

    /// H067: a card offers more descriptors than a ring can have.
    #[test]
    fn h067_huge_rings() -> Result {
        let fixture = of_size(1 << 17)?;
        if !is_rust_ring() {
            messages::skip(c"the C ring takes any size");
            return fixture.remove(DEADLINE_MS, drop);
        }
        let nic = fixture.nic()?;
        let most = rings(1 << 17, 1 << 17);
        check_eq!(nic.rings(), (rings(1 << 15, 1 << 15), most));
        is_refused(&fixture, &nic, most, EINVAL)?;
        is_refused(&fixture, &nic, rings(1 << 16, 1 << 15), EINVAL)?;
        is_refused(&fixture, &nic, rings(1 << 15, 1 << 16), EINVAL)?;
        nic.set_rings(rings(64, 64))?;
        nic.set_up(true)?;
        check!(wait::until(DEADLINE_MS, || fixture.fake.held(RX) == 64
            && nic.state().carrier));
        works(&fixture, &nic, 0)?;
        drop(nic);
        fixture.remove(DEADLINE_MS, drop)
    }
}
