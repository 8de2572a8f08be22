// SPDX-License-Identifier: GPL-2.0

//! Memory of frames that others have, too.

use super::{
    super::{
        frame::from_us,
        NetFixture,
        F_CSUM, //
    },
    sent, //
};
use kernel::prelude::*;

#[kunit_tests(rust_virtio_net_tx_ownership)]
mod suite {
    use super::*;

    /// A clone of a frame that still exists. The headroom belongs to both: the header of the clone
    /// has a descriptor of its own.
    #[test]
    fn clone() -> Result {
        let fixture = NetFixture::with(&[])?;
        let nic = fixture.up()?;
        let frame = from_us(1, 500)?;
        check!(!nic.send_clone(&frame)?);
        check!(sent(&fixture.fake_nic, 1));
        check!(fixture.fake_nic.has_sent(0, &[0; 12], &frame));
        check_eq!(fixture.fake_nic.pieces(0), Some(2));
        Ok(())
    }

    /// Without NAPI, the device may have a frame for long: the driver gives back the route and the
    /// memory of user space before.
    #[test]
    fn given_back_without_napi() -> Result {
        // With scatter-gather, which the stack uses only with checksums.
        let fixture = NetFixture::with(&[F_CSUM])?;
        fixture.nic()?.set_tx_frames(0)?;
        let nic = fixture.up()?;
        fixture.fake_nic.hold_tx(true);
        check_eq!(nic.send_owned(&from_us(1, 200)?)?, (true, true));
        Ok(())
    }
}
