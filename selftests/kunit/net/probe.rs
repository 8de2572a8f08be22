// SPDX-License-Identifier: GPL-2.0

//! Features and configurations, valid and not.

#[path = "../hostile/net_config.rs"]
mod hostile;

use super::{
    check_driver,
    device,
    fake_nic::{
        Answer,
        FakeNic, //
    },
    frame::from_us,
    Config,
    NetFixture,
    F_CTRL_MAC_ADDR,
    F_CTRL_RX,
    F_CTRL_VLAN,
    F_CTRL_VQ,
    F_GUEST_ANNOUNCE,
    F_GUEST_CSUM,
    F_GUEST_TSO4,
    F_MAC,
    F_MQ,
    F_MRG_RXBUF,
    F_MTU,
    F_RSS,
    F_STATUS,
    ID,
    MAC, //
};
use kernel::{
    cpu::nr_cpu_ids,
    prelude::*, //
};
use virtio::time_limit::Haste;
use virtio_fake::{
    messages,
    wait,
    Fake,
    Nic,
    Offload,
    Param,
    Spec,
    VERSION_1, //
};

#[kunit_tests(rust_virtio_net_probe)]
mod suite {
    use super::*;

    /// The interface of a plain card has the expected properties.
    #[test]
    fn plain() -> Result {
        let fixture = NetFixture::with(&[])?;
        let nic = fixture.nic()?;
        let state = nic.state();
        check_eq!(state.mac, MAC);
        check!(!state.random_mac);
        check_eq!(state.mtu, 1500);
        check_eq!((state.rx_queues, state.tx_queues), (1, 1));
        check!(!state.running);
        nic.set_up(true)?;
        check!(nic.state().running && nic.state().carrier);
        check!(wait::until(5_000, || fixture.fake.held(0) > 0));
        nic.set_up(false)?;
        check!(!nic.state().running);
        Ok(())
    }

    /// Of all features, the driver takes those of its table, from a modern device and from a legacy
    /// one.
    #[test]
    fn every_feature() -> Result {
        let mut all = KVec::new();
        // The features between them are of the ring and of the transport, but for one of legacy
        // devices.
        for bits in [0..24, 42..128, 27..28] {
            for bit in bits {
                all.push(bit, GFP_KERNEL)?;
            }
        }
        let table = [
            0, 1, 2, 3, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 21, 22, 23, 50, 52, 53,
            54, 55, 56, 57, 59, 60, 62, 63,
        ];
        let low = table.iter().fold(0u64, |word, bit| word | 1 << bit);
        let fixture = NetFixture::new(Config::default(), &all, 3)?;
        // Bits 65 to 68.
        let high = 0x1e;
        check_eq!(fixture.fake.driver_features(), [low | 1 << VERSION_1, high]);
        drop(fixture);
        let spec = Spec::new(ID)
            .legacy()
            .features(&all)
            .config(&Config::default().0)?
            .queues(3, 64)?;
        let fake_nic = FakeNic::new(3, true)?;
        let fake = Fake::new(spec, fake_nic)?;
        fake.set_auto(true);
        let _plug = fake.plug()?;
        check_eq!(fake.driver_features(), [low | 1 << 6 | 1 << 27, 0]);
        Ok(())
    }

    /// The address is checked when the interface goes up.
    #[test]
    fn checks_address() -> Result {
        check!(NetFixture::with(&[])?.nic()?.state().checks_address);
        Ok(())
    }

    /// The weight of the NAPI instances is that of the parameter.
    #[test]
    fn napi_weight() -> Result {
        check_eq!(NetFixture::with(&[])?.nic()?.state().napi_weight, 64);
        let weight = Param::set(c"rust_virtio_net", c"napi_weight", c"16", c"64");
        if weight.is_err() {
            messages::skip(c"the driver is no module");
            return Ok(());
        }
        check_eq!(NetFixture::with(&[])?.nic()?.state().napi_weight, 16);
        Ok(())
    }

