// SPDX-License-Identifier: GPL-2.0

//! Packets that are transmitted from the memory of a socket.

use super::{
    super::{
        frame::{
            from_us,
            to_us, //
        },
        F_MRG_RXBUF, //
    },
    *,
};
use virtio_fake::{
    Offload,
    INDIRECT_DESC, //
};

#[kunit_tests(rust_virtio_net_xsk_tx)]
mod suite {
    use super::*;

    /// Packets of the socket are transmitted from its memory, and given back in order. The header
    /// before them is zero. So are packets of the stack on the same queue.
    #[test]
    fn transmits() -> Result {
        for features in [&[][..], &[F_MRG_RXBUF], &[INDIRECT_DESC], &[34], &[35]] {
            if lacks_sockets() {
                return Ok(());
            }
            let card = card(features)?;
            let (nic, fake_nic) = (card.up()?, &card.fake_nic);
            let fixture = XskFixture::new(&card, &nic, XskSpec::default())?;
            check!(fixture.xsk.needs_wakeup(XskRing::Tx));
            for i in 0..150u32 {
                let frame = from_us(i as u8, 60 + 9 * i as usize)?;
                let addr = u64::from(i % 100) * CHUNK + u64::from(i % 7);
                fixture.transmit(addr, &frame)?;
                check_eq!(fake_nic.pieces(i as usize), Some(2));
            }
            // More at once than the ring has room for, and packets of the stack between them.
            let before = fake_nic.sent();
            for i in 0..60u64 {
                fixture.xsk.write(i * CHUNK, &from_us(i as u8, 500)?)?;
            }
            fixture.send(0, 60)?;
            let frame = from_us(1, 200)?;
            check!(wait::until(5_000, || {
                nic.send(&frame, 0, Offload::default()).is_ok()
            }));
            check!(fixture.all_complete(0, 60));
            check!(wait::until(5_000, || fake_nic.sent() == before + 61));
            fixture.close()?;
            nic.send(&from_us(1, 200)?, 0, Offload::default())?;
            check!(wait::until(5_000, || fake_nic.sent() == before + 62));
            check_eq!(nic.statistic("tx0_xdp_tx")?, 210);
            check_eq!(card.fake.violations(), 0);
        }
        Ok(())
    }

    /// Packets that the device has when the socket is closed are taken from it.
    #[test]
    fn closed_under_traffic() -> Result {
        if lacks_sockets() {
            return Ok(());
        }
        let card = card(&[F_MRG_RXBUF])?;
        for _ in 0..5 {
            card.fake_nic.hold_tx(true);
            on_socket_of(&card, XskSpec::default(), 60, |fixture| {
                let _prog = fixture.to_socket()?;
                for i in 64..84 {
                    fixture.xsk.write(i * CHUNK, &from_us(i as u8, 500)?)?;
                }
                fixture.send(64, 20)?;
                check!(wait::until(5_000, || card.fake.held(TX) >= 20));
                for i in 0..10 {
                    fixture.run(&to_us(i, 300)?)?;
                }
                Ok(())
            })?;
            check!(card.fake.held(TX) < 20);
        }
        Ok(())
    }
}
