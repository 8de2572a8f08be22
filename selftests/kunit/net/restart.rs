// SPDX-License-Identifier: GPL-2.0

//! Cards that fail, and are restarted with their settings.

use super::{
    fake_nic::{
        receive,
        rx_header,
        Answer, //
    },
    frame::{
        from_us,
        to_us, //
    },
    NetFixture,
    F_CTRL_MAC_ADDR,
    F_CTRL_RX,
    F_CTRL_VLAN, //
};
use kernel::prelude::*;
use virtio_fake::{
    messages,
    wait,
    Action,
    Nic,
    Offload, //
};

/// An address to set.
const OTHER_MAC: [u8; 6] = [0x52, 0x54, 0, 0xaa, 0xbb, 0xcc];

/// The time in which a restart and its results have to come, in milliseconds.
const DEADLINE_MS: u32 = 20_000;

/// The time after which the watchdog takes a queue for stuck, in milliseconds: less than usual.
const WATCHDOG_MS: u32 = 1_000;

/// The part of the message about a restart.
const ANEW: &CStr = c": started anew";
/// The part of the message about a restart after a queue broke.
const BROKEN: &CStr = c"a queue is broken: started anew";
/// The part of the message about a card that was given up.
const GIVEN_UP: &CStr = c": given up";
/// The part of the message about a card that was given up after a command without an answer.
const COMMAND_GIVEN_UP: &CStr = c"the device does not answer a control command: given up";
/// The part of the message about a card that was given up because it sends nothing.
const TX_GIVEN_UP: &CStr = c"the device sends no packet: given up";
/// The error of a card whose queues cannot be found: `ENOMEM`.
const NO_QUEUES: i32 = 12;

/// Plugs a card with two pairs and every kind of setting.
fn fixture() -> Result<NetFixture> {
    NetFixture::with_pairs(2, &[F_CTRL_RX, F_CTRL_VLAN, F_CTRL_MAC_ADDR])
}

/// Returns the interface, up, with settings that have to be sent again.
fn told(fixture: &NetFixture) -> Result<Nic> {
    let nic = fixture.up()?;
    nic.set_mac(OTHER_MAC)?;
    nic.set_promiscuous(true)?;
    messages::logged(ANEW);
    check!(wait::until(DEADLINE_MS, || fixture.fake.held(0) > 0));
    Ok(nic)
}

/// Checks that the card was reset, and works as before.
fn goes_on(fixture: &NetFixture, nic: &Nic, resets: u32, told: usize) -> Result {
    check!(wait::until(DEADLINE_MS, || fixture.fake.resets() > resets
        && !fixture.fake.may_do_io()
        && fixture.fake.held(0) > 0
        && nic.state().carrier));
    // The address and promiscuous mode were sent again.
    check!(wait::until(DEADLINE_MS, || fixture.fake_nic.told() > told));
    check!(fixture.fake_nic.was_told(1, 1, &OTHER_MAC));
    check!(fixture.fake_nic.was_told(0, 0, &[1]));
    let sent = fixture.fake_nic.sent();
    let frame = from_us(7, 100)?;
    check!(wait::until(DEADLINE_MS, || nic
        .send(&frame, 0, Offload::default())
        .is_ok()));
    check!(wait::until(DEADLINE_MS, || fixture.fake_nic.sent() > sent));
    let received = nic.stats().rx_packets;
    receive(&fixture.fake, &[&rx_header(0), &to_us(8, 100)?], None)?;
    check!(wait::until(DEADLINE_MS, || nic.stats().rx_packets > received));
    check_eq!(fixture.fake.violations(), 0);
    check!(messages::logged(ANEW) >= 1);
    Ok(())
}

/// Has the card leave a command without an answer. It answers the later ones.
fn leave_command(fixture: &NetFixture, nic: &Nic) -> Result {
    fixture.fake_nic.answer(Answer::Silence);
    let done = nic.set_mac([0x52, 0x54, 0, 1, 2, 3]);
    fixture.fake_nic.answer(Answer::Ack(0));
    check!(done.is_err());
    Ok(())
}