    /// The interface goes up and down with each kind of receive buffers.
    #[test]
    fn receive_modes() -> Result {
        for features in [
            &[][..],
            &[F_MRG_RXBUF],
            &[F_GUEST_CSUM, F_GUEST_TSO4],
            &[F_GUEST_CSUM, F_GUEST_TSO4, F_MRG_RXBUF],
        ] {
            let fixture = NetFixture::with(features)?;
            for _ in 0..3 {
                let nic = fixture.up()?;
                nic.set_up(false)?;
            }
            check_eq!(fixture.fake.violations(), 0);
        }
        Ok(())
    }

    /// A card without an address gets a random one, by command if the card takes commands.
    #[test]
    fn no_mac() -> Result {
        let fixture = NetFixture::new(Config::default(), &[], 2)?;
        let state = fixture.nic()?.state();
        check!(state.random_mac);
        check_eq!(state.mac[0] & 3, 2);

        let fixture = NetFixture::new(Config::default(), &[F_CTRL_VQ, F_CTRL_MAC_ADDR], 3)?;
        let state = fixture.nic()?.state();
        check!(state.random_mac);
        check!(fixture.fake_nic.was_told(1, 1, &state.mac));
        Ok(())
    }

    /// A card has an address that is not allowed: the interface gets another one, or cannot be
    /// used.
    #[test]
    fn h138_bad_mac() -> Result {
        for mac in [[0; 6], [0xff; 6], [1, 0, 0x5e, 0, 0, 1]] {
            let fixture = NetFixture::new(Config::default().mac(mac), &[F_MAC], 2)?;
            let nic = fixture.nic()?;
            let up = nic.set_up(true);
            let now = nic.state().mac;
            check!(up.is_err() || (now != mac && now[0] & 1 == 0));
        }
        Ok(())
    }

    /// The driver sends the new address to such a card, because the card may filter by it.
    #[test]
    fn h138_bad_mac_told() -> Result {
        let features = [F_MAC, F_CTRL_VQ, F_CTRL_MAC_ADDR];
        for answer in [0, 1] {
            let (fake_nic, fake) = device(Config::default().mac([0; 6]), &features, 3)?;
            fake_nic.answer(Answer::Ack(answer));
            let plug = Some(fake.plug()?);
            check!(fake.is_bound());
            let fixture = NetFixture::around(fake_nic, fake, plug);
            let state = fixture.nic()?.state();
            check!(state.random_mac);
            check!(fixture.fake_nic.was_told(1, 1, &state.mac));
        }
        // A valid address of the card is not sent to the card.
        let fixture = NetFixture::new(Config::default(), &features, 3)?;
        check_eq!(fixture.fake_nic.commands(1, 1), 0);
        Ok(())
    }

    /// The MTU of the device is used if it is allowed.
    #[test]
    fn mtu() -> Result {
        let fixture = NetFixture::new(Config::default().mtu(9000), &[F_MAC, F_MTU], 2)?;
        check!(fixture.fake.negotiated(F_MTU));
        let nic = fixture.nic()?;
        check_eq!((nic.state().mtu, nic.state().max_mtu), (9000, 9000));
        check!(nic.set_mtu(9001).is_err());
        nic.set_mtu(1400)?;
        check_eq!(nic.state().mtu, 1400);
        Ok(())
    }

    /// An MTU that is too small is not used.
    #[test]
    fn mtu_too_small() -> Result {
        for mtu in [0, 1, 67] {
            let fixture = NetFixture::new(Config::default().mtu(mtu), &[F_MAC, F_MTU], 2)?;
            check!(!fixture.fake.negotiated(F_MTU));
            check_eq!(fixture.nic()?.state().mtu, 1500);
        }
        Ok(())
    }

    /// The largest MTU is used.
    #[test]
    fn mtu_largest() -> Result {
        let fixture = NetFixture::new(
            Config::default().mtu(65535),
            &[F_MAC, F_MTU, F_MRG_RXBUF],
            2,
        )?;
        check_eq!(fixture.nic()?.state().mtu, 65535);
        drop(fixture.up()?);
        Ok(())
    }

    /// Numbers of pairs that are not allowed count as one.
    #[test]
    fn h132_odd_pairs() -> Result {
        for pairs in [0, 0x8001, 65535] {
            let (fake_nic, fake) =
                device(Config::default().pairs(pairs), &[F_MAC, F_MQ, F_CTRL_VQ], 3)?;
            let plug = fake.plug()?;
            check!(fake.is_bound());
            check_driver(&fake)?;
            let nic = Nic::of(&fake)?;
            check_eq!((nic.state().rx_queues, nic.state().tx_queues), (1, 1));
            check_eq!(fake.queues(), 3);
            drop(nic);
            drop(plug);
            drop(fake_nic);
        }
        Ok(())
    }

