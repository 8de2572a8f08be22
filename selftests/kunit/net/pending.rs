// SPDX-License-Identifier: GPL-2.0

//! Settings that the driver cannot send at first, and sends later.

use super::{
    fake_nic::Answer,
    lacks_vlans,
    NetFixture,
    F_GUEST_CSUM,
    F_GUEST_TSO4, //
};
use kernel::prelude::*;
use virtio_fake::{
    messages,
    wait,
    Addresses,
    Nic, //
};

/// An address to set.
const OTHER_MAC: [u8; 6] = [0x52, 0x54, 0, 0xaa, 0xbb, 0xcc];
/// Another address to set.
const MAC_AGAIN: [u8; 6] = [0x52, 0x54, 0, 0xaa, 0xbb, 0xcd];
/// A group address.
const GROUP: [u8; 6] = [0x01, 0x00, 0x5e, 0x01, 0x02, 0x03];

/// Classes of commands.
const RX: u8 = 0;
const MAC: u8 = 1;
const VLAN: u8 = 2;
const MQ: u8 = 4;
const OFFLOADS: u8 = 5;

/// The control queue of a card with settings.
const CONTROL: usize = 8;

/// The time in which all settings have to be sent, in milliseconds.
const DEADLINE_MS: u32 = 40_000;

/// The part of the message about settings that are not sent again.
const GIVING_UP: &CStr = c"gave up sending settings to the device";

/// The part of the message about commands that are not sent because others took too long.
const TOO_LONG: &CStr = c"control commands have taken too long in all";

/// Returns the interface, up, with a setting of each kind but VLANs.
fn set(fixture: &NetFixture) -> Result<Nic> {
    let nic = fixture.up()?;
    nic.set_pairs(3)?;
    nic.set_mac(OTHER_MAC)?;
    nic.set_promiscuous(true)?;
    nic.add_multicast(GROUP)?;
    nic.set_gro_hw(false)?;
    check!(wait::until(5_000, || fixture.fake_nic.was_told_since(
        0,
        RX,
        0,
        &[1]
    )));
    Ok(nic)
}

/// Whether the card got each setting but VLANs after `skip` commands.
fn is_told(fixture: &NetFixture, skip: usize) -> bool {
    let told =
        |class, number, data: &[u8]| fixture.fake_nic.was_told_since(skip, class, number, data);
    told(MQ, 0, &3u16.to_le_bytes())
        && told(MAC, 1, &OTHER_MAC)
        && told(RX, 0, &[1])
        && told(RX, 1, &[0])
        && fixture.fake_nic.around(skip, MAC, 0).is_some()
        && told(OFFLOADS, 0, &(1u64 << F_GUEST_CSUM).to_le_bytes())
}

/// Whether the card got a VLAN after `skip` commands.
fn has_vlan(fixture: &NetFixture, skip: usize, vid: u16) -> bool {
    fixture
        .fake_nic
        .was_told_since(skip, VLAN, 0, &vid.to_le_bytes())
}

#[kunit_tests(rust_virtio_net_pending)]
mod suite {
    use super::*;

    /// Memory is short after a reset: each setting is sent once there is memory.
    #[test]
    fn no_memory() -> Result {
        let fixture = NetFixture::with_settings_on(Some(Addresses::Marked))?;
        let nic = set(&fixture)?;
        let vlans: &[u16] = if lacks_vlans() { &[] } else { &[5, 6] };
        for &vid in vlans {
            nic.set_vlan(vid, true)?;
        }
        let skip = fixture.reset_with(|| {
            fixture.fake.limit_maps(Some(0));
            Ok(())
        })?;
        check_eq!(fixture.fake_nic.told(), skip);
        check_eq!((nic.state().rx_queues, nic.state().tx_queues), (1, 1));
        fixture.fake.limit_maps(None);
        check!(wait::until(DEADLINE_MS, || is_told(&fixture, skip)
            && vlans.iter().all(|&vid| has_vlan(&fixture, skip, vid))));
        check!(fixture.fake_nic.was_told_of(MAC, 0, &GROUP));
        check!(wait::until(DEADLINE_MS, || nic.state().rx_queues == 3));
        check_eq!(nic.state().tx_queues, 3);
        check!(nic.state().running && nic.state().carrier);
        check_eq!(fixture.fake.violations(), 0);
        for &vid in vlans {
            nic.set_vlan(vid, false)?;
        }
        Ok(())
    }