/// Returns the interface of a card whose watchdog looks often, up, with a full transmit queue. The
/// card sends nothing.
fn sends_nothing(fixture: &NetFixture) -> Result<Nic> {
    fixture.nic()?.set_watchdog(WATCHDOG_MS)?;
    let nic = told(fixture)?;
    fixture.fake_nic.hold_tx(true);
    let frame = from_us(1, 64)?;
    while nic.send(&frame, 0, Offload::default()).is_ok() {}
    Ok(nic)
}

/// Checks that a card whose queues cannot be found is given up, with this message, and that it
/// comes back once they can be found and its function was reset.
fn is_given_up(fixture: NetFixture, nic: Nic, message: &'static CStr) -> Result {
    check!(wait::until(60_000, || messages::logged(message) > 0));
    check!(!nic.state().carrier);
    check_eq!(fixture.fake.queues(), 0);
    check!(nic.set_mac([0x52, 0x54, 0, 1, 2, 4]).is_err());
    fixture.fake_nic.hold_tx(false);
    fixture.fake.fault(|faults| faults.find_vqs = 0);
    let (resets, told) = (fixture.fake.resets(), fixture.fake_nic.told());
    fixture.reset()?;
    messages::logged(ANEW);
    check!(wait::until(DEADLINE_MS, || nic.state().carrier));
    check!(fixture.fake.resets() > resets && fixture.fake_nic.told() > told);
    check!(fixture.fake_nic.was_told(1, 1, &OTHER_MAC));
    drop(nic);
    fixture.remove(DEADLINE_MS, drop)
}

#[kunit_tests(rust_virtio_net_restart)]
mod suite {
    use super::*;

    /// A receive queue breaks.
    #[test]
    fn h001_broken_receive_queue() -> Result {
        let fixture = fixture()?;
        let nic = told(&fixture)?;
        let (resets, told) = (fixture.fake.resets(), fixture.fake_nic.told());
        fixture.fake.finish(0, |_| Action::CompleteAs {
            id: 0x7777,
            len: 100,
        })?;
        goes_on(&fixture, &nic, resets, told)
    }

    /// A transmit queue breaks.
    #[test]
    fn h003_broken_transmit_queue() -> Result {
        let fixture = fixture()?;
        let nic = told(&fixture)?;
        let (resets, told) = (fixture.fake.resets(), fixture.fake_nic.told());
        fixture.fake_nic.hold_tx(true);
        nic.send(&from_us(1, 100)?, 0, Offload::default())?;
        check!(wait::until(DEADLINE_MS, || fixture.fake.held(1) > 0));
        fixture.fake_nic.hold_tx(false);
        fixture
            .fake
            .finish(1, |_| Action::CompleteAs { id: 0x7777, len: 0 })?;
        goes_on(&fixture, &nic, resets, told)
    }

    /// A transmit queue is broken while it is stopped. The poll of the receive queue notices,
    /// before the watchdog does.
    #[test]
    fn broken_transmit_queue_receiving() -> Result {
        let fixture = fixture()?;
        let nic = told(&fixture)?;
        let (resets, told) = (fixture.fake.resets(), fixture.fake_nic.told());
        fixture.fake_nic.hold_tx(true);
        let frame = from_us(1, 64)?;
        while nic.send(&frame, 0, Offload::default()).is_ok() {}
        check!(wait::until(DEADLINE_MS, || fixture.fake.held(1) > 0));
        fixture.fake_nic.hold_tx(false);
        fixture
            .fake
            .finish_silently(1, |_| Action::CompleteAs { id: 0x7777, len: 0 })?;
        receive(&fixture.fake, &[&rx_header(0), &to_us(8, 100)?], None)?;
        goes_on(&fixture, &nic, resets, told)?;
        check_eq!(nic.stats().tx_errors, 0);
        Ok(())
    }

