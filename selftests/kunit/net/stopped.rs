// SPDX-License-Identifier: GPL-2.0

//! Transmit queues that stop because the card is slow, and that are woken again.

use super::{
    fake_nic::FakeNic,
    frame::from_us,
    Config,
    NetFixture,
    F_MAC,
    F_STATUS,
    ID, //
};
use kernel::prelude::*;
use virtio_fake::{
    messages,
    wait,
    Action,
    Fake,
    Nic,
    Offload,
    Spec, //
};

/// The transmit queue.
const TX: usize = 1;

/// The time after which the watchdog takes a queue for stuck, in milliseconds: less than usual.
const WATCHDOG_MS: u32 = 1_000;

/// The same where the watchdog is to find nothing, though the guest stands still for seconds.
const PATIENT_WATCHDOG_MS: u32 = 600_000;

/// Sends a frame.
fn send(nic: &Nic) -> Result {
    nic.send(&from_us(3, 64)?, 0, Offload::default())
}

/// Sends until the queue is stopped. From then on the card keeps the frames that it gets.
fn fill(fixture: &NetFixture, nic: &Nic) -> Result<usize> {
    fixture.fake_nic.hold_tx(true);
    let mut taken = 0;
    while send(nic).is_ok() {
        taken += 1;
        check!(taken <= 64);
    }
    check!(taken > 0);
    check!(wait::until(5_000, || fixture.fake.held(TX) >= taken));
    Ok(taken)
}

/// Has the card transmit the frames that it kept, with or without an interrupt.
fn transmit(fixture: &NetFixture, interrupts: bool) -> Result {
    fixture.fake_nic.hold_tx(false);
    while fixture.fake.held(TX) > 0 {
        if interrupts {
            fixture.fake.finish(TX, |_| Action::Complete(0))?;
        } else {
            fixture.fake.finish_silently(TX, |_| Action::Complete(0))?;
        }
    }
    Ok(())
}

/// Checks that frames are sent within a time, that none was dropped, and that it was not the
/// watchdog who woke the queue.
fn goes_on(fixture: &NetFixture, nic: &Nic, millis: u32) -> Result {
    let timeouts = nic.stats().tx_errors;
    goes_on_after_pause(fixture, nic, millis)?;
    check_eq!(nic.stats().tx_dropped, 0);
    check_eq!(nic.stats().tx_errors, timeouts);
    Ok(())
}

/// Checks that frames are sent within a time. The stack drops frames of its own while an interface
/// that was brought up has no carrier or no queue discipline.
fn goes_on_after_pause(fixture: &NetFixture, nic: &Nic, millis: u32) -> Result {
    check!(wait::until(millis, || send(nic).is_ok()));
    check!(wait::until(5_000, || fixture.fake_nic.sent() == 1));
    check_eq!(fixture.fake.violations(), 0);
    Ok(())
}

/// Returns the interface, up, with or without transmit NAPI. Its watchdog finds nothing.
fn up(fixture: &NetFixture, tx_frames: u32) -> Result<Nic> {
    up_watched(fixture, tx_frames, PATIENT_WATCHDOG_MS)
}

/// Returns the interface, up, with a time after which the watchdog takes a queue for stuck.
fn up_watched(fixture: &NetFixture, tx_frames: u32, watchdog_ms: u32) -> Result<Nic> {
    let nic = fixture.nic()?;
    nic.set_watchdog(watchdog_ms)?;
    nic.set_tx_frames(tx_frames)?;
    fixture.up()
}

/// Returns how often the driver stopped the transmit queue, and how often it woke the queue.
fn stops_and_wakes(nic: &Nic) -> Result<(u64, u64)> {
    let (_, tx) = nic.queue_stats(Some(0))?;
    let [.., stops, wakes] = tx;
    Ok((stops, wakes))
}

/// Whether the kernel has no netpoll. A test that needs netpoll is skipped then.
fn lacks_netpoll() -> bool {
    let lacks = !cfg!(CONFIG_NETPOLL);
    if lacks {
        messages::skip(c"the kernel has no netpoll");
    }
    lacks
}

#[kunit_tests(rust_virtio_net_stopped)]
mod suite {
    use super::*;

    /// The queue stops, and is woken when it has room.
    #[test]
    fn full_ring() -> Result {
        for tx_frames in [1, 0] {
            let fixture = NetFixture::with(&[])?;
            let nic = up(&fixture, tx_frames)?;
            fill(&fixture, &nic)?;
            transmit(&fixture, true)?;
            goes_on(&fixture, &nic, 5_000)?;
            check!(wait::until(5_000, || {
                stops_and_wakes(&nic).is_ok_and(|(stops, wakes)| stops > 0 && stops == wakes)
            }));
        }
        Ok(())
    }

    /// The device transmits without an interrupt: the watchdog notices.
    #[test]
    fn lost_interrupt() -> Result {
        long!();
        for tx_frames in [1, 0] {
            let fixture = NetFixture::with(&[])?;
            let nic = up_watched(&fixture, tx_frames, WATCHDOG_MS)?;
            fill(&fixture, &nic)?;
            let kicks = fixture.fake.traffic(TX).kicks;
            transmit(&fixture, false)?;
            check!(wait::until(20_000, || nic.stats().tx_errors > 0));
            goes_on(&fixture, &nic, 5_000)?;
            // The notification may be lost, too.
            check!(fixture.fake.traffic(TX).kicks > kicks);
        }
        Ok(())
    }