    /// Memory stays short: the driver gives up, and the next reset sends all settings.
    #[test]
    fn no_memory_for_long() -> Result {
        long!();
        let fixture = NetFixture::with_settings_on(Some(Addresses::Marked))?;
        let nic = set(&fixture)?;
        messages::logged(GIVING_UP);
        let skip = fixture.reset_with(|| {
            fixture.fake.limit_maps(Some(0));
            Ok(())
        })?;
        check!(wait::until(DEADLINE_MS, || messages::logged(GIVING_UP) > 0));
        check_eq!(fixture.fake_nic.told(), skip);
        fixture.fake.limit_maps(None);
        let skip = fixture.reset()?;
        check!(is_told(&fixture, skip));
        check!(nic.state().running && nic.state().carrier);
        Ok(())
    }

    /// A command is not answered after a reset: the driver does not wait for the others too, and
    /// sends them once the answer has come.
    #[test]
    fn answered_late() -> Result {
        if lacks_vlans() {
            return Ok(());
        }
        let fixture = NetFixture::with_settings()?;
        let nic = set(&fixture)?;
        for vid in 5..8 {
            nic.set_vlan(vid, true)?;
        }
        let skip = fixture.reset_with(|| fixture.fake_nic.answer_some(&[VLAN], Answer::Later))?;
        let resets = fixture.fake.resets();
        let vlans = |skip| (5..8).filter(|&vid| has_vlan(&fixture, skip, vid)).count();
        check_eq!(vlans(skip), 1);
        check_eq!(fixture.fake.held(CONTROL), 1);
        check!(fixture.fake_nic.around(skip, OFFLOADS, 0).is_none());
        let again = fixture.fake_nic.told();
        fixture.fake_nic.answer_class(VLAN, Answer::Ack(0));
        fixture.answer_late()?;
        check!(wait::until(DEADLINE_MS, || vlans(again) == 3));
        check!(wait::until(DEADLINE_MS, || is_told(&fixture, skip)));
        check_eq!(fixture.fake.resets(), resets);
        check_eq!(fixture.fake.violations(), 0);
        for vid in 5..8 {
            nic.set_vlan(vid, false)?;
        }
        Ok(())
    }

    /// A user changes a setting while the device owes an answer, and gets no error: the setting is
    /// sent later.
    #[test]
    fn asked_for_meanwhile() -> Result {
        if lacks_vlans() {
            return Ok(());
        }
        let fixture = NetFixture::with_settings()?;
        let nic = fixture.up()?;
        fixture.fake_nic.answer_class(RX, Answer::Later);
        nic.set_promiscuous(true)?;
        check!(wait::until(DEADLINE_MS, || fixture.fake.held(CONTROL) == 1));
        nic.set_vlan(5, true)?;
        let (resets, skip) = (fixture.fake.resets(), fixture.fake_nic.told());
        fixture.fake_nic.answer_class(RX, Answer::Ack(0));
        fixture.answer_late()?;
        check!(wait::until(DEADLINE_MS, || fixture
            .fake_nic
            .was_told_since(skip, RX, 0, &[1])
            && fixture.fake_nic.around(skip, MAC, 0).is_some()));
        check!(wait::until(DEADLINE_MS, || has_vlan(&fixture, skip, 5)));
        check_eq!(fixture.fake.resets(), resets);
        nic.set_vlan(5, false)
    }

    /// A change fails because the card does not answer. The card may have made the change, so the
    /// driver sends the setting that the interface has.
    #[test]
    fn changed_all_the_same() -> Result {
        long!();
        let fixture = NetFixture::with_settings()?;
        let nic = fixture.up()?;
        let mac = nic.state().mac;
        let pairs = nic.state().rx_queues as u16;
        let other = if pairs == 1 { 2 } else { 1 };
        let both = 1u64 << F_GUEST_CSUM | 1 << F_GUEST_TSO4;
        for class in [MAC, MQ, OFFLOADS] {
            let (done, skip) = fixture.unanswered(&[class], || match class {
                MAC => nic.set_mac(OTHER_MAC),
                MQ => nic.set_pairs(other),
                _ => nic.set_gro_hw(false),
            })?;
            check!(done.is_err());
            check!(wait::until(DEADLINE_MS, || match class {
                MAC => fixture.fake_nic.was_told_since(skip, MAC, 1, &mac),
                MQ => fixture
                    .fake_nic
                    .was_told_since(skip, MQ, 0, &pairs.to_le_bytes()),
                _ => fixture
                    .fake_nic
                    .was_told_since(skip, OFFLOADS, 0, &both.to_le_bytes()),
            }));
        }
        Ok(())
    }

