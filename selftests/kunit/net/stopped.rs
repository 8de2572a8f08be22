// SPDX-License-Identifier: GPL-2.0

//! Transmit queues that are stopped, as the card does not get on, and how they go on.

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

/// Sends a frame.
fn send(nic: &Nic) -> Result {
    nic.send(&from_us(3, 64)?, 0, Offload::default())
}

/// Sends until the queue is stopped, to a card that keeps what it gets from then on.
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

/// Has the card transmit what it kept, with interrupts or without.
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

/// Checks that frames are sent, within a time, and none was dropped.
fn goes_on(fixture: &NetFixture, nic: &Nic, millis: u32) -> Result {
    goes_on_after_pause(fixture, nic, millis)?;
    check_eq!(nic.stats().tx_dropped, 0);
    Ok(())
}

/// Checks that frames are sent, within a time. The stack drops frames of its own while an interface
/// that was taken up has no carrier, or no queue discipline yet.
fn goes_on_after_pause(fixture: &NetFixture, nic: &Nic, millis: u32) -> Result {
    check!(wait::until(millis, || send(nic).is_ok()));
    check!(wait::until(5_000, || fixture.fake_nic.sent() == 1));
    check_eq!(fixture.fake.violations(), 0);
    Ok(())
}

/// The interface, up, with transmitted packets looked for in one of two ways.
fn up(fixture: &NetFixture, tx_frames: u32) -> Result<Nic> {
    fixture.nic()?.set_tx_frames(tx_frames)?;
    fixture.up()
}

/// Whether the kernel has no netpoll, which a test is skipped for.
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

    /// The queue stops, and goes on when there is room.
    #[test]
    fn full_ring() -> Result {
        for tx_frames in [1, 0] {
            let fixture = NetFixture::with(&[])?;
            let nic = up(&fixture, tx_frames)?;
            fill(&fixture, &nic)?;
            transmit(&fixture, true)?;
            goes_on(&fixture, &nic, 5_000)?;
        }
        Ok(())
    }

    /// The device gets on and says nothing: the watchdog finds that out.
    #[test]
    fn lost_interrupt() -> Result {
        for tx_frames in [1, 0] {
            let fixture = NetFixture::with(&[])?;
            let nic = up(&fixture, tx_frames)?;
            fill(&fixture, &nic)?;
            let kicks = fixture.fake.traffic(TX).kicks;
            transmit(&fixture, false)?;
            check!(wait::until(20_000, || nic.stats().tx_errors > 0));
            goes_on(&fixture, &nic, 5_000)?;
            // In case that it was the notification which got lost, too.
            check!(fixture.fake.traffic(TX).kicks > kicks);
        }
        Ok(())
    }

    /// The frames are transmitted while the interface is down, and the way in which that is found
    /// out changes: when it is up again, it sends at once.
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
            // Without a timeout of the watchdog, which would help after some seconds.
            goes_on_after_pause(&fixture, &nic, 2_000)?;
            check_eq!(nic.stats().tx_errors, 0);
        }
        Ok(())
    }

    /// The frames are transmitted while the interface is down, or taken from the stack: the queue
    /// stays stopped until it is in use again.
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

    /// The link goes and comes back: senders wait as before.
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
            // The queues are seen to after the carrier.
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
                nic.set_up(false)?;
            }
        }
        Ok(())
    }

    /// A poll of netpoll finds what was transmitted, and leaves it to interrupts to find the rest.
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

    /// A message is printed while the queue is locked, to a console that sends it through the same
    /// queue.
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
