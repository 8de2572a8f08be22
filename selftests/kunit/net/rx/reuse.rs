// SPDX-License-Identifier: GPL-2.0

//! Buffers of copied frames: the driver gives them to the device again.

use super::{
    super::{
        fake_nic::{
            receive,
            rx_header, //
        },
        frame::{
            to_us,
            ETHER_TYPE, //
        },
        NetFixture,
        F_MRG_RXBUF, //
    },
    outcome::{
        arrived,
        frames,
        last_is, //
    },
};
use kernel::prelude::*;
use virtio_fake::{
    messages,
    wait,
    Action,
    Addresses,
    GuestByte, //
};

/// Number of buffers of the ring.
const RING: usize = 64;
/// The driver fills the ring again when more buffers than this are missing.
const LOW: usize = 32;

/// Returns the places of the buffers that the device has.
fn places(fixture: &NetFixture) -> Result<KVec<GuestByte>> {
    check!(wait::until(5_000, || fixture.fake.held(0) == RING));
    let mut places = KVec::new();
    for _ in 0..RING {
        let mut place = Err(ENODATA);
        fixture.fake.finish_silently(0, |chain| {
            place = chain.byte_at(0);
            Action::Hold
        })?;
        places.push(place?, GFP_KERNEL)?;
    }
    Ok(places)
}

/// Uses every other buffer for a short frame, so that no page comes back as a whole. The ring is
/// filled again with the buffers that were used.
fn same_buffers(fixture: &NetFixture) -> Result {
    let nic = fixture.up()?;
    let before = places(fixture)?;
    let capture = nic.capture(ETHER_TYPE)?;
    for i in 0..LOW + 1 {
        if i < LOW {
            fixture.fake.finish_silently(0, |_| Action::Hold)?;
        }
        let frame = to_us(i as u8, 60 + i)?;
        receive(&fixture.fake, &[&rx_header(1), &frame], None)?;
        check!(arrived(&capture, i + 1));
        check!(last_is(&capture, &frame));
    }
    let after = places(fixture)?;
    let new = after.iter().filter(|place| !before.contains(place)).count();
    check!(new == 0 || crate::ANY_DRIVER);
    // Frames that are not copied take buffers that were used again.
    frames(fixture, &nic)
}

#[kunit_tests(rust_virtio_net_rx_reuse)]
mod suite {
    use super::*;

    /// The buffers of short frames go back to the device.
    #[test]
    fn short_frames() -> Result {
        same_buffers(&NetFixture::with(&[F_MRG_RXBUF])?)
    }

    /// The same if memory is mapped for the device: by the ring, and by the page pool.
    #[test]
    fn mapped() -> Result {
        same_buffers(&NetFixture::mapped(Addresses::Marked, &[F_MRG_RXBUF])?)?;
        if !cfg!(CONFIG_HAS_DMA) {
            messages::skip(c"there is no DMA API");
            return Ok(());
        }
        same_buffers(&NetFixture::mapped(Addresses::Dma, &[F_MRG_RXBUF])?)
    }

    /// Buffers that wait for being used again are freed with the card.
    #[test]
    fn freed_with_the_card() -> Result {
        messages::logged(c"buffers are still in use");
        for _ in 0..3 {
            let fixture = NetFixture::with(&[F_MRG_RXBUF])?;
            let nic = fixture.up()?;
            // Fewer than the driver waits for before it fills the ring.
            frames(&fixture, &nic)?;
            check!(fixture.fake.held(0) < RING);
        }
        check_eq!(messages::logged(c"buffers are still in use"), 0);
        Ok(())
    }
}
