// SPDX-License-Identifier: GPL-2.0

//! Settings that change while the card has no queues: the last ones count.

use super::{
    fake_nic::Answer,
    lacks_vlans,
    NetFixture,
    F_GUEST_CSUM, //
};
use kernel::prelude::*;
use virtio_fake::{
    wait,
    Nic, //
};

/// An address to set.
const OTHER_MAC: [u8; 6] = [0x52, 0x54, 0, 0xaa, 0xbb, 0xcc];
/// A group address.
const GROUP: [u8; 6] = [0x01, 0x00, 0x5e, 0x01, 0x02, 0x03];

/// Classes of commands.
const RX: u8 = 0;
const MAC: u8 = 1;
const VLAN: u8 = 2;
const MQ: u8 = 4;
const OFFLOADS: u8 = 5;

/// Returns the number of queues in use, of both kinds.
fn queues(nic: &Nic) -> (u32, u32) {
    (nic.state().rx_queues, nic.state().tx_queues)
}

#[kunit_tests(rust_virtio_net_detached)]
mod suite {
    use super::*;

    /// The number of pairs is refused once: after the next reset it is sent again. A number that
    /// the user asks for later replaces it.
    #[test]
    fn pairs_refused_once() -> Result {
        let fixture = NetFixture::with_settings()?;
        let nic = fixture.up()?;
        nic.set_pairs(3)?;
        let refuse = |ack| {
            fixture.reset_with(|| {
                fixture.fake_nic.answer_class(MQ, Answer::Ack(ack));
                Ok(())
            })
        };
        refuse(1)?;
        check_eq!(queues(&nic), (1, 1));
        refuse(1)?;
        check_eq!(queues(&nic), (1, 1));
        refuse(0)?;
        check_eq!(queues(&nic), (3, 3));
        check!(fixture.fake_nic.was_told(MQ, 0, &3u16.to_le_bytes()));
        refuse(1)?;
        fixture.fake_nic.answer_class(MQ, Answer::Ack(0));
        nic.set_pairs(2)?;
        refuse(0)?;
        check_eq!(queues(&nic), (2, 2));
        // A number that is refused does not replace the old one.
        fixture.fake_nic.answer_class(MQ, Answer::Ack(1));
        check!(nic.set_pairs(4).is_err());
        refuse(0)?;
        check_eq!(queues(&nic), (2, 2));
        check!(nic.state().running && nic.state().carrier);
        check_eq!(fixture.fake.violations(), 0);
        Ok(())
    }

    /// After the card refused a number, the user chooses the number in use. No command is sent, and
    /// the refused number is not sent again. (Today the core does not pass such a call to the
    /// driver.)
    #[test]
    fn pairs_in_use_are_chosen() -> Result {
        let fixture = NetFixture::with_settings()?;
        let nic = fixture.up()?;
        nic.set_pairs(3)?;
        fixture.reset_with(|| {
            fixture.fake_nic.answer_class(MQ, Answer::Ack(1));
            Ok(())
        })?;
        check_eq!(queues(&nic), (1, 1));
        nic.set_pairs(1)?;
        fixture.reset_with(|| {
            fixture.fake_nic.answer_class(MQ, Answer::Ack(0));
            Ok(())
        })?;
        check_eq!(queues(&nic), (1, 1));
        check!(fixture.fake_nic.was_told(MQ, 0, &1u16.to_le_bytes()));
        Ok(())
    }