    /// A transmit queue is broken while it is stopped: the watchdog notices at once.
    #[test]
    fn broken_transmit_queue_stopped() -> Result {
        long!();
        for tx_frames in [1, 0] {
            let fixture = fixture()?;
            fixture.nic()?.set_tx_frames(tx_frames)?;
            fixture.nic()?.set_watchdog(WATCHDOG_MS)?;
            let nic = told(&fixture)?;
            let (resets, told) = (fixture.fake.resets(), fixture.fake_nic.told());
            fixture.fake_nic.hold_tx(true);
            let frame = from_us(1, 64)?;
            while nic.send(&frame, 0, Offload::default()).is_ok() {}
            check!(wait::until(DEADLINE_MS, || fixture.fake.held(1) > 0));
            messages::logged(BROKEN);
            fixture
                .fake
                .finish_silently(1, |_| Action::CompleteAs { id: 0x7777, len: 0 })?;
            check!(wait::until(60_000, || fixture.fake.resets() > resets));
            check!(wait::until(DEADLINE_MS, || messages::logged(BROKEN) > 0));
            fixture.fake_nic.hold_tx(false);
            check!(wait::until(DEADLINE_MS, || nic.state().carrier));
            let sent = fixture.fake_nic.sent();
            check!(wait::until(DEADLINE_MS, || nic
                .send(&frame, 0, Offload::default())
                .is_ok()));
            check!(wait::until(DEADLINE_MS, || fixture.fake_nic.sent() > sent));
            check!(fixture.fake_nic.told() > told);
        }
        Ok(())
    }

    /// The card asks for a reset.
    #[test]
    fn h054_needs_reset() -> Result {
        let fixture = fixture()?;
        let nic = told(&fixture)?;
        let (resets, told) = (fixture.fake.resets(), fixture.fake_nic.told());
        fixture.fake.needs_reset();
        goes_on(&fixture, &nic, resets, told)
    }

    /// The card no longer sends: the watchdog notices.
    #[test]
    fn h114_sends_nothing() -> Result {
        long!();
        let fixture = fixture()?;
        let nic = sends_nothing(&fixture)?;
        let (resets, told) = (fixture.fake.resets(), fixture.fake_nic.told());
        check!(wait::until(60_000, || fixture.fake.resets() > resets));
        fixture.fake_nic.hold_tx(false);
        goes_on(&fixture, &nic, resets, told)
    }

    /// The card does not answer a command.
    #[test]
    fn h118_command_without_answer() -> Result {
        let mut fixture = fixture()?;
        fixture.hasten();
        let nic = told(&fixture)?;
        let (resets, told) = (fixture.fake.resets(), fixture.fake_nic.told());
        leave_command(&fixture, &nic)?;
        check!(wait::until(60_000, || fixture.fake.resets() > resets));
        goes_on(&fixture, &nic, resets, told)
    }

    /// The card is gone: it is given up, and removal ends.
    #[test]
    fn h050_gone() -> Result {
        let fixture = fixture()?;
        let nic = told(&fixture)?;
        messages::logged(GIVEN_UP);
        fixture.fake.fault(|faults| faults.gone = true);
        fixture.fake.config_interrupt();
        check!(wait::until(DEADLINE_MS, || !nic.state().carrier));
        check!(wait::until(DEADLINE_MS, || messages::logged(GIVEN_UP) > 0));
        drop(nic);
        fixture.remove(DEADLINE_MS, drop)
    }

    /// The card ignores resets from now on: it is given up after a bounded wait, and removal ends.
    #[test]
    fn h049_deaf() -> Result {
        let mut fixture = fixture()?;
        fixture.hasten();
        let nic = told(&fixture)?;
        messages::logged(GIVEN_UP);
        fixture.fake.fault(|faults| faults.reset_ignored = true);
        fixture.fake.needs_reset();
        check!(wait::until(DEADLINE_MS, || messages::logged(GIVEN_UP) > 0));
        check!(wait::until(DEADLINE_MS, || !nic.state().carrier));
        drop(nic);
        fixture.remove(DEADLINE_MS, drop)
    }

    /// A card that ignores resets is removed while it is in use.
    #[test]
    fn h049_removed_deaf() -> Result {
        let mut fixture = fixture()?;
        fixture.hasten();
        let nic = told(&fixture)?;
        fixture.fake.fault(|faults| faults.reset_ignored = true);
        drop(nic);
        fixture.remove(DEADLINE_MS, drop)
    }

    /// The queues cannot be found once: the driver tries again.
    #[test]
    fn second_attempt() -> Result {
        let fixture = fixture()?;
        let nic = told(&fixture)?;
        let (resets, told) = (fixture.fake.resets(), fixture.fake_nic.told());
        fixture
            .fake
            .fault(|faults| faults.find_vqs_once = NO_QUEUES);
        fixture.fake.needs_reset();
        goes_on(&fixture, &nic, resets, told)
    }