    /// The device has four pairs, and gets the number in use.
    #[test]
    fn pairs() -> Result {
        let fixture = NetFixture::new(Config::default().pairs(4), &[F_MAC, F_MQ, F_CTRL_VQ], 9)?;
        check_eq!(fixture.fake.queues(), 9);
        let nic = fixture.nic()?;
        nic.set_pairs(3)?;
        check!(fixture.fake_nic.was_told(4, 0, &3u16.to_le_bytes()));
        check_eq!((nic.state().rx_queues, nic.state().tx_queues), (3, 3));
        nic.set_pairs(1)?;
        check!(fixture.fake_nic.was_told(4, 0, &1u16.to_le_bytes()));
        check!(nic.set_pairs(5).is_err());
        check!(nic.set_pairs(0).is_err());
        check_eq!(nic.state().rx_queues, 1);
        fixture.fake_nic.answer(Answer::Ack(1));
        check!(nic.set_pairs(2).is_err());
        check_eq!(nic.state().rx_queues, 1);
        Ok(())
    }

    /// A card refuses the number of pairs, or does not answer: one pair is in use by the card and
    /// by the interface.
    #[test]
    fn pairs_refused() -> Result {
        for answer in [Answer::Ack(1), Answer::Silence] {
            let features = [F_MAC, F_MQ, F_CTRL_VQ];
            let (fake_nic, fake) = device(Config::default().pairs(4), &features, 9)?;
            fake_nic.answer(answer);
            let _haste = Haste::new();
            let plug = Some(fake.plug()?);
            check!(fake.is_bound());
            let fixture = NetFixture::around(fake_nic, fake, plug);
            check_driver(&fixture.fake)?;
            check_eq!(fixture.fake_nic.commands(4, 0), 1);
            let nic = fixture.up()?;
            check_eq!((nic.state().rx_queues, nic.state().tx_queues), (1, 1));
            if answer != Answer::Silence {
                fixture.fake_nic.answer(Answer::Ack(0));
                nic.set_pairs(2)?;
                check_eq!((nic.state().rx_queues, nic.state().tx_queues), (2, 2));
            }
        }
        Ok(())
    }

    /// The core cannot use as many receive queues as the card was told: the card is told the number
    /// before, and the stack sends on queues that the card serves only. If the card refuses that
    /// too, the smaller number is in use.
    #[test]
    fn pairs_fail_in_stack() -> Result {
        let before = 1;
        for refuses in [false, true] {
            let fixture = NetFixture::with_pairs(4, &[])?;
            let nic = fixture.nic()?;
            // The number in use is not sent: another one is before.
            nic.set_pairs(2)?;
            nic.set_pairs(before)?;
            nic.set_up(true)?;
            check!(wait::until(5_000, || fixture.fake.held(0) > 0 && nic.state().carrier));
            let told = fixture.fake_nic.commands(4, 0);
            nic.limit_rx_queues(2)?;
            if refuses {
                let back = [4, 0, before as u8, 0];
                fixture.fake_nic.answer_some(&back, Answer::Ack(1))?;
            }
            let done = nic.set_pairs(3);
            nic.limit_rx_queues(4)?;
            check!(done.is_err());
            check_eq!(fixture.fake_nic.commands(4, 0), told + 2);
            check!(fixture
                .fake_nic
                .was_told(4, 0, &(before as u16).to_le_bytes()));
            check_eq!(
                (nic.state().rx_queues, nic.state().tx_queues),
                (before, before)
            );
            let sent = fixture.fake_nic.sent();
            nic.send(&from_us(1, 200)?, 0, Offload::default())?;
            check!(wait::until(5_000, || fixture.fake_nic.sent() > sent));
            // Once the core can, changes work.
            fixture.fake_nic.answer_some(&[4], Answer::Ack(0))?;
            for pairs in [2, 3] {
                nic.set_pairs(pairs)?;
                check_eq!(
                    (nic.state().rx_queues, nic.state().tx_queues),
                    (pairs, pairs)
                );
            }
            check_eq!(fixture.fake.violations(), 0);
        }
        Ok(())
    }

