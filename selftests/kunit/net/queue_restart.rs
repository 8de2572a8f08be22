// SPDX-License-Identifier: GPL-2.0

//! Cards with a transmit queue that does not move, and that can be started anew alone.

use super::{
    frame::from_us,
    NetFixture, //
};
use kernel::prelude::*;
use virtio_fake::{
    messages,
    wait,
    Nic,
    Offload,
    Param,
    EVENT_IDX,
    RING_PACKED,
    RING_RESET, //
};

/// The first and the second transmit queue.
const TX: [usize; 2] = [1, 3];

/// The time after which the watchdog takes a queue for stuck, in milliseconds: less than usual.
const WATCHDOG_MS: u32 = 1_000;

/// Milliseconds until the watchdog has found a queue stuck three times, and more.
const DEADLINE_MS: u32 = 60_000;

/// The message about a queue that was started anew alone.
const ALONE: &CStr = c"transmit queue 0 is stuck: started anew alone";
/// The message about a queue that could not be started anew alone.
const NOT_ALONE: &CStr = c"transmit queue 0 is stuck: cannot be started anew alone";
/// The message about a restart of the device.
const ANEW: &CStr = c"the device sends no packet: started anew";

/// A card with two pairs of queues, the first of which is stuck.
struct Stuck {
    /// Dropped before the card, whose removal waits for it.
    nic: Nic,
    fixture: NetFixture,
    resets: u32,
    _param: Param,
}

impl Stuck {
    /// Makes the card. `None`: `reset_queues` cannot be set.
    fn new(features: &[u32], reset_queues: &CStr) -> Result<Option<Self>> {
        let param = Param::set(c"rust_virtio_net", c"reset_queues", reset_queues, c"0");
        if param.as_ref().is_err_and(|e| *e == ENOENT) {
            messages::skip(c"the driver is built in, or another one");
            return Ok(None);
        }
        let fixture = NetFixture::with_pairs(2, features)?;
        fixture.nic()?.set_watchdog(WATCHDOG_MS)?;
        let nic = fixture.up()?;
        messages::logged(ANEW);
        let stuck = Self {
            resets: fixture.fake.resets(),
            fixture,
            nic,
            _param: param?,
        };
        stuck.fill()?;
        Ok(Some(stuck))
    }

    /// Fills the first transmit queue. The card keeps its frames.
    fn fill(&self) -> Result {
        let fake = &self.fixture.fake;
        fake.fault(|f| f.mute_queue = Some(TX[0]));
        let frame = from_us(1, 64)?;
        let mut taken = 0;
        while self.nic.send(&frame, 0, Offload::default()).is_ok() {
            taken += 1;
            check!(taken <= 64);
        }
        Ok(())
    }

    /// Checks that a frame goes out through a pair.
    fn sends(&self, pair: u16) -> Result {
        let sent = self.fixture.fake_nic.sent();
        let frame = from_us(7, 300)?;
        check!(wait::until(DEADLINE_MS, || self
            .nic
            .send(&frame, pair, Offload::default())
            .is_ok()));
        check!(wait::until(DEADLINE_MS, || self.fixture.fake_nic.sent() > sent));
        check!(self.fixture.fake_nic.has_sent(sent, &[0; 12], &frame));
        Ok(())
    }

    /// Checks the numbers of resets of queues and of the device, and that both pairs send.
    fn ends(self, queues: u32, device: u32) -> Result {
        let fake = &self.fixture.fake;
        fake.fault(|f| f.mute_queue = None);
        fake.set_auto(true);
        for pair in 0..2 {
            self.sends(pair)?;
        }
        check_eq!(fake.queue_resets(), queues);
        check_eq!(fake.resets() - self.resets, device);
        check_eq!(fake.violations(), 0);
        drop(self.nic);
        self.fixture.remove(DEADLINE_MS, drop)
    }
}

#[kunit_tests(rust_virtio_net_queue_restart)]
mod suite {
    use super::*;

    /// A queue is started anew alone, and the other pair goes on, on each layout. A second time,
    /// the device is started anew.
    #[test]
    fn queue_alone() -> Result {
        long!();
        for features in [&[RING_RESET][..], &[RING_RESET, EVENT_IDX, RING_PACKED]] {
            let Some(stuck) = Stuck::new(features, c"1")? else {
                return Ok(());
            };
            let fake = &stuck.fixture.fake;
            stuck.sends(1)?;
            check!(wait::until(DEADLINE_MS, || fake.queue_resets() > 0));
            fake.fault(|f| f.mute_queue = None);
            check!(wait::until(DEADLINE_MS, || messages::logged(ALONE) > 0));
            stuck.sends(0)?;
            check_eq!(fake.resets(), stuck.resets);
            check_eq!(fake.held(TX[0]), 0);
            stuck.fill()?;
            check!(wait::until(DEADLINE_MS, || fake.resets() > stuck.resets));
            check!(wait::until(DEADLINE_MS, || messages::logged(ANEW) > 0));
            stuck.ends(1, 1)?;
        }
        Ok(())
    }

    /// If the reset of the queue fails, or the queue cannot be enabled again, the device is started
    /// anew.
    #[test]
    fn h051_not_alone() -> Result {
        long!();
        for enable in [false, true] {
            let Some(stuck) = Stuck::new(&[RING_RESET], c"1")? else {
                return Ok(());
            };
            let fake = &stuck.fixture.fake;
            fake.fault(|f| {
                f.queue_reset_fails = !enable;
                f.enable_fails = enable;
            });
            check!(wait::until(DEADLINE_MS, || messages::logged(NOT_ALONE) > 0));
            check!(wait::until(DEADLINE_MS, || fake.resets() > stuck.resets));
            stuck.ends(enable.into(), 1)?;
        }
        Ok(())
    }

    /// By default, and if a queue cannot be reset alone, the device is started anew.
    #[test]
    fn whole_device() -> Result {
        long!();
        for (features, reset_queues) in [(&[RING_RESET][..], c"0"), (&[], c"1")] {
            let Some(stuck) = Stuck::new(features, reset_queues)? else {
                return Ok(());
            };
            let fake = &stuck.fixture.fake;
            check!(wait::until(DEADLINE_MS, || fake.resets() > stuck.resets));
            check!(wait::until(DEADLINE_MS, || messages::logged(ANEW) > 0));
            stuck.ends(0, 1)?;
        }
        Ok(())
    }
}
