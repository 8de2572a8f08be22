// SPDX-License-Identifier: GPL-2.0

//! Cards of the hostile catalogue (`docs/hostile.md`) after a reset.

use super::*;

/// A frame each way.
fn both_ways(fixture: &NetFixture, nic: &Nic, seed: u8) -> Result {
    let capture = nic.capture(ETHER_TYPE)?;
    still_works(fixture, &capture)?;
    let sent = fixture.fake_nic.sent();
    let frame = from_us(seed, 300)?;
    nic.send(&frame, 0, Offload::default())?;
    check!(wait::until(5_000, || fixture.fake_nic.sent() > sent));
    check!(fixture.fake_nic.has_sent(sent, &[0; 12], &frame));
    Ok(())
}

#[kunit_tests(rust_virtio_hostile_net_lifecycle)]
mod suite {
    use super::*;

    /// H140: no queues after a reset of the transport: the interface stays, can be queried, and can
    /// be removed.
    #[test]
    fn h140_queues_do_not_come_back() -> Result {
        for features in MODES {
            let mut fixture = NetFixture::with(features)?;
            let nic = fixture.up()?;
            both_ways(&fixture, &nic, 1)?;
            let before = nic.stats();
            let plug = fixture.plug.take().ok_or(ENODEV)?;
            plug.reset_prepare()?;
            fixture.fake.fault(|f| f.find_vqs = 12);
            check!(plug.reset_done().is_err());
            fixture.plug = Some(plug);
            check_eq!(fixture.fake.queues(), 0);
            let after = nic.stats();
            check!(after.rx_packets >= before.rx_packets && after.tx_packets >= before.tx_packets);
            let sent = fixture.fake_nic.sent();
            // The frame is dropped or refused.
            let _ = nic.send(&from_us(2, 100)?, 0, Offload::default());
            check_eq!(fixture.fake_nic.sent(), sent);
            nic.set_up(false)?;
            check!(nic.set_up(true).is_err());
            check!(!nic.state().running);
            drop(nic);
            fixture.remove(10_000, drop)?;
        }
        Ok(())
    }

    /// H141: a reset of the transport under an interface that is up: frames go both ways again.
    #[test]
    fn h141_function_reset() -> Result {
        for features in MODES {
            let mut fixture = NetFixture::with(features)?;
            let nic = fixture.up()?;
            for seed in 0..3 {
                both_ways(&fixture, &nic, seed)?;
                let plug = fixture.plug.take().ok_or(ENODEV)?;
                plug.reset_prepare()?;
                check_eq!((fixture.fake.queues(), fixture.fake.status()), (0, 0));
                plug.reset_done()?;
                fixture.plug = Some(plug);
                check!(wait::until(5_000, || fixture.fake.held(0) > 0));
            }
            both_ways(&fixture, &nic, 9)?;
            check_eq!(fixture.fake.violations(), 0);
        }
        Ok(())
    }
}
