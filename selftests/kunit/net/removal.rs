// SPDX-License-Identifier: GPL-2.0

//! Cards that are removed under traffic.

use super::{
    fake_nic::{
        receive_now,
        rx_header, //
    },
    frame::{
        from_us,
        to_us,
        ETHER_TYPE, //
    },
    NetFixture,
    F_MRG_RXBUF, //
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
};
use virtio_fake::{
    wait,
    Fake,
    Nic,
    Offload,
    Plug,
    Task, //
};

/// The time in which a removal has to end, in milliseconds.
const DEADLINE_MS: u32 = 10_000;

/// Sends and receives without a pause until `stop` is set. Returns the number of frames sent.
fn traffic(nic: Nic, fake: Fake, stop: Arc<Atomic<bool>>) -> Result<u64> {
    let (out, back) = (from_us(1, 500)?, to_us(2, 500)?);
    let mut count = 0;
    while !stop.load(Relaxed) {
        if nic.send(&out, 0, Offload::default()).is_ok() {
            count += 1;
        }
        if fake.held(0) > 0 {
            let _ = receive_now(&fake, &[&rx_header(1), &back], None);
        }
        if !nic.state().running {
            // The removal of the interface waits for its last user.
            break;
        }
    }
    Ok(count)
}

/// Removes a card under traffic by `how`.
fn removed(how: fn(Plug)) -> Result {
    let fixture = NetFixture::with(&[F_MRG_RXBUF])?;
    let nic = fixture.up()?;
    let stop = Arc::new(Atomic::new(false), GFP_KERNEL)?;
    let fake = fixture.fake.clone();
    let task = {
        let (fake, stop) = (fake.clone(), stop.clone());
        Task::new(move || traffic(nic, fake, stop))?
    };
    check!(wait::until(DEADLINE_MS, || fixture.fake_nic.sent() > 100));
    let fake_nic = fixture.fake_nic.clone();
    let result = fixture.remove(DEADLINE_MS, how);
    stop.store(true, Relaxed);
    let count = task.join(DEADLINE_MS)??;
    result?;
    check!(count > 100 && fake_nic.sent() > 100);
    check_eq!(fake.violations(), 0);
    check_eq!(fake.queues(), 0);
    Ok(())
}

/// Removes a card that has frames to send and buffers to fill, by `how`.
fn removed_with_frames(how: fn(Plug)) -> Result {
    let fixture = NetFixture::with(&[])?;
    let nic = fixture.up()?;
    fixture.fake_nic.hold_tx(true);
    let freed = Nic::let_go();
    for i in 0..5 {
        nic.send(&from_us(i, 200)?, 0, Offload::default())?;
    }
    check!(wait::until(DEADLINE_MS, || fixture.fake.held(1) >= 5));
    drop(nic);
    fixture.remove(DEADLINE_MS, how)?;
    check_eq!(Nic::let_go(), freed + 5);
    Ok(())
}

#[kunit_tests(rust_virtio_net_removal)]
mod suite {
    use super::*;

    /// The card is unplugged under traffic.
    #[test]
    fn unplugged() -> Result {
        removed(drop)
    }

    /// The card is gone without a warning, under traffic.
    #[test]
    fn torn_out() -> Result {
        removed(Plug::yank)
    }

    /// The card is unplugged with frames that it has not sent and buffers that it has not filled.
    #[test]
    fn unplugged_with_frames() -> Result {
        removed_with_frames(drop)
    }

    /// The card is gone without a warning, with such frames and buffers.
    #[test]
    fn torn_out_with_frames() -> Result {
        removed_with_frames(Plug::yank)
    }

    /// The card is unplugged while frames are captured: the removal waits for the end of the
    /// capture.
    #[test]
    fn captured() -> Result {
        let mut fixture = NetFixture::with(&[])?;
        let capture = fixture.up()?.capture(ETHER_TYPE)?;
        let plug = fixture.plug.take().ok_or(ENODEV)?;
        let removal = Task::new(move || drop(plug))?;
        wait::pause(100);
        let waited = !removal.is_done();
        drop(capture);
        removal.join(DEADLINE_MS)?;
        check!(waited);
        Ok(())
    }

    /// The machine shuts down: the card is reset, and not used from then on.
    #[test]
    fn shut_down() -> Result {
        let fixture = NetFixture::with(&[F_MRG_RXBUF])?;
        let nic = fixture.up()?;
        nic.send(&from_us(1, 200)?, 0, Offload::default())?;
        check!(wait::until(DEADLINE_MS, || fixture.fake_nic.sent() == 1));
        let resets = fixture.fake.resets();
        fixture.plug.as_ref().ok_or(ENODEV)?.shutdown()?;
        check_eq!(fixture.fake.resets(), resets + 1);
        check_eq!(fixture.fake.status(), 0);
        // It is no error of the one who sends.
        let _ = nic.send(&from_us(2, 200)?, 0, Offload::default());
        wait::pause(50);
        check_eq!(
            (fixture.fake_nic.sent(), fixture.fake.resets()),
            (1, resets + 1)
        );
        drop(nic);
        fixture.remove(DEADLINE_MS, drop)
    }
}