    /// The frames are transmitted while the interface is down, and transmit NAPI is switched. When
    /// the interface is up again, the queue sends at once.
    #[test]
    fn over_down() -> Result {
        for (before, after) in [(1, 1), (1, 0), (0, 1), (0, 0)] {
            let fixture = NetFixture::with(&[])?;
            let nic = up(&fixture, before)?;
            fill(&fixture, &nic)?;
            nic.set_up(false)?;
            transmit(&fixture, true)?;
            nic.set_tx_frames(after)?;
            nic.set_up(true)?;
            check!(wait::until(5_000, || nic.state().carrier));
            goes_on_after_pause(&fixture, &nic, 2_000)?;
            check_eq!(nic.stats().tx_errors, 0);
        }
        Ok(())
    }

    /// The frames are transmitted while the interface is down, or the driver drops them: the queue
    /// stays stopped until the interface is up.
    #[test]
    fn out_of_use() -> Result {
        for (set_in_use, tx_frames) in [
            (Nic::set_up as fn(&Nic, bool) -> Result, 1),
            (Nic::set_up, 0),
            (Nic::set_present, 1),
            (Nic::set_present, 0),
        ] {
            let fixture = NetFixture::with(&[])?;
            let nic = up(&fixture, tx_frames)?;
            fill(&fixture, &nic)?;
            set_in_use(&nic, false)?;
            transmit(&fixture, true)?;
            wait::pause(50);
            check!(nic.state().tx_stopped);
            set_in_use(&nic, true)?;
            goes_on_after_pause(&fixture, &nic, 2_000)?;
            check_eq!(nic.stats().tx_errors, 0);
        }
        Ok(())
    }

    /// The link goes down and comes back: senders wait as before.
    #[test]
    fn over_lost_link() -> Result {
        for tx_frames in [1, 0] {
            let fixture = NetFixture::new(Config::default(), &[F_MAC, F_STATUS], 2)?;
            let nic = up(&fixture, tx_frames)?;
            fill(&fixture, &nic)?;
            for up in [0, 1] {
                fixture.fake.set_config(6, &[up, 0]);
                fixture.fake.config_interrupt();
                check!(wait::until(5_000, || nic.state().carrier == (up != 0)));
            }
            // The driver wakes the queues after it has set the carrier.
            wait::pause(50);
            check!(send(&nic).is_err());
            transmit(&fixture, true)?;
            goes_on(&fixture, &nic, 5_000)?;
        }
        Ok(())
    }

    /// A ring that is smaller than the largest packet.
    #[test]
    fn small_ring() -> Result {
        for size in [4, 16] {
            let fake_nic = FakeNic::new(2, false)?;
            let spec = Spec::new(ID)
                .features(&[F_MAC])
                .config(&Config::default().0)?
                .queues(1, 64)?
                .queues(1, size)?;
            let fake = Fake::new(spec, fake_nic.clone())?;
            fake.set_auto(true);
            let plug = Some(fake.plug()?);
            check!(fake.is_bound());
            let fixture = NetFixture::around(fake_nic, fake, plug);
            for tx_frames in [1, 0] {
                let nic = up(&fixture, tx_frames)?;
                let before = fixture.fake_nic.sent();
                for _ in 0..50 {
                    check!(wait::until(2_000, || send(&nic).is_ok()));
                }
                check!(wait::until(5_000, || fixture.fake_nic.sent() == before + 50));
                check_eq!(nic.stats().tx_errors, 0);
                nic.set_up(false)?;
            }
        }
        Ok(())
    }

    /// A poll of netpoll reaps transmitted frames, and leaves later ones to interrupts.
    #[test]
    fn netpoll() -> Result {
        if lacks_netpoll() {
            return Ok(());
        }
        let fixture = NetFixture::with(&[])?;
        let nic = up(&fixture, 1)?;
        fill(&fixture, &nic)?;
        nic.netpoll(None);
        let interrupts = fixture.fake.traffic(TX).handled;
        transmit(&fixture, true)?;
        check!(fixture.fake.traffic(TX).handled > interrupts);
        goes_on(&fixture, &nic, 2_000)?;

        fill(&fixture, &nic)?;
        transmit(&fixture, false)?;
        nic.netpoll(None);
        check!(send(&nic).is_ok());
        Ok(())
    }

    /// A message is printed while the queue is locked, to a console that sends the message through
    /// this queue.
    #[test]
    fn netpoll_under_lock() -> Result {
        if lacks_netpoll() {
            return Ok(());
        }
        let fixture = NetFixture::with(&[])?;
        let nic = up(&fixture, 1)?;
        fill(&fixture, &nic)?;
        nic.netpoll(Some(0));
        transmit(&fixture, true)?;
        goes_on(&fixture, &nic, 2_000)
    }
}
