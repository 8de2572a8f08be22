// SPDX-License-Identifier: GPL-2.0

//! Features and configurations of the hostile catalogue (`docs/hostile.md`), besides those of the
//! suite `rust_virtio_net_probe`.

use super::{
    super::{
        fake_nic::FakeNic,
        frame::from_us,
        ID, //
    },
    *,
};
use kernel::sync::Arc;
use virtio_fake::{
    Action,
    Backend,
    Chain,
    Fake,
    Offload,
    Param,
    Spec, //
};

/// Offers features that the driver must leave alone, with a control queue or without one.
fn not_negotiated(bits: &[u32], controls: &[bool]) -> Result {
    for &control in controls {
        let mut all = KVec::new();
        all.extend_from_slice(&[F_MAC, F_MRG_RXBUF], GFP_KERNEL)?;
        all.extend_from_slice(bits, GFP_KERNEL)?;
        if control {
            all.push(F_CTRL_VQ, GFP_KERNEL)?;
        }
        let fixture = NetFixture::new(Config::default(), &all, 2 + usize::from(control))?;
        check!(bits.iter().all(|&bit| !fixture.fake.negotiated(bit)));
        let nic = fixture.up()?;
        let frame = from_us(1, 200)?;
        nic.send(&frame, 0, Offload::default())?;
        check!(wait::until(5_000, || fixture.fake_nic.sent() == 1));
        // The header has none of the fields that these features add.
        check!(fixture.fake_nic.has_sent(0, &[0; 12], &frame));
    }
    Ok(())
}

/// A card whose configuration changes with access number `at`.
struct Changes {
    fake_nic: Arc<FakeNic>,
    at: u64,
    /// The offset of the field that changes.
    offset: usize,
    /// The new value of the field.
    bytes: [u8; 2],
}

impl Backend for Changes {
    fn process(&self, queue: usize, chain: &mut Chain) -> Action {
        self.fake_nic.process(queue, chain)
    }

    fn config_read(&self, nth: u64, config: &mut [u8]) -> bool {
        if nth != self.at {
            return false;
        }
        if let Some(field) = config.get_mut(self.offset..self.offset + 2) {
            field.copy_from_slice(&self.bytes);
        }
        true
    }
}

#[kunit_tests(rust_virtio_hostile_net_config)]
mod suite {
    use super::*;

    /// H040: an interrupt before `DRIVER_OK` is ignored, without transmit NAPI.
    #[test]
    fn h040_early_interrupt_without_napi() -> Result {
        let off = Param::set(c"rust_virtio_net", c"napi_tx", c"0", c"1");
        let (fake_nic, fake) = device(Config::default(), &[F_MAC], 2)?;
        fake.fault(|f| f.early_interrupt = true);
        let plug = Some(fake.plug()?);
        check!(fake.is_bound());
        let fixture = NetFixture::around(fake_nic, fake, plug);
        let nic = fixture.up()?;
        nic.send(&from_us(1, 200)?, 0, Offload::default())?;
        check!(wait::until(5_000, || fixture.fake_nic.sent() == 1));
        drop(off);
        Ok(())
    }

    /// H130: statistics of the device are not negotiated without a control queue.
    #[test]
    fn h130_statistics_without_control_queue() -> Result {
        not_negotiated(&[50], &[false])
    }

    /// H131: offloads that cannot be switched, because there is no control queue.
    #[test]
    fn h131_offloads_without_control_queue() -> Result {
        let (_, fake) = device(
            Config::default(),
            &[F_MAC, 2, F_GUEST_CSUM, F_GUEST_TSO4, F_MRG_RXBUF],
            2,
        )?;
        let _plug = fake.plug()?;
        check!(fake.is_bound());
        check!(!fake.negotiated(2) && fake.negotiated(F_GUEST_TSO4));
        Ok(())
    }

    /// H134: an MTU that becomes too small before the driver uses it is not used.
    #[test]
    fn h134_mtu_changes() -> Result {
        for at in 0..12 {
            let fake_nic = FakeNic::new(2, false)?;
            let spec = Spec::new(ID)
                .features(&[F_MAC, F_MTU])
                .config(&Config::default().0)?
                .queues(2, 64)?;
            let backend = Changes {
                fake_nic,
                at,
                offset: 10,
                bytes: 40u16.to_le_bytes(),
            };
            let fake = Fake::new(spec, Arc::new(backend, GFP_KERNEL)?)?;
            let plug = fake.plug()?;
            if fake.is_bound() {
                check_eq!(Nic::of(&fake)?.state().mtu, 1500);
            } else {
                check_eq!(fake.queues(), 0);
            }
            drop(plug);
        }
        Ok(())
    }

    /// H135: any length of the hash key, and any kinds of packets to hash. The command has a key of
    /// that length, and the kinds that the driver knows.
    #[test]
    fn h135_key_lengths() -> Result {
        for (len, types) in [(0, 0), (1, !0), (40, 0x1c0), (52, 0xffff_ffc0), (255, 1)] {
            let config = Config::default().pairs(2).rss(len, 128, types);
            let fixture = NetFixture::new(config, &[F_MAC, F_MQ, F_RSS, F_CTRL_VQ], 5)?;
            check!(fixture.fake.negotiated(F_RSS));
            let command = fixture.fake_nic.last(4, 1).ok_or(ENODATA)?;
            check_eq!(command.get(..4), Some(&(types & 0x3f).to_le_bytes()[..]));
            // Behind the table and the number of pairs.
            check_eq!(command.get(8 + 256 + 2).copied(), Some(len));
            check_eq!(command.len(), 8 + 256 + 3 + usize::from(len));
            let nic = fixture.up()?;
            check_eq!(nic.rxfh()?.key.len(), usize::from(len));
            let mut key = KVec::from_elem(0x5a, len.into(), GFP_KERNEL)?;
            nic.set_rxfh(None, Some(&key))?;
            check_eq!(nic.rxfh()?.key, key);
            key.clear();
        }
        Ok(())
    }

