// SPDX-License-Identifier: GPL-2.0

//! Settings that are sent again after a reset.

use super::{
    fake_nic::Answer,
    frame::from_us,
    lacks_vlans,
    NetFixture,
    F_GUEST_CSUM,
    F_MAC,
    F_STATUS, //
};
use kernel::prelude::*;
use virtio_fake::{
    messages,
    wait,
    Offload, //
};

/// An address to set.
const OTHER_MAC: [u8; 6] = [0x52, 0x54, 0, 0xaa, 0xbb, 0xcc];

/// Classes of commands.
const RX: u8 = 0;
const MAC: u8 = 1;
const VLAN: u8 = 2;
const MQ: u8 = 4;
const OFFLOADS: u8 = 5;

#[kunit_tests(rust_virtio_net_restore)]
mod suite {
    use super::*;

    /// All settings are sent again, before there is traffic.
    #[test]
    fn told_before_traffic() -> Result {
        if lacks_vlans() {
            return Ok(());
        }
        let fixture = NetFixture::with_settings()?;
        let nic = fixture.up()?;
        nic.set_pairs(3)?;
        nic.set_mac(OTHER_MAC)?;
        nic.set_promiscuous(true)?;
        check!(wait::until(5_000, || fixture.fake_nic.was_told(
            RX,
            0,
            &[1]
        )));
        nic.set_vlan(5, true)?;
        nic.set_vlan(6, true)?;
        nic.set_vlan(6, false)?;
        nic.set_gro_hw(false)?;
        let pairs = fixture.fake_nic.commands(MQ, 0);
        let mut buffers = 0;
        let told = fixture.reset_with(|| {
            buffers = fixture.fake_nic.buffers();
            Ok(())
        })?;
        // I/O may go through the card.
        check!(!fixture.fake.may_do_io());
        check_eq!(fixture.fake_nic.commands(MQ, 0), pairs + 1);
        check!(fixture.fake_nic.was_told(MQ, 0, &3u16.to_le_bytes()));
        check!(fixture.fake_nic.was_told(MAC, 1, &OTHER_MAC));
        check!(fixture.fake_nic.was_told(RX, 0, &[1]));
        check!(fixture.fake_nic.was_told(VLAN, 0, &5u16.to_le_bytes()));
        let csum = 1u64 << F_GUEST_CSUM;
        check!(fixture.fake_nic.was_told(OFFLOADS, 0, &csum.to_le_bytes()));
        // The card had no receive buffer then.
        for (class, number) in [
            (MQ, 0),
            (MAC, 1),
            (RX, 0),
            (MAC, 0),
            (VLAN, 0),
            (OFFLOADS, 0),
        ] {
            let around = fixture.fake_nic.around(told, class, number);
            check_eq!(around.ok_or(ENODATA)?.1, buffers);
        }
        check!(wait::until(5_000, || fixture.fake_nic.buffers() > buffers));
        check!(nic.state().carrier);
        check_eq!(fixture.fake.violations(), 0);
        nic.set_vlan(5, false)?;
        nic.set_promiscuous(false)
    }

    /// If a setting is refused, the others are sent nevertheless.
    #[test]
    fn refused_in_part() -> Result {
        for class in [MQ, MAC, RX] {
            let fixture = NetFixture::with_settings()?;
            let nic = fixture.up()?;
            nic.set_pairs(3)?;
            nic.set_mac(OTHER_MAC)?;
            let counts = || {
                [(MQ, 0), (MAC, 0), (MAC, 1), (RX, 0), (RX, 1)]
                    .map(|(class, number)| fixture.fake_nic.commands(class, number))
            };
            let mut before = [0; 5];
            fixture.reset_with(|| {
                before = counts();
                fixture.fake_nic.answer_some(&[class], Answer::Ack(1))
            })?;
            for (now, before) in counts().into_iter().zip(before) {
                check!(now > before);
            }
            let queues = if class == MQ { 1 } else { 3 };
            check_eq!(
                (nic.state().rx_queues, nic.state().tx_queues),
                (queues, queues)
            );
            check!(nic.state().running && nic.state().carrier);
        }
        Ok(())
    }

    /// The link goes down, or comes back, while the card has no queues. The card does not signal
    /// the change.
    #[test]
    fn link() -> Result {
        let fixture = NetFixture::with(&[F_STATUS])?;
        let nic = fixture.up()?;
        for up in [0, 1] {
            fixture.reset_with(|| {
                fixture.fake.set_config(6, &[up, 0]);
                Ok(())
            })?;
            check!(wait::until(5_000, || nic.state().carrier == (up != 0)));
        }
        Ok(())
    }

    /// Frames that the card had do not count against the byte limit of the queue afterwards.
    #[test]
    fn byte_limit() -> Result {
        if !cfg!(CONFIG_BQL) {
            messages::skip(c"the kernel has no byte limits");
            return Ok(());
        }
        let fixture = NetFixture::with(&[])?;
        // Only frames of the test count.
        fixture.nic()?.disable_ipv6()?;
        let nic = fixture.up()?;
        fixture.fake_nic.hold_tx(true);
        for _ in 0..3 {
            nic.send(&from_us(1, 64)?, 0, Offload::default())?;
        }
        check_eq!(nic.state().outstanding, 3 * 64);
        fixture.reset()?;
        check_eq!(nic.state().outstanding, 0);
        Ok(())
    }

    /// A legacy card whose address is in its configuration.
    #[test]
    fn legacy_address() -> Result {
        if let Some(fixture) = NetFixture::legacy(&[F_MAC])? {
            let nic = fixture.nic()?;
            nic.set_mac(OTHER_MAC)?;
            check_eq!(fixture.fake.config::<6>(0), OTHER_MAC);
            fixture.reset_with(|| {
                fixture.fake.set_config(0, &super::super::MAC);
                Ok(())
            })?;
            check_eq!(fixture.fake.config::<6>(0), OTHER_MAC);
            check_eq!(nic.state().mac, OTHER_MAC);
        }
        Ok(())
    }
}
