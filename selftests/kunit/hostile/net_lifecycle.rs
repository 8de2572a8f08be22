// SPDX-License-Identifier: GPL-2.0

//! Cards of the hostile catalogue (`docs/hostile.md`) that come back from a reset, or do not.

use super::*;

/// A frame each way.
fn both_ways(rig: &Rig, nic: &Nic, seed: u8) -> Result {
    let capture = nic.capture(ETHER_TYPE)?;
    still_works(rig, &capture)?;
    let sent = rig.card.sent();
    let frame = from_us(seed, 300)?;
    nic.send(&frame, 0, Offload::default())?;
    check!(wait::until(5_000, || rig.card.sent() > sent));
    check!(rig.card.has_sent(sent, &[0; 12], &frame));
    Ok(())
}

#[kunit_tests(rust_virtio_hostile_net_lifecycle)]
mod suite {
    use super::*;

    /// H140: no queues after a reset of the transport: the interface stays, can be asked, and can
    /// be removed.
    #[test]
    fn h140_queues_do_not_come_back() -> Result {
        for features in MODES {
            let mut rig = Rig::with(features)?;
            let nic = rig.up()?;
            both_ways(&rig, &nic, 1)?;
            let before = nic.stats();
            let plug = rig.plug.take().ok_or(ENODEV)?;
            plug.reset_prepare()?;
            rig.fake.fault(|f| f.find_vqs = 12);
            check!(plug.reset_done().is_err());
            rig.plug = Some(plug);
            check_eq!(rig.fake.queues(), 0);
            let after = nic.stats();
            check!(after.rx_packets >= before.rx_packets && after.tx_packets >= before.tx_packets);
            let sent = rig.card.sent();
            // It is dropped, or refused.
            let _ = nic.send(&from_us(2, 100)?, 0, Offload::default());
            check_eq!(rig.card.sent(), sent);
            nic.set_up(false)?;
            check!(nic.set_up(true).is_err());
            check!(!nic.state().running);
            drop(nic);
            rig.remove(10_000, drop)?;
        }
        Ok(())
    }

    /// H141: a reset of the transport under an interface that is up: frames go both ways again.
    #[test]
    fn h141_function_reset() -> Result {
        for features in MODES {
            let mut rig = Rig::with(features)?;
            let nic = rig.up()?;
            for seed in 0..3 {
                both_ways(&rig, &nic, seed)?;
                let plug = rig.plug.take().ok_or(ENODEV)?;
                plug.reset_prepare()?;
                check_eq!((rig.fake.queues(), rig.fake.status()), (0, 0));
                plug.reset_done()?;
                rig.plug = Some(plug);
                check!(wait::until(5_000, || rig.fake.held(0) > 0));
            }
            both_ways(&rig, &nic, 9)?;
            check_eq!(rig.fake.violations(), 0);
        }
        Ok(())
    }
}