    /// A VLAN that is removed does not come back, and the others do.
    #[test]
    fn vlans() -> Result {
        if lacks_vlans() {
            return Ok(());
        }
        let fixture = NetFixture::with_settings()?;
        let nic = fixture.up()?;
        nic.set_vlan(5, true)?;
        nic.set_vlan(6, true)?;
        let mut told = 0;
        fixture.reset_with(|| {
            told = fixture.fake_nic.commands(VLAN, 0);
            nic.set_vlan(6, false)?;
            check!(nic.set_vlan(7, true).is_err());
            Ok(())
        })?;
        check_eq!(fixture.fake_nic.commands(VLAN, 0), told + 1);
        check!(fixture.fake_nic.was_told(VLAN, 0, &5u16.to_le_bytes()));
        // A VLAN that the card refused is sent again.
        nic.set_vlan(5, false)?;
        fixture.fake_nic.answer_class(VLAN, Answer::Ack(1));
        nic.set_vlan(8, true)?;
        fixture.reset_with(|| {
            told = fixture.fake_nic.commands(VLAN, 0);
            fixture.fake_nic.answer_class(VLAN, Answer::Ack(0));
            Ok(())
        })?;
        check_eq!(fixture.fake_nic.commands(VLAN, 0), told + 1);
        check!(fixture.fake_nic.was_told(VLAN, 0, &8u16.to_le_bytes()));
        nic.set_vlan(8, false)
    }

    /// The receive mode and the addresses of the filter change.
    #[test]
    fn receive_mode() -> Result {
        let fixture = NetFixture::with_settings()?;
        let nic = fixture.up()?;
        fixture.reset_with(|| {
            nic.set_promiscuous(true)?;
            nic.add_multicast(GROUP)
        })?;
        check!(fixture.fake_nic.was_told(RX, 0, &[1]));
        check!(fixture.fake_nic.was_told_of(MAC, 0, &GROUP));
        fixture.reset_with(|| nic.set_promiscuous(false))?;
        check!(fixture.fake_nic.was_told(RX, 0, &[0]));
        check!(fixture.fake_nic.was_told_of(MAC, 0, &GROUP));
        Ok(())
    }

    /// A setting that cannot change without queues stays.
    #[test]
    fn refused() -> Result {
        let fixture = NetFixture::with_settings()?;
        let nic = fixture.up()?;
        nic.set_mac(OTHER_MAC)?;
        nic.set_pairs(2)?;
        fixture.reset_with(|| {
            check!(nic.set_mac([0x52, 0x54, 0, 1, 2, 3]).is_err());
            check!(nic.set_pairs(3).is_err());
            check!(nic.set_mtu(1000).is_err());
            Ok(())
        })?;
        check_eq!(nic.state().mac, OTHER_MAC);
        check!(fixture.fake_nic.was_told(MAC, 1, &OTHER_MAC));
        check_eq!(queues(&nic), (2, 2));
        check!(fixture.fake_nic.was_told(MQ, 0, &2u16.to_le_bytes()));
        check_eq!(nic.state().mtu, 1500);
        Ok(())
    }

    /// Offloads of received packets change.
    #[test]
    fn offloads() -> Result {
        let fixture = NetFixture::with_settings()?;
        let nic = fixture.up()?;
        fixture.reset_with(|| nic.set_gro_hw(false))?;
        check_eq!(fixture.fake_nic.commands(OFFLOADS, 0), 1);
        check!(fixture
            .fake_nic
            .was_told(OFFLOADS, 0, &(1u64 << F_GUEST_CSUM).to_le_bytes()));
        // After a reset all offloads are on.
        fixture.reset_with(|| nic.set_gro_hw(true))?;
        check_eq!(fixture.fake_nic.commands(OFFLOADS, 0), 1);
        Ok(())
    }

    /// The interface is taken down without queues.
    #[test]
    fn taken_down() -> Result {
        let fixture = NetFixture::with_settings()?;
        let nic = fixture.up()?;
        fixture.reset_with(|| {
            nic.set_promiscuous(true)?;
            nic.set_up(false)?;
            check!(nic.set_up(true).is_err());
            Ok(())
        })?;
        check!(!nic.state().running);
        let buffers = fixture.fake_nic.buffers();
        wait::pause(50);
        check_eq!(fixture.fake_nic.buffers(), buffers);
        nic.set_up(true)?;
        check!(wait::until(5_000, || fixture.fake_nic.buffers() > buffers
            && nic.state().carrier
            && fixture.fake_nic.was_told(RX, 0, &[1])));
        check_eq!(fixture.fake.violations(), 0);
        Ok(())
    }
}
