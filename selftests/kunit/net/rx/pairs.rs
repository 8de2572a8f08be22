// SPDX-License-Identifier: GPL-2.0

//! Reception on several pairs of queues.

use super::super::{
    fake_nic::rx_header,
    frame::{
        to_us,
        ETHER_TYPE, //
    },
    NetFixture,
    F_MRG_RXBUF, //
};
use kernel::prelude::*;
use virtio_fake::{
    wait,
    Action, //
};

#[kunit_tests(rust_virtio_net_rx_pairs)]
mod suite {
    use super::*;

    /// The stack learns the queue on which a frame came: its flow is sent on the same pair.
    #[test]
    fn queue_of_a_frame() -> Result {
        for features in [&[][..], &[F_MRG_RXBUF]] {
            let fixture = NetFixture::with_pairs(2, features)?;
            let nic = fixture.up()?;
            nic.set_pairs(2)?;
            let capture = nic.capture(ETHER_TYPE)?;
            for len in [100, 800] {
                for pair in [1, 0] {
                    let frame = to_us(1, len)?;
                    let queue = 2 * pair;
                    check!(wait::until(5_000, || fixture.fake.held(queue) > 0));
                    fixture.fake.finish(queue, |chain| {
                        let at = chain.write(0, &rx_header(1)).unwrap_or(0);
                        let end = at + chain.write(at, &frame).unwrap_or(0);
                        Action::Complete(end as u32)
                    })?;
                    check!(wait::until(5_000, || capture.pop().is_some()));
                    check_eq!(capture.queue(), pair as i32);
                }
            }
        }
        Ok(())
    }
}