    /// The card does not answer a command, and its queues cannot be found once: the driver tries
    /// again, although the device owes no answer any longer.
    #[test]
    fn h118_second_attempt() -> Result {
        let mut fixture = fixture()?;
        fixture.hasten();
        let nic = told(&fixture)?;
        let (resets, told) = (fixture.fake.resets(), fixture.fake_nic.told());
        fixture
            .fake
            .fault(|faults| faults.find_vqs_once = NO_QUEUES);
        leave_command(&fixture, &nic)?;
        check!(wait::until(60_000, || fixture.fake.resets() > resets));
        goes_on(&fixture, &nic, resets, told)
    }

    /// The card does not answer a command, and its queues cannot be found from then on: it is given
    /// up.
    #[test]
    fn h118_no_queues() -> Result {
        let mut fixture = fixture()?;
        fixture.hasten();
        let nic = told(&fixture)?;
        messages::logged(COMMAND_GIVEN_UP);
        fixture.fake.fault(|faults| faults.find_vqs = NO_QUEUES);
        leave_command(&fixture, &nic)?;
        is_given_up(fixture, nic, COMMAND_GIVEN_UP)
    }

    /// The card sends nothing, and its queues cannot be found once: the driver tries again.
    #[test]
    fn h114_second_attempt() -> Result {
        long!();
        let fixture = fixture()?;
        fixture
            .fake
            .fault(|faults| faults.find_vqs_once = NO_QUEUES);
        let nic = sends_nothing(&fixture)?;
        let (resets, told) = (fixture.fake.resets(), fixture.fake_nic.told());
        check!(wait::until(60_000, || fixture.fake.resets() > resets));
        fixture.fake_nic.hold_tx(false);
        goes_on(&fixture, &nic, resets, told)
    }

    /// The card sends nothing, and its queues cannot be found after that: it is given up.
    #[test]
    fn h114_no_queues() -> Result {
        long!();
        let fixture = fixture()?;
        messages::logged(TX_GIVEN_UP);
        fixture.fake.fault(|faults| faults.find_vqs = NO_QUEUES);
        let nic = sends_nothing(&fixture)?;
        is_given_up(fixture, nic, TX_GIVEN_UP)
    }

    /// A card that asks for a reset again and again is given up in the end, and comes back after a
    /// reset of its function.
    #[test]
    fn given_up_after_some() -> Result {
        long!();
        let fixture = fixture()?;
        let nic = told(&fixture)?;
        messages::logged(GIVEN_UP);
        let mut given_up = false;
        for _ in 0..10 {
            let resets = fixture.fake.resets();
            fixture.fake.needs_reset();
            check!(wait::until(DEADLINE_MS, || {
                given_up = given_up || messages::logged(GIVEN_UP) > 0;
                given_up || fixture.fake.resets() > resets && nic.state().carrier
            }));
            if given_up {
                break;
            }
        }
        check!(given_up);
        check!(!nic.state().carrier);
        fixture.reset()?;
        check!(wait::until(DEADLINE_MS, || nic.state().carrier));
        drop(nic);
        fixture.remove(DEADLINE_MS, drop)
    }

    /// After a restart failed, an interface that is up can be taken down.
    #[test]
    fn taken_down_when_given_up() -> Result {
        long!();
        let fixture = fixture()?;
        let nic = told(&fixture)?;
        fixture.fake.fault(|faults| faults.gone = true);
        fixture.fake.config_interrupt();
        check!(wait::until(DEADLINE_MS, || !nic.state().carrier));
        nic.set_up(false)?;
        check!(nic.set_up(true).is_err());
        drop(nic);
        fixture.remove(DEADLINE_MS, drop)
    }

    /// A card that did not wake up is restarted, with its settings.
    #[test]
    fn h140_not_woken() -> Result {
        long!();
        let fixture = fixture()?;
        let nic = told(&fixture)?;
        let plug = fixture.plug.as_ref().ok_or(ENODEV)?;
        plug.reset_prepare()?;
        let (resets, told) = (fixture.fake.resets(), fixture.fake_nic.told());
        fixture
            .fake
            .fault(|faults| faults.find_vqs_once = NO_QUEUES);
        let _ = plug.reset_done();
        goes_on(&fixture, &nic, resets, told)
    }
}
