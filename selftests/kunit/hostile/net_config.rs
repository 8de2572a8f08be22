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

/// Offers features that the driver must leave alone, with and without a control queue.
fn not_negotiated(bits: &[u32]) -> Result {
    for control in [false, true] {
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

/// A card whose MTU becomes too small with access number `at` to the configuration.
struct Shrinks {
    fake_nic: Arc<FakeNic>,
    at: u64,
}

impl Backend for Shrinks {
    fn process(&self, queue: usize, chain: &mut Chain) -> Action {
        self.fake_nic.process(queue, chain)
    }

    fn config_read(&self, nth: u64, config: &mut [u8]) -> bool {
        if nth != self.at {
            return false;
        }
        if let Some(mtu) = config.get_mut(10..12) {
            mtu.copy_from_slice(&40u16.to_le_bytes());
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

    /// H106: offload of tunnels is not negotiated, so no offset of a tunnel can be wrong.
    #[test]
    fn h106_tunnels_are_not_negotiated() -> Result {
        not_negotiated(&[65, 66, 67, 68])
    }

    /// H107: hash reports are not negotiated.
    #[test]
    fn h107_hashes_are_not_negotiated() -> Result {
        not_negotiated(&[57])
    }

    /// H111, H112: neither XDP nor AF_XDP can be asked for.
    #[test]
    fn h111_h112_no_xdp() -> Result {
        for features in [&[][..], &[F_MRG_RXBUF]] {
            let fixture = NetFixture::with(features)?;
            check!(!fixture.nic()?.state().xdp);
        }
        Ok(())
    }

    /// H121, H122, H123, H124, H126, H130: statistics of the device are not negotiated, with or
    /// without a control queue.
    #[test]
    fn h121_h122_h123_h124_h126_h130_statistics_are_not_negotiated() -> Result {
        not_negotiated(&[50])
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
            let backend = Shrinks { fake_nic, at };
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

    /// H135: receive-side scaling is not negotiated, so the device reports no key length.
    #[test]
    fn h135_spreading_is_not_negotiated() -> Result {
        not_negotiated(&[60])
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