    /// At first at most as many pairs are in use as there are CPUs, and the device gets that
    /// number.
    #[test]
    fn pairs_at_first() -> Result {
        let features = [F_MAC, F_MQ, F_CTRL_VQ];
        let fixture = NetFixture::new(Config::default().pairs(16), &features, 33)?;
        let state = fixture.nic()?.state();
        let pairs = state.rx_queues;
        check!((1..=nr_cpu_ids().min(16)).contains(&pairs));
        check_eq!(state.tx_queues, pairs);
        check!(fixture
            .fake_nic
            .was_told(4, 0, &(pairs as u16).to_le_bytes()));
        Ok(())
    }

    /// Features that need a control queue are refused without one.
    #[test]
    fn control_features_without_queue() -> Result {
        for bit in [
            F_CTRL_RX,
            F_CTRL_VLAN,
            F_GUEST_ANNOUNCE,
            F_MQ,
            F_CTRL_MAC_ADDR,
            F_RSS,
        ] {
            let (_, fake) = device(Config::default(), &[F_MAC, bit], 2)?;
            let plug = fake.plug()?;
            check!(!fake.is_bound());
            check_eq!(fake.queues(), 0);
            drop(plug);
        }
        Ok(())
    }

    /// The device asks for an announcement, which was not negotiated.
    #[test]
    fn h129_announce_unasked() -> Result {
        let fixture = NetFixture::new(Config::default().status(3), &[F_MAC, F_STATUS], 2)?;
        let nic = fixture.up()?;
        fixture.fake.config_interrupt();
        wait::pause(20);
        check!(nic.state().carrier);
        Ok(())
    }

    /// The link is up or down as the device reports.
    #[test]
    fn link() -> Result {
        let fixture = NetFixture::new(Config::default().status(0), &[F_MAC, F_STATUS], 2)?;
        let nic = fixture.nic()?;
        nic.set_up(true)?;
        wait::pause(20);
        check!(!nic.state().carrier);
        for up in [1u8, 0, 1] {
            fixture.fake.set_config(6, &[up, 0]);
            fixture.fake.config_interrupt();
            check!(wait::until(5_000, || nic.state().carrier == (up != 0)));
        }
        Ok(())
    }

    /// Without the feature the link is always up.
    #[test]
    fn link_unknown() -> Result {
        let fixture = NetFixture::new(Config::default().status(0), &[F_MAC], 2)?;
        let nic = fixture.nic()?;
        nic.set_up(true)?;
        fixture.fake.config_interrupt();
        wait::pause(20);
        check!(nic.state().carrier);
        Ok(())
    }

    /// The configuration changes at every read: the driver gives up reading, and does not hang.
    #[test]
    fn h055_restless_configuration() -> Result {
        let (_, fake) = device(Config::default(), &[F_MAC], 2)?;
        fake.fault(|f| f.restless_config = u32::MAX);
        let plug = fake.plug()?;
        check!(!fake.is_bound());
        drop(plug);
        Ok(())
    }

    /// The transport has no queues for the device, or too few.
    #[test]
    fn h062_find_vqs_fails() -> Result {
        let (_, fake) = device(Config::default(), &[F_MAC], 2)?;
        fake.fault(|f| f.find_vqs = 12);
        let plug = fake.plug()?;
        check!(!fake.is_bound());
        drop(plug);
        let (_, fake) = device(Config::default(), &[F_MAC], 1)?;
        let plug = fake.plug()?;
        check!(!fake.is_bound());
        check_eq!(fake.queues(), 0);
        drop(plug);
        Ok(())
    }

    /// An interrupt before `DRIVER_OK` is ignored.
    #[test]
    fn h040_early_interrupt() -> Result {
        let (fake_nic, fake) = device(Config::default(), &[F_MAC], 2)?;
        fake.fault(|f| f.early_interrupt = true);
        let plug = Some(fake.plug()?);
        check!(fake.is_bound());
        let fixture = NetFixture::around(fake_nic, fake, plug);
        drop(fixture.up()?);
        Ok(())
    }
}
