// SPDX-License-Identifier: GPL-2.0

//! Transmitted frames of the hostile catalogue (`docs/hostile.md`), besides those of the suite
//! `rust_virtio_net_tx`.

use super::*;
use crate::ring::{
    is_native,
    DISABLED, //
};

/// Has the card keep `count` frames.
fn held(rig: &Rig, nic: &Nic, count: u8) -> Result {
    rig.card.hold_tx(true);
    for seed in 0..count {
        nic.send(&from_us(seed, 200)?, 0, Offload::default())?;
    }
    check!(wait::until(5_000, || rig.fake.held(1) >= count.into()));
    Ok(())
}

#[kunit_tests(rust_virtio_hostile_net_tx)]
mod suite {
    use super::*;

    /// H115: frames that the device says it sent before it has read them. They are gone then, and
    /// the queue is as good as ever.
    #[test]
    fn h115_done_too_early() -> Result {
        for features in crate::bench::LAYOUTS {
            let rig = Rig::with(features)?;
            let nic = rig.up()?;
            held(&rig, &nic, 5)?;
            while rig.fake.held(1) > 0 {
                rig.fake.finish(1, |_| Action::Complete(0))?;
            }
            rig.card.hold_tx(false);
            let frame = from_us(9, 300)?;
            nic.send(&frame, 0, Offload::default())?;
            check!(sent(&rig.card, 1));
            check!(rig.card.has_sent(0, &[0; 12], &frame));
        }
        Ok(())
    }

    /// H116: a frame that is done twice: the queue is broken, with one message, and the interface
    /// can be removed.
    #[test]
    fn h116_done_twice() -> Result {
        for features in crate::bench::LAYOUTS {
            let rig = Rig::with(features)?;
            let nic = rig.up()?;
            held(&rig, &nic, 2)?;
            messages::logged(DISABLED);
            rig.fake.finish(1, |_| Action::Twice(0))?;
            rig.fake.interrupt(1)?;
            let mut said = 0;
            let told = wait::until(if is_native() { 5_000 } else { 50 }, || {
                said += messages::logged(DISABLED);
                said > 0
            });
            check_eq!((told, said), (is_native(), u32::from(is_native())));
            nic.set_up(false)?;
            drop(nic);
            rig.remove(10_000, drop)?;
        }
        Ok(())
    }
}