    /// H135: any length of the indirection table. The table that is used has as many entries as the
    /// next lower power of two, and not more than 8192.
    #[test]
    fn h135_table_lengths() -> Result {
        for (len, used) in [
            (1u16, 1usize),
            (3, 2),
            (100, 64),
            (128, 128),
            (8193, 8192),
            (u16::MAX, 8192),
        ] {
            let config = Config::default().pairs(2).rss(40, len, 0x3f);
            let fixture = NetFixture::new(config, &[F_MAC, F_MQ, F_RSS, F_CTRL_VQ], 5)?;
            let command = fixture.fake_nic.last(4, 1).ok_or(ENODATA)?;
            check_eq!(
                command.get(4..6),
                Some(&(used as u16 - 1).to_le_bytes()[..])
            );
            check_eq!(command.len(), 8 + 2 * used + 3 + 40);
            let nic = fixture.up()?;
            check_eq!(nic.rxfh()?.table.len(), used);
            nic.set_rxfh(Some(&KVec::from_elem(0, used, GFP_KERNEL)?), None)?;
            check!(nic.rxfh()?.table.iter().all(|&queue| queue == 0));
            check_eq!(fixture.fake.violations(), 0);
        }
        Ok(())
    }

    /// H135: without an indirection table, RSS is not negotiated, and all pairs are used.
    #[test]
    fn h135_no_table() -> Result {
        let config = Config::default().pairs(2).rss(40, 0, 0x3f);
        let fixture = NetFixture::new(config, &[F_MAC, F_MQ, F_RSS, F_CTRL_VQ], 5)?;
        check!(!fixture.fake.negotiated(F_RSS) && fixture.fake.negotiated(F_MQ));
        check_eq!(fixture.fake_nic.commands(4, 1), 0);
        let nic = fixture.up()?;
        nic.set_pairs(1)?;
        check!(fixture.fake_nic.was_told(4, 0, &1u16.to_le_bytes()));
        Ok(())
    }

    /// H135: a table that is gone before the driver uses it, and a configuration that ends before
    /// the fields of RSS. The table has a bounded length, RSS is not negotiated, or the driver is
    /// not bound.
    #[test]
    fn h135_table_vanishes() -> Result {
        for at in 0..24 {
            let fake_nic = FakeNic::new(5, true)?;
            let spec = Spec::new(ID)
                .features(&[F_MAC, F_MQ, F_RSS, F_CTRL_VQ])
                .config(&Config::default().pairs(2).0)?
                .queues(5, 64)?;
            let backend = Changes {
                fake_nic,
                at,
                offset: 18,
                bytes: [0; 2],
            };
            let fake = Fake::new(spec, Arc::new(backend, GFP_KERNEL)?)?;
            fake.set_auto(true);
            let plug = fake.plug()?;
            if fake.is_bound() {
                let table = Nic::of(&fake)?.rxfh()?.table.len();
                check_eq!(table, if fake.negotiated(F_RSS) { 128 } else { 0 });
            } else {
                check_eq!(fake.queues(), 0);
            }
            drop(plug);
        }
        for len in [8, 17, 18, 19, 20, 23] {
            let config = Config::default().rss(40, 128, 0x3f);
            let spec = Spec::new(ID)
                .features(&[F_MAC, F_RSS, F_CTRL_VQ])
                .config(config.0.get(..len).ok_or(EINVAL)?)?
                .queues(3, 64)?;
            let fake = Fake::new(spec, FakeNic::new(3, true)?)?;
            fake.set_auto(true);
            let plug = fake.plug()?;
            if fake.is_bound() {
                // Fields that are not there read as ones or zeroes.
                let table = Nic::of(&fake)?.rxfh()?.table.len();
                check!(table <= 8192);
                check_eq!(table != 0, fake.negotiated(F_RSS));
            } else {
                check_eq!(fake.queues(), 0);
            }
            drop(plug);
        }
        Ok(())
    }

    /// A card without an address refuses the random one: the driver does not bind.
    #[test]
    fn random_mac_refused() -> Result {
        let (fake_nic, fake) = device(Config::default(), &[F_CTRL_VQ, F_CTRL_MAC_ADDR], 3)?;
        fake_nic.answer(Answer::Ack(1));
        let plug = fake.plug()?;
        check!(!fake.is_bound());
        check_eq!(fake.queues(), 0);
        // The only reason is the answer.
        check_eq!(fake_nic.commands(1, 1), 1);
        drop(plug);
        Ok(())
    }

    /// H137: a speed and a duplex that are not defined count as unknown.
    #[test]
    fn h137_speed_and_duplex() -> Result {
        for (told, speed, duplex) in [
            ((1000, 1), 1000, 1),
            ((0x8000_0000, 2), u32::MAX, 0xff),
            ((0xffff_fffe, 0x80), u32::MAX, 0xff),
            ((100, 7), 100, 0xff),
        ] {
            let (rate, mode): (u32, u8) = told;
            let config = Config::default()
                .put(12, rate.to_le_bytes())
                .put(16, [mode]);
            let fixture = NetFixture::new(config, &[F_MAC, 63], 2)?;
            check!(fixture.fake.negotiated(63));
            let nic = fixture.up()?;
            check_eq!((nic.state().speed, nic.state().duplex), (speed, duplex));
        }
        Ok(())
    }
}
