// SPDX-License-Identifier: GPL-2.0

//! Transmitted frames of the hostile catalogue (`docs/hostile.md`), besides those of the suite
//! `rust_virtio_net_tx`.

use super::*;
use crate::ring::{
    is_rust_ring,
    QUEUE_BROKEN, //
};

/// Has the card keep `count` frames.
fn held(fixture: &NetFixture, nic: &Nic, count: u8) -> Result {
    fixture.fake_nic.hold_tx(true);
    for seed in 0..count {
        nic.send(&from_us(seed, 200)?, 0, Offload::default())?;
    }
    check!(wait::until(5_000, || fixture.fake.held(1) >= count.into()));
    Ok(())
}

#[kunit_tests(rust_virtio_hostile_net_tx)]
mod suite {
    use super::*;

    /// H115: frames that the device returns before it has read them. They are lost, and the queue
    /// works on.
    #[test]
    fn h115_done_too_early() -> Result {
        for features in crate::fixture::LAYOUTS {
            let fixture = NetFixture::with(features)?;
            let nic = fixture.up()?;
            held(&fixture, &nic, 5)?;
            while fixture.fake.held(1) > 0 {
                fixture.fake.finish(1, |_| Action::Complete(0))?;
            }
            fixture.fake_nic.hold_tx(false);
            let frame = from_us(9, 300)?;
            nic.send(&frame, 0, Offload::default())?;
            check!(sent(&fixture.fake_nic, 1));
            check!(fixture.fake_nic.has_sent(0, &[0; 12], &frame));
        }
        Ok(())
    }

    /// H116: a frame that is returned twice: the queue is broken, with one message, and the
    /// interface can be removed.
    #[test]
    fn h116_done_twice() -> Result {
        for features in crate::fixture::LAYOUTS {
            let fixture = NetFixture::with(features)?;
            let nic = fixture.up()?;
            held(&fixture, &nic, 2)?;
            messages::logged(QUEUE_BROKEN);
            fixture.fake.finish(1, |_| Action::Twice(0))?;
            fixture.fake.interrupt(1)?;
            let mut said = 0;
            let told = wait::until(if is_rust_ring() { 5_000 } else { 50 }, || {
                said += messages::logged(QUEUE_BROKEN);
                said > 0
            });
            check_eq!((told, said), (is_rust_ring(), u32::from(is_rust_ring())));
            nic.set_up(false)?;
            drop(nic);
            fixture.remove(10_000, drop)?;
        }
        Ok(())
    }
}
