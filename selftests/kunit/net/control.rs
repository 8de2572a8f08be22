// SPDX-License-Identifier: GPL-2.0

//! The control queue: commands and their answers.

#[path = "../hostile/control.rs"]
mod hostile;

use super::{
    fake_nic::Answer,
    lacks_vlans,
    NetFixture,
    F_CTRL_GUEST_OFFLOADS,
    F_CTRL_MAC_ADDR,
    F_CTRL_RX,
    F_CTRL_VLAN,
    F_CTRL_VQ,
    F_GUEST_CSUM,
    F_GUEST_TSO4,
    F_MAC,
    F_MRG_RXBUF, //
};
use crate::{
    fixture::FORMATS,
    ring::WRONG_LENGTH, //
};
use kernel::prelude::*;
use virtio_fake::{
    messages,
    wait,
    Action, //
};

/// An address to set.
const OTHER_MAC: [u8; 6] = [0x52, 0x54, 0, 0xaa, 0xbb, 0xcc];

/// A command that takes longer is taken to hang for ever.
const STUCK_MS: i64 = 60_000;

fn fixture() -> Result<NetFixture> {
    on(&[])
}

/// Plugs a card with these features of the ring.
fn on(ring: &[u32]) -> Result<NetFixture> {
    let mut features = KVec::new();
    features.extend_from_slice(&[F_CTRL_VQ, F_CTRL_RX, F_CTRL_MAC_ADDR], GFP_KERNEL)?;
    features.extend_from_slice(ring, GFP_KERNEL)?;
    NetFixture::with(&features)
}

#[kunit_tests(rust_virtio_net_control)]
mod suite {
    use super::*;

    /// An address is set by command.
    #[test]
    fn mac_address() -> Result {
        let fixture = fixture()?;
        let nic = fixture.nic()?;
        nic.set_mac(OTHER_MAC)?;
        check!(fixture.fake_nic.was_told(1, 1, &OTHER_MAC));
        check_eq!(nic.state().mac, OTHER_MAC);
        Ok(())
    }

    /// The device refuses, or answers with a value that is not defined: the address stays.
    #[test]
    fn h120_mac_address_refused() -> Result {
        for answer in [
            Answer::Ack(1),
            Answer::Ack(7),
            Answer::Ack(0xff),
            Answer::Empty,
        ] {
            let fixture = fixture()?;
            let nic = fixture.nic()?;
            fixture.fake_nic.answer(answer);
            check!(nic.set_mac(OTHER_MAC).is_err());
            check_eq!(nic.state().mac, super::super::MAC);
            // The next command works.
            fixture.fake_nic.answer(Answer::Ack(0));
            nic.set_mac(OTHER_MAC)?;
            check_eq!(nic.state().mac, OTHER_MAC);
        }
        Ok(())
    }

    /// H008, H009: the answer decides, and not the length: no byte, the whole command counted too,
    /// an error number. The queue works on, and an impossible length is logged once.
    #[test]
    fn h008_h009_wrong_lengths() -> Result {
        for ring in FORMATS {
            for len in [0, 5, -5i32 as u32, u32::MAX] {
                let fixture = on(ring)?;
                let nic = fixture.nic()?;
                messages::logged(WRONG_LENGTH);
                fixture.fake_nic.answer(Answer::Counted(len));
                for last in 1..4 {
                    let mac = [0x52, 0x54, 0, 1, 2, last];
                    nic.set_mac(mac)?;
                    check!(fixture.fake_nic.was_told(1, 1, &mac));
                    check_eq!(nic.state().mac, mac);
                }
                check!(messages::logged(WRONG_LENGTH) == u32::from(len > 1) || crate::ANY_DRIVER);
                fixture.fake_nic.answer(Answer::Ack(1));
                check!(nic.set_mac(OTHER_MAC).is_err());
            }
        }
        Ok(())
    }

    /// Promiscuous mode is switched on and off.
    #[test]
    fn promiscuous() -> Result {
        let fixture = fixture()?;
        let nic = fixture.up()?;
        nic.set_promiscuous(true)?;
        check!(wait::until(5_000, || fixture.fake_nic.was_told(0, 0, &[1])));
        nic.set_promiscuous(false)?;
        check!(wait::until(5_000, || fixture.fake_nic.was_told(0, 0, &[0])));
        Ok(())
    }

    /// The table of addresses has two lists, each with its length.
    #[test]
    fn mac_table() -> Result {
        let fixture = fixture()?;
        let nic = fixture.up()?;
        // After a change of the mode the table is sent again.
        nic.set_promiscuous(true)?;
        check!(wait::until(5_000, || fixture.fake_nic.commands(1, 0) > 0));
        nic.set_promiscuous(false)?;
        // There is no unicast address but that of the card, and there are multicast addresses, such
        // as that of all hosts.
        let table = fixture.fake_nic.last(1, 0).ok_or(ENODATA)?;
        let (unicast, rest) = table.split_at_checked(4).ok_or(ENODATA)?;
        let (count, groups) = rest.split_at_checked(4).ok_or(ENODATA)?;
        check_eq!(unicast, [0; 4]);
        check_eq!(count, (groups.len() as u32 / 6).to_le_bytes());
        check!(!groups.is_empty() && groups.len() % 6 == 0);
        check!(groups
            .chunks(6)
            .all(|mac| mac.first().is_some_and(|byte| byte & 1 != 0)));
        check_eq!(fixture.fake.violations(), 0);
        Ok(())
    }

