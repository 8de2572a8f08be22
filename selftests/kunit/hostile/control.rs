// SPDX-License-Identifier: GPL-2.0

//! Commands of the hostile catalogue (`docs/hostile.md`), besides those of the suite
//! `rust_virtio_net_control`.

use super::{
    super::{
        Config,
        F_GUEST_ANNOUNCE,
        F_MAC,
        F_STATUS, //
    },
    *,
};

/// Number of configuration interrupts, each of which asks for an announcement.
const INTERRUPTS: usize = 200;

#[kunit_tests(rust_virtio_hostile_net_control)]
mod suite {
    use super::*;

    /// H045: a device that asks for announcements without end gets at most one for each request,
    /// and does not hold up other commands.
    #[test]
    fn h045_announcements() -> Result {
        let fixture = NetFixture::new(
            Config::default().status(3),
            &[
                F_MAC,
                F_STATUS,
                F_CTRL_VQ,
                F_CTRL_MAC_ADDR,
                F_GUEST_ANNOUNCE,
            ],
            3,
        )?;
        let nic = fixture.up()?;
        for _ in 0..INTERRUPTS {
            fixture.fake.config_interrupt();
        }
        check!(wait::until(5_000, || fixture.fake_nic.commands(3, 0) > 0));
        nic.set_mac(OTHER_MAC)?;
        check!(fixture.fake_nic.was_told(1, 1, &OTHER_MAC));
        // The driver reads the status once more when the interface goes up.
        check!(fixture.fake_nic.commands(3, 0) <= INTERRUPTS + 1);
        check!(nic.state().carrier);
        Ok(())
    }

    /// H127: the queue breaks during a command: the command fails, its memory stays with the queue,
    /// and the interface can be removed.
    #[test]
    fn h127_queue_breaks() -> Result {
        let fixture = fixture()?;
        let nic = fixture.nic()?;
        fixture.fake_nic.answer(Answer::WrongId);
        check!(nic.set_mac(OTHER_MAC).is_err());
        check_eq!(nic.state().mac, super::super::super::MAC);
        drop(nic);
        fixture.remove(10_000, drop)
    }

    /// H128: the answer to a command that timed out is discarded.
    #[test]
    fn h128_late_answer() -> Result {
        let mut fixture = fixture()?;
        fixture.hasten();
        let nic = fixture.nic()?;
        fixture.fake_nic.answer(Answer::Silence);
        check!(nic.set_mac(OTHER_MAC).is_err());
        fixture.fake_nic.answer(Answer::Ack(0));
        fixture.fake.rescue();
        check_eq!(nic.state().mac, super::super::super::MAC);
        // The next command gets its own answer or fails. It does not get the answer to the command
        // before.
        let told = nic.set_mac(OTHER_MAC).is_ok();
        check_eq!(nic.state().mac == OTHER_MAC, told);
        // The old address may have been sent again, too.
        check!(fixture.fake_nic.commands(1, 1) > usize::from(told));
        drop(nic);
        fixture.remove(10_000, drop)
    }
}