    /// A change of the number of pairs fails because the card does not answer, and memory is short
    /// after that: as many pairs as before stay in use.
    #[test]
    fn pairs_stay() -> Result {
        long!();
        let fixture = NetFixture::with_settings_on(Some(Addresses::Marked))?;
        let nic = fixture.up()?;
        nic.set_pairs(3)?;
        let (done, skip) = fixture.unanswered(&[MQ], || nic.set_pairs(2))?;
        fixture.fake.limit_maps(Some(0));
        check!(done.is_err());
        // The second attempt comes after a second.
        wait::pause(1_500);
        check_eq!((nic.state().rx_queues, nic.state().tx_queues), (3, 3));
        fixture.fake.limit_maps(None);
        let wanted = 3u16.to_le_bytes();
        check!(wait::until(DEADLINE_MS, || fixture
            .fake_nic
            .was_told_since(skip, MQ, 0, &wanted)));
        check_eq!((nic.state().rx_queues, nic.state().tx_queues), (3, 3));
        Ok(())
    }

    /// A card that is slow to take each of many VLANs. The driver sends some of them, and the
    /// others later, so that it does not hold the RTNL for long. It takes more than five attempts,
    /// and the driver does not give up.
    #[test]
    fn slow() -> Result {
        const VLANS: u16 = 64;
        if lacks_vlans() {
            return Ok(());
        }
        let mut fixture = NetFixture::with_settings()?;
        fixture.hasten();
        let nic = fixture.up()?;
        for vid in 1..=VLANS {
            nic.set_vlan(vid, true)?;
        }
        let vlans = |skip| {
            let has = |vid: &u16| has_vlan(&fixture, skip, *vid);
            (1..=VLANS).filter(has).count()
        };
        messages::logged(GIVING_UP);
        // Each command counts for at least the shorter of this time and the longest pause, which is
        // 10 ms, and for about this time if the machine is not busy. An attempt ends after 500 ms.
        let slowly = Answer::Slowly(60);
        let skip = fixture.reset_with(|| fixture.fake_nic.answer_some(&[VLAN], slowly))?;
        check!(vlans(skip) < VLANS.into());
        check!(wait::until(DEADLINE_MS, || vlans(skip) == VLANS.into()));
        check_eq!(messages::logged(GIVING_UP), 0);
        fixture.fake_nic.answer_class(VLAN, Answer::Ack(0));
        for vid in 1..=VLANS {
            nic.set_vlan(vid, false)?;
        }
        check_eq!(fixture.fake.violations(), 0);
        Ok(())
    }

    /// A card that is slow to take each of many VLANs, which the core adds, and then removes, in
    /// one section of the RTNL. After a while the driver sends no more commands, in each section.
    /// The VLANs that were added are sent later.
    #[test]
    fn slow_section() -> Result {
        const VLANS: u16 = 100;
        if lacks_vlans() {
            return Ok(());
        }
        let mut fixture = NetFixture::with_settings()?;
        fixture.hasten();
        let nic = fixture.up()?;
        // The last section ends before the answers are slow.
        wait::pause(100);
        let all = usize::from(VLANS);
        messages::logged(TOO_LONG);
        fixture.fake_nic.answer_class(VLAN, Answer::Slowly(15));
        nic.set_vlans(VLANS, true)?;
        let sent = fixture.fake_nic.commands(VLAN, 0);
        check!(sent > 0 && sent < all);
        check_eq!(messages::logged(TOO_LONG), 1);
        fixture.fake_nic.answer_class(VLAN, Answer::Ack(0));
        let resets = fixture.fake.resets();
        check!(wait::until(DEADLINE_MS, || (1..=VLANS)
            .all(|vid| has_vlan(&fixture, 0, vid))));
        // A setting of another kind can be changed again.
        nic.set_mac(OTHER_MAC)?;
        fixture.fake_nic.answer_class(VLAN, Answer::Slowly(15));
        nic.set_vlans(VLANS, false)?;
        let sent = fixture.fake_nic.commands(VLAN, 1);
        check!(sent > 0 && sent < all);
        check_eq!(messages::logged(TOO_LONG), 1);
        check_eq!(fixture.fake.resets(), resets);
        fixture.fake_nic.answer_class(VLAN, Answer::Ack(0));
        check!(wait::until(DEADLINE_MS, || nic.set_mac(MAC_AGAIN).is_ok()));
        check_eq!(fixture.fake.violations(), 0);
        Ok(())
    }
}