    /// VLANs are added and removed by command.
    #[test]
    fn vlans() -> Result {
        if lacks_vlans() {
            return Ok(());
        }
        let fixture = NetFixture::with(&[F_CTRL_VQ, F_CTRL_VLAN])?;
        let nic = fixture.nic()?;
        nic.set_vlan(5, true)?;
        check!(fixture.fake_nic.was_told(2, 0, &5u16.to_le_bytes()));
        check_eq!(fixture.fake_nic.commands(2, 1), 0);
        nic.set_vlan(5, false)?;
        check!(fixture.fake_nic.was_told(2, 1, &5u16.to_le_bytes()));
        // A refusal is not an error.
        fixture.fake_nic.answer(Answer::Ack(1));
        nic.set_vlan(6, true)?;
        check!(fixture.fake_nic.was_told(2, 0, &6u16.to_le_bytes()));
        nic.set_vlan(6, false)
    }

    /// A legacy device may require a descriptor for each of the two lists, and one for the header
    /// of the command.
    #[test]
    fn mac_table_of_legacy() -> Result {
        if let Some(fixture) = NetFixture::legacy(&[F_MAC, F_CTRL_VQ, F_CTRL_RX])? {
            let nic = fixture.up()?;
            nic.set_promiscuous(true)?;
            check!(wait::until(5_000, || fixture.fake_nic.commands(1, 0) > 0));
            check_eq!(fixture.fake_nic.around(0, 1, 0).ok_or(ENODATA)?.0, 3);
        }
        Ok(())
    }

    /// A late answer is taken, and commands work again.
    #[test]
    fn late_answer() -> Result {
        long!();
        let fixture = fixture()?;
        let nic = fixture.nic()?;
        fixture.fake_nic.answer(Answer::Later);
        check!(nic.set_mac(OTHER_MAC).is_err());
        check_eq!(fixture.fake.held(2), 1);
        // Until the answer comes, no command is sent.
        fixture.fake_nic.answer(Answer::Ack(0));
        check!(nic.set_mac(OTHER_MAC).is_err());
        check_eq!(fixture.fake_nic.commands(1, 1), 1);
        fixture.fake.finish(2, |chain| {
            let _ = chain.write(0, &[0]);
            Action::Complete(1)
        })?;
        nic.set_mac(OTHER_MAC)?;
        check_eq!(nic.state().mac, OTHER_MAC);
        // The old address may have been sent again, too.
        check!(fixture.fake_nic.commands(1, 1) >= 2);
        check!(fixture.fake_nic.was_told(1, 1, &OTHER_MAC));
        check_eq!(fixture.fake.violations(), 0);
        Ok(())
    }

    /// Offloads of received packets are switched by command, those that were negotiated.
    #[test]
    fn offloads() -> Result {
        let fixture = NetFixture::with(&[
            F_CTRL_VQ,
            F_CTRL_GUEST_OFFLOADS,
            F_GUEST_CSUM,
            F_GUEST_TSO4,
            F_MRG_RXBUF,
        ])?;
        let nic = fixture.up()?;
        nic.set_gro_hw(false)?;
        let csum = 1u64 << F_GUEST_CSUM;
        check!(fixture.fake_nic.was_told(5, 0, &csum.to_le_bytes()));
        nic.set_gro_hw(true)?;
        let both = csum | 1 << F_GUEST_TSO4;
        check!(fixture.fake_nic.was_told(5, 0, &both.to_le_bytes()));
        fixture.fake_nic.answer(Answer::Ack(1));
        check!(nic.set_gro_hw(false).is_err());
        Ok(())
    }

    /// Without an answer, the command fails after a while, and the next one at once. The interface
    /// can be removed.
    #[test]
    fn silence() -> Result {
        long!();
        let fixture = fixture()?;
        let nic = fixture.nic()?;
        fixture.fake_nic.answer(Answer::Silence);
        let (result, millis) = wait::time(|| nic.set_mac(OTHER_MAC));
        check!(result.is_err());
        check!(millis < STUCK_MS);
        check_eq!(nic.state().mac, super::super::MAC);
        let (result, again) = wait::time(|| nic.set_mac(OTHER_MAC));
        check!(result.is_err());
        check!(again < millis / 2);
        drop(nic);
        fixture.remove(10_000, drop)
    }

    /// The card is removed during a command.
    #[test]
    fn gone() -> Result {
        long!();
        let fixture = fixture()?;
        let nic = fixture.nic()?;
        fixture.fake.fault(|f| f.gone = true);
        let (result, millis) = wait::time(|| nic.set_mac(OTHER_MAC));
        check!(result.is_err());
        check!(millis < STUCK_MS);
        drop(nic);
        fixture.remove(10_000, virtio_fake::Plug::yank)
    }
}
