// SPDX-License-Identifier: GPL-2.0

//! Cards of the hostile catalogue (`docs/hostile.md`) whose receive queues the core restarts.

use super::*;
use virtio_fake::messages;

/// The message about a restart after the reset of a queue failed.
const ANEW: &CStr = c"a queue is broken: started anew";

/// Has a restart of a queue fail, and checks that the device is started anew and works.
fn is_started_anew(card: &NetFixture, nic: &Nic, error: Error) -> Result {
    messages::logged(ANEW);
    let resets = card.fake.resets();
    check_err!(nic.restart_rx(0, RestartFault::None), error);
    check!(wait::until(DEADLINE_MS, || card.fake.resets() > resets
        && messages::logged(ANEW) > 0
        && nic.state().carrier));
    check!(is_full(card, RX[0]) && is_full(card, RX[1]));
    receives(card, nic, 3)
}

#[kunit_tests(rust_virtio_hostile_net_rx_restart)]
mod suite {
    use super::*;

    /// H051: the queue is not reset. The error is that of the transport, and the device is started
    /// anew.
    #[test]
    fn h051_reset_fails() -> Result {
        let card = two_pairs()?;
        let nic = card.up()?;
        card.fake.fault(|f| f.queue_reset_fails = true);
        is_started_anew(&card, &nic, ETIMEDOUT)?;
        drop(nic);
        card.remove(DEADLINE_MS, drop)
    }

    /// H051: the queue cannot be enabled after its reset.
    #[test]
    fn h051_enable_fails() -> Result {
        let card = two_pairs()?;
        let nic = card.up()?;
        card.fake.fault(|f| f.enable_fails = true);
        is_started_anew(&card, &nic, EBUSY)?;
        drop(nic);
        card.remove(DEADLINE_MS, drop)
    }
}
